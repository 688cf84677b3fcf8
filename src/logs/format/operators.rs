//! Envoy's operators: which arguments they take, what they write, and who decides what that is.
//!
//! See <https://www.envoyproxy.io/docs/envoy/latest/configuration/advanced/substitution_formatter>.

use super::field::{Shape, Target};
use super::parse::Command;
use super::time_pattern::TimePattern;

/// Whether an operator has an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Argument {
    None,
    Optional,
    Required,
}

/// What is known of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) argument: Argument,
    /// Whether it may be followed by `:LENGTH`.
    pub(super) length: bool,
    pub(super) shape: Shape,
    pub(super) target: Option<Target>,
}

/// The most digits that Envoy's counters have.
const DIGITS: usize = 20;

/// Operators that write a number.
const NUMBERS: [&str; 33] = [
    "REQUEST_HEADERS_BYTES",
    "RESPONSE_HEADERS_BYTES",
    "RESPONSE_TRAILERS_BYTES",
    "BYTES_RETRANSMITTED",
    "PACKETS_RETRANSMITTED",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT",
    "UPSTREAM_WIRE_BYTES_SENT",
    "UPSTREAM_WIRE_BYTES_RECEIVED",
    "UPSTREAM_HEADER_BYTES_SENT",
    "UPSTREAM_HEADER_BYTES_RECEIVED",
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_WIRE_BYTES_SENT",
    "DOWNSTREAM_WIRE_BYTES_RECEIVED",
    "DOWNSTREAM_HEADER_BYTES_SENT",
    "DOWNSTREAM_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
    "REQUEST_DURATION",
    "REQUEST_TX_DURATION",
    "RESPONSE_DURATION",
    "RESPONSE_TX_DURATION",
    "ROUNDTRIP_DURATION",
    "DOWNSTREAM_HANDSHAKE_DURATION",
    "UPSTREAM_CONNECTION_POOL_READY_DURATION",
    "UPSTREAM_LOCAL_PORT",
    "UPSTREAM_REMOTE_PORT",
    "DOWNSTREAM_REMOTE_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_PORT",
    "DOWNSTREAM_LOCAL_PORT",
    "DOWNSTREAM_DIRECT_LOCAL_PORT",
    "CONNECTION_ID",
    "UPSTREAM_CONNECTION_ID",
];

/// Operators that write a word of the proxy's own, or several with commas between.
const WORDS: [&str; 30] = [
    "UPSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS",
    "UPSTREAM_HOSTS_ATTEMPTED",
    "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT",
    "UPSTREAM_CONNECTION_IDS_ATTEMPTED",
    "DOWNSTREAM_TLS_SESSION_ID",
    "DOWNSTREAM_TLS_CIPHER",
    "DOWNSTREAM_TLS_GROUP",
    "DOWNSTREAM_TLS_VERSION",
    "UPSTREAM_TLS_SESSION_ID",
    "UPSTREAM_TLS_CIPHER",
    "UPSTREAM_TLS_GROUP",
    "UPSTREAM_TLS_VERSION",
    "DOWNSTREAM_PEER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_FINGERPRINT_1",
    "DOWNSTREAM_PEER_SERIAL",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1",
    "DOWNSTREAM_PEER_CHAIN_SERIALS",
    "DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_ISSUER_SERIAL",
    "DOWNSTREAM_PEER_CERT",
    "UPSTREAM_PEER_CERT",
    "TLS_JA3_FINGERPRINT",
    "TLS_JA4_FINGERPRINT",
    "ACCESS_LOG_TYPE",
    "UNIQUE_ID",
    "UPSTREAM_DETECTED_CLOSE_TYPE",
    "DOWNSTREAM_DETECTED_CLOSE_TYPE",
];

/// Operators of whose text nothing is known.
const TEXTS: [&str; 19] = [
    "STREAM_ID",
    "TRACE_ID",
    "SPAN_ID",
    "LOCAL_REPLY_BODY",
    "FILTER_CHAIN_NAME",
    "HOSTNAME",
    "VIRTUAL_CLUSTER_NAME",
    "CUSTOM_FLAGS",
    "UPSTREAM_HOST_NAME",
    "UPSTREAM_HOST_NAME_WITHOUT_PORT",
    "UPSTREAM_HOST_NAMES_ATTEMPTED",
    "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT",
    "UPSTREAM_SERVER_NAME",
    "UPSTREAM_LOCAL_CLOSE_REASON",
    "DOWNSTREAM_LOCAL_CLOSE_REASON",
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON",
    "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID",
    "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID",
];

