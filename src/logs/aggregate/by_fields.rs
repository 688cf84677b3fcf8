//! Groups by fields that somebody asks for (`--group-by`), in bounded numbers.

use rustc_hash::FxHashMap;

use super::quantiles::Quantiles;
use super::{Durations, Limits, TimeRange};
use crate::logs::fields::{Field, FieldValue, Seen};

/// Lines that have the same values in some fields.
#[derive(Debug, Clone)]
pub struct ByFields {
    fields: Vec<Field>,
    limits: Limits,
    index: FxHashMap<String, u32>,
    groups: Vec<Stored>,
    other_groups: u64,
    duration_budget: usize,
    /// The values of the line in hand.
    text: String,
}

#[derive(Debug, Clone)]
struct Stored {
    /// The values as a JSON list.
    values: String,
    count: u64,
    times: TimeRange,
    durations: Quantiles,
}

/// One group.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldGroup {
    /// The fields with their values; null where a line has none.
    pub values: Vec<(Field, serde_json::Value)>,
    /// How many lines.
    pub count: u64,
    /// The earliest, in microseconds since the epoch.
    pub first: Option<i64>,
    /// The latest.
    pub last: Option<i64>,
    /// Quantiles of the durations.
    pub duration_ms: Option<Durations>,
}

impl ByFields {
    /// Groups by these fields.
    pub fn new(fields: Vec<Field>, limits: Limits) -> Self {
        Self {
            fields,
            limits,
            index: FxHashMap::default(),
            groups: Vec::new(),
            other_groups: 0,
            duration_budget: limits.duration_bytes,
            text: String::new(),
        }
    }

    pub(super) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Counts a line.
    pub fn add(&mut self, seen: &Seen<'_>) {
        self.add_with(seen, seen.time(), seen.duration());
    }

    /// Counts a line with its time and duration. The place of its group, if there is room for it.
    pub(super) fn add_with(
        &mut self,
        seen: &Seen<'_>,
        time: Option<i64>,
        duration: Option<u64>,
    ) -> Option<u32> {
        let place = self.place_of(seen);
        match place {
            Some(place) => self.add_at(place, time, duration),
            None => self.other_groups += 1,
        }
        place
    }

    /// Counts a line of the group at that place.
    #[inline]
    pub(super) fn add_at(&mut self, place: u32, time: Option<i64>, duration: Option<u64>) {
        let Some(group) = self.groups.get_mut(place as usize) else { return };
        group.count += 1;
        group.times.add(time);
        if let Some(millis) = duration {
            group.durations.add(millis, &mut self.duration_budget);
        }
    }

    /// The place of a line's group, which is made if there is room for it.
    fn place_of(&mut self, seen: &Seen<'_>) -> Option<u32> {
        let values = &mut self.text;
        values.clear();
        values.push('[');
        for (at, field) in self.fields.iter().enumerate() {
            if at > 0 {
                values.push(',');
            }
            if !seen.value(*field).write_json(values) {
                FieldValue::Empty.write_json(values);
            }
        }
        values.push(']');
        if let Some(place) = self.index.get(values.as_str()) {
            return Some(*place);
        }
        let place = u32::try_from(self.groups.len()).ok().filter(|place| *place < super::by_groups::EACH)?;
        if self.groups.len() >= self.limits.groups {
            return None;
        }
        self.index.insert(values.clone(), place);
        let (times, durations) = (TimeRange::default(), Quantiles::default());
        self.groups.push(Stored { values: values.clone(), count: 0, times, durations });
        Some(place)
    }

    /// The groups, most lines first.
    pub fn groups(&self) -> Vec<FieldGroup> {
        let mut groups: Vec<_> = self.groups.iter().map(|stored| self.group(stored)).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        groups
    }

    fn group(&self, stored: &Stored) -> FieldGroup {
        let values: Vec<_> = serde_json::from_str(&stored.values).unwrap_or_default();
        FieldGroup {
            values: self.fields.iter().copied().zip(values).collect(),
            count: stored.count,
            first: stored.times.first(),
            last: stored.times.last(),
            duration_ms: stored.durations.quantiles(),
        }
    }

    /// Counts a line that is in no group.
    pub(super) fn leave_out(&mut self) {
        self.other_groups += 1;
    }

    /// Lines whose group did not fit into the limit.
    pub fn other_groups(&self) -> u64 {
        self.other_groups
    }
}
