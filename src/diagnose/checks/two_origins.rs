//! MS0904: the same object was read twice with different content.

use std::collections::BTreeMap;

use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Confidence, Edges, Finding, Involved, Role};
use crate::model::{ObjectId, Origin, Snapshot};

/// The findings of a snapshot, one an object, however often it was read.
pub fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found: BTreeMap<&ObjectId, Vec<&Origin>> = BTreeMap::new();
    for twice in snapshot.two_origins() {
        let origins = found.entry(&twice.id).or_default();
        for origin in [&twice.other, &twice.taken] {
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
    }
    found.into_iter().filter_map(|(id, origins)| finding(snapshot, id, &origins)).collect()
}

fn finding(snapshot: &Snapshot, id: &ObjectId, origins: &[&Origin]) -> Option<Finding> {
    let taken = &snapshot.get(id)?.origin;
    let others: Vec<_> = origins.iter().copied().filter(|origin| *origin != taken).collect();
    let involved = |origin: &Origin| Involved {
        id: id.clone(),
        role: Role::Affected,
        fields: Vec::new(),
        origin: Some(origin.clone()),
    };
    let mut places: Vec<_> = others.iter().map(|origin| format!("{}:{}", origin.file, origin.line)).collect();
    if places.is_empty() {
        places.push("the same line".to_owned());
    }
    Some(Finding {
        code: Code::TwoOrigins,
        severity: Code::TwoOrigins.severity(),
        confidence: Confidence::Certain,
        root: (id.clone(), String::new()),
        message: format!(
            "{id} counts as it was read from {}:{}; with other content it was also read from {}",
            taken.file,
            taken.line,
            places.join(", ")
        ),
        because: Vec::new(),
        objects: std::iter::once(taken).chain(others).map(involved).collect(),
        edges: Edges::default(),
        evidence: Vec::new(),
    })
}