/// The operator of a command; `None` where Envoy has none of that name.
pub(super) fn operator(command: &Command<'_>) -> Option<Operator> {
    let argument = command.argument.unwrap_or_default();
    Some(match command.name {
        "START_TIME"
        | "START_TIME_LOCAL"
        | "EMIT_TIME"
        | "EMIT_TIME_LOCAL"
        | "DOWNSTREAM_PEER_CERT_V_START"
        | "DOWNSTREAM_PEER_CERT_V_END"
        | "UPSTREAM_PEER_CERT_V_START"
        | "UPSTREAM_PEER_CERT_V_END" => time(command),
        "REQ" | "REQUEST_HEADER" | "REQ_WITHOUT_QUERY" => {
            written_by_others(Argument::Required, request_header(argument))
        }
        "RESP" | "RESPONSE_HEADER" => {
            let is_time = argument.eq_ignore_ascii_case("x-envoy-upstream-service-time");
            written_by_others(Argument::Required, is_time.then_some(Target::UpstreamServiceTime))
        }
        "PATH" => written_by_others(Argument::Optional, Some(Target::Path)),
        "QUERY_PARAMS" => written_by_others(Argument::Optional, None),
        "TRAILER"
        | "RESPONSE_TRAILER"
        | "QUERY_PARAM"
        | "DYNAMIC_METADATA"
        | "CLUSTER_METADATA"
        | "UPSTREAM_METADATA"
        | "METADATA"
        | "FILTER_STATE"
        | "UPSTREAM_FILTER_STATE"
        | "ENVIRONMENT"
        | "CEL"
        | "TYPED_CEL"
        | "COALESCE" => written_by_others(Argument::Required, None),
        "REQUESTED_SERVER_NAME" => server_name(argument),
        "RESPONSE_CODE_DETAILS" => Operator {
            argument: Argument::Optional,
            length: false,
            shape: Shape::Phrase,
            target: Some(Target::ResponseCodeDetails),
        },
        "GRPC_STATUS" => optional(Shape::Word),
        "COMMON_DURATION" => Operator { argument: Argument::Required, ..bare(Shape::Signed, None) },
        name if name.ends_with("_WITHOUT_PORT") && is_address(name) => optional(Shape::Word),
        name => return without_argument(name),
    })
}

/// The operators that have neither argument nor length.
fn without_argument(name: &str) -> Option<Operator> {
    let digits = |target| Some(bare(Shape::Digits(DIGITS), Some(target)));
    let word = |target| Some(bare(Shape::Word, Some(target)));
    let phrase = |target| Some(bare(Shape::Phrase, Some(target)));
    match name {
        "PROTOCOL" => Some(bare(Shape::Protocol, Some(Target::Protocol))),
        "UPSTREAM_PROTOCOL" => Some(bare(Shape::Protocol, None)),
        "RESPONSE_CODE" => Some(bare(Shape::Digits(3), Some(Target::ResponseCode))),
        "RESPONSE_FLAGS" => Some(bare(Shape::Flags, Some(Target::ResponseFlags))),
        "RESPONSE_FLAGS_LONG" => Some(bare(Shape::LongFlags, Some(Target::ResponseFlags))),
        "BYTES_RECEIVED" => digits(Target::BytesReceived),
        "BYTES_SENT" => digits(Target::BytesSent),
        "DURATION" => digits(Target::Duration),
        "CONNECTION_TERMINATION_DETAILS" => word(Target::ConnectionTerminationDetails),
        // It may quote the names of a certificate.
        "UPSTREAM_TRANSPORT_FAILURE_REASON" => {
            Some(bare(Shape::Any, Some(Target::UpstreamTransportFailureReason)))
        }
        "ROUTE_NAME" => phrase(Target::RouteName),
        "UPSTREAM_HOST" => word(Target::UpstreamHost),
        "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => {
            Some(bare(Shape::Cluster, Some(Target::UpstreamCluster)))
        }
        "UPSTREAM_LOCAL_ADDRESS" => word(Target::UpstreamLocalAddress),
        "DOWNSTREAM_LOCAL_ADDRESS" => word(Target::DownstreamLocalAddress),
        "DOWNSTREAM_REMOTE_ADDRESS" => word(Target::DownstreamRemoteAddress),
        "GRPC_STATUS_NUMBER" => Some(bare(Shape::Signed, None)),
        name if NUMBERS.contains(&name) => Some(bare(Shape::Digits(DIGITS), None)),
        name if WORDS.contains(&name) => Some(bare(Shape::Word, None)),
        name if TEXTS.contains(&name) => Some(bare(Shape::Any, None)),
        name if is_of_certificate(name) => Some(bare(Shape::Any, None)),
        _ => None,
    }
}

