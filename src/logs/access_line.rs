//! One access-log line, field by field, borrowed from the bytes it was read from.
//!
//! The fields are those of Istio's own log. Nothing is decoded or interpreted here beyond numbers and flags: text
//! stays the bytes that Envoy wrote, `-` included.

use std::fmt;

use super::response_flags::FlagSet;
use super::time::parse_time;

/// The layout of a line. Istio's text layouts are named after the releases that wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Envoy's own default: ends behind the upstream host.
    EnvoyDefault,
    /// Istio 1.0: Envoy's default, upstream cluster and three addresses.
    IstioText10,
    /// Istio 1.1 and 1.2: Mixer's status behind the flags, SNI at the end.
    IstioText11,
    /// Istio 1.3: the transport failure reason behind Mixer's status.
    IstioText13,
    /// Istio 1.4 to 1.7: the route name at the end.
    IstioText14,
    /// Istio 1.8: without Mixer's status.
    IstioText18,
    /// Istio 1.9 and later: response code details and connection termination details behind the flags.
    IstioText19,
    /// Istio's JSON, or a choice of its keys.
    IstioJson,
    /// JSON with other names for some of the fields.
    EnvoyJson,
    /// A format string of one's own.
    Custom,
}

impl Format {
    /// Every format, the text layouts in the order of their releases.
    pub const ALL: [Self; 10] = [
        Self::EnvoyDefault,
        Self::IstioText10,
        Self::IstioText11,
        Self::IstioText13,
        Self::IstioText14,
        Self::IstioText18,
        Self::IstioText19,
        Self::IstioJson,
        Self::EnvoyJson,
        Self::Custom,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::EnvoyDefault => "envoy-default",
            Self::IstioText10 => "istio-text-1.0",
            Self::IstioText11 => "istio-text-1.1-1.2",
            Self::IstioText13 => "istio-text-1.3",
            Self::IstioText14 => "istio-text-1.4-1.7",
            Self::IstioText18 => "istio-text-1.8",
            Self::IstioText19 => "istio-text-1.9+",
            Self::IstioJson => "istio-json",
            Self::EnvoyJson => "envoy-json",
            Self::Custom => "custom",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An access-log line, read whole.
///
/// A text field is `None` where the format does not have it, and `-` where it has it and there was no value;
/// [`value`] makes both `None`. A number is `None` in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessLine<'a> {
    /// The layout in which the line is written.
    pub format: Format,
    /// The text of callers can be read in more than one way: it holds what looks like the literals between fields,
    /// and Envoy's text log escapes nothing. The fields behind the callers' text are right all the same.
    pub ambiguous: bool,
    /// When the request or connection began, as written (RFC 3339, unless `time` is set).
    pub start_time: Option<&'a [u8]>,
    /// The same in microseconds since the epoch, where a custom format wrote it in another way.
    pub time: Option<i64>,
    /// The method.
    pub method: Option<&'a [u8]>,
    /// The path with its query, as the caller sent it before any rewrite.
    pub path: Option<&'a [u8]>,
    /// `HTTP/1.1`, `HTTP/2`, …
    pub protocol: Option<&'a [u8]>,
    /// The status sent to the caller; 0 where none was sent, and for TCP.
    pub response_code: Option<u16>,
    /// The response flags, as written.
    pub response_flags: Option<&'a [u8]>,
    /// The response flags, as a set.
    pub flags: FlagSet,
    /// Who set the response code and why, for example `via_upstream`.
    pub response_code_details: Option<&'a [u8]>,
    /// Why this proxy closed the caller's connection.
    pub connection_termination_details: Option<&'a [u8]>,
    /// The status of Mixer's check or quota call (Istio 1.1 to 1.7 only).
    pub mixer_status: Option<&'a [u8]>,
    /// Why the connection or the TLS handshake to the upstream failed.
    pub upstream_transport_failure_reason: Option<&'a [u8]>,
    /// Bytes of the request's body, or received on the connection.
    pub bytes_received: Option<u64>,
    /// Bytes of the answer's body, or sent on the connection.
    pub bytes_sent: Option<u64>,
    /// From the first byte in to the last byte out, in milliseconds.
    pub duration: Option<u64>,
    /// What the upstream took to answer, in milliseconds.
    pub upstream_service_time: Option<u64>,
    /// The header `x-forwarded-for`.
    pub x_forwarded_for: Option<&'a [u8]>,
    /// The header `user-agent`.
    pub user_agent: Option<&'a [u8]>,
    /// The header `x-request-id`: the same on both sides of a request, and along a chain of calls.
    pub request_id: Option<&'a [u8]>,
    /// The host asked for.
    pub authority: Option<&'a [u8]>,
    /// Address and port of the endpoint.
    pub upstream_host: Option<&'a [u8]>,
    /// The name of Envoy's upstream cluster.
    pub upstream_cluster: Option<&'a [u8]>,
    /// Address and port of this proxy's end of the upstream connection.
    pub upstream_local_address: Option<&'a [u8]>,
    /// Address and port that the caller connected to.
    pub downstream_local_address: Option<&'a [u8]>,
    /// Address and port of the caller; with an `x-forwarded-for` header its last address, with port 0.
    pub downstream_remote_address: Option<&'a [u8]>,
    /// The SNI of the caller's TLS; `-` for plaintext.
    pub requested_server_name: Option<&'a [u8]>,
    /// The name of the route.
    pub route_name: Option<&'a [u8]>,
}

impl AccessLine<'_> {
    /// A line in that layout with no field.
    pub fn empty(format: Format) -> Self {
        Self {
            format,
            ambiguous: false,
            start_time: None,
            time: None,
            method: None,
            path: None,
            protocol: None,
            response_code: None,
            response_flags: None,
            flags: FlagSet::default(),
            response_code_details: None,
            connection_termination_details: None,
            mixer_status: None,
            upstream_transport_failure_reason: None,
            bytes_received: None,
            bytes_sent: None,
            duration: None,
            upstream_service_time: None,
            x_forwarded_for: None,
            user_agent: None,
            request_id: None,
            authority: None,
            upstream_host: None,
            upstream_cluster: None,
            upstream_local_address: None,
            downstream_local_address: None,
            downstream_remote_address: None,
            requested_server_name: None,
            route_name: None,
        }
    }

