//! `why`: everything about one service's pairs on one page.

mod next;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::Read;
use super::common::{API_VERSION, Clients, ObjectRef, WorkloadRef};
use super::joined::Joined;
use super::logs::{self as logs_answer, Cause, Group};
use super::resolve::{self, Resolution};
use super::tls_check::{self, Row};
use crate::correlate::{self, Label, Locator};
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
    let page = Page {
        read,
        service,
        locator: Locator::new(mesh),
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

struct Page<'a> {
    read: &'a Read,
    service: &'a Service,
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
        if named {
            let bare = mesh.workloads.all().iter().enumerate();
            let bare = bare.filter(|(_, one)| one.proxy == ProxyKind::None && fits(one)).map(|(at, _)| at);
            classes.extend(bare.map(|at| ClientClass::of(vec![at])));
        }
        classes
    }

    /// Whether lines of the pair were read, or counters.
    fn is_seen(&self, client: &Workload) -> bool {
        let counted = self.joined.counted.iter().any(|cause| {
            let own = self.locator.workload(cause.place.client);
            own.is_some_and(|own| own.namespace == client.namespace && own.name == client.name)
                && cause.place.host.as_deref() == Some(&self.service.host)
        });
        if counted {
            return true;
        }
        let mut traffic = self.joined.traffic.keys();
        traffic.any(|(namespace, name, host, _)| {
            *namespace == client.namespace && *name == client.name && *host == self.service.host
        })
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
        Some(Pair {
            client: one,
            clients,
            port: tls.port,
            subset: tls.subset.as_deref().map(str::to_owned),
            status: tls.status.word().to_owned(),
            resolution: resolve::resolution(mesh, client, &target, Some(tls.port), Some(Which::Near)),
            tls: tls_check::row(mesh, &class.pods, client.proxy.word(), self.service, tls),
            policies: policies(tls),
            logs: PairLogs { groups: self.groups_of(client, tls) },
            cause: cause.map(|cause| logs_answer::cause_of(&self.locator, cause)),
            findings: self.findings(client, tls),
            next: self.next(client, tls, cause),
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
        found.into_iter().map(|group| logs_answer::group_of(&self.locator, group)).collect()
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
        let holds = |finding: &&crate::diagnose::Finding| {
            let mut edges = finding.edges.of_client(&client.namespace, &client.name);
            edges.any(|edge| {
                edge.host == self.service.host && edge.port == tls.port && edge.subset == tls.subset
            })
        };
        self.joined.findings.iter().filter(holds).map(crate::diagnose::Finding::id).collect()
    }

    /// What the server's proxies count without saying of whom.
    fn counted_at_server(&self, port: u16) -> Vec<String> {
        let counted = self.joined.counted.iter().filter(|cause| {
            let place = &cause.place;
            place.client.is_none()
                && cause.server_proof
                && place.host.as_deref() == Some(&self.service.host)
                && place.port.is_none_or(|own| own == port)
        });
        let lines = counted.filter_map(|cause| Some((cause, cause.evidence.first()?)));
        let told = lines.map(|(cause, one)| {
            format!(
                "whose they are the counter does not say: {} × {}: {}",
                cause.count,
                one.text,
                cause.label.word()
            )
        });
        told.take(3).collect()
    }

    /// What to look at, where something is open.
    fn next(&self, client: &Workload, tls: &PairTls, cause: Option<&correlate::Cause>) -> Vec<String> {
        let mut next: Vec<String> =
            tls.missing.iter().map(|missing| format!("needed: {} {}", missing.kind, missing.need)).collect();
        let seen = self.is_seen(client);
        match (tls.status, cause.map(|cause| cause.label)) {
            (Status::Conflict, None) => next.push(
                "no log line of this pair was read: the configuration alone proves that its requests fail".to_owned(),
            ),
            (_, Some(Label::Unknown)) => next.push(format!(
                "the log of the server's proxy: a line NR filter_chain_not_found means plaintext, 503 UC on the \
                 inbound cluster means the application of {}",
                self.service.host
            )),
            (_, Some(Label::AppClosed)) if cause.is_some_and(|cause| cause.alternatives.is_empty()) => {
                next.push("the application's own log, and its keep-alive timeout against that of its callers".to_owned());
            }
            (Status::Ok | Status::Warn | Status::Cond | Status::Unknown, None) if !seen => {
                next.push("no log line of this pair was read".to_owned());
            }
            _ => {}
        }
        next.extend(cause.map(|cause| next::left(cause, tls)).unwrap_or_default());
        if cause.is_none() {
            next.extend(self.counted_at_server(tls.port));
        }
        next
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
