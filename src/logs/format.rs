//! Access logs in formats of one's own: a format string of Envoy, compiled once, reads the lines that it wrote.
//!
//! [`LogFormat`] is a format string, [`JsonFormat`] a format object. What is not here: where a format comes from
//! (mesh configuration, flags), and the layouts that are a default of some release, which
//! [`super::access_text`] reads faster.
//!
//! See <https://www.envoyproxy.io/docs/envoy/latest/configuration/advanced/substitution_formatter>.

mod choice;
mod compile;
mod few;
mod field;
mod forced;
mod json;
mod layouts;
mod marked;
mod object;
mod operators;
mod parse;
mod quick;
mod read;
mod time_pattern;

pub use choice::{Formats, OwnFormat, Tried};
pub use compile::{LogFormat, Missing, Strictness};
pub use field::{Field, Target};
pub use json::{JsonFormat, JsonKey};
pub(super) use marked::Ranges;
pub use parse::FormatError;
pub use read::Reading;
pub(super) use read::{set_number, set_text};

#[cfg(test)]
mod tests;
