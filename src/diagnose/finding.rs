//! A finding: what holds, for which pairs, and the proof.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::catalog::{Code, Severity};
use crate::model::{Object, ObjectId, Origin, Text};

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Confidence {
    /// Other causes leave the same traces.
    Possible,
    /// Nothing speaks against it, and it is not proved.
    Likely,
    /// Proved.
    Certain,
}

impl Confidence {
    /// The word for it in every answer.
    pub fn word(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// What an object has to do with a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Changing it ends the finding.
    Cause,
    /// It is the other half of the contradiction.
    Partner,
    /// It suffers.
    Affected,
}

impl Role {
    /// The word for it in every answer.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cause => "cause",
            Self::Partner => "partner",
            Self::Affected => "affected",
        }
    }
}

/// An object and its part in a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Involved {
    /// Which object.
    pub id: ObjectId,
    /// Its part.
    pub role: Role,
    /// The fields that count.
    pub fields: Vec<String>,
    /// Where it was read.
    pub origin: Option<Origin>,
}

impl Involved {
    /// An object that was read.
    pub fn new(object: &Object, role: Role, field: impl Into<String>) -> Self {
        let field = field.into();
        let fields = if field.is_empty() { Vec::new() } else { vec![field] };
        Self { id: object.id.clone(), role, fields, origin: Some(object.origin.clone()) }
    }
}

/// A finding that only gives the reason of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// MS0107: a DISABLE of the namespace or mesh makes automatic mTLS send plaintext.
    HiddenByPolicyLevel,
    /// MS0108: one endpoint behind a headless service cannot, so none gets mTLS.
    HeadlessAllOrNothing,
    /// MS0112: a `tls` block without mode means DISABLE.
    ModeMissing,
    /// MS0113: a port or subset entry drops the TLS settings above it.
    PortSettingsDropTls,
    /// MS0114: SIMPLE or MUTUAL with `credentialName` has no effect on a sidecar.
    CredentialIgnored,
}

impl Reason {
    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Self::HiddenByPolicyLevel => "MS0107",
            Self::HeadlessAllOrNothing => "MS0108",
            Self::ModeMissing => "MS0112",
            Self::PortSettingsDropTls => "MS0113",
            Self::CredentialIgnored => "MS0114",
        }
    }

    /// The reason in one sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::HiddenByPolicyLevel => {
                "automatic mTLS looks at the namespace's and the mesh's policy only: their DISABLE makes it send \
                 plaintext, whatever a policy for the workload or port says"
            }
            Self::HeadlessAllOrNothing => {
                "behind a headless or PASSTHROUGH service automatic mTLS is all or nothing: one endpoint that cannot \
                 makes clients send plaintext to all"
            }
            Self::ModeMissing => "a tls block without mode means DISABLE",
            Self::PortSettingsDropTls => {
                "an entry for the port replaces the settings above it, and without a tls block of its own it drops what \
                 they say about TLS"
            }
            Self::CredentialIgnored => {
                "SIMPLE or MUTUAL with credentialName has no effect on a sidecar unless the rule has a \
                 workloadSelector: plaintext is sent"
            }
        }
    }
}

/// A client and what it calls.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// The client: namespace, name and kind of its workload.
    pub client: (Text, Text, Text),
    /// The service's host.
    pub host: Text,
    /// The service port.
    pub port: u16,
    /// The subset.
    pub subset: Option<Text>,
}

/// A client workload: namespace, name, kind.
pub type ClientName = (Text, Text, Text);

/// The pairs of a finding. Clients that get the same answer share one list, however many they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Edges {
    groups: BTreeMap<(Text, u16, Option<Text>), Arc<[ClientName]>>,
    /// Pairs that go past every service in the client's scope, by the pod's address or the host that is not in scope.
    direct: BTreeSet<Edge>,
    /// Pairs that are counted and not held.
    more: usize,
    /// The namespaces of their clients; `None` where they are too many to be held.
    more_namespaces: Option<BTreeSet<Text>>,
}

impl Default for Edges {
    fn default() -> Self {
        Self {
            groups: BTreeMap::new(),
            direct: BTreeSet::new(),
            more: 0,
            more_namespaces: Some(BTreeSet::new()),
        }
    }
}

