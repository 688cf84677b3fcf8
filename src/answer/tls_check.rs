//! `tls-check`: for each client and service port, do client and server agree on TLS.

use serde::Serialize;

use super::Read;
use super::common::{API_VERSION, Clients, MissingRef, ObjectRef, WorkloadRef};
use crate::model::Text;
use crate::model::destination_rule::TlsMode;
use crate::model::peer_authentication::MtlsMode;
use crate::model::pod::ProxyKind;
use crate::resolve::client_tls::{self, Sent};
use crate::resolve::clients::{self, Classes, ClientClass};
use crate::resolve::conflict::Server;
use crate::resolve::pair::level_word;
use crate::resolve::{Answers, EndpointTls, Mesh, PairTls, Service, Target, Workload};

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsCheck {
    /// [`super::common::API_VERSION`].
    pub api_version: &'static str,
    /// `TlsCheck`.
    pub kind: &'static str,
    /// One row a client (or class of clients), service port and subset.
    pub rows: Vec<Row>,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The client; `null` where the row stands for several.
    pub client: Option<WorkloadRef>,
    /// Whom it stands for.
    pub clients: Clients,
    /// The kind of the client's proxy.
    pub proxy: String,
    /// The host.
    pub host: String,
    /// The service port.
    pub port: u16,
    /// The subset.
    pub subset: Option<String>,
    /// `OK`, `WARN`, `CONFLICT`, `COND`, `UNKNOWN`.
    pub status: String,
    /// What the server demands.
    pub server: ServerTls,
    /// What the client sends.
    pub client_tls: ClientTls,
    /// The rule in force.
    pub destination_rule: Option<RuleRef>,
    /// The endpoints.
    pub endpoints: Vec<EndpointRef>,
    /// The symptom to expect, for a conflict (`X1` …).
    pub symptom: Option<String>,
    /// Why, in one sentence.
    pub reason: String,
    /// What was taken for granted.
    pub assumed: Vec<String>,
    /// What is missing.
    pub missing: Vec<MissingRef>,
}

/// What the server demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerTls {
    /// `STRICT`, `PERMISSIVE`, `DISABLE`, `NONE`, `MIXED`, `UNKNOWN`.
    pub mode: String,
    /// The policy that says so, where it is one.
    pub policy: Option<ObjectRef>,
    /// `mesh`, `namespace`, `workload`, `port`; `null` where no policy says anything.
    pub level: Option<String>,
}

/// What the client sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientTls {
    /// As declared; `UNSET` without a `tls` block.
    pub mode: String,
    /// What is sent; `mixed` where endpoints differ.
    pub effective: String,
    /// Where it comes from.
    pub source: String,
    /// SNI, where Istio's mutual TLS is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// Accepted names of the server, where Istio's mutual TLS is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_alt_names: Option<Vec<String>>,
}

/// A rule and the pool it was found in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleRef {
    /// The rule.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// `client`, `service`, `root`.
    pub level: String,
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointRef {
    /// `namespace/name` of the pod, where there is one.
    pub pod: Option<String>,
    /// Address and port.
    pub address: String,
    /// The port at the workload.
    pub target_port: u16,
    /// `istio` or `disabled`, as its label claims.
    pub tls_mode: String,
    /// What it demands.
    pub server_mode: String,
    /// What is sent to it.
    pub sent: String,
    /// How the two agree.
    pub result: String,
    /// Only there, and false, where it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
}

/// What to answer.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Indices of the client pods; `None` for all with a proxy.
    pub clients: Option<Vec<usize>>,
    /// The service's host; `None` for all.
    pub host: Option<String>,
    /// The service port; `None` for all.
    pub port: Option<u16>,
    /// One row a client pod, and not one a distinct answer.
    pub each_client: bool,
}

/// One row a distinct answer, for all pairs of the mesh.
pub fn table(read: &Read) -> TlsCheck {
    check(&read.mesh, &Query::default())
}

