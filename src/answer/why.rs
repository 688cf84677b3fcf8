//! `why`: everything about one service's pairs on one page.

mod next;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rustc_hash::FxHashSet;
use serde::Serialize;

use super::Read;
use super::common::{API_VERSION, Clients, ObjectRef, WorkloadRef};
use super::joined::Joined;
use super::logs::{self as logs_answer, Cause, Group};
use super::resolve::{self, Resolution};
use super::tls_check::{self, Row};
use crate::correlate::{self, Locator};
use crate::diagnose::Finding;
use crate::diagnose::finding::Evidence;
use crate::logs;
use crate::model::Text;
use crate::model::pod::ProxyKind;
use crate::resolve::candidates::Which;
use crate::resolve::{Answers, ClientClass, PairTls, Service, Status, Workload, clients};

/// At most so many pairs are listed.
pub const MOST_PAIRS: usize = 20;

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// [`super::common::API_VERSION`].
    pub api_version: &'static str,
    /// `Why`.
    pub kind: &'static str,
    /// The service.
    pub service: ServiceRef,
    /// The pairs, faults first, then those seen in logs.
    pub pairs: Vec<Pair>,
    /// How many pairs there are.
    pub pair_count: usize,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceRef {
    /// Its host.
    pub host: String,
    /// The namespace that owns it.
    pub namespace: String,
}

/// A pair.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// The client; `null` where the pair stands for several.
    pub client: Option<WorkloadRef>,
    /// Whom it stands for.
    pub clients: Clients,
    /// The service port.
    pub port: u16,
    /// The subset.
    pub subset: Option<String>,
    /// As in `tls-check`.
    pub status: String,
    /// Which rule, and why the others are not it.
    pub resolution: Resolution,
    /// What is sent and what is demanded.
    pub tls: Row,
    /// The policies that decide, the deciding one first.
    pub policies: Vec<PolicyRef>,
    /// What the logs say of it.
    pub logs: PairLogs,
    /// The cause of what failed, where something did.
    pub cause: Option<Cause>,
    /// Identities of the findings that hold for it.
    pub findings: Vec<String>,
    /// What to look at next.
    pub next: Vec<String>,
    /// What the two proxies say themselves: only where they were asked.
    pub proxies: Option<()>,
}

/// A policy and what it sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyRef {
    /// The policy.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// `mesh`, `namespace`, `workload`, `port`.
    pub level: String,
    /// The mode it sets.
    pub mode: String,
    /// The field that sets it.
    pub field: String,
    /// Where it was read.
    pub origin: Option<crate::model::Origin>,
}

/// What the logs say of a pair.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct PairLogs {
    /// The groups of lines.
    pub groups: Vec<Group>,
}

/// What to answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// The service's host.
    pub host: String,
    /// The service port; `None` for all.
    pub port: Option<u16>,
    /// The client: its namespace and the name of its workload or pod; `None` for all.
    pub client: Option<(String, String)>,
}

/// The page of a service; `None` where no such service was read.
pub fn why(read: &Read, query: &Query) -> Option<Why> {
    let mesh = &read.mesh;
    let service = mesh.registry.by_host(&query.host)?;
    let joined = Joined::new(read);
    let locator = Locator::new(mesh);
    let page = Page {
        read,
        service,
        seen: seen(&locator, service, &joined),
        locator,
        groups: read.logs.groups().collect(),
        joined: &joined,
    };
    let classes = page.classes(query);
    let mut pairs = Vec::new();
    let mut answers = Answers::new(mesh);
    for class in &classes {
        let Some(client) = class.representative(mesh) else { continue };
        let Some(target) = mesh.target(client, &service.host) else { continue };
        for tls in tls_check::pairs(&mut answers, client, &target, query.port) {
            pairs.push((page.rank(class, client, &tls), class, client, tls));
        }
    }
    pairs.sort_by(|a, b| (&a.0, &a.1.pods).cmp(&(&b.0, &b.1.pods)));
    let pair_count = pairs.len();
    let pairs =
        pairs.iter().take(MOST_PAIRS).filter_map(|(_, class, client, tls)| page.pair(class, client, tls));
    Some(Why {
        api_version: API_VERSION,
        kind: "Why",
        service: ServiceRef { host: service.host.to_string(), namespace: service.namespace.to_string() },
        pairs: pairs.collect(),
        pair_count,
    })
}

