//! Causes become findings: joined to the one that explains them, or one of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::age;
use super::cause::{Cause, Family, Label, is_failure};
use super::denials;
use super::locate::Locator;
use super::message::message;
use super::passthrough;
use crate::diagnose::finding::{Edge, Edges, Evidence, Finding, Involved, LogEvidence, Recorded, Role};
use crate::diagnose::{Code, Confidence, Severity};
use crate::logs::Aggregate;
use crate::model::pod::ProxyKind;
use crate::model::{Kind, Object, ObjectId, Text};
use crate::resolve::server_mtls::Demand;
use crate::resolve::{Status, Workload};

/// The pair that lines belong to: client workload (namespace, name), host, port.
pub type PairKey = (Text, Text, Text, u16);

/// What the logs say of one pair.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EdgeLogs {
    /// Lines that failed.
    pub failed: u64,
    /// Lines that went well.
    pub succeeded: u64,
    /// The last that failed, in microseconds since the epoch.
    pub last_failure: Option<i64>,
    /// The last that went well.
    pub last_success: Option<i64>,
}

/// What the logs say of each pair.
pub type Traffic = BTreeMap<PairKey, EdgeLogs>;

fn pair_key(client: &Workload, host: &Text, port: u16) -> PairKey {
    (Arc::clone(&client.namespace), Arc::clone(&client.name), Arc::clone(host), port)
}

/// Counts lines by pair, as their clients wrote them.
pub fn traffic(locator: &Locator<'_>, logs: &Aggregate) -> Traffic {
    let mut traffic = Traffic::new();
    for group in logs.groups() {
        let place = locator.locate(&group);
        let (Some(client), Some(host), Some(port)) =
            (locator.workload(place.client), &place.host, place.port)
        else {
            continue;
        };
        if group.reporter != crate::logs::Reporter::Client {
            continue;
        }
        let entry = traffic.entry(pair_key(client, host, port)).or_default();
        if is_failure(&group) {
            entry.failed += group.count;
            entry.last_failure = entry.last_failure.max(group.last);
        } else {
            entry.succeeded += group.count;
            entry.last_success = entry.last_success.max(group.last);
        }
    }
    traffic
}

/// Joins the causes to the findings of the configuration and adds those that stand for themselves. The result is
/// sorted, and each edge that lines were seen of is counted in `seen`.
pub fn findings(
    locator: &Locator<'_>,
    mut found: Vec<Finding>,
    causes: &[Cause],
) -> (Vec<Finding>, BTreeMap<Edge, u64>) {
    let mut seen = BTreeMap::new();
    let mut alone = Alone::default();
    let mut denied = Vec::new();
    for cause in causes {
        if cause.label.is_mtls() && explained(locator, &mut found, cause, &mut seen) {
            continue;
        }
        if passthrough::take(locator, &mut found, cause, &mut seen) {
            continue;
        }
        if denials::wanting(cause).is_some() {
            denied.push(cause);
            continue;
        }
        alone.add(locator, cause);
    }
    let denied = denials::findings(locator, &found, &denied, &mut seen);
    found.extend(denied);
    found.extend(alone.findings(locator, &mut seen));
    found.sort_by(Finding::order);
    (found, seen)
}

/// The findings of the configuration that explain causes (the table of causes in the specification of findings).
const EXPLAINED: [(Label, Code); 4] = [
    (Label::PlaintextToStrict, Code::PlaintextToStrict),
    (Label::MtlsToPlaintext, Code::MtlsToPlaintext),
    (Label::NoClientCert, Code::OneWayTlsToStrict),
    (Label::NonIstioTlsToPermissive, Code::ForeignTlsToSidecar),
];

pub(super) fn code_of(label: Label) -> Option<Code> {
    EXPLAINED.into_iter().find(|(known, _)| *known == label).map(|(_, code)| code)
}

/// Adds the lines to the finding whose edge they are of. False where there is none.
pub(super) fn explained(
    locator: &Locator<'_>,
    found: &mut [Finding],
    cause: &Cause,
    seen: &mut BTreeMap<Edge, u64>,
) -> bool {
    let Some(code) = code_of(cause.label) else { return false };
    let mut any = false;
    for finding in found.iter_mut().filter(|finding| finding.code == code) {
        let edges = edges_of(locator, cause, finding);
        if edges.is_empty() {
            continue;
        }
        any = true;
        // The configuration is about now: lines from before it tell of what was before, and are no proof.
        if let Some(newer) = newer_than(locator, finding, cause) {
            for lines in &cause.evidence {
                let text =
                    format!("{}, older than {newer} as it was last changed: no proof of it", lines.text);
                add_lines(finding, &LogEvidence { text, ..lines.clone() });
            }
            continue;
        }
        // Lines that name their port stand for one edge; refusals at the server do not, and are evidence only.
        if let [edge] = edges.as_slice() {
            *seen.entry(edge.clone()).or_default() += cause.count;
        }
        for lines in cause.evidence.iter().chain(&cause.proof.patterns) {
            add_lines(finding, lines);
        }
    }
    any
}

