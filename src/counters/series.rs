//! Which counters can be evidence of a failed request, and whose they are.
//!
//! Names are Envoy's own (its pages on the statistics of clusters, listeners, HTTP connection managers and filters),
//! with what Istio's bootstrap does to them: `;` ends a tag in the plain text, and Prometheus has the tag as a label.

use super::exposition::Sample;
use super::traffic::{self, Traffic};
use crate::model::Text;

macro_rules! metrics {
    ($($variant:ident = $name:literal;)*) => {
        /// A counter that can be evidence.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "they are Envoy's names")]
        pub enum Metric {
            $($variant,)*
        }

        impl Metric {
            /// The name as Envoy has it, behind whose it is.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

metrics! {
    Handshake = "ssl.handshake";
    ConnectionError = "ssl.connection_error";
    FailVerifyError = "ssl.fail_verify_error";
    FailVerifySan = "ssl.fail_verify_san";
    FailVerifyNoCert = "ssl.fail_verify_no_cert";
    CxTotal = "upstream_cx_total";
    CxConnectFail = "upstream_cx_connect_fail";
    CxDestroyRemoteWithActiveRq = "upstream_cx_destroy_remote_with_active_rq";
    CxNoneHealthy = "upstream_cx_none_healthy";
    CxProtocolError = "upstream_cx_protocol_error";
    RqTotal = "upstream_rq_total";
    Rq403 = "upstream_rq_403";
    Rq429 = "upstream_rq_429";
    Rq503 = "upstream_rq_503";
    Rq5xx = "upstream_rq_5xx";
    RqPendingOverflow = "upstream_rq_pending_overflow";
    RqTimeout = "upstream_rq_timeout";
    RqPerTryTimeout = "upstream_rq_per_try_timeout";
    EjectionsEnforced = "outlier_detection.ejections_enforced_total";
    NoFilterChainMatch = "no_filter_chain_match";
    DownstreamCxTotal = "downstream_cx_total";
    DownstreamCxSslTotal = "downstream_cx_ssl_total";
    DownstreamCxDestroyRemoteActiveRq = "downstream_cx_destroy_remote_active_rq";
    DownstreamRqIdleTimeout = "downstream_rq_idle_timeout";
    FaultAborts = "fault.aborts_injected";
    FaultDelays = "fault.delays_injected";
    NoRoute = "no_route";
    NoCluster = "no_cluster";
    DownstreamCxProtocolError = "downstream_cx_protocol_error";
    RbacDenied = "rbac.denied";
    ExtAuthzDenied = "ext_authz.denied";
    TlsFound = "tls_inspector.tls_found";
    TlsNotFound = "tls_inspector.tls_not_found";
    Uptime = "server.uptime";
    RateLimited = "http_local_rate_limit.enforced";
    Requests = "istio_requests_total";
    TcpClosed = "istio_tcp_connections_closed_total";
    TcpFailed = "istio_tcp_connections_failed_total";
}

/// What has a counter. Where two belong to one subject they are read together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// An upstream cluster, by its name.
    Cluster(Box<str>),
    /// A listener, by its address: `0.0.0.0_15006`.
    Listener(Box<str>),
    /// An HTTP connection manager, by its prefix: `inbound_0.0.0.0_9080`.
    Http(Box<str>),
    /// The rules of one policy in an HTTP connection manager: its prefix, the policy's namespace and its name.
    Policy(Box<str>, Box<str>, Box<str>),
    /// The proxy as a whole.
    Proxy,
    /// The filter of TCP connections that enforces policies.
    TcpPolicies,
    /// Requests or connections between two workloads, as Istio counts them.
    Traffic(Box<Traffic>),
}

/// The text that a sample stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Envoy's plain statistics.
    Statistics,
    /// The Prometheus text format.
    Prometheus,
}

/// A counter of somebody.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// In which text: one of each, taken at the same time, are no two readings.
    pub form: Form,
    /// Whose.
    pub subject: Subject,
    /// Which.
    pub metric: Metric,
    /// The pod that its labels name, where the text was collected from several: namespace and name.
    pub pod: Option<(Text, Text)>,
    /// When it was read, in milliseconds since the epoch, where the sample says so.
    pub time: Option<i64>,
}

