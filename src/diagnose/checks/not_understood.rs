//! MS0902: fields and values that are not known or that the schema refuses, and objects that cannot be read at all.
//! One finding per kind and field, however many objects have it; each distinct mistake of the field is told with its
//! objects.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::authorization;
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Confidence, Edges, Finding, Involved, Role};
use crate::diagnose::judge::Unread;
use crate::model::{Kind, Object, ObjectId, Origin, Snapshot};
use crate::resolve::flags::misspelt;

/// At most so many mistakes of a field are told in words; the rest is counted.
const MISTAKES: usize = 20;

/// At most so many objects of a mistake are named in the message.
const NAMED: usize = 3;

/// At most so many objects are listed with the finding.
const LISTED: usize = 100;

/// Objects with the same mistake, and how many times each has it.
type Same<'a> = Vec<(&'a Arc<Object>, usize)>;

/// The findings of a snapshot. `unread` are texts of which not even the object is known.
pub fn check(snapshot: &Snapshot, unread: &[Unread]) -> Vec<Finding> {
    let mut found: BTreeMap<(&Kind, &str), BTreeMap<Cow<'_, str>, Same<'_>>> = BTreeMap::new();
    for object in snapshot.objects() {
        let told = object.notes.iter().map(|note| (note.field.as_str(), Cow::from(note.problem.as_str())));
        let refused = authorization::refused::mistakes(object);
        let refused = refused.into_iter().map(|(field, problem)| (field, Cow::from(problem)));
        for (field, problem) in told.chain(of_istiod(object)).chain(refused) {
            let mistakes = found.entry((&object.id.kind, field)).or_default();
            let objects = mistakes.entry(problem).or_default();
            match objects.last_mut() {
                Some((last, times)) if last.id == object.id => *times += 1,
                _ => objects.push((object, 1)),
            }
        }
    }
    let mut findings: Vec<_> = found
        .into_iter()
        .map(|((kind, field), mistakes)| {
            let mut mistakes: Vec<_> = mistakes.into_iter().collect();
            // What most objects have comes first, and of as many what the text sorts first.
            mistakes.sort_by_key(|(_, objects)| std::cmp::Reverse(objects.len()));
            let message = match mistakes.as_slice() {
                [(problem, objects)] => one_mistake(kind, field, problem, objects),
                _ => several_mistakes(kind, field, &mistakes),
            };
            let involved =
                listed(&mistakes).map(|object| Involved::new(object, Role::Affected, field.to_owned()));
            finding(ObjectId::new(kind.clone(), "", ""), field.to_owned(), message, involved.collect())
        })
        .collect();
    let mut before: Option<&Origin> = None;
    let mut number = 1;
    findings.extend(unread.iter().map(|(origin, problem)| {
        // Several on one line are several findings.
        number = if before == Some(origin) { number + 1 } else { 1 };
        before = Some(origin);
        let field = if number == 1 { origin.line.to_string() } else { format!("{}#{number}", origin.line) };
        let place = format!("{}:{}", origin.file, origin.line);
        let id = ObjectId::new(Kind::Unrelated("File".into()), "", origin.file.as_ref());
        let file = Involved {
            id: id.clone(),
            role: Role::Affected,
            fields: Vec::new(),
            origin: Some(origin.clone()),
        };
        finding(id, field, format!("{place}: {problem}"), vec![file])
    }));
    findings
}

/// Flags of istiod that are set to no boolean, and so to nothing.
fn of_istiod(object: &Object) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    let of_pod = || object.body.pod().and_then(|pod| Some(("spec.containers.env", pod.istiod.as_deref()?)));
    let of_workload = || {
        let istiod = object.body.workload()?.istiod.as_ref()?;
        Some(("spec.template.spec.containers.env", istiod))
    };
    let (field, istiod) = of_pod().or_else(of_workload).unzip();
    let field = field.unwrap_or_default();
    let environment = istiod.map(|istiod| istiod.environment.as_slice()).unwrap_or_default();
    misspelt(environment).map(move |(flag, value)| {
        let default = if flag.default_is_on() { "true" } else { "false" };
        let name = flag.name();
        (field, format!("sets {name} to {value:?}, no boolean: istiod takes its default, {default}").into())
    })
}

/// The mistake that all objects have, with the first of them.
fn one_mistake(kind: &Kind, field: &str, problem: &str, objects: &Same<'_>) -> String {
    let first = objects.first().map(|(object, times)| {
        let field = if field.is_empty() { String::new() } else { format!("{field} ") };
        let again = if *times > 1 { format!(", {times} times in it") } else { String::new() };
        format!("{kind} {}: {field}{problem}{again}", object.id.path())
    });
    let more = match objects.len() {
        0 | 1 => String::new(),
        2 => " (and 1 more object)".to_owned(),
        all => format!(" (and {} more objects)", all - 1),
    };
    format!("{}{more}", first.unwrap_or_default())
}