/// The object of a finding that was changed after all lines of a cause, if there is one: counters have no time.
fn newer_than(locator: &Locator<'_>, finding: &Finding, cause: &Cause) -> Option<ObjectId> {
    let last = cause.last?;
    let decides = |one: &&Involved| matches!(one.role, Role::Cause | Role::Partner);
    let deciding = finding.objects.iter().filter(decides);
    let objects = deciding.filter_map(|one| locator.mesh().snapshot.get(&one.id));
    objects.filter(|object| age::is_newer(object, Some(last))).map(|object| object.id.clone()).next()
}

/// The edges of a finding that lines may be of: one for a client that is known. A refusal at the server from an
/// address nobody knows may be of any of its clients; then it is enough to see that there are several.
pub(super) fn edges_of(locator: &Locator<'_>, cause: &Cause, finding: &Finding) -> Vec<Edge> {
    let place = &cause.place;
    let fits = |edge: &Edge| {
        place.host.as_ref() == Some(&edge.host)
            && place.port.is_none_or(|port| port == edge.port)
            && (place.subset.is_none() || place.subset == edge.subset)
    };
    match locator.workload(place.client) {
        Some(client) => finding.edges.of_client(&client.namespace, &client.name).filter(fits).collect(),
        None if place.server.is_some() => finding.edges.iter().filter(fits).take(2).collect(),
        None => Vec::new(),
    }
}

pub(super) fn add_lines(finding: &mut Finding, lines: &LogEvidence) {
    for known in &mut finding.evidence {
        if let Evidence::Log(known) = known
            && known.text == lines.text
        {
            // A counter that is evidence of two causes counts the same once.
            if lines.by == Recorded::Lines || known.samples != lines.samples {
                known.absorb(lines);
            }
            return;
        }
    }
    finding.evidence.push(Evidence::Log(lines.clone()));
}

/// The object that causes are about, where it was read, and the causes.
type About<'a> = (Option<Arc<Object>>, Vec<&'a Cause>);

/// Causes that no finding of the configuration explains, by the object they are about.
#[derive(Default)]
pub(super) struct Alone<'a> {
    found: BTreeMap<(Code, ObjectId), About<'a>>,
}

impl<'a> Alone<'a> {
    pub(super) fn add(&mut self, locator: &Locator<'_>, cause: &'a Cause) {
        let Some(code) = code_alone(locator, cause) else { return };
        let (object, id) = about(locator, cause, code);
        self.found.entry((code, id)).or_insert_with(|| (object, Vec::new())).1.push(cause);
    }

    pub(super) fn findings(self, locator: &Locator<'_>, seen: &mut BTreeMap<Edge, u64>) -> Vec<Finding> {
        let alone = self.found.into_iter();
        alone
            .map(|((code, id), (object, causes))| {
                finding(locator, code, id, object.as_deref(), &causes, seen)
            })
            .collect()
    }
}

/// The object that a cause is about where no finding of the configuration explains it, and its identity, which is known
/// where it was not read too.
pub(super) fn about(locator: &Locator<'_>, cause: &Cause, code: Code) -> (Option<Arc<Object>>, ObjectId) {
    let service = cause.place.host.as_ref().and_then(|host| locator.mesh().registry.by_host(host));
    // Where the host is known but was not read, it is what the lines are about, and not who called it.
    let caller = cause.place.client.filter(|_| cause.place.host.is_none());
    let writer = cause.place.reporter.filter(|_| cause.place.host.is_none());
    let server = locator.workload(cause.place.server.or(caller).or(writer));
    let object = service.map(|service| &service.object).or_else(|| server.map(|server| &server.object));
    // There it is the client that is to be changed.
    let bare = locator.workload(cause.place.client).filter(|_| code == Code::ClientWithoutProxyToStrict);
    let object = bare.map(|client| &client.object).or(object);
    let id = object.map_or_else(|| not_read(cause), |object| object.id.clone());
    (object.cloned(), id)
}

