//! What a command of a format string writes: which field it is, and of which bytes its values are.

use super::compile::Missing;
use super::time_pattern::TimePattern;

/// The fields that an [`AccessLine`](crate::logs::AccessLine) has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is named after the field of AccessLine that it is")]
pub enum Target {
    StartTime,
    Method,
    Path,
    Protocol,
    ResponseCode,
    ResponseFlags,
    ResponseCodeDetails,
    ConnectionTerminationDetails,
    UpstreamTransportFailureReason,
    BytesReceived,
    BytesSent,
    Duration,
    UpstreamServiceTime,
    XForwardedFor,
    UserAgent,
    RequestId,
    Authority,
    UpstreamHost,
    UpstreamCluster,
    UpstreamLocalAddress,
    DownstreamLocalAddress,
    DownstreamRemoteAddress,
    RequestedServerName,
    RouteName,
}

impl Target {
    /// What becomes of the line is decided by this field: where it cannot be told, nor can the line.
    pub(super) fn decides(self) -> bool {
        matches!(
            self,
            Self::StartTime
                | Self::ResponseCode
                | Self::ResponseFlags
                | Self::ResponseCodeDetails
                | Self::ConnectionTerminationDetails
                | Self::UpstreamTransportFailureReason
                | Self::UpstreamHost
                | Self::UpstreamCluster
                | Self::UpstreamLocalAddress
                | Self::DownstreamLocalAddress
                | Self::DownstreamRemoteAddress
                | Self::RequestedServerName
        )
    }

    /// The value is kept as the bytes that stand there, and nothing else is made of them.
    pub(super) fn is_text(self) -> bool {
        !matches!(
            self,
            Self::StartTime
                | Self::ResponseFlags
                | Self::ResponseCode
                | Self::BytesReceived
                | Self::BytesSent
                | Self::Duration
                | Self::UpstreamServiceTime
        )
    }

    /// Nothing is compared with this field, so its first characters are of use too.
    pub(super) fn may_be_cut(self) -> bool {
        matches!(self, Self::Path | Self::UserAgent | Self::XForwardedFor)
    }
}

/// The bytes of which the values of a field are. The values of every field include `-`, which stands for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// A time.
    Time(TimePattern),
    /// Digits, so many at most.
    Digits(usize),
    /// Digits, with a sign before them where the number is negative.
    Signed,
    /// Short names of flags with commas between.
    Flags,
    /// Long names of flags with commas between.
    LongFlags,
    /// `HTTP/1.1` and the like.
    Protocol,
    /// The proxy's own words, without spaces and quotes.
    Word,
    /// The name of an upstream cluster: those that Istio makes have three bars (`outbound|80|v1|HOST`).
    Cluster,
    /// The proxy's own words, which may have spaces, without quotes.
    Phrase,
    /// Anything: words of a caller or of an upstream, and reasons, which may quote them.
    Any,
}

impl Shape {
    /// Whether a value may have that byte; times are read by their own rule.
    pub(super) fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Time(_) | Self::Any => true,
            Self::Digits(_) => byte.is_ascii_digit(),
            Self::Signed => byte.is_ascii_digit() || byte == b'-',
            // Flags of an extension may have other names than Envoy's own.
            Self::Flags | Self::LongFlags => byte.is_ascii_alphanumeric() || matches!(byte, b',' | b'_'),
            Self::Protocol => byte.is_ascii_digit() || matches!(byte, b'H' | b'T' | b'P' | b'/' | b'.'),
            Self::Phrase => byte >= b' ' && byte != b'"' && byte != 0x7f,
            Self::Word | Self::Cluster => byte > b' ' && byte != b'"' && byte != 0x7f,
        }
    }

    /// The fewest and the most bytes of a value other than `-`.
    pub(super) fn length(&self) -> (usize, usize) {
        match self {
            Self::Digits(most) => (1, *most),
            Self::Signed => (1, 20),
            Self::Flags | Self::LongFlags | Self::Time(_) => (1, usize::MAX),
            Self::Protocol => (1, 8),
            // The route may have an empty name, and a header an empty value.
            Self::Word | Self::Cluster | Self::Phrase | Self::Any => (0, usize::MAX),
        }
    }

    /// Whether a text of bytes that a value may have is one.
    pub(super) fn is_value(&self, text: &[u8]) -> bool {
        match self {
            _ if text == b"-" => true,
            Self::Protocol => text.starts_with(b"HTTP/") && text.len() > 5,
            Self::Signed => text.iter().skip(1).all(u8::is_ascii_digit),
            Self::Flags | Self::LongFlags => text.first().is_some_and(u8::is_ascii_alphabetic),
            Self::Cluster => is_cluster(text, false),
            Self::Time(_) | Self::Digits(_) | Self::Word | Self::Phrase | Self::Any => true,
        }
    }
}

/// Whether a text is the whole name of an upstream cluster where Istio made it, and not one that was cut at its bars.
/// Names that others made can have any; `is_between_bars` where bars stand between fields, and so hardly in them.
pub(super) fn is_cluster(text: &[u8], is_between_bars: bool) -> bool {
    let bars = memchr::memchr_iter(b'|', text).count();
    match text.split(|byte| *byte == b'|').next().unwrap_or_default() {
        b"outbound" | b"inbound" | b"inbound-vip" => bars == 3,
        _ => bars == 0 || !is_between_bars,
    }
}

/// A field of a format: the command that writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The operator (`REQ`).
    pub operator: Box<str>,
    /// Its argument (`X-FORWARDED-FOR`).
    pub argument: Option<Box<str>>,
    /// Values are cut to so many bytes.
    pub length: Option<usize>,
    /// The field that it is, if [`AccessLine`](crate::logs::AccessLine) has it.
    pub target: Option<Target>,
    pub(super) shape: Shape,
    /// How it is written that there is no value.
    pub(super) missing: Missing,
}

impl Field {
    /// Whether its values are not any word.
    pub(super) fn tells_lines(&self) -> bool {
        !matches!(self.shape, Shape::Any | Shape::Phrase | Shape::Word | Shape::Cluster)
    }

    /// Whether a text stands for no value.
    pub(super) fn is_missing(&self, text: &[u8]) -> bool {
        text == b"-" || text.is_empty() && self.missing == Missing::Nothing
    }

    /// The fewest and the most bytes of a value other than `-`; of times only the fewest count.
    pub(super) fn lengths(&self) -> (usize, usize) {
        let (least, most) = self.shape.length();
        let least = if self.missing == Missing::Nothing { 0 } else { least };
        // Metadata that is an object is not cut.
        let is_header = ["REQ", "REQUEST_HEADER", "RESP", "RESPONSE_HEADER"].contains(&&*self.operator);
        (least, self.length.filter(|_| is_header).map_or(most, |length| most.min(length)))
    }

    /// Whether a value may be the beginning of a longer one.
    pub(super) fn may_be_cut(&self, value: &[u8]) -> bool {
        self.length.is_some_and(|length| value.len() >= length)
    }
}
