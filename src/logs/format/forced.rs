//! Reads an ordinary line: one in which the values hold nothing of what stands between them.
//!
//! A format with four quotes writes lines of at least four. If a line has four, no value has one, whatever its caller
//! wrote, so the line falls into the same five parts as the format in every reading. Each part is cut in the same
//! way at another byte until it has one field. Where a number differs, [`super::read`] looks at every reading.

use memchr::memchr;

use super::compile::Step;
use super::field::{Field, Shape, Target};

/// How a text is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cut {
    /// At this byte, into these parts.
    At(u8, Vec<Cut>),
    /// Not at all: text before and behind a value.
    Value(Box<[u8]>, Box<Field>, Box<[u8]>),
    /// Not at all: only text.
    Text(Box<[u8]>),
}

/// What a format string is made of, byte by byte.
#[derive(Clone, Copy)]
enum Item<'a> {
    Byte(u8),
    Field(&'a Field),
}

impl Cut {
    /// `None` where two fields have nothing between them.
    pub(super) fn of(steps: &[Step]) -> Option<Self> {
        let items = steps.iter().flat_map(|step| match step {
            Step::Literal(text) => text.iter().map(|byte| Item::Byte(*byte)).collect(),
            Step::Field(field) => vec![Item::Field(field)],
        });
        Self::plan(&items.collect::<Vec<_>>())
    }

    fn plan(items: &[Item<'_>]) -> Option<Self> {
        let bytes = |items: &[Item<'_>]| -> Option<Box<[u8]>> {
            let byte = |item: &Item<'_>| if let Item::Byte(byte) = item { Some(*byte) } else { None };
            items.iter().map(byte).collect()
        };
        if let Some(text) = bytes(items) {
            return Some(Self::Text(text));
        }
        let first = items.iter().position(|item| matches!(item, Item::Field(_)))?;
        let (before, rest) = items.split_at_checked(first)?;
        if let [Item::Field(field), after @ ..] = rest
            && let Some(after) = bytes(after)
        {
            return Some(Self::Value(bytes(before)?, Box::new((*field).clone()), after));
        }
        let guard = guard(items)?;
        let parts = items.split(|item| matches!(item, Item::Byte(byte) if *byte == guard));
        Some(Self::At(guard, parts.map(Self::plan).collect::<Option<_>>()?))
    }

    /// Hands on every value; `None` where the text is not cut so, or not in this way alone.
    pub(super) fn read<'a>(
        &self,
        text: &'a [u8],
        sink: &mut impl FnMut(&Field, &'a [u8]) -> Option<()>,
    ) -> Option<()> {
        match self {
            Self::Text(wanted) => (text == &**wanted).then_some(()),
            Self::Value(before, field, after) => {
                let value = text.strip_prefix(&**before)?.strip_suffix(&**after)?;
                if !is_value(field, value) {
                    return None;
                }
                sink(field, value)
            }
            Self::At(guard, parts) => {
                let (last, parts) = parts.split_last()?;
                let mut rest = text;
                for part in parts {
                    let (text, after) = rest.split_at_checked(memchr(*guard, rest)?)?;
                    part.read(text, sink)?;
                    rest = after.get(1..)?;
                }
                if memchr(*guard, rest).is_some() {
                    return None;
                }
                last.read(rest, sink)
            }
        }
    }
}

/// The byte to cut at: one that values seldom hold.
fn guard(items: &[Item<'_>]) -> Option<u8> {
    let has = |wanted: u8| items.iter().any(|item| matches!(item, Item::Byte(byte) if *byte == wanted));
    // The names of Istio's upstream clusters have it.
    let has_cluster = items
        .iter()
        .any(|item| matches!(item, Item::Field(field) if field.target == Some(Target::UpstreamCluster)));
    let preferred = [(b'"', true), (b'\t', true), (b'|', !has_cluster), (b' ', true)];
    if let Some((byte, _)) = preferred.into_iter().find(|(byte, good)| *good && has(*byte)) {
        return Some(byte);
    }
    let first = items.iter().position(|item| matches!(item, Item::Field(_)))?;
    items.iter().skip(first).find_map(|item| if let Item::Byte(byte) = item { Some(*byte) } else { None })
}

/// Whether a text is a value of the field.
pub(super) fn is_value(field: &Field, text: &[u8]) -> bool {
    if field.is_missing(text) {
        return true;
    }
    if let Shape::Time(pattern) = &field.shape {
        return pattern.read(text).is_some_and(|(length, _)| length == text.len());
    }
    let (least, most) = field.lengths();
    (least..=most).contains(&text.len())
        && (field.shape == Shape::Any || text.iter().all(|byte| field.shape.takes(*byte)))
        && field.shape.is_value(text)
}