/// The finding that a cause makes by itself, if it makes any.
pub(super) fn code_alone(locator: &Locator<'_>, cause: &Cause) -> Option<Code> {
    if cause.label == Label::PlaintextToStrict && is_without_proxy(locator, cause) {
        return Some(Code::ClientWithoutProxyToStrict);
    }
    let counted = cause.evidence.iter().any(|one| one.by == Recorded::Counter);
    let proved = match cause.label.family() {
        // A server's counter does not say whose connections it refused: anybody can send it plaintext, and ask for TLS.
        Family::Mode | Family::Certificate if counted && cause.place.client.is_none() => false,
        // Lines alone, against a sound configuration, make no finding about modes. Where a counter is part of the proof it
        // is likely at most.
        Family::Mode => {
            let enough = if counted { Confidence::Likely } else { Confidence::Certain };
            cause.server_proof && cause.confidence >= enough && !is_nobodys(locator, cause)
        }
        Family::Certificate
        | Family::Closed
        | Family::Unreachable
        | Family::Limited
        | Family::ControlPlane => cause.confidence > Confidence::Possible,
        // That it was denied is sure even where it is not why.
        Family::Denied | Family::Harmless | Family::Open => true,
    };
    let code = cause.label.family().code().filter(|_| !cause.proof.tells_no_failure)?;
    Some(if proved { code } else { Code::EvidenceIncomplete })
}

/// Whether a ztunnel refused connections of which it does not say whose they were: anything that has no part in the mesh
/// can call from such an address, a node's kubelet too, so that its plaintext contradicts no configuration.
fn is_nobodys(locator: &Locator<'_>, cause: &Cause) -> bool {
    let place = &cause.place;
    let by_ztunnel = locator.workload(place.server).is_some_and(|server| server.proxy == ProxyKind::Ztunnel);
    by_ztunnel && place.client.is_none() && place.client_pod.is_none()
}

/// Whether a client without proxy was refused by a server that accepts mutual TLS only, as it must be (mtls.md F17).
fn is_without_proxy(locator: &Locator<'_>, cause: &Cause) -> bool {
    let mesh = locator.mesh();
    let (Some(client), Some(server)) =
        (locator.workload(cause.place.client), locator.workload(cause.place.server))
    else {
        return false;
    };
    // A port that is not known is judged as any other: by the mode of the workload (MT-2.3).
    let by_pair = || mesh.pair(client, cause.place.host.as_deref()?, cause.place.port?, None);
    let at = cause.place.refused_at.as_ref().filter(|_| server.proxy == ProxyKind::Ztunnel);
    let strict = || passthrough::is_strict(mesh, server, at.map_or(0, |(_, port)| *port));
    cause.server_proof
        && client.proxy == ProxyKind::None
        && matches!(server.proxy, ProxyKind::Sidecar | ProxyKind::Ztunnel)
        && by_pair().map_or_else(strict, |pair| pair.status == Status::Conflict)
}

/// What lines are about, where no such object was read: the service that their host names, or the host itself; where
/// there is none, the pod, or the file that tells of one nobody knows.
fn not_read(cause: &Cause) -> ObjectId {
    if let Some(log) = &cause.place.log {
        return ObjectId::new(Kind::Unrelated("Log".into()), "", Arc::clone(log));
    }
    let pod = cause.place.server_pod.as_ref().or(cause.place.client_pod.as_ref());
    if let Some(pod) = pod.filter(|_| cause.place.host.is_none()) {
        return ObjectId::new(Kind::Pod, Arc::clone(&pod.namespace), Arc::clone(&pod.name));
    }
    let Some(host) = &cause.place.host else {
        let mut counters = cause.evidence.iter().filter(|one| one.by == Recorded::Counter);
        if let Some(sample) = counters.find_map(|one| one.samples.first()) {
            return ObjectId::new(Kind::Unrelated("Proxy".into()), "", Arc::clone(&sample.file));
        }
        return ObjectId::new(Kind::Unrelated("Host".into()), "", "unknown");
    };
    let mut parts = host.splitn(3, '.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(namespace), Some("svc.cluster.local")) => {
            ObjectId::new(Kind::Service, namespace, name)
        }
        _ => ObjectId::new(Kind::Unrelated("Host".into()), "", Arc::clone(host)),
    }
}

