//! MS0902: fields and values that are not known or that the schema refuses, and objects that cannot be read at all.
//! One finding per kind and field, however many objects have it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Confidence, Edges, Finding, Involved, Role};
use crate::diagnose::judge::Unread;
use crate::model::{Kind, Object, ObjectId, Snapshot};

/// An object, what is the matter with a field of it, and how many times it has such a field.
type Noted<'a> = (&'a Arc<Object>, &'a str, usize);

/// The findings of a snapshot. `unread` are texts of which not even the object is known.
pub fn check(snapshot: &Snapshot, unread: &[Unread]) -> Vec<Finding> {
    let mut found: BTreeMap<(Kind, String), Vec<Noted<'_>>> = BTreeMap::new();
    for object in snapshot.objects() {
        for note in &object.notes {
            let key = (object.id.kind.clone(), note.field.clone());
            let objects = found.entry(key).or_default();
            match objects.last_mut() {
                Some((last, _, times)) if last.id == object.id => *times += 1,
                _ => objects.push((object, &note.problem, 1)),
            }
        }
    }
    let mut findings: Vec<_> = found
        .into_iter()
        .map(|((kind, field), objects)| {
            let first = objects.first().map(|(object, problem, times)| {
                let path = object.id.path();
                let field = if field.is_empty() { String::new() } else { format!("{field} ") };
                let again = if *times > 1 { format!(", {times} times in it") } else { String::new() };
                format!("{kind} {path}: {field}{problem}{again}")
            });
            let more = objects.len().saturating_sub(1);
            let more = if more > 0 {
                format!(" (and {more} more {})", if more == 1 { "object" } else { "objects" })
            } else {
                String::new()
            };
            finding(
                ObjectId::new(kind, "", ""),
                field.clone(),
                format!("{}{more}", first.unwrap_or_default()),
                objects
                    .iter()
                    .take(100)
                    .map(|(object, ..)| Involved::new(object, Role::Affected, field.clone()))
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

#[cfg(test)]
mod tests {
    use crate::diagnose::checks::examples::{diagnosis, finding, object, rule, shop};

    #[test]
    fn objects_are_counted_and_not_their_mistakes() {
        let twice = "{host: a, subsets: [{name: 1}, {name: 2}]}";
        let one = finding(&rule("shop", "r", 1, twice), "MS0902");
        assert!(one.message.ends_with(", 2 times in it"), "{}", one.message);
        assert_eq!(one.objects.len(), 1);
        let two = finding(&(rule("shop", "r", 1, twice) + &rule("shop", "s", 1, twice)), "MS0902");
        assert!(two.message.ends_with(", 2 times in it (and 1 more object)"), "{}", two.message);
        assert_eq!(two.objects.len(), 2);
    }

    #[test]
    fn a_host_of_another_type_is_not_missing() {
        let number = finding(&rule("shop", "r", 1, "{host: 7}"), "MS0902");
        assert!(number.message.ends_with("spec.host must be a string, is a number"), "{}", number.message);
        let nothing = finding(&rule("shop", "r", 1, "{}"), "MS0902");
        assert!(nothing.message.ends_with("spec.host is missing"), "{}", nothing.message);
    }

    #[test]
    fn a_value_of_another_type_that_decides_leaves_its_pairs_unknown() {
        let unknown = |object: &str| {
            let told = diagnosis(&(shop() + object));
            assert!(told.pairs > 0);
            (told.unknown > 0, told.findings.iter().any(|one| one.code.code() == "MS0101"))
        };
        let policies = [
            "{host: reviews, trafficPolicy: {portLevelSettings: [{port: {number: eighty}, tls: {mode: DISABLE}}]}}",
            "{host: reviews, trafficPolicy: {tls: DISABLE}}",
            "{host: reviews, trafficPolicy: {tls: {mode: 7}}}",
            "{host: reviews, trafficPolicy: [1]}",
            "{host: reviews, exportTo: [7], trafficPolicy: {tls: {mode: DISABLE}}}",
            "{host: reviews, workloadSelector: {matchLabels: [a]}, trafficPolicy: {tls: {mode: DISABLE}}}",
        ];
        for spec in policies {
            assert_eq!(unknown(&rule("shop", "odd", 1, spec)), (true, false), "{spec}");
        }
        for spec in
            ["{mtls: STRICT}", "{selector: {matchLabels: 7}}", "{portLevelMtls: [1]}", "{mtls: {mode: 7}}"]
        {
            let policy = object("PeerAuthentication", "shop", "odd", 1, spec);
            assert_eq!(unknown(&policy), (true, false), "{spec}");
        }
        let elsewhere = "{host: reviews, trafficPolicy: {connectionPool: {tcp: {maxConnections: many}}}}";
        assert_eq!(unknown(&rule("shop", "odd", 1, elsewhere)), (false, false));
    }
}