/// Each mistake with its objects.
fn several_mistakes(kind: &Kind, field: &str, mistakes: &[(Cow<'_, str>, Same<'_>)]) -> String {
    let told = mistakes.iter().take(MISTAKES).map(|(problem, objects)| {
        let names: Vec<_> = objects.iter().take(NAMED).map(|(object, _)| object.id.path()).collect();
        let more = if objects.len() > NAMED { ", …" } else { "" };
        format!("{problem}: {} ({}{more})", counted(objects.len(), "object"), names.join(", "))
    });
    let told = told.collect::<Vec<_>>().join("; ");
    let left = mistakes.len().saturating_sub(MISTAKES);
    let left = if left > 0 { format!("; and {} more", counted(left, "mistake")) } else { String::new() };
    let place = if field.is_empty() { kind.to_string() } else { format!("{kind} {field}") };
    format!("{place}: {told}{left}")
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The objects that a finding lists: the first of each mistake before the second of any, each once.
fn listed<'a>(mistakes: &[(Cow<'_, str>, Same<'a>)]) -> impl Iterator<Item = &'a Arc<Object>> {
    let mut ranked: Vec<_> = mistakes
        .iter()
        .flat_map(|(_, objects)| objects.iter().take(LISTED).enumerate())
        .map(|(rank, (object, _))| (rank, *object))
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let mut seen = std::collections::BTreeSet::new();
    ranked.into_iter().map(|(_, object)| object).filter(move |object| seen.insert(&object.id)).take(LISTED)
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
    fn each_distinct_mistake_is_told_with_its_objects_in_one_finding() {
        let modes = |name: &str, mode: &str| {
            rule("shop", name, 1, &format!("{{host: a, trafficPolicy: {{tls: {{mode: {mode}}}}}}}"))
        };
        let yaml: String = [("a", "FOO"), ("b", "7"), ("c", "[]"), ("d", "7"), ("e", "7"), ("f", "7")]
            .map(|(name, mode)| modes(name, mode))
            .concat();
        let told = diagnosis(&yaml).findings;
        let told: Vec<_> = told.iter().filter(|one| one.code.code() == "MS0902").collect();
        assert_eq!(told.len(), 1);
        assert_eq!(
            told[0].message,
            "DestinationRule spec.trafficPolicy.tls.mode: must be a word, is a number: 4 objects (shop/b, shop/d, \
             shop/e, …); is \"FOO\", not one of DISABLE, SIMPLE, MUTUAL, ISTIO_MUTUAL: 1 object (shop/a); must be a \
             word, is a list: 1 object (shop/c)"
        );
        assert_eq!(told[0].objects.len(), 6);
    }

    #[test]
    fn no_mistake_of_a_field_is_without_an_object_in_the_list() {
        let many = (0..150).map(|at| rule("shop", &format!("m{at}"), 1, "{host: a, exportTo: 7}"));
        let yaml = many.collect::<String>() + &rule("shop", "z", 1, "{host: a, exportTo: x}");
        let told = finding(&yaml, "MS0902");
        assert_eq!(told.objects.len(), 100);
        assert!(told.objects.iter().any(|one| &*one.id.name == "z"));
        assert!(told.message.contains("150 objects") && told.message.contains("1 object (shop/z)"));
    }

    #[test]
    fn a_host_of_another_type_is_not_missing() {
        let number = finding(&rule("shop", "r", 1, "{host: 7}"), "MS0902");
        assert!(number.message.ends_with("spec.host must be a string, is a number"), "{}", number.message);
        let nothing = finding(&rule("shop", "r", 1, "{}"), "MS0902");
        assert!(nothing.message.ends_with("spec.host is missing"), "{}", nothing.message);
    }

    #[test]
    fn what_a_policy_about_callers_cannot_have_is_told() {
        for (spec, wanted) in [
            (
                "{selector: {matchLabels: {x: true}}}",
                "spec.selector.matchLabels.x must be a string, is a boolean",
            ),
            ("{rules: {}}", "spec.rules must be a list, is an object"),
            ("{rules: [{form: []}]}", "spec.rules.form is no field of this kind"),
            (
                "{rules: [{to: [{operation: {ports: [80]}}]}]}",
                "spec.rules.to.operation.ports must be a string, is a number",
            ),
            ("[]", "spec must be an object, is a list"),
        ] {
            let told = finding(&object("AuthorizationPolicy", "shop", "a", 1, spec), "MS0902");
            assert!(told.message.ends_with(wanted), "{}", told.message);
        }
        let sound = "{action: DENY, selector: {matchLabels: {x: shop}}, rules: [{from: [{source: {notTrustDomains: [a]}}], \
                     to: [{operation: {ports: ['80']}}], when: [{key: source.ip, notValues: [10.0.0.1]}]}]}";
        let told = diagnosis(&object("AuthorizationPolicy", "shop", "a", 1, sound)).findings;
        assert!(told.iter().all(|one| one.code.code() != "MS0902"), "{told:?}");
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