fn finding(
    locator: &Locator<'_>,
    code: Code,
    id: ObjectId,
    object: Option<&Object>,
    causes: &[&Cause],
    seen: &mut BTreeMap<Edge, u64>,
) -> Finding {
    let (mut listed, mut direct) = (Vec::new(), Vec::new());
    for cause in causes {
        let client = locator.workload(cause.place.client);
        if let (Some(client), Some(host), Some(port)) = (client, &cause.place.host, cause.place.port) {
            let edge = Edge {
                client: (Arc::clone(&client.namespace), Arc::clone(&client.name), Arc::clone(&client.kind)),
                host: Arc::clone(host),
                port,
                subset: cause.place.subset.clone(),
            };
            *seen.entry(edge.clone()).or_default() += cause.count;
            listed.push(edge);
        } else if let (Some(client), Some((address, port))) = (client, &cause.place.refused_at) {
            // No service leads to that port: the pod itself was called.
            let edge = passthrough::edge(client, Arc::clone(address), *port);
            *seen.entry(edge.clone()).or_default() += cause.count;
            direct.push(edge);
        }
    }
    let mut edges: Edges = listed.into_iter().collect();
    for edge in direct {
        edges.add_direct(edge);
    }
    let mut finding = Finding {
        code,
        severity: if code == Code::EvidenceIncomplete { Severity::Info } else { code.severity() },
        confidence: confidence(code, causes),
        message: message(locator, code, &id, object.is_some(), causes),
        because: Vec::new(),
        objects: vec![Involved {
            id: id.clone(),
            role: Role::Affected,
            fields: Vec::new(),
            origin: object.map(|object| object.origin.clone()),
        }],
        root: (id, "logs".to_owned()),
        edges,
        evidence: Vec::new(),
    };
    for cause in causes {
        cause.proof.objects_into(&mut finding);
    }
    add_denials(&mut finding, causes);
    for (policy, demand) in policies_of(locator, causes) {
        finding = finding.with(&policy, Role::Partner, &demand.field, "server's mode");
    }
    let patterns = causes.iter().flat_map(|cause| &cause.proof.patterns);
    add_all_lines(&mut finding, causes.iter().flat_map(|cause| &cause.evidence).chain(patterns));
    finding
}

/// The policies that denials name and that were not read. Lines may name as many as they like, so none is looked for one
/// by one.
fn add_denials(finding: &mut Finding, causes: &[&Cause]) {
    let mut known: FxHashSet<ObjectId> = finding.objects.iter().map(|one| one.id.clone()).collect();
    for denial in causes.iter().filter_map(|cause| cause.denial.as_ref()) {
        let (namespace, name) = (Arc::clone(&denial.namespace), Arc::clone(&denial.name));
        let id = ObjectId::new(Kind::AuthorizationPolicy, namespace, name);
        if known.insert(id.clone()) {
            finding.objects.push(Involved { id, role: Role::Cause, fields: Vec::new(), origin: None });
        }
    }
}

/// The same as [`add_lines`] for many that a finding has none of yet.
pub(super) fn add_all_lines<'a>(finding: &mut Finding, all: impl Iterator<Item = &'a LogEvidence>) {
    let mut found: Vec<LogEvidence> = Vec::new();
    let mut places: FxHashMap<&str, usize> = FxHashMap::default();
    for lines in all {
        if let Some(known) = places.get(lines.text.as_str()).and_then(|at| found.get_mut(*at)) {
            known.absorb(lines);
        } else {
            places.insert(&lines.text, found.len());
            found.push(lines.clone());
        }
    }
    finding.evidence.extend(found.into_iter().map(Evidence::Log));
}

/// The policies by which servers refused connections.
fn policies_of(locator: &Locator<'_>, causes: &[&Cause]) -> Vec<(Arc<Object>, Demand)> {
    let mut found: Vec<(Arc<Object>, Demand)> = Vec::new();
    for cause in causes.iter().filter(|cause| cause.server_proof && cause.label.is_mtls()) {
        let server = locator.workload(cause.place.server).zip(cause.place.refused_at.as_ref());
        let demand =
            server.and_then(|(server, (_, port))| passthrough::demand(locator.mesh(), server, *port));
        let policy = demand.and_then(|demand| Some((Arc::clone(demand.policy.as_ref()?), demand)));
        found.extend(policy.filter(|(policy, _)| found.iter().all(|(known, _)| known.id != policy.id)));
    }
    found
}

