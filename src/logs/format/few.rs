//! Every reading of a line in which callers wrote what stands between fields, found by its few places.
//!
//! For each value the places are kept where it can begin and end. Most fields hold few kinds of bytes, so that their
//! end is told by their beginning; the others end where the text behind them stands. Lines with more places than that
//! are for [`LogFormat::careful`](super::compile::LogFormat), which looks at every byte for every field.

use super::field::Shape;
use super::quick::{Place, Row};
use crate::logs::access_text::find::find;

/// More places are not looked at here.
const MOST: usize = 24;

/// What came of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// The values, `None` where readings differ.
    Values(Vec<Option<&'a [u8]>>),
    /// The format did not write it.
    Nothing,
    /// There are too many places.
    TooMany,
}

/// A few places, each once.
#[derive(Debug, Clone, Copy, Default)]
struct Few {
    count: usize,
    at: [usize; MOST],
}

impl Few {
    fn one(at: usize) -> Self {
        let mut few = Self::default();
        let _ = few.add(at);
        few
    }

    fn all(&self) -> &[usize] {
        self.at.get(..self.count).unwrap_or_default()
    }

    /// The place, if there is only one.
    fn only(&self) -> Option<usize> {
        if let [at] = self.all() { Some(*at) } else { None }
    }

    fn add(&mut self, at: usize) -> Result<(), Full> {
        if self.all().contains(&at) {
            return Ok(());
        }
        *self.at.get_mut(self.count).ok_or(Full)? = at;
        self.count += 1;
        Ok(())
    }
}

/// There is no room for one more place.
struct Full;

impl Row {
    /// Looks at every reading.
    pub(super) fn every_reading<'a>(&self, line: &'a [u8]) -> Found<'a> {
        if !line.starts_with(&self.begin) {
            return Found::Nothing;
        }
        // Where each value can begin.
        let mut begins = Vec::with_capacity(self.places.len());
        let mut next = Few::one(self.begin.len());
        for (number, place) in self.places.iter().enumerate() {
            begins.push(next);
            let ends = place.ends(line, number + 1 == self.places.len(), &next);
            next = match ends {
                Ok(ends) if ends.count == 0 => return Found::Nothing,
                Ok(ends) => ends,
                Err(Full) => return Found::TooMany,
            };
        }
        if next.only() != Some(line.len()) {
            return Found::Nothing;
        }
        let mut values = Vec::with_capacity(self.places.len());
        for (place, begins) in self.places.iter().zip(&begins).rev() {
            let mut ends = next;
            for end in ends.at.iter_mut().take(next.count) {
                *end = end.saturating_sub(place.behind.len());
            }
            // From a single place the end was reached.
            next = if begins.count == 1 { *begins } else { place.begins(line, begins, &ends) };
            values.push(match (next.only(), ends.only()) {
                (Some(begin), Some(end)) => line.get(begin..end),
                _ => None,
            });
        }
        values.reverse();
        Found::Values(values)
    }
}

impl Place {
    fn is_value(&self, line: &[u8], begin: usize, end: usize) -> bool {
        line.get(begin..end).is_some_and(|value| self.allows(value))
    }

    /// Those of the places from which a value ends at one of the others.
    fn begins(&self, line: &[u8], begins: &Few, ends: &Few) -> Few {
        let mut found = Few::default();
        for begin in begins.all() {
            if ends.all().iter().any(|end| self.is_value(line, *begin, *end)) {
                let _ = found.add(*begin);
            }
        }
        found
    }

    /// The byte that begins what stands behind a value, where no value has it: so it tells the end.
    fn stop(&self) -> Option<u8> {
        let takes = |byte: u8| self.field.shape.takes(byte) || byte == b'-';
        let is_open = matches!(self.field.shape, Shape::Any | Shape::Time(_));
        self.behind.first().copied().filter(|byte| !is_open && !takes(*byte))
    }

