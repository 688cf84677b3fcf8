//! MS0902: fields and values that are not known or that the schema refuses, and objects that cannot be read at all.
//! One finding per kind and field, however many objects have it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Confidence, Edges, Finding, Involved, Role};
use crate::diagnose::judge::Unread;
use crate::model::{Kind, Object, ObjectId, Snapshot};

/// An object and what is the matter with a field of it.
type Noted<'a> = (&'a Arc<Object>, &'a str);

/// The findings of a snapshot. `unread` are texts of which not even the object is known.
pub fn check(snapshot: &Snapshot, unread: &[Unread]) -> Vec<Finding> {
    let mut found: BTreeMap<(Kind, String), Vec<Noted<'_>>> = BTreeMap::new();
    for object in snapshot.objects() {
        for note in &object.notes {
            let key = (object.id.kind.clone(), note.field.clone());
            found.entry(key).or_default().push((object, &note.problem));
        }
    }
    let mut findings: Vec<_> = found
        .into_iter()
        .map(|((kind, field), objects)| {
            let first = objects.first().map(|(object, problem)| {
                let path = object.id.path();
                if field.is_empty() {
                    format!("{kind} {path}: {problem}")
                } else {
                    format!("{kind} {path}: {field} {problem}")
                }
            });
            let more = objects.len().saturating_sub(1);
            let more = if more > 0 { format!(" ({more} more have it)") } else { String::new() };
            finding(
                ObjectId::new(kind, "", ""),
                field.clone(),
                format!("{}{more}", first.unwrap_or_default()),
                objects
                    .iter()
                    .take(100)
                    .map(|(object, _)| Involved::new(object, Role::Affected, field.clone()))
                    .collect(),
            )
        })
        .collect();
    findings.extend(unread.iter().map(|(origin, problem)| {
        let place = format!("{}:{}", origin.file, origin.line);
        let id = ObjectId::new(Kind::Unrelated("File".into()), "", origin.file.as_ref());
        let file = Involved {
            id: id.clone(),
            role: Role::Affected,
            fields: Vec::new(),
            origin: Some(origin.clone()),
        };
        finding(id, origin.line.to_string(), format!("{place}: {problem}"), vec![file])
    }));
    findings
}

fn finding(root: ObjectId, field: String, message: String, objects: Vec<Involved>) -> Finding {
    Finding {
        code: Code::NotUnderstood,
        severity: Code::NotUnderstood.severity(),
        confidence: Confidence::Certain,
        root: (root, field),
        message,
        because: Vec::new(),
        objects,
        edges: Edges::default(),
        evidence: Vec::new(),
    }
}
