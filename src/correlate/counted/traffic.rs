//! Istio's own counters of requests and connections, whose labels name both workloads and the response flags.
//!
//! They have no port. Where a proxy's cluster counts the same requests with more detail, they are evidence beside it.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Told, cause};
use crate::correlate::cause::{Cause, Label};
use crate::correlate::locate::{Located, Locator};
use crate::counters::{Counters, Metric, Seen, Sheet, Subject, Traffic, TrafficKind};
use crate::diagnose::Confidence::{self, Certain, Likely, Possible};
use crate::logs::FlagSet;
use crate::model::Text;
use crate::model::pod::ProxyKind;
use crate::resolve::{EndpointTls, PairTls, Status, overall};

/// What leaves `UC` at a client (data fact 2).
const CLOSED: [&str; 7] = [
    "plaintext-to-strict",
    "app-closed",
    "no-client-cert",
    "client-cert-untrusted",
    "client-cert-expired",
    "sidecar-killed",
    "stale-connection",
];
/// What leaves `UF` at a client, without its reason.
const NOT_CONNECTED: [&str; 11] = [
    "pod-unreachable",
    "mtls-to-plaintext",
    "non-istio-tls-to-permissive",
    "tls-version-mismatch",
    "no-client-cert",
    "client-cert-untrusted",
    "client-cert-expired",
    "server-cert-untrusted",
    "server-cert-expired",
    "server-san-mismatch",
    "sidecar-killed",
];
/// What ztunnel counts as `CONNECT` on the client's side (data of ztunnel, *Metrics*).
const TUNNEL: [&str; 10] = [
    "rbac-denied",
    "app-down",
    "pod-unreachable",
    "hbone-unreachable",
    "waypoint-refused",
    "waypoint-unreachable",
    "server-cert-untrusted",
    "server-cert-expired",
    "server-san-mismatch",
    "pod-removed",
];

/// So many causes of a pair are looked at.
const MOST_BESIDE: usize = 64;