impl FromIterator<Edge> for Edges {
    fn from_iter<T: IntoIterator<Item = Edge>>(edges: T) -> Self {
        let mut lists: BTreeMap<_, Vec<ClientName>> = BTreeMap::new();
        for edge in edges {
            lists.entry((edge.host, edge.port, edge.subset)).or_default().push(edge.client);
        }
        let sorted = |mut clients: Vec<ClientName>| {
            clients.sort();
            clients.dedup();
            Arc::from(clients)
        };
        let groups = lists.into_iter().map(|(target, clients)| (target, sorted(clients)));
        Self { groups: groups.collect(), ..Self::default() }
    }
}

impl Edges {
    /// Adds clients of a host's port and subset.
    pub fn add(&mut self, clients: &Arc<[ClientName]>, host: &Text, port: u16, subset: Option<&Text>) {
        let target = (Arc::clone(host), port, subset.cloned());
        let known = self.groups.entry(target).or_insert_with(|| Arc::from([]));
        if known.is_empty() {
            *known = Arc::clone(clients);
            return;
        }
        let mut all: Vec<_> = known.iter().chain(clients.iter()).cloned().collect();
        all.sort();
        all.dedup();
        *known = all.into();
    }

    /// Adds the pairs that were found of other hosts.
    pub fn absorb(&mut self, other: Self) {
        for ((host, port, subset), clients) in other.groups {
            self.add(&clients, &host, port, subset.as_ref());
        }
        self.direct.extend(other.direct);
        self.more += other.more;
        self.more_namespaces =
            self.more_namespaces.take().zip(other.more_namespaces).map(|(mut all, more)| {
                all.extend(more);
                all
            });
    }

    /// Adds a pair that goes past every service in the client's scope.
    pub fn add_direct(&mut self, edge: Edge) {
        self.direct.insert(edge);
    }

    /// Whether a pair goes past every service in the client's scope.
    pub fn is_direct(&self, edge: &Edge) -> bool {
        self.direct.contains(edge)
    }

    /// Some pairs out of so many, whose clients are in those namespaces, where they are known.
    pub fn some(
        listed: impl IntoIterator<Item = Edge>,
        all: usize,
        namespaces: Option<BTreeSet<Text>>,
    ) -> Self {
        let mut edges: Self = listed.into_iter().collect();
        edges.more_namespaces = namespaces;
        edges.more = all.saturating_sub(edges.len());
        edges
    }

    /// How many pairs.
    pub fn len(&self) -> usize {
        self.groups.values().map(|clients| clients.len()).sum::<usize>() + self.direct.len() + self.more
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.direct.is_empty()
    }

    /// All pairs, by host, port, subset and client.
    pub fn iter(&self) -> impl Iterator<Item = Edge> {
        let groups = self.groups.iter().flat_map(|((host, port, subset), clients)| {
            clients.iter().map(|client| Edge {
                client: client.clone(),
                host: Arc::clone(host),
                port: *port,
                subset: subset.clone(),
            })
        });
        groups.chain(self.direct.iter().cloned())
    }

    /// The hosts, ports and subsets called, each with its clients, sorted.
    pub fn targets(&self) -> impl Iterator<Item = (&Text, u16, Option<&Text>, &[ClientName])> {
        self.groups.iter().map(|((host, port, subset), clients)| (host, *port, subset.as_ref(), &**clients))
    }

    /// The namespaces of all clients; `None` where they are too many to be held.
    pub fn client_namespaces(&self) -> Option<BTreeSet<&str>> {
        let more = self.more_namespaces.as_ref()?;
        let mut found: BTreeSet<&str> = more.iter().map(|namespace| &**namespace).collect();
        found.extend(self.direct.iter().map(|edge| &*edge.client.0));
        for mut clients in self.groups.values().map(|clients| &**clients) {
            // They are sorted, so that one look is enough for each namespace.
            while let Some((namespace, ..)) = clients.first() {
                found.insert(namespace);
                let (_, rest) = clients.split_at(clients.partition_point(|(one, ..)| one <= namespace));
                clients = rest;
            }
        }
        Some(found)
    }

    /// The pairs of one client, by its namespace and name.
    pub fn of_client<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = Edge> + use<'a> {
        self.groups.iter().filter_map(move |((host, port, subset), clients)| {
            let at = clients.partition_point(|one| (&*one.0, &*one.1) < (namespace, name));
            let client = clients.get(at).filter(|one| (&*one.0, &*one.1) == (namespace, name))?;
            Some(Edge { client: client.clone(), host: Arc::clone(host), port: *port, subset: subset.clone() })
        })
    }

    /// Whether a pair is among them.
    pub fn contains(&self, edge: &Edge) -> bool {
        let target = (Arc::clone(&edge.host), edge.port, edge.subset.clone());
        self.groups.get(&target).is_some_and(|clients| clients.binary_search(&edge.client).is_ok())
            || self.direct.contains(edge)
    }
}

