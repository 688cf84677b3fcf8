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
    index: FxHashMap<String, usize>,
    groups: Vec<Stored>,
    other_groups: u64,
    duration_budget: usize,
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
        }
    }

    /// Counts a line.
    pub fn add(&mut self, seen: &Seen<'_>) {
        let mut values = String::from("[");
        for (at, field) in self.fields.iter().enumerate() {
            if at > 0 {
                values.push(',');
            }
            if !seen.value(*field).write_json(&mut values) {
                FieldValue::Empty.write_json(&mut values);
            }
        }
        values.push(']');
        let at = match self.index.get(&values) {
            Some(at) => *at,
            None if self.groups.len() >= self.limits.groups => {
                self.other_groups += 1;
                return;
            }
            None => {
                self.index.insert(values.clone(), self.groups.len());
                let (times, durations) = (TimeRange::default(), Quantiles::default());
                self.groups.push(Stored { values, count: 0, times, durations });
                self.groups.len() - 1
            }
        };
        let Some(group) = self.groups.get_mut(at) else { return };
        group.count += 1;
        group.times.add(seen.time());
        if let Some(millis) = seen.duration() {
            group.durations.add(millis, &mut self.duration_budget);
        }
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

    /// Lines whose group did not fit into the limit.
    pub fn other_groups(&self) -> u64 {
        self.other_groups
    }
}