/// One reading of a row: label, how sure, what it says, and what else it can be.
type Row = (Label, Confidence, &'static str, &'static [&'static str]);

/// Adds the causes that the traffic of all proxies tells.
pub(super) fn add(locator: &Locator<'_>, counters: &Counters, causes: &mut Vec<Cause>) {
    let workloads = by_name(locator);
    let mut told: Vec<(&Traffic, Cause)> = Vec::new();
    for proxy in counters.proxies() {
        for (subject, sheet) in proxy.sheets() {
            let Subject::Traffic(traffic) = subject else { continue };
            let place = place(locator, &workloads, traffic);
            let pairs = pairs(locator, &place).unwrap_or_default();
            let (expected, takes_it) = (expected(&pairs), place.server.is_some() && takes_it(&pairs));
            for mut one in self::told(traffic, &sheet) {
                let can_be_app = one.alternatives.contains(&Label::AppClosed.word());
                if takes_it && one.label == Label::PlaintextToStrict && can_be_app && !one.by_server {
                    one.label = Label::AppClosed;
                    one.alternatives.retain(|other| *other != Label::AppClosed.word());
                }
                let one = if one.by_server { one } else { one.expected(expected) };
                told.push((traffic, cause(&proxy, one, place.clone())));
            }
        }
    }
    let mut known: FxHashMap<_, Vec<usize>> = FxHashMap::default();
    for (at, cause) in causes.iter().enumerate() {
        for key in ends(cause) {
            known.entry(key).or_default().push(at);
        }
    }
    for cause in both_ends(told) {
        let known = ends(&cause).into_iter().filter_map(|key| known.get(&key)).flatten().copied();
        beside(cause, known.take(MOST_BESIDE).collect(), causes);
    }
}

/// One cause where both ends count the same failure: the labels name the same workloads, and the server's end says what
/// the client's leaves open.
fn both_ends(told: Vec<(&Traffic, Cause)>) -> Vec<Cause> {
    let (clients, mut servers): (Vec<_>, Vec<_>) =
        told.into_iter().partition(|(traffic, _)| traffic.by == TrafficKind::Source);
    let mut by_ends: FxHashMap<_, Vec<usize>> = FxHashMap::default();
    for (at, (traffic, _)) in servers.iter().enumerate() {
        by_ends.entry((&traffic.client, &traffic.host)).or_default().push(at);
    }
    let mut causes = Vec::new();
    for (traffic, client) in clients {
        let ends = by_ends.get(&(&traffic.client, &traffic.host)).filter(|_| traffic.client.is_some());
        let at = ends.into_iter().flatten().take(MOST_BESIDE).copied().find(|at| {
            servers.get(*at).is_some_and(|(other, server)| {
                (traffic.server.is_none() || traffic.server == other.server)
                    && client.confidence == Possible
                    && server.count >= client.count
                    && (client.label == server.label || client.alternatives.contains(&server.label.word()))
            })
        });
        match at.and_then(|at| servers.get_mut(at)) {
            Some((_, server)) => server.evidence.extend(client.evidence),
            None => causes.push(client),
        }
    }
    causes.extend(servers.into_iter().map(|(_, server)| server));
    causes
}

/// The first pod of each workload, with a proxy if one has.
fn by_name<'a>(locator: &Locator<'a>) -> FxHashMap<(&'a str, &'a str), usize> {
    let all = locator.mesh().workloads.all();
    let mut found: FxHashMap<(&str, &str), usize> = FxHashMap::default();
    for (at, one) in all.iter().enumerate() {
        let known = found.entry((&*one.namespace, &*one.name)).or_insert(at);
        if all.get(*known).is_some_and(|known| known.proxy == ProxyKind::None) && one.proxy != ProxyKind::None
        {
            *known = at;
        }
    }
    found
}

fn place(locator: &Locator<'_>, workloads: &FxHashMap<(&str, &str), usize>, traffic: &Traffic) -> Located {
    let of = |name: &Option<(Box<str>, Box<str>)>| {
        let (namespace, name) = name.as_ref()?;
        workloads.get(&(&**namespace, &**name)).copied()
    };
    let host: Option<Text> = traffic.host.as_deref().map(Into::into);
    // The labels have no port, but a service may have one only.
    let service = host.as_deref().and_then(|host| locator.mesh().registry.by_host(host));
    let port = service.and_then(|service| match service.ports() {
        [only] => Some(only.number),
        _ => None,
    });
    Located { port, client: of(&traffic.client), server: of(&traffic.server), host, ..Located::default() }
}

/// What the objects say of each port of the host, at the workload that the labels name.
fn pairs(locator: &Locator<'_>, place: &Located) -> Option<Vec<Option<PairTls>>> {
    let service = locator.mesh().registry.by_host(place.host.as_deref()?)?;
    let server = locator.workload(place.server);
    let is_of = |endpoint: &&EndpointTls| {
        let of = locator.workload(endpoint.workload).zip(server);
        of.is_some_and(|(one, server)| (&one.namespace, &one.name) == (&server.namespace, &server.name))
    };
    let pair = |port: u16| {
        let mut pair = super::pair(locator, &Located { port: Some(port), ..place.clone() })?;
        let named: Arc<[_]> = pair.endpoints.iter().filter(is_of).cloned().collect();
        if !named.is_empty() && pair.status == Status::Conflict {
            (pair.status, pair.symptom) = overall(&named);
            pair.endpoints = named;
        }
        Some(pair)
    };
    Some(service.ports().iter().map(|port| pair(port.number)).collect())
}

/// What must fail by the configuration, on each port of the host alike.
fn expected(pairs: &[Option<PairTls>]) -> Option<Label> {
    let mut labels = pairs.iter().map(|pair| pair.as_ref().and_then(super::expected));
    let first = labels.next()??;
    labels.all(|other| other == Some(first)).then_some(first)
}

/// Whether the workload takes what is sent on each port, so that plaintext is not what failed.
fn takes_it(pairs: &[Option<PairTls>]) -> bool {
    let takes = |pair: &Option<PairTls>| {
        pair.as_ref().is_some_and(|pair| matches!(pair.status, Status::Ok | Status::Warn))
    };
    !pairs.is_empty() && pairs.iter().all(takes)
}

fn told(traffic: &Traffic, sheet: &Sheet) -> Vec<Told> {
    let mut found = Vec::new();
    for metric in [Metric::Requests, Metric::TcpClosed, Metric::TcpFailed] {
        let Some(seen) = sheet.seen(metric).filter(|seen| seen.count > 0) else { continue };
        let row = match (metric, traffic.by) {
            (Metric::TcpFailed, by) => by_ztunnel(by, traffic),
            (_, TrafficKind::Source) => at_client(FlagSet::parse(traffic.flags.as_bytes())),
            (_, TrafficKind::Destination) => at_server(FlagSet::parse(traffic.flags.as_bytes())),
        };
        found.extend(row.map(|row| of_row(row, traffic, sheet, seen)));
    }
    found
}

fn of_row((label, confidence, says, others): Row, traffic: &Traffic, sheet: &Sheet, seen: &Seen) -> Told {
    let told = Told::new(label, confidence, seen.count, sheet, seen.metric, says).or(others);
    let by_server = traffic.by == TrafficKind::Destination;
    Told { counter: format!("{} with flags {}", seen.metric.name(), traffic.flags), by_server, ..told }
}

/// Flags of the client's proxy. What only answers of the application are has none.
fn at_client(flags: FlagSet) -> Option<Row> {
    let has = |flag: &str| flags.has(flag);
    Some(if has("UF") {
        (Label::PodUnreachable, Possible, "connections were not made", &NOT_CONNECTED)
    } else if has("UC") {
        (Label::PlaintextToStrict, Possible, "the server closed connections with requests on them", &CLOSED)
    } else if has("UH") {
        (Label::NoEndpoints, Possible, "no endpoint was there to connect to", &["outlier-ejected"])
    } else if has("NC") {
        (Label::NoCluster, Certain, "the route led to a cluster that is not there", &[])
    } else if has("NR") {
        (Label::NoRoute, Likely, "no route was for the requests", &[])
    } else {
        return at_either(flags);
    })
}

/// Flags of the server's proxy: what it met at its application.
fn at_server(flags: FlagSet) -> Option<Row> {
    let has = |flag: &str| flags.has(flag);
    Some(if has("UF") {
        (Label::AppDown, Likely, "the application took no connection", &[])
    } else if has("UC") {
        (
            Label::AppClosed,
            Likely,
            "the application closed connections with requests on them",
            &["stale-connection"],
        )
    } else if has("UPE") {
        (Label::AppProtocolError, Certain, "the application's answers were no HTTP", &[])
    } else {
        return at_either(flags);
    })
}

fn at_either(flags: FlagSet) -> Option<Row> {
    let has = |flag: &str| flags.has(flag);
    Some(if has("UO") {
        (Label::Overflow, Certain, "a circuit breaker refused requests", &[])
    } else if has("RL") {
        (Label::RateLimited, Certain, "a rate limit refused requests", &[])
    } else if has("UAEX") {
        (Label::ExtAuthzDenied, Certain, "an external authorizer denied requests", &[])
    } else if has("UPE") {
        (Label::AppProtocolError, Possible, "the answers were no HTTP", &["mtls-to-plaintext"])
    } else {
        return None;
    })
}

/// ztunnel's words for connections that failed. A denial of plaintext is STRICT's, or a policy's that wants an identity.
fn by_ztunnel(by: TrafficKind, traffic: &Traffic) -> Option<Row> {
    let mtls = traffic.mutual_tls == Some(true);
    Some(match (&*traffic.flags, by) {
        ("DENY", _) if mtls => (Label::RbacDenied, Certain, "a policy denied connections", &[]),
        ("DENY", _) => (
            Label::PlaintextToStrict,
            Possible,
            "connections without TLS were denied",
            &["rbac-denied-because-plaintext", "rbac-denied"],
        ),
        ("IDENTITY_ERROR", _) => {
            (Label::CertificateNotDelivered, Certain, "the client had no certificate", &[])
        }
        ("H2_HANDSHAKE_FAILURE", TrafficKind::Source) => (
            Label::ClientCertUntrusted,
            Possible,
            "the server refused the client's certificate",
            &["client-cert-expired", "no-client-cert"],
        ),
        ("NETWORK_POLICY", TrafficKind::Source) => {
            (Label::Unknown, Possible, "port 15008 did not answer", &["hbone-unreachable"])
        }
        ("CONNECT", TrafficKind::Source) if mtls => {
            (Label::Unknown, Possible, "connections were not made", &TUNNEL)
        }
        ("CONNECT", TrafficKind::Source) => {
            (Label::PodUnreachable, Possible, "connections were not made", &["app-down"])
        }
        ("CONNECT", TrafficKind::Destination) => (
            Label::AppDown,
            Possible,
            "connections to the application failed",
            &["pod-removed", "pod-unreachable"],
        ),
        _ => return None,
    })
}

/// By which a cause is found: an end of the connection, and the host.
fn ends(cause: &Cause) -> Vec<(TrafficKind, usize, Text)> {
    let place = &cause.place;
    let Some(host) = &place.host else { return Vec::new() };
    let client = place.client.map(|at| (TrafficKind::Source, at, Arc::clone(host)));
    let server = place.server.filter(|_| place.client.is_none());
    client.into_iter().chain(server.map(|at| (TrafficKind::Destination, at, Arc::clone(host)))).collect()
}

/// Adds a cause, as evidence where another counter tells the same pair's with more detail: one of those.
fn beside(cause: Cause, of_pair: Vec<usize>, causes: &mut Vec<Cause>) {
    let can_be = |one: &Cause, label: Label| one.label == label || one.alternatives.contains(&label.word());
    let at = of_pair.into_iter().find(|at| {
        causes.get(*at).is_some_and(|known| can_be(&cause, known.label) || can_be(known, cause.label))
    });
    match at.and_then(|at| causes.get_mut(at)) {
        Some(known) => {
            if cause.confidence > known.confidence {
                known.label = cause.label;
                known.confidence = cause.confidence;
                known.alternatives = cause.alternatives;
            }
            known.server_proof |= cause.server_proof;
            known.evidence.extend(cause.evidence);
        }
        None => causes.push(cause),
    }
}
