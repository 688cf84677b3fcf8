//! Istio's own counters, of requests and of TCP connections between workloads: `istio_requests_total`,
//! `istio_tcp_connections_closed_total`, and ztunnel's `istio_tcp_connections_failed_total`.

use super::exposition::Sample;
use super::series::Metric;

/// Who counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TrafficKind {
    /// The client's proxy (`source`).
    Source,
    /// The server's (`destination`).
    Destination,
}

/// Requests or connections that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Traffic {
    /// Who counted.
    pub by: TrafficKind,
    /// Namespace and name of the client's workload.
    pub client: Option<(Box<str>, Box<str>)>,
    /// Namespace and name of the server's.
    pub server: Option<(Box<str>, Box<str>)>,
    /// The host that was called.
    pub host: Option<Box<str>>,
    /// The response flags, or ztunnel's word for what failed.
    pub flags: Box<str>,
    /// Whether it came over mutual TLS; `None` where the counting side does not say.
    pub mutual_tls: Option<bool>,
}

/// The labels in the order in which Envoy writes them into one name, as far as one ends where the next begins.
const KEYS: [&str; 33] = [
    "reporter",
    "source_workload",
    "source_canonical_service",
    "source_canonical_revision",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_cluster",
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_service",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_service_name",
    "destination_service_namespace",
    "destination_cluster",
    "request_protocol",
    "response_code",
    "response_code_class",
    "grpc_response_status",
    "response_flags",
    "connection_security_policy",
    "source_region",
    "source_zone",
    "destination_region",
    "destination_zone",
    "request_method",
    "request_path",
    "request_host",
];

/// The traffic of a sample.
pub(super) fn of_sample(sample: &Sample<'_>) -> Option<(Metric, Traffic)> {
    let metric = Metric::of_istio(sample.name)?;
    Some((metric, traffic(metric, |key| sample.label(key))?))
}

/// The traffic of a name in Envoy's plain text: `istiocustom.istio_requests_total.reporter.source.…`, or
/// `reporter=.=source;.;source_workload=.=…;.;_istio_requests_total` before the filter was Envoy's own.
pub(super) fn of_stat(name: &str) -> Option<(Metric, Traffic)> {
    if name.starts_with("reporter=.=") {
        let (tags, name) = name.rsplit_once(";.;_")?;
        let metric = Metric::of_istio(name)?;
        let tag = |key: &str| {
            let mut tags = tags.split(";.;").filter_map(|tag| tag.split_once("=.="));
            tags.find(|(own, _)| *own == key).map(|(_, value)| value)
        };
        return Some((metric, traffic(metric, tag)?));
    }
    let rest = name.strip_prefix("istiocustom.")?;
    let (name, rest) = rest.split_once('.')?;
    let metric = Metric::of_istio(name)?;
    let tags = tags(rest);
    let tag = |key: &str| tags.iter().find(|(own, _)| *own == key).map(|(_, value)| *value);
    Some((metric, traffic(metric, tag)?))
}

/// Splits `KEY.VALUE.KEY.VALUE…`, where values have points too: a value ends where a later key begins.
fn tags(mut rest: &str) -> Vec<(&'static str, &str)> {
    let mut found = Vec::new();
    let mut left: &[&'static str] = &KEYS;
    while let Some((at, key)) = left.iter().enumerate().find(|(_, key)| begins(rest, key)) {
        let behind = rest.strip_prefix(key).and_then(|rest| rest.strip_prefix('.')).unwrap_or_default();
        left = left.get(at + 1..).unwrap_or_default();
        let next = left.iter().filter_map(|key| next_key(behind, key)).min();
        let (value, after) = next.and_then(|at| behind.split_at_checked(at)).unwrap_or((behind, ""));
        found.push((*key, value.trim_end_matches('.')));
        rest = after;
    }
    found
}

fn begins(text: &str, key: &str) -> bool {
    text.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'))
}

/// Where a key stands at the beginning of a part.
fn next_key(text: &str, key: &str) -> Option<usize> {
    if begins(text, key) {
        return Some(0);
    }
    let mut places = text.match_indices(key).filter(|(at, _)| {
        let before = at.checked_sub(1).and_then(|at| text.as_bytes().get(at));
        before == Some(&b'.') && text.as_bytes().get(at + key.len()) == Some(&b'.')
    });
    places.next().map(|(at, _)| at)
}

fn traffic<'a>(metric: Metric, label: impl Fn(&str) -> Option<&'a str>) -> Option<Traffic> {
    let known = |key: &str| label(key).filter(|value| !value.is_empty() && *value != "unknown");
    let by = match label("reporter")? {
        "source" => TrafficKind::Source,
        "destination" => TrafficKind::Destination,
        // A waypoint has a connection of its own to the server, whose two ends the labels do not name.
        _ => return None,
    };
    let workload = |name: &str, namespace: &str| Some((known(namespace)?.into(), known(name)?.into()));
    let mut flags = known("response_flags").unwrap_or("-");
    // Answers without a flag are told apart by nothing that is kept.
    if metric == Metric::TcpClosed && ["DENY", "CONNECT"].contains(&flags) {
        flags = "-";
    }
    Some(Traffic {
        by,
        client: workload("source_workload", "source_workload_namespace"),
        server: workload("destination_workload", "destination_workload_namespace"),
        host: known("destination_service").filter(|host| host.contains('.')).map(Box::from),
        flags: flags.into(),
        mutual_tls: known("connection_security_policy").map(|policy| policy == "mutual_tls"),
    })
}
