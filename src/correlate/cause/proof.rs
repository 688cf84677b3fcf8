//! What stands beside a cause's lines: the objects that prove it, and what the lines show together.

use std::sync::Arc;

use crate::diagnose::finding::{Evidence, Finding, Involved, LogEvidence, Role};
use crate::model::Object;

/// An object that proves a cause, by a field of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Proved {
    /// The object.
    pub object: Arc<Object>,
    /// Its part.
    pub role: Role,
    /// The field; empty for the object as a whole.
    pub field: String,
    /// How it counted.
    pub counted: String,
}

/// What is known of a cause besides its lines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proof {
    /// The objects, each field once.
    pub objects: Vec<Proved>,
    /// What the lines show together: their times, and who of several is among them. It supports, and proves nothing by
    /// itself.
    pub patterns: Vec<LogEvidence>,
    /// Its lines tell of no failure, only that nothing came back: it makes no finding by itself.
    pub tells_no_failure: bool,
}

impl Proof {
    /// Takes over what proves further lines of the same cause.
    pub(super) fn absorb(&mut self, other: Self) {
        for one in other.objects {
            if !self.objects.contains(&one) {
                self.objects.push(one);
            }
        }
        self.patterns.extend(other.patterns);
        self.tells_no_failure &= other.tells_no_failure;
    }

    /// Puts the objects into a finding: as involved, and as evidence where a field is named.
    pub(in crate::correlate) fn objects_into(&self, finding: &mut Finding) {
        for one in &self.objects {
            match finding.objects.iter_mut().find(|known| known.id == one.object.id) {
                Some(known) if one.field.is_empty() || known.fields.contains(&one.field) => continue,
                Some(known) => known.fields.push(one.field.clone()),
                None => finding.objects.push(Involved::new(&one.object, one.role, one.field.clone())),
            }
            if !one.field.is_empty() {
                finding.evidence.push(Evidence::of_field(&one.object, &one.field, &one.counted));
            }
        }
    }
}
