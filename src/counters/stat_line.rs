//! One line of Envoy's plain statistics (`/stats`): `NAME: NUMBER`, `NAME: "TEXT"`, or quantiles.

/// What stands behind the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A counter or a gauge.
    Number(u64),
    /// A text or a histogram.
    Other,
}

/// The name and the value. A name has no spaces; those of Istio's tags have `;`, `=` and `|`.
pub fn parse(line: &str) -> Option<(&str, Value)> {
    let (name, value) = line.rsplit_once(": ").or_else(|| line.strip_suffix(':').map(|name| (name, "")))?;
    let (name, value) = if let Ok(number) = value.parse() {
        (name, Value::Number(number))
    } else {
        // A text may have the mark in it, so the first one ends the name.
        let (name, value) = line.split_once(": ")?;
        let other = value.starts_with('"') || value.starts_with("P0(") || value == "No recorded values";
        (name, if other { Value::Other } else { return None })
    };
    let is_name =
        !name.is_empty() && !name.contains(|one: char| one.is_whitespace() || one == '"' || one == '{');
    is_name.then_some((name, value))
}

/// The scopes under which Envoy has its statistics, as far as a text of them always has some.
const SCOPES: [&str; 14] = [
    "cluster.",
    "cluster_manager.",
    "listener.",
    "listener_manager.",
    "http.",
    "tcp.",
    "tls_inspector.",
    "http_inspector.",
    "server.",
    "sds.",
    "istiocustom.",
    "wasmcustom.",
    "reporter=.=",
    "thread_local_cluster_manager.",
];

/// Whether a line can be nothing else: two parts behind one of Envoy's scopes, or the tags of Istio.
pub fn tells(line: &str) -> bool {
    let Some((name, Value::Number(_))) = parse(line) else { return false };
    let scoped = SCOPES.iter().any(|scope| name.starts_with(scope));
    scoped
        && (name.matches('.').count() > 1 || name.starts_with("tls_inspector.") || name.starts_with("tcp."))
        || name.starts_with("cluster_manager.") && name.ends_with("_clusters")
}