/// The rows that a query asks for, by host, port, subset and client.
pub fn check(mesh: &Mesh, query: &Query) -> TlsCheck {
    let mut rows = Vec::new();
    let mut answers = Answers::new(mesh);
    let classes = Classes::new(mesh, classes_of(mesh, query));
    for host in
        mesh.registry.hosts().filter(|host| query.host.as_ref().is_none_or(|asked| **asked == ***host))
    {
        let mut distinct: Vec<Distinct<'_>> = Vec::new();
        for group in classes.groups(mesh, host) {
            let Some(client) = group.representative(mesh) else { continue };
            // Who is asked about by name is answered, whatever it calls.
            let is_called =
                |target: &Target<'_>| query.clients.is_some() || mesh.calls(client, target.service);
            let Some(target) = mesh.target(client, host).filter(is_called) else { continue };
            for tls in pairs(&mut answers, client, &target, query.port) {
                let proxy = client.proxy.word();
                let own = mesh.of_client(client);
                let same = |known: &&mut Distinct<'_>| {
                    known.tls == tls && known.proxy == proxy && are_shown_alike(known.mesh, own)
                };
                let (service, pods) = (target.service, group.pods());
                match distinct.iter_mut().find(same).filter(|_| !query.each_client) {
                    Some(known) => known.pods.extend(pods),
                    None => distinct.push(Distinct { mesh: own, tls, proxy, service, pods }),
                }
            }
        }
        distinct
            .sort_by(|a, b| (a.tls.port, &a.tls.subset, &a.pods).cmp(&(b.tls.port, &b.tls.subset, &b.pods)));
        rows.extend(distinct.iter().map(|one| row(one.mesh, &one.pods, one.proxy, one.service, &one.tls)));
    }
    rows.sort_by(|a: &Row, b| (&a.host, a.port).cmp(&(&b.host, b.port)));
    TlsCheck { api_version: API_VERSION, kind: "TlsCheck", rows }
}

/// Whether two control planes' settings give the same row for the same answer.
fn are_shown_alike(one: &Mesh, other: &Mesh) -> bool {
    let shown = |mesh: &Mesh| (mesh.config.trust_domain.clone(), mesh.config.registry_only);
    std::ptr::eq(one, other) || shown(one) == shown(other)
}

/// An answer and the clients that get it.
struct Distinct<'a> {
    /// As their control plane sees it.
    mesh: &'a Mesh,
    tls: PairTls,
    proxy: &'static str,
    service: &'a Service,
    pods: Vec<usize>,
}

/// The clients asked about: classes of those alike, or one class each.
fn classes_of(mesh: &Mesh, query: &Query) -> Vec<ClientClass> {
    let single = |pods: Vec<usize>| pods.into_iter().map(|pod| ClientClass::of(vec![pod])).collect();
    match &query.clients {
        Some(pods) if query.each_client => single(pods.clone()),
        Some(pods) => {
            let mut classes = clients::classes(mesh, |_| true);
            let named: std::collections::BTreeSet<_> = pods.iter().copied().collect();
            for class in &mut classes {
                class.pods.retain(|pod| named.contains(pod));
            }
            classes.retain(|class| !class.pods.is_empty());
            let bare = pods
                .iter()
                .filter(|at| mesh.workloads.get(**at).is_some_and(|one| one.proxy == ProxyKind::None));
            let bare: Vec<_> = bare.copied().collect();
            if !bare.is_empty() {
                classes.push(ClientClass::of(bare));
            }
            classes
        }
        None if query.each_client => {
            let all = mesh.workloads.all().iter().enumerate();
            single(all.filter(|(_, workload)| workload.proxy != ProxyKind::None).map(|(at, _)| at).collect())
        }
        None => clients::classes(mesh, |_| true),
    }
}

/// The answers of a client for a host: each port of any of its definitions, without subset and with each of the rule
/// in force.
pub(super) fn pairs(
    answers: &mut Answers<'_>,
    client: &Workload,
    target: &Target<'_>,
    port: Option<u16>,
) -> Vec<PairTls> {
    let mesh = answers.mesh();
    let choice = mesh.choice(client, target);
    let subsets = mesh.subsets(choice.as_ref());
    let mut pairs = Vec::new();
    for number in mesh.registry.ports(&target.service.host) {
        if port.is_some_and(|port| port != number) {
            continue;
        }
        pairs.push(answers.pair(client, target, choice.clone(), number, None));
        for subset in subsets.iter().filter(|_| target.has(number)) {
            pairs.push(answers.pair(client, target, choice.clone(), number, Some(subset)));
        }
    }
    pairs
}

/// Clients that are named of those that a row stands for.
const MOST_EXAMPLES: usize = 5;