/// The metrics of a cluster and of a listener.
const OF_CLUSTER: [Metric; 18] = [
    Metric::Handshake,
    Metric::ConnectionError,
    Metric::FailVerifyError,
    Metric::FailVerifySan,
    Metric::FailVerifyNoCert,
    Metric::CxTotal,
    Metric::CxConnectFail,
    Metric::CxDestroyRemoteWithActiveRq,
    Metric::CxNoneHealthy,
    Metric::CxProtocolError,
    Metric::RqTotal,
    Metric::Rq403,
    Metric::Rq429,
    Metric::Rq503,
    Metric::Rq5xx,
    Metric::RqPendingOverflow,
    Metric::RqTimeout,
    Metric::RqPerTryTimeout,
];
const OF_LISTENER: [Metric; 6] = [
    Metric::Handshake,
    Metric::ConnectionError,
    Metric::FailVerifyError,
    Metric::FailVerifySan,
    Metric::FailVerifyNoCert,
    Metric::NoFilterChainMatch,
];

const OF_HTTP: [Metric; 10] = [
    Metric::RbacDenied,
    Metric::DownstreamCxProtocolError,
    Metric::DownstreamCxTotal,
    Metric::DownstreamCxSslTotal,
    Metric::DownstreamCxDestroyRemoteActiveRq,
    Metric::DownstreamRqIdleTimeout,
    Metric::FaultAborts,
    Metric::FaultDelays,
    Metric::NoRoute,
    Metric::NoCluster,
];

impl Series {
    /// The counter of a name in Envoy's plain text.
    pub fn of_stat(name: &str) -> Option<Self> {
        if let Some((metric, traffic)) = traffic::of_stat(name) {
            return Some(Self::of(Subject::Traffic(Box::new(traffic)), metric));
        }
        let (subject, metric) = if let Some(rest) = name.strip_prefix("cluster.") {
            let metrics = OF_CLUSTER.iter().chain([&Metric::EjectionsEnforced]);
            let (cluster, metric) = split(rest, metrics)?;
            (Subject::Cluster(cluster.into()), metric)
        } else if let Some(rest) = name.strip_prefix("listener.") {
            let (listener, metric) = split(rest, OF_LISTENER.iter().chain([&Metric::DownstreamCxTotal]))?;
            (Subject::Listener(listener.into()), metric)
        } else if let Some(rest) = name.strip_prefix("http.") {
            of_http(rest)?
        } else {
            match name {
                "server.uptime" => (Subject::Proxy, Metric::Uptime),
                "tls_inspector.tls_found" => (Subject::Proxy, Metric::TlsFound),
                "tls_inspector.tls_not_found" => (Subject::Proxy, Metric::TlsNotFound),
                "tcp.rbac.denied" => (Subject::TcpPolicies, Metric::RbacDenied),
                _ if name.ends_with("http_local_rate_limit.enforced") => {
                    (Subject::Proxy, Metric::RateLimited)
                }
                _ => return None,
            }
        };
        Some(Self::of(subject, metric))
    }

    /// The counter of a sample in the Prometheus format.
    pub fn of_sample(sample: &Sample<'_>) -> Option<Self> {
        let (subject, metric) = if sample.name.starts_with("istio_") {
            let (metric, traffic) = traffic::of_sample(sample)?;
            (Subject::Traffic(Box::new(traffic)), metric)
        } else {
            of_envoy(sample)?
        };
        let own = |names: [&str; 2]| names.into_iter().find_map(|name| sample.label(name));
        let pod = own(["namespace", "kubernetes_namespace"]).zip(own(["pod", "kubernetes_pod_name"]));
        let pod = pod.map(|(namespace, pod)| (namespace.into(), pod.into()));
        Some(Self { form: Form::Prometheus, subject, metric, pod, time: sample.time })
    }

    fn of(subject: Subject, metric: Metric) -> Self {
        Self { form: Form::Statistics, subject, metric, pod: None, time: None }
    }
}

/// The part before one of the metrics. What Envoy counts once more (`internal`, `canary`, `zone`) is no one's.
fn split<'a, 'b>(name: &'a str, metrics: impl IntoIterator<Item = &'b Metric>) -> Option<(&'a str, Metric)> {
    let mut found =
        metrics.into_iter().filter_map(|metric| Some((name.strip_suffix(metric.name())?, *metric)));
    let (subject, metric) = found.find(|(subject, _)| subject.ends_with('.'))?;
    let subject = subject.strip_suffix('.')?;
    let subject = subject.strip_suffix(';').unwrap_or(subject);
    let again = ["internal", "external", "canary"].iter().any(|part| subject.ends_with(part));
    (!subject.is_empty() && !again && !subject.contains(';')).then_some((subject, metric))
}

