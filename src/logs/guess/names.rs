//! The names that formats give to Envoy's fields, as far as one can mean one thing only.

use crate::logs::access_json::{in_small, own_name};
use crate::logs::format::Target;

/// What a name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// The name that Envoy's operator or header has.
    Own(Target),
    /// A short name. Other programs have it too, so the line has to be proved to be Envoy's by something else.
    Short(Target),
    /// A word that says no more than what its value can be by its shape.
    Loose(Target),
    /// Method, path and protocol.
    Request,
    /// A word of the logs of applications, which an access log has no use for.
    Foreign,
    /// Anything.
    Unknown,
}

/// The names that Istio has; others of the same fields are known to [`own_name`].
const OWN: [(Target, &str); 24] = [
    (Target::StartTime, "start_time"),
    (Target::Method, "method"),
    (Target::Path, "path"),
    (Target::Protocol, "protocol"),
    (Target::ResponseCode, "response_code"),
    (Target::ResponseFlags, "response_flags"),
    (Target::ResponseCodeDetails, "response_code_details"),
    (Target::ConnectionTerminationDetails, "connection_termination_details"),
    (Target::UpstreamTransportFailureReason, "upstream_transport_failure_reason"),
    (Target::BytesReceived, "bytes_received"),
    (Target::BytesSent, "bytes_sent"),
    (Target::Duration, "duration"),
    (Target::UpstreamServiceTime, "upstream_service_time"),
    (Target::XForwardedFor, "x_forwarded_for"),
    (Target::UserAgent, "user_agent"),
    (Target::RequestId, "request_id"),
    (Target::Authority, "authority"),
    (Target::UpstreamHost, "upstream_host"),
    (Target::UpstreamCluster, "upstream_cluster"),
    (Target::UpstreamLocalAddress, "upstream_local_address"),
    (Target::DownstreamLocalAddress, "downstream_local_address"),
    (Target::DownstreamRemoteAddress, "downstream_remote_address"),
    (Target::RequestedServerName, "requested_server_name"),
    (Target::RouteName, "route_name"),
];
const SHORT: [(Target, &str); 15] = [
    (Target::StartTime, "time"),
    (Target::StartTime, "timestamp"),
    (Target::StartTime, "ts"),
    (Target::ResponseCode, "code"),
    (Target::ResponseCode, "status"),
    (Target::ResponseCode, "status_code"),
    (Target::ResponseCode, "http_status"),
    (Target::ResponseFlags, "flags"),
    (Target::ResponseFlags, "response_flag"),
    (Target::ResponseCodeDetails, "code_details"),
    (Target::ResponseCodeDetails, "response_details"),
    (Target::UserAgent, "ua"),
    (Target::XForwardedFor, "xff"),
    (Target::RequestedServerName, "sni"),
    (Target::RouteName, "route"),
];
const LOOSE: [(Target, &str); 10] = [
    (Target::UpstreamCluster, "cluster"),
    (Target::UpstreamCluster, "to"),
    (Target::UpstreamCluster, "upstream"),
    (Target::UpstreamCluster, "destination"),
    (Target::UpstreamCluster, "backend"),
    (Target::ResponseCodeDetails, "details"),
    (Target::ResponseCodeDetails, "detail"),
    (Target::ResponseCodeDetails, "reason"),
    (Target::ResponseCodeDetails, "why"),
    (Target::ResponseCodeDetails, "rcd"),
];
const FOREIGN: [&str; 9] = ["level", "lvl", "severity", "msg", "message", "logger", "caller", "error", "err"];

/// What a name says.
pub(super) fn named(key: &str) -> Named {
    let Some(small) = in_small(key) else { return Named::Unknown };
    let of =
        |names: &[(Target, &str)]| names.iter().find(|(_, name)| *name == small).map(|(target, _)| *target);
    let own = own_name(&small);
    if let Some((target, _)) = OWN.iter().find(|(_, name)| *name == own) {
        Named::Own(*target)
    } else if let Some(target) = of(&SHORT) {
        Named::Short(target)
    } else if let Some(target) = of(&LOOSE) {
        Named::Loose(target)
    } else if matches!(small.as_str(), "request" | "request_line") {
        Named::Request
    } else if FOREIGN.contains(&small.as_str()) {
        Named::Foreign
    } else {
        Named::Unknown
    }
}