/// `UPSTREAM_PEER_SUBJECT`, `DOWNSTREAM_LOCAL_URI_SAN` and the like: whoever made the certificate wrote them.
fn is_of_certificate(name: &str) -> bool {
    let side = name.strip_prefix("UPSTREAM_").or_else(|| name.strip_prefix("DOWNSTREAM_"));
    let what = side.and_then(|side| side.strip_prefix("PEER_").or_else(|| side.strip_prefix("LOCAL_")));
    what.is_some_and(|what| {
        ["SUBJECT", "ISSUER", "URI_SAN", "DNS_SAN", "IP_SAN", "EMAIL_SAN", "OTHERNAME_SAN"].contains(&what)
    })
}

fn is_address(name: &str) -> bool {
    let address = name.trim_end_matches("_WITHOUT_PORT");
    [
        "UPSTREAM_LOCAL_ADDRESS",
        "UPSTREAM_REMOTE_ADDRESS",
        "DOWNSTREAM_REMOTE_ADDRESS",
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
        "DOWNSTREAM_LOCAL_ADDRESS",
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS",
    ]
    .contains(&address)
}

fn bare(shape: Shape, target: Option<Target>) -> Operator {
    Operator { argument: Argument::None, length: false, shape, target }
}

fn optional(shape: Shape) -> Operator {
    Operator { argument: Argument::Optional, ..bare(shape, None) }
}

/// Values that a caller, an upstream or a filter's configuration decides.
pub(super) fn written_by_others(argument: Argument, target: Option<Target>) -> Operator {
    Operator { argument, length: true, shape: Shape::Any, target }
}

fn time(command: &Command<'_>) -> Operator {
    let local = command.name.ends_with("_LOCAL");
    let default = match command.name {
        "START_TIME_LOCAL" | "EMIT_TIME_LOCAL" => "%Y-%m-%dT%H:%M:%E3S%z",
        _ => "%Y-%m-%dT%H:%M:%E3SZ",
    };
    let pattern = command.argument.filter(|pattern| !pattern.is_empty()).unwrap_or(default);
    let shape = TimePattern::compile(pattern, local).map_or(Shape::Any, Shape::Time);
    let target = command.name.starts_with("START_TIME").then_some(Target::StartTime);
    Operator { argument: Argument::Optional, ..bare(shape, target) }
}

/// Only a header alone is the field: with an alternative, a line does not tell which of the two it has.
fn request_header(argument: &str) -> Option<Target> {
    Some(match argument.to_ascii_lowercase().as_str() {
        ":method" => Target::Method,
        ":path" | "x-envoy-original-path?:path" => Target::Path,
        ":authority" | "host" => Target::Authority,
        "x-forwarded-for" => Target::XForwardedFor,
        "user-agent" => Target::UserAgent,
        "x-request-id" => Target::RequestId,
        _ => return None,
    })
}

/// What the caller asked TLS for. With another argument it can be the header `host`, and says nothing of TLS.
fn server_name(argument: &str) -> Operator {
    let is_sni = matches!(argument.split(':').next(), None | Some("" | "SNI_ONLY"));
    let (shape, target) =
        if is_sni { (Shape::Word, Some(Target::RequestedServerName)) } else { (Shape::Any, None) };
    Operator { argument: Argument::Optional, ..bare(shape, target) }
}