/// Namespace and name of the clients that lines or counters name: those that wrote them, and those whose failures the
/// server's proxy tells.
fn seen<'a>(locator: &Locator<'a>, service: &Service, joined: &'a Joined) -> FxHashSet<(&'a Text, &'a Text)> {
    let causes = joined.causes.iter().chain(&joined.counted);
    let causes = causes.filter(|cause| cause.place.host.as_ref() == Some(&service.host));
    let clients = causes.filter_map(|cause| locator.workload(cause.place.client));
    let clients = clients.map(|client| (&client.namespace, &client.name));
    let traffic = joined.traffic.keys().filter(|(_, _, host, _)| *host == service.host);
    clients.chain(traffic.map(|(namespace, name, ..)| (namespace, name))).collect()
}

struct Page<'a> {
    read: &'a Read,
    service: &'a Service,
    seen: FxHashSet<(&'a Text, &'a Text)>,
    locator: Locator<'a>,
    groups: Vec<logs::Group>,
    joined: &'a Joined,
}

impl Page<'_> {
    /// One class a workload where it is named or seen in logs, else clients alike together.
    fn classes(&self, query: &Query) -> Vec<ClientClass> {
        let mesh = &self.read.mesh;
        let fits = |workload: &Workload| match &query.client {
            None => true,
            Some((namespace, name)) => {
                *workload.namespace == **namespace
                    && (*workload.name == **name || workload.pod.as_deref() == Some(name.as_str()))
            }
        };
        let mut classes = Vec::new();
        let named = query.client.is_some();
        for class in clients::classes(mesh, fits) {
            let (mut seen, mut rest) = (BTreeMap::<_, Vec<usize>>::new(), Vec::new());
            for pod in class.pods {
                match mesh.workloads.get(pod) {
                    Some(workload) if named || self.is_seen(workload) => {
                        seen.entry((&workload.namespace, &workload.name)).or_default().push(pod);
                    }
                    _ => rest.push(pod),
                }
            }
            classes.extend(
                seen.into_values().chain(Some(rest).filter(|rest| !rest.is_empty())).map(ClientClass::of),
            );
        }
        // Such a client is listed where it is asked for, and where its failures were seen at the server.
        let bare = mesh.workloads.all().iter().enumerate();
        let bare =
            bare.filter(|(_, one)| one.proxy == ProxyKind::None && fits(one) && (named || self.is_seen(one)));
        classes.extend(bare.map(|(at, _)| ClientClass::of(vec![at])));
        classes
    }

    /// Whether lines of the pair were read, or counters.
    fn is_seen(&self, client: &Workload) -> bool {
        self.seen.contains(&(&client.namespace, &client.name))
    }

    /// Faults first, then pairs seen in logs.
    fn rank(
        &self,
        class: &ClientClass,
        client: &Workload,
        tls: &PairTls,
    ) -> (Reverse<Status>, bool, u16, Option<Text>) {
        let seen = class.pods.len() < 2 || self.is_seen(client);
        (Reverse(tls.status), !(seen && self.is_seen(client)), tls.port, tls.subset.clone())
    }

    fn pair(&self, class: &ClientClass, client: &Workload, tls: &PairTls) -> Option<Pair> {
        let mesh = &self.read.mesh;
        let target = mesh.target(client, &self.service.host)?;
        let (one, clients) = tls_check::clients_of(mesh, &class.pods);
        let cause = self.cause(client, tls);
        let groups = self.groups_of(client, tls);
        Some(Pair {
            client: one,
            clients,
            port: tls.port,
            subset: tls.subset.as_deref().map(str::to_owned),
            status: tls.status.word().to_owned(),
            resolution: resolve::resolution(mesh, client, &target, Some(tls.port), Some(Which::Near)),
            tls: tls_check::row(mesh, &class.pods, client.proxy.word(), self.service, tls),
            policies: policies(tls),
            cause: cause.map(|cause| logs_answer::cause_of(&self.locator, cause)),
            findings: self.findings(client, tls),
            next: self.next(client, tls, cause, !groups.is_empty()),
            logs: PairLogs { groups },
            proxies: None,
        })
    }

    fn groups_of(&self, client: &Workload, tls: &PairTls) -> Vec<Group> {
        let mut found: Vec<&logs::Group> = Vec::new();
        let of_pair = self.groups.iter().filter(|group| {
            let place = self.locator.locate(group);
            let same = self
                .locator
                .workload(place.client)
                .is_some_and(|one| one.namespace == client.namespace && one.name == client.name);
            same && place.host.as_deref() == Some(&self.service.host)
                && place.port.is_none_or(|port| port == tls.port)
                && (place.subset.is_none() || place.subset == tls.subset)
        });
        for group in of_pair {
            found.push(group);
            let links = group
                .evidence
                .links
                .iter()
                .filter_map(|link| self.groups.iter().find(|one| one.index == link.other));
            found.extend(links);
        }
        found.sort_by_key(|group| group.index);
        found.dedup_by_key(|group| group.index);
        found.sort_by_key(|group| Reverse(group.count));
        found.into_iter().map(|group| logs_answer::group_of(&self.locator, group.clone())).collect()
    }

    fn cause(&self, client: &Workload, tls: &PairTls) -> Option<&correlate::Cause> {
        let mut causes = self.joined.causes.iter().chain(&self.joined.counted);
        causes.find(|cause| {
            let same = self
                .locator
                .workload(cause.place.client)
                .is_some_and(|one| one.namespace == client.namespace && one.name == client.name);
            same && cause.place.host.as_deref() == Some(&self.service.host)
                && cause.place.port.is_none_or(|port| port == tls.port)
                && (cause.place.subset == tls.subset || cause.place.port.is_none())
        })
    }

    fn findings(&self, client: &Workload, tls: &PairTls) -> Vec<String> {
        let nobodys: Vec<_> = self.nobodys(tls.port).collect();
        let holds = |finding: &&Finding| {
            let mut edges = finding.edges.of_client(&client.namespace, &client.name);
            edges.any(|edge| {
                edge.host == self.service.host && edge.port == tls.port && edge.subset == tls.subset
            }) || nobodys.iter().any(|cause| self.is_made_of(finding, cause))
        };
        self.joined.findings.iter().filter(holds).map(Finding::id).collect()
    }

    /// Causes of the service's failures that no client is known of: they may be of any pair. A server's counter is of all
    /// its clients; one of a client that was not read is of none that was.
    fn nobodys(&self, port: u16) -> impl Iterator<Item = &correlate::Cause> {
        let counted = self.joined.counted.iter().filter(|cause| cause.server_proof);
        self.joined.causes.iter().chain(counted).filter(move |cause| {
            let place = &cause.place;
            place.client.is_none()
                && place.client_pod.is_none()
                && place.host.as_deref() == Some(&self.service.host)
                && place.port.is_none_or(|own| own == port)
        })
    }

    /// Whether lines that are nobody's make a finding, which is about the service or of no pair. One of the configuration
    /// has pairs of its own.
    fn is_made_of(&self, finding: &Finding, cause: &correlate::Cause) -> bool {
        let is_of_logs = finding.edges.is_empty() || finding.root.1 == "logs";
        let about = finding.objects.iter().any(|one| one.id == self.service.object.id);
        let mut lines = finding.evidence.iter().filter_map(|evidence| match evidence {
            Evidence::Log(lines) => Some(lines),
            Evidence::Field { .. } => None,
        });
        is_of_logs
            && lines.any(|lines| {
                let mut own = cause.evidence.iter().filter(|own| own.text == lines.text);
                own.any(|own| about || own.samples.iter().any(|sample| lines.samples.contains(sample)))
            })
    }
}

/// The policies that decide, each once.
fn policies(tls: &PairTls) -> Vec<PolicyRef> {
    let mut found: Vec<PolicyRef> = Vec::new();
    for demand in tls.endpoints.iter().filter_map(|endpoint| endpoint.demand.as_ref()) {
        let Some(policy) = &demand.policy else { continue };
        let one = PolicyRef {
            object: ObjectRef::of(&policy.id),
            level: demand.level.word().to_owned(),
            mode: demand.mode.word().to_owned(),
            field: demand.field.to_string(),
            origin: Some(policy.origin.clone()),
        };
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}
