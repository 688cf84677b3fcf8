//! Which lines somebody wants to see: `code>=500 and flags has UC and host~productpage and duration>1s`.
//!
//! A test of a field that the line does not have, or that has no value, does not hold; `!=` and `!~` are the opposites
//! of `=` and `~`, so they do. `-` stands for no value: `flags = -`.

use std::borrow::Cow;
use std::fmt;

use super::fields::{Field, FieldValue, Seen};
use super::time::{Rfc3339, format_time, parse_time};

mod complete;
mod parse;
mod value;

pub use complete::{Expected, written};
pub use parse::Mistake;
pub use value::millis as parse_millis;

/// A query as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// All hold.
    All(Vec<Query>),
    /// One holds.
    Any(Vec<Query>),
    /// It does not hold.
    Not(Box<Query>),
    /// One field.
    Test(Test),
}

/// A test of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    field: Field,
    operator: Operator,
    wanted: Wanted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
    Like,
    Unlike,
    Has,
}

impl Operator {
    /// All, those first that another one begins with.
    const ALL: [(&'static str, Self); 10] = [
        ("!=", Self::Unequal),
        ("!~", Self::Unlike),
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("==", Self::Equal),
        ("=", Self::Equal),
        ("~", Self::Like),
        ("<", Self::Less),
        (">", Self::More),
        ("has", Self::Has),
    ];

    fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Like => "~",
            Self::Unlike => "!~",
            Self::Has => "has",
        }
    }

    fn orders(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::More => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Like | Self::Unlike | Self::Has => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// No value.
    Nothing,
    Text(String),
    Number(u64),
    /// In milliseconds.
    Millis(u64),
    /// In microseconds since the epoch.
    Time(i64),
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    ///
    /// The first mistake and its place.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        parse::query(text)
    }

    /// Whether a line is wanted.
    pub fn takes(&self, seen: &Seen<'_>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.takes(seen)),
            Self::Any(parts) => parts.iter().any(|part| part.takes(seen)),
            Self::Not(part) => !part.takes(seen),
            // The time of a format of one's own is known, though its text is of no form that can be compared.
            Self::Test(test) if matches!(test.wanted, Wanted::Time(_)) => {
                test.holds(&match (seen.value(test.field), seen.time()) {
                    (FieldValue::Text(_), Some(micros)) => {
                        FieldValue::Text(Cow::Owned(format_time(micros).into_bytes()))
                    }
                    (value, _) => value,
                })
            }
            Self::Test(test) => test.holds(&seen.value(test.field)),
        }
    }
}

impl Test {
    fn holds(&self, value: &FieldValue<'_>) -> bool {
        match self.operator {
            Operator::Unequal => !Self::equals(&self.wanted, value),
            Operator::Unlike => !self.is_like(value),
            Operator::Equal => Self::equals(&self.wanted, value),
            Operator::Like => self.is_like(value),
            Operator::Has => self.is_among(value),
            Operator::Less | Operator::AtMost | Operator::More | Operator::AtLeast => {
                Self::order(&self.wanted, value).is_some_and(|order| self.operator.orders(order))
            }
        }
    }

    fn equals(wanted: &Wanted, value: &FieldValue<'_>) -> bool {
        match (wanted, value) {
            (Wanted::Nothing, value) => matches!(value, FieldValue::Absent | FieldValue::Empty),
            // Envoy writes the flags of a line in no fixed order.
            (Wanted::Text(text), FieldValue::Flags(flags)) => {
                let sorted = |flags: &[u8]| {
                    let mut names: Vec<_> =
                        flags.split(|byte| *byte == b',').map(<[u8]>::to_ascii_uppercase).collect();
                    names.sort();
                    names
                };
                sorted(flags) == sorted(text.as_bytes())
            }
            (Wanted::Text(text), FieldValue::Text(value)) => text.as_bytes() == &**value,
            _ => Self::order(wanted, value).is_some_and(std::cmp::Ordering::is_eq),
        }
    }

    /// The value compared with what is wanted, where they can be.
    fn order(wanted: &Wanted, value: &FieldValue<'_>) -> Option<std::cmp::Ordering> {
        match (wanted, value) {
            (Wanted::Number(wanted) | Wanted::Millis(wanted), FieldValue::Number(value)) => {
                Some(value.cmp(wanted))
            }
            (Wanted::Time(wanted), FieldValue::Text(value)) => Some(parse_time(value)?.cmp(wanted)),
            _ => None,
        }
    }

    fn is_like(&self, value: &FieldValue<'_>) -> bool {
        match (&self.wanted, value) {
            (Wanted::Text(text), FieldValue::Text(value)) => contains(value, text.as_bytes()),
            (Wanted::Text(text), FieldValue::Flags(value)) => contains(value, text.as_bytes()),
            _ => false,
        }
    }

    fn is_among(&self, value: &FieldValue<'_>) -> bool {
        match (&self.wanted, value) {
            (Wanted::Text(text), FieldValue::Flags(flags)) => {
                flags.split(|byte| *byte == b',').any(|flag| flag.eq_ignore_ascii_case(text.as_bytes()))
            }
            _ => false,
        }
    }
}

/// Whether a text stands in another, whatever the case of its letters.
fn contains(text: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || text.windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted))
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str| {
            for (at, part) in parts.iter().enumerate() {
                if at > 0 {
                    write!(f, " {word} ")?;
                }
                match part {
                    Self::All(_) | Self::Any(_) => write!(f, "({part})")?,
                    Self::Not(_) | Self::Test(_) => part.fmt(f)?,
                }
            }
            Ok(())
        };
        match self {
            Self::All(parts) => joined(f, parts, "and"),
            Self::Any(parts) => joined(f, parts, "or"),
            Self::Not(part) => match **part {
                Self::All(_) | Self::Any(_) => write!(f, "not ({part})"),
                Self::Not(_) | Self::Test(_) => write!(f, "not {part}"),
            },
            Self::Test(test) => {
                write!(f, "{} {} {}", test.field.name(), test.operator.text(), test.wanted)
            }
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("-"),
            Self::Number(number) => number.fmt(f),
            Self::Millis(millis) => write!(f, "{millis}ms"),
            Self::Time(micros) => {
                let text = Rfc3339(*micros).to_string();
                let rest = micros.rem_euclid(1000);
                write!(f, "{}{rest:03}Z", text.trim_end_matches('Z'))
            }
            Self::Text(text) if parse::is_bare(text) => f.write_str(text),
            Self::Text(text) => {
                let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
                write!(f, "\"{escaped}\"")
            }
        }
    }
}

#[cfg(test)]
mod tests;
