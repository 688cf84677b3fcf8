//! The values that fields have in lines, of fields that have few: what a query can be completed with.

use std::collections::{BTreeMap, BTreeSet};

use crate::logs::{Field, FieldKind, FieldValue, Seen};
use crate::model::Text;

/// A field with more values than these has too many to choose from.
const MOST: usize = 30;
/// Nobody chooses a value that is longer, in bytes.
const LONGEST: usize = 120;

/// Values by field.
#[derive(Debug)]
pub(super) struct Values(Vec<(Field, Few)>);

/// The values of a field, as long as they are few.
#[derive(Debug, Default)]
struct Few {
    known: BTreeSet<Text>,
    /// The last one: lines behind each other often have the same.
    last: Vec<u8>,
    too_many: bool,
}

impl Default for Values {
    /// None yet, of those fields whose values name something; amounts and times are compared.
    fn default() -> Self {
        let amounts =
            [Field::Line, Field::BytesReceived, Field::BytesSent, Field::BytesRecv, Field::RequestId];
        let named = |field: &&Field| match field.kind() {
            FieldKind::Text | FieldKind::Flags | FieldKind::Number => !amounts.contains(field),
            FieldKind::Millis | FieldKind::Time => false,
        };
        Self(Field::ALL.iter().filter(named).map(|field| (*field, Few::default())).collect())
    }
}

impl Values {
    /// Adds those of a line.
    pub(super) fn add(&mut self, seen: &Seen<'_>) {
        for (field, few) in self.0.iter_mut().filter(|(_, few)| !few.too_many) {
            match seen.value(*field) {
                FieldValue::Absent | FieldValue::Empty => {}
                FieldValue::Number(number) => few.add(number.to_string().as_bytes()),
                FieldValue::Text(text) => few.add(&text),
                FieldValue::Flags(flags) => flags.split(|byte| *byte == b',').for_each(|flag| few.add(flag)),
            }
        }
    }

    /// Those of fields that have few.
    pub(super) fn take(&mut self) -> BTreeMap<Field, Vec<Text>> {
        let few =
            std::mem::take(self).0.into_iter().filter(|(_, few)| !few.too_many && !few.known.is_empty());
        few.map(|(field, few)| (field, few.known.into_iter().collect())).collect()
    }
}

impl Few {
    fn add(&mut self, value: &[u8]) {
        if self.last == value || value.len() > LONGEST {
            return;
        }
        self.last.clear();
        self.last.extend_from_slice(value);
        // What is no text cannot be typed.
        let Ok(text) = std::str::from_utf8(value) else { return };
        if !self.known.contains(text) {
            self.too_many = self.known.len() == MOST;
            self.known.insert(text.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{AnyLine, parse_text};

    fn of(lines: impl Iterator<Item = String>) -> BTreeMap<Field, Vec<Text>> {
        let mut values = Values::default();
        for (text, number) in lines.zip(1..) {
            let line = parse_text(text.as_bytes()).unwrap();
            values.add(&Seen { line: AnyLine::Envoy(&line), pod: None, file: "a.log", number });
        }
        values.take()
    }

    fn line(path: &str, flags: &str) -> String {
        format!(
            "[2026-03-02T09:00:00.101Z] \"GET {path} HTTP/1.1\" 503 {flags} 0 91 12 - \"-\" \"curl\" \"id\" \"cart\" \
             \"10.8.1.8:80\""
        )
    }

    #[test]
    fn few_values_are_kept_and_many_are_not() {
        let at_most = of((0..MOST).map(|at| line(&format!("/{at}"), "-")));
        assert_eq!(at_most[&Field::Path].len(), MOST);
        let more = of((0..=MOST).map(|at| line(&format!("/{at}"), "-")));
        assert_eq!((more.get(&Field::Path), more[&Field::Method].as_slice()), (None, &["GET".into()][..]));
        for amount in [Field::Line, Field::Duration, Field::StartTime, Field::BytesSent, Field::RequestId] {
            assert_eq!(more.get(&amount), None, "{amount:?}");
        }
    }

    #[test]
    fn flags_are_values_one_by_one_and_long_ones_are_none() {
        let long = format!("/{}", "a".repeat(LONGEST));
        let values = of([line("/a", "UF,URX"), line(&long, "UC"), line("/a", "-")].into_iter());
        let flags: Vec<&str> = values[&Field::ResponseFlags].iter().map(|flag| &**flag).collect();
        assert_eq!(flags, ["UC", "UF", "URX"]);
        assert_eq!(values[&Field::Path].len(), 1);
    }
}
