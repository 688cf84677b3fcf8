//! MS0904: the same object was read twice with different content.

use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Confidence, Finding, Involved, Role};
use crate::model::Snapshot;

/// The findings of a snapshot.
pub fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let twice = snapshot.two_origins().iter().map(|twice| {
        let involved = |origin: &crate::model::Origin| Involved {
            id: twice.id.clone(),
            role: Role::Affected,
            fields: Vec::new(),
            origin: Some(origin.clone()),
        };
        Finding {
            code: Code::TwoOrigins,
            severity: Code::TwoOrigins.severity(),
            confidence: Confidence::Certain,
            root: (twice.id.clone(), String::new()),
            message: format!(
                "{} was read from {}:{} and, with other content, from {}:{}: the first counts",
                twice.id, twice.taken.file, twice.taken.line, twice.other.file, twice.other.line
            ),
            because: Vec::new(),
            objects: vec![involved(&twice.taken), involved(&twice.other)],
            edges: Vec::new(),
            evidence: Vec::new(),
        }
    });
    twice.collect()
}
