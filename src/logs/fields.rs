//! The fields of a line by their names, for records, queries and groups that a user asks for.
//!
//! Names are those of the records (`logs -o ndjson`): Envoy's operators in snake case, ztunnel's own where ztunnel
//! wrote the line. A few more can be asked for that are read off others: `host`, `port`, `subset`, `reporter`, `mtls`.

use std::borrow::Cow;

use super::access_line::{AccessLine, Format, value};
use super::upstream_cluster::{Reporter, UpstreamCluster, reporter_of};
use super::ztunnel::ZtunnelLine;

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Any text.
    Text,
    /// A whole number.
    Number,
    /// A time span in milliseconds.
    Millis,
    /// A time stamp.
    Time,
    /// Response flags.
    Flags,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident $text:literal $kind:ident $record:literal [$($alias:literal),*];)*) => {
        /// A field of a line.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Field { $($(#[$doc])* $name,)* }

        impl Field {
            /// Every field, in the order of a record.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name in records.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// All its names, that of records first.
            pub fn names(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$text $(, $alias)*],)* }
            }

            /// What its values are.
            pub fn kind(self) -> FieldKind {
                match self { $(Self::$name => FieldKind::$kind,)* }
            }

            /// Whether records have it. The others are read off these.
            pub fn is_of_records(self) -> bool {
                match self { $(Self::$name => $record,)* }
            }

            /// The field of that name, in records or in short.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($text $(| $alias)* => Some(Self::$name),)* _ => None }
            }
        }
    };
}

fields! {
    /// When the request or connection began.
    StartTime "start_time" Time true [];
    /// The method.
    Method "method" Text true [];
    /// The path with its query.
    Path "path" Text true [];
    /// The protocol.
    Protocol "protocol" Text true [];
    /// The status sent to the caller.
    ResponseCode "response_code" Number true ["code", "status"];
    /// The response flags.
    ResponseFlags "response_flags" Flags true ["flags"];
    /// Who set the response code and why.
    ResponseCodeDetails "response_code_details" Text true ["details"];
    /// Why the caller's connection was closed.
    ConnectionTerminationDetails "connection_termination_details" Text true ["termination"];
    /// Mixer's status, in the logs of Istio 1.1 to 1.7.
    PolicyStatus "istio_policy_status" Text true [];
    /// Why the connection to the upstream failed.
    UpstreamTransportFailureReason "upstream_transport_failure_reason" Text true ["reason"];
    /// Bytes received.
    BytesReceived "bytes_received" Number true [];
    /// Bytes sent.
    BytesSent "bytes_sent" Number true [];
    /// Bytes received, as ztunnel calls them.
    BytesRecv "bytes_recv" Number true [];
    /// From beginning to end.
    Duration "duration" Millis true [];
    /// What the upstream took.
    UpstreamServiceTime "upstream_service_time" Millis true ["service_time"];
    /// `x-forwarded-for`.
    XForwardedFor "x_forwarded_for" Text true [];
    /// `user-agent`.
    UserAgent "user_agent" Text true [];
    /// `x-request-id`.
    RequestId "request_id" Text true [];
    /// The host asked for.
    Authority "authority" Text true [];
    /// The endpoint.
    UpstreamHost "upstream_host" Text true [];
    /// Envoy's upstream cluster.
    UpstreamCluster "upstream_cluster" Text true ["cluster"];
    /// This proxy's end of the upstream connection.
    UpstreamLocalAddress "upstream_local_address" Text true [];
    /// The address that the caller connected to.
    DownstreamLocalAddress "downstream_local_address" Text true [];
    /// The caller's address.
    DownstreamRemoteAddress "downstream_remote_address" Text true [];
    /// The SNI.
    RequestedServerName "requested_server_name" Text true ["sni"];
    /// The route.
    RouteName "route_name" Text true ["route"];
    /// ztunnel: when the line was written.
    Time "time" Time true [];
    /// ztunnel: `info`, `warn`, `error`, `debug`.
    Level "level" Text true [];
    /// ztunnel: `connection complete`, `connection failed`, `connection opened`.
    Message "message" Text true [];
    /// ztunnel: the source's address.
    SrcAddr "src.addr" Text true [];
    /// ztunnel: the source's pod.
    SrcWorkload "src.workload" Text true [];
    /// ztunnel: its namespace.
    SrcNamespace "src.namespace" Text true [];
    /// ztunnel: its identity; there exactly where the connection is (meant to be) HBONE.
    SrcIdentity "src.identity" Text true [];
    /// ztunnel: its cluster.
    SrcCluster "src.cluster" Text true [];
    /// ztunnel: the destination's address.
    DstAddr "dst.addr" Text true [];
    /// ztunnel: the target inside the tunnel.
    DstHboneAddr "dst.hbone_addr" Text true [];
    /// ztunnel: the service.
    DstService "dst.service" Text true [];
    /// ztunnel: the destination's pod.
    DstWorkload "dst.workload" Text true [];
    /// ztunnel: its namespace.
    DstNamespace "dst.namespace" Text true [];
    /// ztunnel: its identity.
    DstIdentity "dst.identity" Text true [];
    /// ztunnel: its cluster.
    DstCluster "dst.cluster" Text true [];
    /// ztunnel: `outbound` or `inbound`.
    Direction "direction" Text true [];
    /// ztunnel: why the connection failed.
    Error "error" Text true [];
    /// The layout of the line.
    Format "format" Text true [];
    /// `namespace/name` of the pod whose line it is.
    Pod "pod" Text true [];
    /// The file.
    File "file" Text true [];
    /// The number of the line in it.
    Line "line" Number true [];
    /// The host called: that of the upstream cluster, else the authority; ztunnel's service, else its address.
    Host "host" Text false [];
    /// The port in the upstream cluster's name.
    Port "port" Number false [];
    /// The subset in the upstream cluster's name.
    Subset "subset" Text false [];
    /// `client`, `server` or `unknown`.
    Reporter "reporter" Text false ["side"];
    /// ztunnel: `true` or `false`.
    Mtls "mtls" Text false [];
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// The layout does not have it.
    Absent,
    /// The layout has it, and there was no value.
    Empty,
    /// Text.
    Text(Cow<'a, [u8]>),
    /// A number.
    Number(u64),
    /// Flags, as written.
    Flags(&'a [u8]),
}

/// A line of whatever proxy.
#[derive(Debug, Clone, Copy)]
pub enum AnyLine<'a> {
    /// Envoy's.
    Envoy(&'a AccessLine<'a>),
    /// ztunnel's.
    Ztunnel(&'a ZtunnelLine<'a>),
}

/// A line, and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What it says.
    pub line: AnyLine<'a>,
    /// `namespace/name` of its pod, where it is known.
    pub pod: Option<&'a str>,
    /// The file.
    pub file: &'a str,
    /// Its number there.
    pub number: u64,
}