/// Counters of an HTTP connection manager: `PREFIX;.rbac.denied`, `PREFIX;.rbac.policy.NAME.denied`,
/// `PREFIX;.ext_authz.NAME.denied`.
fn of_http(rest: &str) -> Option<(Subject, Metric)> {
    let end = |prefix: &str| Box::<str>::from(prefix.strip_suffix(';').unwrap_or(prefix));
    if let Some((prefix, rule)) = rest.split_once(".rbac.policy.ns[") {
        let (namespace, rule) = rule.strip_suffix(".denied")?.split_once("]-policy[")?;
        let (name, rule) = rule.split_once("]-rule[")?;
        rule.strip_suffix(']')?.parse::<u32>().ok()?;
        return Some((Subject::Policy(end(prefix), namespace.into(), name.into()), Metric::RbacDenied));
    }
    if let Some((prefix, name)) = rest.split_once(".ext_authz.") {
        let own = name == "denied" || name.strip_suffix(".denied").is_some_and(|name| !name.is_empty());
        return own.then(|| (Subject::Http(end(prefix)), Metric::ExtAuthzDenied));
    }
    let (prefix, metric) = split(rest, &OF_HTTP)?;
    Some((Subject::Http(prefix.into()), metric))
}

/// Envoy's own counters in the Prometheus format. The label of a tag has Envoy's prefix unless Istio named it.
fn of_envoy(sample: &Sample<'_>) -> Option<(Subject, Metric)> {
    let name = sample.name.strip_prefix("envoy_")?;
    let tag = |istio: &str, envoy: &str| sample.label(istio).or_else(|| sample.label(envoy)).map(Box::from);
    let cluster = || tag("cluster_name", "envoy_cluster_name");
    let http = || tag("http_conn_manager_prefix", "envoy_http_conn_manager_prefix");
    let is_denied = sample.label("authz_enforce_result") == Some("denied");
    let named =
        |name: &str, metrics: &[Metric]| metrics.iter().copied().find(|one| is_written(name, one.name()));
    Some(match name {
        "cluster_upstream_rq" => {
            let code = ["response_code", "envoy_response_code"].into_iter().find_map(|tag| sample.label(tag));
            let metric = match code? {
                "403" => Metric::Rq403,
                "429" => Metric::Rq429,
                "503" => Metric::Rq503,
                _ => return None,
            };
            (Subject::Cluster(cluster()?), metric)
        }
        "cluster_upstream_rq_xx" => {
            let tags = ["response_code_class", "envoy_response_code_class"];
            let class = tags.into_iter().find_map(|tag| sample.label(tag))?;
            if !matches!(class, "5" | "5xx") {
                return None;
            }
            (Subject::Cluster(cluster()?), Metric::Rq5xx)
        }
        "http_rbac" if is_denied => (Subject::Http(http()?), Metric::RbacDenied),
        "tcp" if is_denied => (Subject::TcpPolicies, Metric::RbacDenied),
        "tcp_rbac_denied" => (Subject::TcpPolicies, Metric::RbacDenied),
        "server_uptime" => (Subject::Proxy, Metric::Uptime),
        "tls_inspector_tls_found" => (Subject::Proxy, Metric::TlsFound),
        "tls_inspector_tls_not_found" => (Subject::Proxy, Metric::TlsNotFound),
        _ if name.ends_with("http_local_rate_limit_enforced") => (Subject::Proxy, Metric::RateLimited),
        _ => {
            if let Some(name) = name.strip_prefix("cluster_") {
                let metric =
                    named(name, &OF_CLUSTER).or_else(|| named(name, &[Metric::EjectionsEnforced]))?;
                (Subject::Cluster(cluster()?), metric)
            } else if let Some(name) = name.strip_prefix("listener_") {
                let metric =
                    named(name, &OF_LISTENER).or_else(|| named(name, &[Metric::DownstreamCxTotal]))?;
                (Subject::Listener(tag("listener_address", "envoy_listener_address")?), metric)
            } else if let Some(name) = name.strip_prefix("http_") {
                let denied = name.starts_with("ext_authz_") && name.ends_with("_denied");
                let own = || named(name, &OF_HTTP);
                let metric = if denied { Metric::ExtAuthzDenied } else { own()? };
                (Subject::Http(http()?), metric)
            } else {
                return None;
            }
        }
    })
}

/// Whether a name of the Prometheus format is that of Envoy, whose points became `_`.
fn is_written(name: &str, own: &str) -> bool {
    let own = own.bytes().map(|byte| if byte == b'.' { b'_' } else { byte });
    name.bytes().eq(own)
}

impl Metric {
    /// The metric of Istio that a name means.
    pub(super) fn of_istio(name: &str) -> Option<Self> {
        let own = [Self::Requests, Self::TcpClosed, Self::TcpFailed];
        own.into_iter().find(|metric| metric.name() == name)
    }

    /// Whether it is one of TLS, which proxies show only where somebody asked for it (data fact 21).
    pub fn is_tls(self) -> bool {
        self.name().starts_with("ssl.")
    }
}