/// A fact that proves a finding or is joined to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Evidence {
    /// A field of an object and how it counted.
    Field {
        /// The object.
        object: ObjectId,
        /// The field's path.
        field: String,
        /// Its value, `null` where it is absent.
        value: serde_json::Value,
        /// How it counted.
        counted: String,
    },
    /// Log lines.
    Log(LogEvidence),
}

impl Evidence {
    /// A field of an object, with its value.
    pub fn of_field(object: &Arc<Object>, field: &str, counted: &str) -> Self {
        Self::Field {
            object: object.id.clone(),
            field: field.to_owned(),
            value: field_value(object, field),
            counted: counted.to_owned(),
        }
    }
}

/// What recorded a piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recorded {
    /// Lines of a log.
    #[default]
    Lines,
    /// A counter of a proxy.
    Counter,
}

impl Recorded {
    /// The word for it in every answer.
    pub fn word(self) -> &'static str {
        match self {
            Self::Lines => "log",
            Self::Counter => "counter",
        }
    }
}

/// Log lines as evidence, or what a counter of a proxy counted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LogEvidence {
    /// What recorded it.
    pub by: Recorded,
    /// How many.
    pub count: u64,
    /// The first, RFC 3339; `None` for lines without time.
    pub first: Option<String>,
    /// The last.
    pub last: Option<String>,
    /// What they show.
    pub text: String,
    /// Some of them: file and line.
    pub samples: Vec<Origin>,
}

impl LogEvidence {
    /// Counts further lines that show the same; three of all are kept.
    pub fn absorb(&mut self, other: &Self) {
        self.count += other.count;
        self.first = self.first.take().into_iter().chain(other.first.clone()).min();
        self.last = self.last.take().max(other.last.clone());
        self.samples.extend(other.samples.iter().cloned());
        self.samples.truncate(3);
    }
}

/// A finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Its code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// The root object and field, which with the code are its identity.
    pub root: (ObjectId, String),
    /// One sentence that names the objects.
    pub message: String,
    /// Reasons that have codes of their own.
    pub because: Vec<Reason>,
    /// The objects, the cause first.
    pub objects: Vec<Involved>,
    /// Every pair it holds for.
    pub edges: Edges,
    /// The proof.
    pub evidence: Vec<Evidence>,
}

impl Finding {
    /// What a field of an object proves by itself.
    pub fn of_field(code: Code, object: &Arc<Object>, field: &str, counted: &str, message: String) -> Self {
        Self {
            code,
            severity: code.severity(),
            confidence: Confidence::Certain,
            root: (object.id.clone(), field.to_owned()),
            message,
            because: Vec::new(),
            objects: vec![Involved::new(object, Role::Cause, field)],
            edges: Edges::default(),
            evidence: vec![Evidence::of_field(object, field, counted)],
        }
    }

    /// Adds the other half of it: an object, its field, and how that counted.
    #[must_use]
    pub fn with(mut self, object: &Arc<Object>, role: Role, field: &str, counted: &str) -> Self {
        self.objects.push(Involved::new(object, role, field));
        if !field.is_empty() {
            self.evidence.push(Evidence::of_field(object, field, counted));
        }
        self
    }

    /// Its stable identity: code, kind, namespace, name, field.
    pub fn id(&self) -> String {
        let (object, field) = &self.root;
        format!("{}/{}/{}/{}/{}", self.code, object.kind, object.namespace, object.name, field)
    }

    /// Worst first, then by identity: the order of every list.
    pub fn order(&self, other: &Self) -> std::cmp::Ordering {
        (self.severity, self.code, &self.root).cmp(&(other.severity, other.code, &other.root))
    }
}

/// The field's value in an object's JSON, by a path such as `spec.subsets[0].name`; `null` where it is absent.
pub fn field_value(object: &Arc<Object>, path: &str) -> serde_json::Value {
    let Some(json) = &object.json else { return serde_json::Value::Null };
    let pointer = path.replace('[', ".").replace(']', "").replace('.', "/");
    json.pointer(&format!("/{pointer}")).cloned().unwrap_or_default()
}