impl<'a> Seen<'a> {
    /// The value of a field.
    pub fn value(&self, field: Field) -> FieldValue<'a> {
        let known = |text: &'a str| FieldValue::Text(Cow::Borrowed(text.as_bytes()));
        match (field, self.line) {
            (Field::Pod, _) => self.pod.map_or(FieldValue::Empty, known),
            (Field::File, _) => known(self.file),
            (Field::Line, _) => FieldValue::Number(self.number),
            (_, AnyLine::Envoy(line)) => of_envoy(line, field),
            (_, AnyLine::Ztunnel(line)) => of_ztunnel(line, field),
        }
    }

    /// When it began, or for ztunnel ended, in microseconds since the epoch.
    pub fn time(&self) -> Option<i64> {
        match self.line {
            AnyLine::Envoy(line) => line.micros(),
            AnyLine::Ztunnel(line) => super::parse_time(line.time.as_bytes()),
        }
    }

    /// How long it took, in milliseconds.
    pub fn duration(&self) -> Option<u64> {
        match self.line {
            AnyLine::Envoy(line) => line.duration,
            AnyLine::Ztunnel(line) => line.duration_ms,
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other fields are ztunnel's")]
fn of_envoy<'a>(line: &AccessLine<'a>, field: Field) -> FieldValue<'a> {
    let text = |text: Option<&'a [u8]>| match text {
        None => FieldValue::Absent,
        Some(_) => value(text).map_or(FieldValue::Empty, |text| FieldValue::Text(Cow::Borrowed(text))),
    };
    let number = |number: Option<u64>| match number {
        Some(number) => FieldValue::Number(number),
        // A text layout of Envoy or Istio has every number, so one without value was written as `-`.
        None if is_text(line.format) => FieldValue::Empty,
        None => FieldValue::Absent,
    };
    let word = |word: &'static str| FieldValue::Text(Cow::Borrowed(word.as_bytes()));
    let cluster = || value(line.upstream_cluster).map(UpstreamCluster::parse);
    match field {
        Field::StartTime => text(line.start_time),
        Field::Method => text(line.method),
        Field::Path => text(line.path),
        Field::Protocol => text(line.protocol),
        Field::ResponseCode => number(line.response_code.map(u64::from)),
        Field::ResponseFlags => match line.response_flags {
            None => FieldValue::Absent,
            flags => value(flags).map_or(FieldValue::Empty, FieldValue::Flags),
        },
        Field::ResponseCodeDetails => text(line.response_code_details),
        Field::ConnectionTerminationDetails => text(line.connection_termination_details),
        Field::PolicyStatus => text(line.mixer_status),
        Field::UpstreamTransportFailureReason => text(line.upstream_transport_failure_reason),
        Field::BytesReceived => number(line.bytes_received),
        Field::BytesSent => number(line.bytes_sent),
        Field::Duration => number(line.duration),
        Field::UpstreamServiceTime => number(line.upstream_service_time),
        Field::XForwardedFor => text(line.x_forwarded_for),
        Field::UserAgent => text(line.user_agent),
        Field::RequestId => text(line.request_id),
        Field::Authority => text(line.authority),
        Field::UpstreamHost => text(line.upstream_host),
        Field::UpstreamCluster => text(line.upstream_cluster),
        Field::UpstreamLocalAddress => text(line.upstream_local_address),
        Field::DownstreamLocalAddress => text(line.downstream_local_address),
        Field::DownstreamRemoteAddress => text(line.downstream_remote_address),
        Field::RequestedServerName => text(line.requested_server_name),
        Field::RouteName => text(line.route_name),
        Field::Format => word(line.format.name()),
        Field::Host => text(cluster().and_then(|cluster| cluster.host).or(value(line.authority))),
        Field::Port => match cluster().and_then(|cluster| cluster.port) {
            Some(port) => FieldValue::Number(port.into()),
            None => FieldValue::Absent,
        },
        Field::Subset => text(cluster().and_then(|cluster| cluster.subset)),
        Field::Reporter => word(reporter_of(line).name()),
        _ => FieldValue::Absent,
    }
}