/// That the application's side closed the connection is proved by the line of its own proxy, whether or not the
/// connection had lain idle before. That a request was denied is told by the proxy that denied it, whatever the reason.
fn confidence(code: Code, causes: &[&Cause]) -> Confidence {
    if code == Code::UpstreamClosesConnections && causes.iter().any(|cause| cause.server_proof) {
        return Confidence::Certain;
    }
    if code == Code::RequestsDenied {
        return Confidence::Certain;
    }
    causes.iter().map(|cause| cause.confidence).max().unwrap_or(Confidence::Possible)
}

#[cfg(test)]
mod tests {
    use super::super::cause::causes;
    use super::super::tests::{HOST, UC, client, mesh, read, refusal, server};
    use super::*;
    use crate::diagnose::diagnose;
    use crate::resolve::{Mesh, Options};

    /// The findings, each with its code, confidence, root, and how many lines were seen of its edges.
    fn said(mesh: &str, clients: &str, servers: &str) -> Vec<String> {
        let bundle = read(mesh, clients, servers);
        let mesh = Mesh::new(&bundle.snapshot, &Options::default());
        let locator = Locator::new(&mesh);
        let causes = causes(&locator, &bundle.logs);
        let (found, seen) = findings(&locator, diagnose(&mesh, &[]).findings, &causes);
        let line = |finding: &Finding| {
            let seen: u64 = finding.edges.iter().filter_map(|edge| seen.get(&edge)).sum();
            let confidence = format!("{:?}", finding.confidence).to_lowercase();
            format!("{} {confidence} {} {seen}", finding.code.code(), finding.root.0)
        };
        found.iter().map(line).collect()
    }

    #[test]
    fn lines_join_the_finding_that_explains_them() {
        let strict = mesh("DISABLE", "STRICT", &[true]);
        let failed = client(10, UC, "-") + &client(20, UC, "-");
        let refused = refusal(10, "-", "10.8.1.8") + &refusal(20, "-", "10.8.1.8");
        let ok = |second| client(second, "200 - via_upstream", "-");
        let rule = "DestinationRule shop/r";
        assert_eq!(said(&strict, "", ""), [format!("MS0101 certain {rule} 0")]);
        assert_eq!(said(&strict, &failed, ""), [format!("MS0101 certain {rule} 2")]);
        assert_eq!(said(&strict, &failed, &refused), [format!("MS0101 certain {rule} 2")]);
        assert_eq!(said(&strict, &(failed + &ok(5)), ""), [format!("MS0101 certain {rule} 2")]);
    }

    #[test]
    fn traffic_past_every_service_is_the_servers_policys() {
        let sound = mesh("ISTIO_MUTUAL", "STRICT", &[true]);
        let passed = client(10, UC, "-").replace(&format!("outbound|80||{HOST}"), "PassthroughCluster");
        let policy = "PeerAuthentication shop/default";
        assert_eq!(said(&sound, &passed, ""), [format!("MS0101 certain {policy} 1")]);
        // Where plaintext is accepted, and where a later line went well, nothing is proved.
        let open = mesh("ISTIO_MUTUAL", "PERMISSIVE", &[true]);
        assert!(!said(&open, &passed, "").iter().any(|line| line.starts_with("MS0101")));
        let later = client(30, "200 - via_upstream", "-")
            .replace(&format!("outbound|80||{HOST}"), "PassthroughCluster");
        assert!(!said(&sound, &(passed + &later), "").iter().any(|line| line.starts_with("MS0101")));
        // A refusal alone does not tell by which way the connection came.
        let refused = said(&sound, "", &refusal(10, "-", "10.8.1.8"));
        assert_eq!(refused, ["MS0301 certain Service shop/cart 1"]);
    }

    #[test]
    fn a_service_that_is_not_exported_to_the_client_is_to_blame() {
        let hidden = mesh("", "STRICT", &[true]).replace(
            "metadata: {name: cart, namespace: shop}",
            "metadata: {name: cart, namespace: shop, annotations: {networking.istio.io/exportTo: shop}}",
        );
        let hidden = hidden
            .replace("spec: {selector: {app: shop}", "spec: {clusterIP: 10.9.0.1, selector: {app: shop}");
        let passed = client(10, UC, "-")
            .replace(&format!("outbound|80||{HOST}"), "PassthroughCluster")
            .replace("\"10.8.2.0:9080\"", "\"10.9.0.1:80\"");
        assert_eq!(said(&hidden, &passed, ""), ["MS0101 certain Service shop/cart 1"]);
    }

