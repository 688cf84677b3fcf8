//! Reads access logs: bytes of a line in, fields and bounded counts out.
//!
//! [`access_text`] reads one line in any of the text layouts of Envoy and Istio, [`access_json`] one in JSON,
//! [`mod@format`] one in a format string of one's own, and [`aggregate`] folds lines into groups, with evidence that joins
//! the lines of both sides of a request. Everything works on borrowed bytes and
//! nothing here reads a file, asks for the time or waits.
//!
//! Deliberately not here: what a group means (a cause is decided where logs and configuration meet), and which
//! workload an address belongs to.

#![expect(
    clippy::inline_always,
    reason = "one function with everything inside reads a line in four fifths of the time: no piece goes through memory"
)]

pub mod access_json;
pub mod access_line;
pub mod access_text;
pub mod aggregate;
pub mod fields;
pub mod format;
pub mod guess;
mod marks;
pub mod other_layouts;
pub mod proxy_message;
pub mod query;
pub mod reading;
pub mod recent;
pub mod response_flags;
pub mod time;
pub mod upstream_cluster;
pub mod wrapping;
pub mod ztunnel;

pub use access_json::parse_json;
pub use access_line::{AccessLine, Format, Sni, value};
pub use access_text::parse_text;
pub use aggregate::{
    Aggregate, Block, BlockReader, ByFields, Durations, End, Evidence, FieldGroup, Group, GroupIndex,
    JoinKind, Joined, Limits, LineCounts, Link, MessageGroup, MessageKind, MessageLink, NamesPods, PodName,
    PodOf, Sample, SourceId, SourceName, Through, Watch, ZtunnelGroup, ZtunnelKey, ZtunnelLink,
};
pub use fields::{AnyLine, Field, FieldKind, FieldValue, Seen, write_other, write_record};
pub use format::{FormatError, Formats, JsonFormat, LogFormat, Missing, OwnFormat, Strictness};
pub use other_layouts::{behind_prefix, is_of_other_layout};
pub use proxy_message::{TlsFault, parse_message};
pub use query::{Expected, Mistake, Query, parse_millis, written};
pub use reading::is_access_line;
pub use recent::{Recent, RecentLine};
pub use response_flags::{FlagSet, RESPONSE_FLAGS, ResponseFlag, response_flag};
pub use time::{Rfc3339, format_time, parse_time};
pub use upstream_cluster::{Direction, Reporter, UpstreamCluster, direction_of, reporter_of};
pub use ztunnel::{ZtunnelLine, parse_ztunnel};
