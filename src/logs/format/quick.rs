//! Reads an ordinary line from left to right, without a look back.
//!
//! It is [`Cut`] with its parts in one row: a value ends at the first byte at which the text is cut on the way to it,
//! and there the text that the format has must stand. So every such byte of the line is one of the format's, which is
//! what makes the reading the only one. Where it is not so, this says nothing, and every reading is looked at.

use super::compile::Missing;
use super::field::{Field, Shape, Target, is_cluster};
use super::forced::{Cut, is_value};
use super::read::{set, set_number, set_text};
use crate::logs::access_line::AccessLine;
use crate::logs::access_text::find::{find, find_either};
use crate::logs::response_flags::FlagSet;

/// A format in one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The text before the first value.
    pub(super) begin: Box<[u8]>,
    pub(super) places: Vec<Place>,
}

/// A value, and the text up to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    stops: Stops,
    /// So many bytes of what is behind the value stand before the byte at which it is found to end.
    before_stop: usize,
    pub(super) behind: Box<[u8]>,
    check: Check,
    pub(super) field: Box<Field>,
}

/// The bytes at which a text is cut on the way to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stops {
    None,
    One(u8),
    Two(u8, u8),
    Three(u8, u8, u8),
}

/// How a value is looked at and taken over: what is common is so in one go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// Anything goes.
    Any(Target),
    /// Bytes from that one on, without quotes and the last one of ASCII.
    From(u8, Target),
    /// `2026-11-22T09:09:56.776Z`.
    DefaultTime,
    /// So many digits.
    Digits(usize, Target),
    /// A number that others wrote, if it is one.
    Number(Target),
    /// Flags, mostly none.
    Flags,
    /// Mostly `HTTP/1.1`.
    Protocol,
    /// By the shape of the field.
    Shape,
}

impl Row {
    /// `None` where a value is cut out in too many ways.
    pub(super) fn of(cut: &Cut) -> Option<Self> {
        let mut row = Self { begin: Box::default(), places: Vec::new() };
        row.add(cut, &mut Vec::new())?;
        Some(row)
    }

    fn add(&mut self, cut: &Cut, stops: &mut Vec<u8>) -> Option<()> {
        match cut {
            Cut::Text(text) => self.add_text(text),
            Cut::Value(before, field, after) => {
                self.add_text(before);
                self.places.push(Place {
                    check: Check::of(field),
                    field: field.clone(),
                    stops: Stops::of(stops)?,
                    behind: Box::default(),
                    before_stop: after.len(),
                });
                self.add_text(after);
            }
            Cut::At(byte, parts) => {
                stops.push(*byte);
                for (at, part) in parts.iter().enumerate() {
                    if at > 0 {
                        self.add_text(&[*byte]);
                    }
                    self.add(part, stops)?;
                }
                stops.pop();
            }
        }
        Some(())
    }

    fn add_text(&mut self, text: &[u8]) {
        let to = self.places.last_mut().map_or(&mut self.begin, |place| &mut place.behind);
        *to = [to, text].concat().into();
    }

    /// Takes every value over; `None` where the line is not cut in this way alone. The line may have some of the
    /// fields then.
    #[inline]
    pub(super) fn read<'a>(&self, line: &'a [u8], access: &mut AccessLine<'a>) -> Option<()> {
        let mut rest = line.strip_prefix(&*self.begin)?;
        for place in &self.places {
            let end = match place.stops.find(rest) {
                Some(stop) => stop.checked_sub(place.before_stop)?,
                // Only the last value can have nothing behind it that a text is cut at.
                None if place.behind.len() == place.before_stop => {
                    rest.len().checked_sub(place.before_stop)?
                }
                None => return None,
            };
            let (value, after) = rest.split_at_checked(end)?;
            rest = strip(after, &place.behind)?;
            place.take(value, access)?;
        }
        rest.is_empty().then_some(())
    }
}

impl Stops {
    fn of(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            [] => Some(Self::None),
            [one] => Some(Self::One(one)),
            [one, two] => Some(Self::Two(one, two)),
            [one, two, three] => Some(Self::Three(one, two, three)),
            _ => None,
        }
    }

    #[inline]
    fn find(self, text: &[u8]) -> Option<usize> {
        match self {
            Self::None => None,
            Self::One(one) => find(text, one),
            Self::Two(one, two) => find_either(text, one, two),
            Self::Three(one, two, three) => memchr::memchr3(one, two, three, text),
        }
    }
}

/// What follows a text that mostly is one to three bytes long.
#[inline]
pub(super) fn strip<'a>(text: &'a [u8], begin: &[u8]) -> Option<&'a [u8]> {
    match (begin, text) {
        ([], _) => Some(text),
        (&[one], [first, rest @ ..]) if one == *first => Some(rest),
        (&[one, two], [first, second, rest @ ..]) if [one, two] == [*first, *second] => Some(rest),
        (&[one, two, three], [first, second, third, rest @ ..])
            if [one, two, three] == [*first, *second, *third] =>
        {
            Some(rest)
        }
        _ => text.strip_prefix(begin),
    }
}

impl Place {
    /// Whether a text is a value.
    pub(super) fn allows(&self, value: &[u8]) -> bool {
        match self.check {
            Check::Any(_) | Check::Number(_) => true,
            Check::From(least, Target::UpstreamCluster) => {
                is_of_bytes_from(least, value) && is_cluster(value, self.behind.contains(&b'|'))
            }
            Check::From(least, _) => is_of_bytes_from(least, value),
            Check::DefaultTime | Check::Digits(..) | Check::Flags | Check::Protocol | Check::Shape => {
                is_value(&self.field, value)
            }
        }
    }