    /// No filter chain of the listener wanted the connection. Envoy writes this for plaintext at a port with strict
    /// mutual TLS, and for TLS that is not Istio's.
    #[inline(always)]
    pub fn is_filter_chain_not_found(&self) -> bool {
        self.flags.contains(FlagSet::NR) && self.response_code_details == Some(b"filter_chain_not_found")
    }

    /// When the request or connection began, in microseconds since the epoch.
    #[inline]
    pub fn micros(&self) -> Option<i64> {
        self.time.or_else(|| self.start_time.and_then(parse_time))
    }

    /// What the caller's TLS, as far as its SNI tells, was.
    #[inline(always)]
    pub fn sni(&self) -> Option<Sni> {
        self.requested_server_name.map(Sni::of)
    }
}

/// The value of a field: `None` where the format does not have it, and for `-` and the empty text.
#[inline(always)]
pub fn value(field: Option<&[u8]>) -> Option<&[u8]> {
    field.filter(|text| !matches!(*text, b"" | b"-"))
}

/// What the SNI of a connection tells about the caller's TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sni {
    /// No SNI: plaintext (or TLS without a name, which no mesh client sends).
    None,
    /// `outbound_.PORT_.SUBSET_.HOST`: Istio mutual TLS.
    Istio,
    /// A plain host: TLS that is not Istio's.
    Other,
}

impl Sni {
    /// The kind of that SNI field.
    #[inline]
    pub fn of(field: &[u8]) -> Self {
        match field {
            b"" | b"-" => Self::None,
            _ if field.starts_with(b"outbound_.") => Self::Istio,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_and_nothing_are_no_value() {
        assert_eq!(value(Some(b"-")), None);
        assert_eq!(value(Some(b"")), None);
        assert_eq!(value(None), None);
        assert_eq!(value(Some(b"--")), Some(&b"--"[..]));
    }

    #[test]
    fn names_are_different() {
        let names: std::collections::BTreeSet<_> = Format::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), Format::ALL.len());
    }

    #[test]
    fn kinds_of_sni() {
        assert_eq!(Sni::of(b"-"), Sni::None);
        assert_eq!(Sni::of(b"outbound_.9080_._.productpage.bookinfo.svc.cluster.local"), Sni::Istio);
        assert_eq!(Sni::of(b"productpage.bookinfo"), Sni::Other);
    }
}