/// The text layouts that Envoy and Istio have by default.
fn is_text(format: Format) -> bool {
    use Format::{
        EnvoyDefault, IstioText10, IstioText11, IstioText13, IstioText14, IstioText18, IstioText19,
    };
    let all = [EnvoyDefault, IstioText10, IstioText11, IstioText13, IstioText14, IstioText18, IstioText19];
    all.contains(&format)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other fields are Envoy's")]
fn of_ztunnel<'a>(line: &'a ZtunnelLine<'a>, field: Field) -> FieldValue<'a> {
    let word = |word: &'a str| FieldValue::Text(Cow::Borrowed(word.as_bytes()));
    let text = |text: &'a Option<Cow<'a, str>>| text.as_deref().map_or(FieldValue::Absent, word);
    let number = |number: Option<u64>| number.map_or(FieldValue::Absent, FieldValue::Number);
    match field {
        Field::Time => word(&line.time),
        Field::Level => word(&line.level),
        Field::Message => word(&line.message),
        Field::SrcAddr => word(&line.src_addr),
        Field::SrcWorkload => text(&line.src_workload),
        Field::SrcNamespace => text(&line.src_namespace),
        Field::SrcIdentity => text(&line.src_identity),
        Field::SrcCluster => text(&line.src_cluster),
        Field::DstAddr => word(&line.dst_addr),
        Field::DstHboneAddr => text(&line.dst_hbone_addr),
        Field::DstService => text(&line.dst_service),
        Field::DstWorkload => text(&line.dst_workload),
        Field::DstNamespace => text(&line.dst_namespace),
        Field::DstIdentity => text(&line.dst_identity),
        Field::DstCluster => text(&line.dst_cluster),
        Field::Direction => word(if line.reporter == Reporter::Client { "outbound" } else { "inbound" }),
        Field::BytesSent => number(line.bytes_sent),
        Field::BytesRecv => number(line.bytes_recv),
        Field::Duration => number(line.duration_ms),
        Field::Error => text(&line.error),
        Field::Format => word(super::ztunnel::FORMAT),
        Field::Host => word(line.dst_service.as_deref().unwrap_or(&line.dst_addr)),
        Field::Reporter => word(line.reporter.name()),
        Field::Mtls => word(if line.is_mtls() { "true" } else { "false" }),
        _ => FieldValue::Absent,
    }
}

impl FieldValue<'_> {
    /// Writes the value as JSON; nothing at all for a field that the layout does not have. False then.
    pub fn write_json(&self, out: &mut String) -> bool {
        match self {
            Self::Absent => return false,
            Self::Empty => out.push_str("null"),
            Self::Text(text) => push_text(out, &String::from_utf8_lossy(text)),
            Self::Number(number) => out.push_str(&number.to_string()),
            Self::Flags(flags) => {
                out.push('[');
                for (at, flag) in flags.split(|byte| *byte == b',').enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    push_text(out, &String::from_utf8_lossy(flag));
                }
                out.push(']');
            }
        }
        true
    }
}