    #[inline]
    fn take<'a>(&self, value: &'a [u8], access: &mut AccessLine<'a>) -> Option<()> {
        match self.check {
            Check::Any(target) => set_text(access, target, value),
            Check::From(_, target) if value == b"-" => set_text(access, target, value),
            Check::From(least, target) if is_of_bytes_from(least, value) => set_text(access, target, value),
            Check::From(..) => return None,
            Check::DefaultTime if is_default_time(value) => access.start_time = Some(value),
            Check::Digits(_, target) if value == b"-" => set_number(access, target, None),
            Check::Digits(most, target) if value.len() <= most && is_short(value) => {
                set_number(access, target, Some(digits(value)?));
            }
            Check::Number(target) => set_number(access, target, digits(value).filter(|_| is_short(value))),
            Check::Flags if value == b"-" => {
                access.response_flags = Some(value);
                access.flags = FlagSet::default();
            }
            Check::Protocol if matches!(value, b"HTTP/1.1" | b"HTTP/2" | b"-") => {
                access.protocol = Some(value);
            }
            Check::DefaultTime | Check::Digits(..) | Check::Flags | Check::Protocol | Check::Shape => {
                if !is_value(&self.field, value) {
                    return None;
                }
                set(access, &self.field, value);
            }
        }
        Some(())
    }
}

/// Nineteen digits always fit.
fn is_short(value: &[u8]) -> bool {
    (1..20).contains(&value.len())
}

#[inline]
fn digits(text: &[u8]) -> Option<u64> {
    let mut number = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = u64::wrapping_add(u64::wrapping_mul(number, 10), u64::from(digit));
    }
    Some(number)
}

impl Check {
    pub(super) fn of(field: &Field) -> Self {
        let Some(target) = field.target else { return Self::Shape };
        // Cut values, and those that can be empty in place of a dash, are seldom.
        if field.length.is_some() || field.missing == Missing::Nothing {
            return Self::Shape;
        }
        match &field.shape {
            Shape::Any if target.is_text() => Self::Any(target),
            Shape::Any if target == Target::UpstreamServiceTime => Self::Number(target),
            Shape::Word | Shape::Cluster if target.is_text() => Self::From(b'!', target),
            Shape::Phrase if target.is_text() => Self::From(b' ', target),
            Shape::Digits(most) => Self::Digits(*most, target),
            Shape::Flags => Self::Flags,
            Shape::Protocol => Self::Protocol,
            Shape::Time(pattern) if pattern.is_rfc3339 => Self::DefaultTime,
            Shape::Any
            | Shape::Word
            | Shape::Cluster
            | Shape::Phrase
            | Shape::Time(_)
            | Shape::Signed
            | Shape::LongFlags => Self::Shape,
        }
    }
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Whether all bytes are at least that one (of ASCII), and none a quote or 0x7f. Eight are looked at together.
#[inline]
fn is_of_bytes_from(least: u8, text: &[u8]) -> bool {
    let is_below = |word: u64, least: u8| word.wrapping_sub(LOW * u64::from(least)) & !word & HIGH != 0;
    let (words, rest) = text.as_chunks::<8>();
    words.iter().all(|bytes| {
        let word = u64::from_le_bytes(*bytes);
        let is = |byte: u8| is_below(word ^ (LOW * u64::from(byte)), 1);
        !(is_below(word, least) || is(b'"') || is(0x7f))
    }) && rest.iter().all(|byte| *byte >= least && *byte != b'"' && *byte != 0x7f)
}

/// `2026-11-22T09:09:56.776Z`.
#[inline]
fn is_default_time(text: &[u8]) -> bool {
    let Ok(
        &[
            y1,
            y2,
            y3,
            y4,
            b'-',
            m1,
            m2,
            b'-',
            d1,
            d2,
            b'T',
            h1,
            h2,
            b':',
            n1,
            n2,
            b':',
            s1,
            s2,
            b'.',
            f1,
            f2,
            f3,
            b'Z',
        ],
    ) = <&[u8; 24]>::try_from(text)
    else {
        return false;
    };
    [y1, y2, y3, y4, m1, m2, d1, d2, h1, h2, n1, n2, s1, s2, f1, f2, f3].iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn eight_bytes_together_are_as_one_by_one(
            text in prop::collection::vec(prop_oneof![any::<u8>(), Just(b' '), Just(b'!'), Just(b'"'), 0x1f_u8..0x24, 0x7e_u8..0x82], 0..40),
        ) {
            for (least, shape) in [(b'!', Shape::Word), (b' ', Shape::Phrase)] {
                let wanted = text.iter().all(|byte| shape.takes(*byte));
                prop_assert_eq!(is_of_bytes_from(least, &text), wanted);
            }
        }
    }

    #[test]
    fn the_default_time_and_no_other_text() {
        assert!(is_default_time(b"2026-11-22T09:09:56.776Z"));
        for text in ["", "2026-11-22T09:09:56.776", "2026-11-22T09:09:56,776Z", "2026-11-22T09:09:5x.776Z"] {
            assert!(!is_default_time(text.as_bytes()), "{text}");
        }
    }
}