    #[test]
    fn a_client_without_proxy_is_told_from_one_whose_proxy_fails() {
        let strict = mesh("ISTIO_MUTUAL", "STRICT", &[true]);
        let bare = strict.replace("{name: istio-proxy, args: [proxy, sidecar]}", "PROXY");
        let bare = bare
            .replacen("PROXY", "{name: helper}", 1)
            .replace("PROXY", "{name: istio-proxy, args: [proxy, sidecar]}");
        let refused = refusal(10, "-", "10.8.1.8");
        let said = said(&bare, "", &refused);
        assert!(said.iter().any(|line| line.starts_with("MS0105 certain Pod")), "{said:?}");
        assert!(!said.iter().any(|line| line.starts_with("MS0301")), "{said:?}");
    }

    #[test]
    fn lines_that_nothing_explains_make_findings_of_their_own() {
        let sound = mesh("ISTIO_MUTUAL", "STRICT", &[true]);
        let failed = client(10, UC, "-");
        let refused = refusal(10, "-", "10.8.1.8");
        let service = "Service shop/cart";
        // Lines alone never accuse a sound configuration; the server's own line does.
        assert_eq!(said(&sound, &failed, ""), [format!("MS0903 possible {service} 1")]);
        // The number is that of the lines that the text is of.
        let others: String = (11..15).map(|second| refusal(second, "-", "10.8.2.254")).collect();
        let bundle = read(&sound, &failed, &others);
        let probed = Mesh::new(&bundle.snapshot, &Options::default());
        let locator = Locator::new(&probed);
        let causes = causes(&locator, &bundle.logs);
        let (found, _) = findings(&locator, diagnose(&probed, &[]).findings, &causes);
        let open: Vec<_> = found.iter().filter(|one| one.code == Code::EvidenceIncomplete).collect();
        assert!(open.iter().any(|one| one.message.contains(": 1 × 503 UC at the client ")), "{open:?}");
        assert_eq!(said(&sound, &failed, &refused), [format!("MS0301 certain {service} 1")]);
        let answered = client(10, "503 - via_upstream", "-");
        assert_eq!(said(&sound, &answered, &server(10, UC)), [format!("MS0303 certain {service} 1")]);
        assert!(said(&sound, &answered, "").is_empty(), "an answer of the application is no finding");
        assert_eq!(
            said("", &failed, ""),
            [format!("MS0903 possible {service} 0")],
            "named by the host alone"
        );
        let bare = mesh("DISABLE", "", &[false]);
        assert_eq!(said(&bare, &failed, ""), [format!("MS0303 likely {service} 1")]);
        let elsewhere = failed.replace("cart.shop.svc.cluster.local", "api.example.com");
        assert_eq!(said(&sound, &elsewhere, ""), ["MS0903 possible Host api.example.com 1"]);
    }

    #[test]
    fn each_kind_of_trouble_has_its_finding_and_what_is_nobodys_has_none() {
        let sound = mesh("ISTIO_MUTUAL", "STRICT", &[true]);
        let of = |what: &str, reason: &str| said(&sound, &client(10, what, reason), "").join("; ");
        let service = "Service shop/cart 1";
        let failed = "503 UF upstream_reset_before_response_started{remote_connection_failure}";
        let refused = "delayed_connect_error:_Connection_refused";
        assert_eq!(of(failed, refused), format!("MS0304 likely {service}"));
        assert_eq!(of(failed, "-"), format!("MS0903 possible {service}"), "what it was is not known");
        assert_eq!(
            of(failed, "TLS_error:|1:A:TLSV1_ALERT_UNKNOWN_CA:TLS_error_end"),
            format!("MS0301 certain {service}")
        );
        assert_eq!(of("503 UO overflow", "-"), format!("MS0305 certain {service}"));
        let denied = "403 - rbac_access_denied_matched_policy[ns[shop]-policy[no]-rule[0]]";
        assert_eq!(of(denied, "-"), format!("MS0306 certain {service}"));
        for nobodys in
            ["504 UT response_timeout", "0 DC downstream_remote_disconnect", "500 FI fault_filter_abort"]
        {
            assert_eq!(of(nobodys, "-"), "", "{nobodys}");
        }
        assert_eq!(of("500 - via_upstream", "-"), "");
        // What the configuration explains is evidence of its own finding.
        let simple = mesh("SIMPLE", "STRICT", &[true]);
        let explained = said(&simple, &client(10, UC, "-"), "");
        assert_eq!(explained, ["MS0103 certain DestinationRule shop/r 1"]);
    }
}