/// A text as JSON.
pub(super) fn push_text(out: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && !matches!(byte, b'"' | b'\\')) {
        out.push('"');
        out.push_str(text);
        out.push('"');
        return;
    }
    // A text is always JSON.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// One line as a record: `{"start_time":…,…}`, with the line itself as `raw` where it is given. Envoy's own names
/// and no head (cli.md, `logs -o ndjson`).
pub fn write_record(out: &mut String, seen: &Seen<'_>, raw: Option<&[u8]>) {
    let mut value = String::new();
    out.push('{');
    let add = |out: &mut String, name: &str, value: &str| {
        if !out.ends_with('{') {
            out.push(',');
        }
        push_text(out, name);
        out.push(':');
        out.push_str(value);
    };
    for field in Field::ALL.iter().filter(|field| field.is_of_records()) {
        value.clear();
        if seen.value(*field).write_json(&mut value) {
            add(out, field.name(), &value);
        }
    }
    if let AnyLine::Envoy(line) = seen.line
        && line.ambiguous
    {
        add(out, "ambiguous", "true");
    }
    if let Some(raw) = raw {
        value.clear();
        push_text(&mut value, &String::from_utf8_lossy(raw));
        add(out, "raw", &value);
    }
    out.push('}');
}

/// A line that is none of an access log, as a record (`--other`): it has no format, and is shown as written.
pub fn write_other(out: &mut String, pod: Option<&str>, file: &str, number: u64, raw: &[u8]) {
    out.push_str("{\"format\":null,\"pod\":");
    match pod {
        Some(pod) => push_text(out, pod),
        None => out.push_str("null"),
    }
    out.push_str(",\"file\":");
    push_text(out, file);
    out.push_str(",\"line\":");
    out.push_str(&number.to_string());
    out.push_str(",\"raw\":");
    push_text(out, &String::from_utf8_lossy(raw));
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::super::parse_text;
    use super::*;

    fn record(line: &str) -> serde_json::Value {
        let line = parse_text(line.as_bytes()).unwrap();
        let seen = Seen { line: AnyLine::Envoy(&line), pod: None, file: "a.log", number: 7 };
        let mut out = String::new();
        write_record(&mut out, &seen, None);
        serde_json::from_str(&out).unwrap()
    }

    #[test]
    fn names_are_read_back_and_never_shared() {
        let names: std::collections::BTreeSet<_> = Field::ALL.iter().map(|field| field.name()).collect();
        assert_eq!(names.len(), Field::ALL.len());
        assert!(Field::ALL.iter().all(|field| Field::named(field.name()) == Some(*field)));
    }

    #[test]
    fn a_dash_is_null_and_what_the_layout_lacks_is_absent() {
        let line = "[2020-05-07T21:54:37.175Z] \"GET /a\"b HTTP/1.1\" 503 UF,URX 0 91 12 - \"-\" \"curl\" \"id\" \
                    \"cart\" \"10.8.1.8:80\"";
        let record = record(line);
        assert_eq!(record["response_code"], 503);
        assert_eq!(record["response_flags"], serde_json::json!(["UF", "URX"]));
        assert_eq!(record["path"], "/a\"b");
        assert_eq!(record["duration"], 12);
        assert_eq!((record["line"].as_u64(), record["format"].as_str()), (Some(7), Some("envoy-default")));
        let object = record.as_object().unwrap();
        assert!(["x_forwarded_for", "upstream_service_time", "pod"].iter().all(|key| object[*key].is_null()));
        for key in ["upstream_cluster", "response_code_details", "route_name", "src.addr", "host", "raw"] {
            assert!(!object.contains_key(key), "{key}");
        }
    }
}