    /// Where the next value can begin.
    fn ends(&self, line: &[u8], is_last: bool, begins: &Few) -> Result<Few, Full> {
        let mut found = Few::default();
        let behind = &*self.behind;
        let follows = |end: usize| line.get(end..).is_some_and(|rest| rest.starts_with(behind));
        if is_last {
            let end = line.len().checked_sub(behind.len()).filter(|end| follows(*end));
            if let Some(end) = end.filter(|end| begins.all().iter().any(|at| self.is_value(line, *at, *end)))
            {
                found.add(end + behind.len())?;
            }
            return Ok(found);
        }
        if let Some(stop) = self.stop() {
            for begin in begins.all() {
                let length = line.get(*begin..).and_then(|rest| find(rest, stop));
                if let Some(end) = length.map(|length| begin + length)
                    && follows(end)
                    && self.is_value(line, *begin, end)
                {
                    found.add(end + behind.len())?;
                }
            }
            return Ok(found);
        }
        let Some(least) = begins.all().iter().min().copied() else { return Ok(found) };
        let Some(first) = behind.first() else { return Err(Full) };
        for at in memchr::memchr_iter(*first, line.get(least..).unwrap_or_default()) {
            let end = least + at;
            if follows(end) && begins.all().iter().any(|begin| self.is_value(line, *begin, end)) {
                found.add(end + behind.len())?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logs::{LogFormat, Strictness};

    const FORMATS: [&str; 4] = [
        r#"[%START_TIME%] "%REQ(:PATH)%" %RESPONSE_CODE% "%REQ(A)%" "%REQ(B)%" %UPSTREAM_CLUSTER% %ROUTE_NAME%"#,
        r#""%REQ(A)%" %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_SENT%ms "%REQ(B)%" x"#,
        "%REQ(A)% %PROTOCOL% %REQ(B)%|%DURATION%|%REQ(C)%",
        "a=%REQ(A):5% b=%REQ(B)% c=%RESPONSE_CODE%",
    ];

    fn part() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "\"",
            " ",
            "\" \"",
            "-",
            "5",
            "200",
            "UC",
            "HTTP/2",
            "a",
            "|",
            "b=",
            " c=200",
            "ms",
            "\" 503 \"",
            "x",
        ])
    }

    proptest! {
        #[test]
        fn the_same_as_a_look_at_every_byte(
            which in 0..FORMATS.len(),
            texts in prop::collection::vec(prop::collection::vec(part(), 0..6), 3),
            broken in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        ) {
            let [a, b, c] = [0, 1, 2].map(|at| texts[at].concat());
            let mut line = match which {
                0 => format!(r#"[2026-11-22T09:09:56.776Z] "{a}" 503 "{b}" "{c}" outbound|1||a -"#),
                1 => format!(r#""{a}" UC a b 5ms "{b}" x"#),
                2 => format!("{a} HTTP/2 {b}|7|{c}"),
                _ => format!("a={a} b={b} c=200"),
            };
            if let Some(at) = broken {
                line.remove(at.index(line.len()));
            }
            let format = LogFormat::compile(FORMATS[which], Strictness::Strict).unwrap();
            let found = format.row.as_ref().unwrap().every_reading(line.as_bytes());
            match (found, format.careful(line.as_bytes())) {
                (Found::Values(values), Some(reading)) => {
                    // It may know more: it holds values to their whole form in every reading.
                    for (value, wanted) in values.iter().zip(&reading.values) {
                        prop_assert!(wanted.is_none() || value == wanted, "{line}: {value:?} {wanted:?}");
                    }
                }
                (Found::Nothing, None) | (Found::TooMany, _) => {}
                // The look at every byte may refuse a line for a form that only another reading has.
                (Found::Values(values), None) => {
                    let steps = values.iter().flatten().count();
                    prop_assert!(steps > 0, "{line}");
                }
                (Found::Nothing, Some(reading)) => {
                    prop_assert!(reading.values.iter().any(Option::is_none), "{line}");
                }
            }
        }
    }
}