/// The clients that pods stand for: the pod itself where it is one, else their number and some.
pub(super) fn clients_of(mesh: &Mesh, pods: &[usize]) -> (Option<WorkloadRef>, Clients) {
    let known: Vec<_> = pods.iter().filter_map(|at| mesh.workloads.get(*at)).collect();
    let mut namespaces: Vec<_> = known.iter().map(|pod| &pod.namespace).collect();
    namespaces.dedup();
    let namespaces = namespaces.into_iter().cloned().collect();
    if let [one] = known.as_slice() {
        return (Some(WorkloadRef::pod(one)), Clients { count: 1, examples: Vec::new(), namespaces });
    }
    // Told apart by what names them, before a name is copied: a row can stand for thousands of pods.
    let mut workloads = known;
    workloads.sort_by(|one, other| named(one).cmp(&named(other)));
    workloads.dedup_by(|one, other| named(one) == named(other));
    let mut examples = workloads.iter().take(MOST_EXAMPLES).map(|pod| WorkloadRef::workload(pod));
    if workloads.len() == 1 {
        return (examples.next(), Clients { count: 1, examples: Vec::new(), namespaces });
    }
    (None, Clients { count: workloads.len() as u64, examples: examples.collect(), namespaces })
}

/// What names a workload: pods that nobody owns are told apart by their own names.
fn named(pod: &Workload) -> (&Text, &Text, &Text, Option<&Text>) {
    let own = *pod.kind == *"Pod";
    (&pod.namespace, &pod.name, &pod.kind, pod.pod.as_ref().filter(|_| own))
}

/// The row of a pair.
pub(super) fn row(mesh: &Mesh, pods: &[usize], proxy: &str, service: &Service, tls: &PairTls) -> Row {
    let (client, clients) = clients_of(mesh, pods);
    let mesh = pods.first().and_then(|at| mesh.workloads.get(*at)).map_or(mesh, |pod| mesh.of_client(pod));
    let rule = tls.choice.as_ref().and_then(|choice| Some((mesh.rules.get(choice.primary)?, choice.level)));
    let unknown_scope = !tls.missing.is_empty();
    let declared = tls.cluster.declared.as_ref().map_or("UNSET", TlsMode::word);
    let effective = tls.effective.map_or("mixed", Sent::word);
    let demand = tls.server.demand.as_ref();
    let mutual = tls.sends_istio_mutual();
    Row {
        proxy: proxy.to_owned(),
        host: service.host.to_string(),
        port: tls.port,
        subset: tls.subset.as_deref().map(str::to_owned),
        status: tls.status.word().to_owned(),
        server: ServerTls {
            mode: tls.server.mode.clone(),
            policy: demand.and_then(|demand| demand.policy.as_deref()).map(ObjectRef::from),
            level: level_word(demand).map(str::to_owned),
        },
        client_tls: ClientTls {
            mode: if unknown_scope { "UNKNOWN" } else { declared }.to_owned(),
            effective: if unknown_scope { "UNKNOWN" } else { effective }.to_owned(),
            source: tls.cluster.source.word().to_owned(),
            sni: mutual.then(|| client_tls::sni(&tls.policy, tls.port, tls.subset.as_deref(), &service.host)),
            subject_alt_names: mutual.then(|| client_tls::subject_alt_names(mesh, &tls.policy, service)),
        },
        destination_rule: rule.map(|(rule, level)| RuleRef {
            object: ObjectRef::of(&rule.object.id),
            level: level.word().to_owned(),
        }),
        endpoints: tls.endpoints.iter().map(|endpoint| endpoint_ref(mesh, endpoint)).collect(),
        symptom: tls.symptom.map(str::to_owned),
        reason: super::reason::of_pair(mesh, service, tls),
        assumed: tls.assumed.iter().map(|text| (*text).to_owned()).collect(),
        missing: tls.missing.iter().map(MissingRef::from).collect(),
        client,
        clients,
    }
}

fn endpoint_ref(mesh: &Mesh, endpoint: &EndpointTls) -> EndpointRef {
    let workload = endpoint.workload.and_then(|at| mesh.workloads.get(at));
    let pod =
        workload.and_then(|workload| Some(format!("{}/{}", workload.namespace, workload.pod.as_ref()?)));
    EndpointRef {
        pod,
        address: endpoint.address.to_string(),
        target_port: endpoint.port,
        tls_mode: if endpoint.claims_mtls { "istio" } else { "disabled" }.to_owned(),
        server_mode: match &endpoint.server {
            Server::Sidecar(MtlsMode::Other(_)) | Server::Ambient(MtlsMode::Other(_)) | Server::Unknown => {
                "UNKNOWN".to_owned()
            }
            Server::Sidecar(mode) | Server::Ambient(mode) => mode.word().to_owned(),
            Server::NoProxy | Server::PastProxy | Server::OwnListeners | Server::Outside => "NONE".to_owned(),
        },
        sent: endpoint.sent.word().to_owned(),
        result: endpoint.result.word().to_owned(),
        ready: (!endpoint.ready).then_some(false),
    }
}
