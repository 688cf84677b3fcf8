//! MS0401 and MS0411: a rule that no request can meet by its form: values that match nothing, and fields or conditions
//! that exclude each other (C1 to C3, I1, I2, H2). A rule is only told where all its alternatives are such.

use super::cover::{covers, disjoint, identity, never};
use super::{Policy, place_of};
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::Finding;
use crate::model::Text;
use crate::model::authorization_policy::{Action, Condition, HTTP_FIELDS, Values, Written};
use crate::resolve::authorize::pattern::Glob;

/// At most so many values of a rule are held against each other: a rule with more is not judged.
const COMPARED: usize = 200_000;

/// Fields that only somebody with an identity meets.
const IDENTITIES: [&str; 4] = ["principals", "namespaces", "serviceAccounts", "trustDomains"];

/// A list of a rule: what it is about, whatever the field or key is called.
struct Part<'a> {
    field: String,
    is_negative: bool,
    values: &'a [Text],
    path: String,
}

/// Why nothing meets a rule: the place, and how it counted.
struct Never {
    path: String,
    why: String,
    field: String,
}

/// Whether what nobody meets is a field of HTTP.
fn is_of_http(never: &Never) -> bool {
    HTTP_FIELDS.contains(&&*never.field) || never.field.starts_with("request.")
}

/// The findings of a policy.
pub(super) fn check(policy: &Policy<'_>) -> Vec<Finding> {
    let (code, effect) = match policy.body.action {
        Action::Allow => (Code::AllowMatchesNothing, "it lets nobody in"),
        Action::Deny => (Code::DenyMatchesNothing, "what it should refuse is let through"),
        Action::Audit | Action::Custom | Action::Other(_) => return Vec::new(),
    };
    let rules = policy.body.rules.iter().enumerate();
    let found = rules.filter_map(|(at, rule)| {
        let (never, alternatives) = of_rule(at, &rule.written, &policy.object.id.namespace)?;
        let all = if alternatives > 1 {
            format!(", and its other {} alternatives are no better", alternatives - 1)
        } else {
            String::new()
        };
        // A rule that denies loses what is HTTP's on TCP ports, and can be met there (T2).
        let request =
            if is_of_http(&never) && code == Code::DenyMatchesNothing { "HTTP request" } else { "request" };
        let message = format!(
            "{} (spec.rules[{at}]) can be met by no {request}: {}{all}; {effect}{}",
            policy.object.id,
            never.why,
            policy.tried()
        );
        Some(Finding::of_field(code, policy.object, &never.path, &never.why, message))
    });
    found.collect()
}

/// Whether nothing can meet a rule, and of how many alternatives.
fn of_rule(at: usize, written: &Written, namespace: &str) -> Option<(Never, usize)> {
    let mut left = COMPARED;
    let when: Vec<_> =
        written.when.iter().enumerate().map(|(number, one)| condition_parts(at, number, one)).collect();
    let (of_operations, of_sources): (Vec<_>, Vec<_>) =
        when.into_iter().flatten().partition(|part| is_of_operations(&part.field));
    let sources: Vec<_> = written
        .from
        .iter()
        .enumerate()
        .map(|(from, one)| parts(one, &format!("spec.rules[{at}].from[{from}].source")))
        .collect();
    let operations: Vec<_> = written
        .to
        .iter()
        .enumerate()
        .map(|(to, one)| parts(one, &format!("spec.rules[{at}].to[{to}].operation")))
        .collect();
    // Sources and operations ask about different things, so that it is enough if all of one side are impossible.
    let mut side = |alternatives: &[Vec<Part<'_>>], shared: &[Part<'_>]| {
        if let Some(never) = impossible(&[], shared, namespace, &mut left) {
            return Some((never, 1));
        }
        let mut first = None;
        for own in alternatives {
            let never = impossible(own, shared, namespace, &mut left)?;
            first = first.or(Some(never));
        }
        Some((first?, alternatives.len()))
    };
    side(&sources, &of_sources).or_else(|| side(&operations, &of_operations))
}

/// Whether a condition is merged into the operations (C5).
fn is_of_operations(field: &str) -> bool {
    ["ports", "destination.ip", "connection.sni"].contains(&field) || field.starts_with("experimental.")
}

fn parts<'a>(fields: &'a [Values], place: &str) -> Vec<Part<'a>> {
    let part = |one: &'a Values| {
        let positive = one.field.strip_prefix("not").map(|rest| {
            let mut letters = rest.chars();
            letters
                .next()
                .map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + letters.as_str())
        });
        Part {
            is_negative: positive.is_some(),
            field: positive.unwrap_or_else(|| one.field.to_string()),
            values: &one.values,
            path: format!("{place}.{}", one.field),
        }
    };
    fields.iter().map(part).collect()
}

/// The field that a key of a condition means as well (section 6).
fn field_of(key: &str) -> String {
    match key {
        "source.principal" => "principals".to_owned(),
        "source.namespace" => "namespaces".to_owned(),
        "source.serviceAccount" => "serviceAccounts".to_owned(),
        "source.trustDomain" => "trustDomains".to_owned(),
        "source.ip" => "ipBlocks".to_owned(),
        "remote.ip" => "remoteIpBlocks".to_owned(),
        "request.auth.principal" => "requestPrincipals".to_owned(),
        "destination.port" => "ports".to_owned(),
        header if header.starts_with("request.headers[") => header.to_ascii_lowercase(),
        other => other.to_owned(),
    }
}

fn condition_parts(at: usize, number: usize, condition: &Condition) -> Vec<Part<'_>> {
    let part = |is_negative, values| Part {
        field: field_of(&condition.key),
        is_negative,
        values,
        path: if is_negative {
            format!("spec.rules[{at}].when[{number}].notValues")
        } else {
            place_of(at, number, condition)
        },
    };
    let lists = [part(false, &*condition.values), part(true, &*condition.not_values)];
    lists.into_iter().filter(|part| !part.values.is_empty()).collect()
}

/// How many values are held against each other at most.
fn cost(all: &[&Part<'_>]) -> usize {
    let size = |is_negative| {
        let of = all.iter().filter(move |part| part.is_negative == is_negative);
        of.clone().map(|part| part.values.len()).sum::<usize>()
    };
    let lists = all.iter().filter(|part| !part.is_negative).count();
    let positive = size(false);
    let with = if lists > 1 { positive } else { 1 };
    all.len().saturating_add(positive.saturating_mul(size(true).saturating_add(with)))
}

/// Whether fields exclude each other, or one of them cannot be met. `left` are the comparisons that may still be made.
fn impossible(own: &[Part<'_>], shared: &[Part<'_>], namespace: &str, left: &mut usize) -> Option<Never> {
    let all = || own.iter().chain(shared);
    *left = left.checked_sub(cost(&all().collect::<Vec<_>>()))?;
    for part in all().filter(|part| !part.is_negative) {
        let negatives: Vec<_> = all()
            .filter(|one| one.is_negative && one.field == part.field)
            .flat_map(|one| one.values)
            .collect();
        let why_not = |value: &Text| {
            let covered = || negatives.iter().find(|outer| covers(&part.field, outer, value, namespace));
            match never(&part.field, value) {
                Some(why) => Some(format!("{value:?} matches nothing, since {why}")),
                None => covered().map(|outer| format!("{value:?} is taken out again by {outer:?}")),
            }
        };
        let mut reasons = part.values.iter().map(why_not);
        if let Some(Some(why)) = reasons.next()
            && reasons.all(|one| one.is_some())
        {
            return Some(Never { path: part.path.clone(), why, field: part.field.clone() });
        }
    }
    let positive = || all().filter(|part| !part.is_negative);
    for (number, one) in positive().enumerate() {
        for other in positive().skip(number + 1).filter(|other| other.field == one.field) {
            let apart = |one_value: &Text| {
                other.values.iter().all(|value| disjoint(&one.field, one_value, value, namespace))
            };
            if one.values.iter().all(apart) {
                let why = format!("nothing is in both {} and {}", one.path, other.path);
                return Some(Never { path: other.path.clone(), why, field: other.field.clone() });
            }
        }
    }
    of_identities(&all().collect::<Vec<_>>())
}

/// Fields about the one identity of a caller that exclude each other (I1 to I3).
fn of_identities(all: &[&Part<'_>]) -> Option<Never> {
    let is =
        |part: &&&Part<'_>, field: &str, is_negative| part.field == field && part.is_negative == is_negative;
    let asks = all.iter().find(|part| !part.is_negative && IDENTITIES.contains(&&*part.field));
    let none =
        all.iter().find(|part| is(part, "principals", true) && part.values.iter().any(|one| &**one == "*"));
    if let Some((asks, none)) = asks.zip(none) {
        let why = format!("{} asks for an identity, and {} for none", asks.path, none.path);
        return Some(Never { path: none.path.clone(), why, field: none.field.clone() });
    }
    for principals in all.iter().filter(|part| is(part, "principals", false)) {
        let own: Option<Vec<_>> = principals.values.iter().map(|one| identity(one)).collect();
        let Some(own) = own else { continue };
        for part in all.iter().filter(|part| part.field == "namespaces") {
            let fits = |namespace: &str| part.values.iter().any(|value| Glob::new(value).fits(namespace));
            if own.iter().all(|(namespace, _)| fits(namespace) == part.is_negative) {
                let why = format!("none of {} is of a namespace that {} leaves", principals.path, part.path);
                return Some(Never { path: part.path.clone(), why, field: part.field.clone() });
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::diagnose::checks::examples::{diagnosis, object, shop};

    fn told(action: &str, rule: &str) -> Vec<(String, String)> {
        let policy =
            object("AuthorizationPolicy", "shop", "p", 1, &format!("{{action: {action}, rules: [{rule}]}}"));
        let found = diagnosis(&(shop() + &policy)).findings;
        let of = found.into_iter().filter(|one| ["MS0401", "MS0411"].contains(&one.code.code()));
        of.map(|one| (one.code.code().to_owned(), one.root.1)).collect()
    }

    #[test]
    fn a_rule_that_no_request_can_meet_is_told_with_the_field() {
        for (rule, field) in [
            ("{to: [{operation: {paths: [admin]}}]}", "to[0].operation.paths"),
            ("{to: [{operation: {paths: [/a, /b], notPaths: ['/*']}}]}", "to[0].operation.paths"),
            (
                "{from: [{source: {principals: ['spiffe://cluster.local/ns/a/sa/b']}}]}",
                "from[0].source.principals",
            ),
            (
                "{from: [{source: {namespaces: [a], notNamespaces: [a]}}, {source: {ipBlocks: [1.1.1.1], notIpBlocks: [1.0.0.0/8]}}]}",
                "from[0].source.namespaces",
            ),
            (
                "{from: [{source: {principals: [cluster.local/ns/a/sa/b], notPrincipals: ['*']}}]}",
                "from[0].source.principals",
            ),
            ("{from: [{source: {namespaces: [a], notPrincipals: ['*']}}]}", "from[0].source.notPrincipals"),
            (
                "{from: [{source: {principals: [cluster.local/ns/a/sa/b], namespaces: [c]}}]}",
                "from[0].source.namespaces",
            ),
            ("{when: [{key: connection.sni, values: [Shop.example.com]}]}", "when[0].values"),
            (
                "{when: [{key: source.ip, values: [10.0.0.0/8]}, {key: source.ip, values: [192.168.0.1]}]}",
                "when[1].values",
            ),
            (
                "{to: [{operation: {ports: ['80']}}], when: [{key: destination.port, values: ['81']}]}",
                "when[0].values",
            ),
            (
                "{from: [{source: {namespaces: [a]}}], when: [{key: source.namespace, values: [b]}]}",
                "when[0].values",
            ),
            (
                "{when: [{key: 'request.headers[X-A]', values: [b]}, {key: 'request.headers[x-a]', notValues: ['*']}]}",
                "when[0].values",
            ),
        ] {
            let field = format!("spec.rules[0].{field}");
            assert_eq!(told("ALLOW", rule), [("MS0401".to_owned(), field.clone())], "{rule}");
            assert_eq!(told("DENY", rule), [("MS0411".to_owned(), field)], "{rule}");
        }
    }

    #[test]
    fn a_rule_that_some_request_meets_is_not_told() {
        for rule in [
            "{}",
            "{to: [{operation: {paths: [admin]}}, {operation: {paths: [/admin]}}]}",
            "{to: [{operation: {paths: [admin, /admin]}}]}",
            "{to: [{operation: {paths: ['/a*'], notPaths: [/a/b]}}]}",
            "{to: [{operation: {methods: [get]}}]}",
            "{from: [{source: {namespaces: [a], notPrincipals: [cluster.local/ns/a/sa/b]}}]}",
            "{from: [{source: {principals: ['*/ns/a/sa/b'], namespaces: [c]}}]}",
            "{from: [{source: {notPrincipals: ['*']}}]}",
            "{from: [{source: {namespaces: [a]}}, {source: {notNamespaces: [a]}}]}",
            "{when: [{key: 'request.headers[a]', values: [b]}, {key: 'request.headers[a]', values: [c]}]}",
            "{when: [{key: source.ip, values: [10.0.0.0/8]}, {key: remote.ip, values: [192.168.0.1]}]}",
            "{when: [{key: 'request.auth.claims[a]', values: [b]}, {key: 'request.auth.claims[a]', values: [c]}]}",
        ] {
            assert_eq!(told("ALLOW", rule), [], "{rule}");
            assert_eq!(told("DENY", rule), [], "{rule}");
        }
        assert_eq!(told("AUDIT", "{to: [{operation: {paths: [admin]}}]}"), []);
    }

    #[test]
    fn a_rule_of_any_size_is_judged_in_bounded_work_or_not_at_all() {
        let list = |word: &str| {
            let values: Vec<_> = (0..2_000).map(|at| format!("/{word}{at}")).collect();
            values.join(", ")
        };
        let rule = format!("{{to: [{{operation: {{paths: [{}], notPaths: [{}]}}}}]}}", list("a"), list("a"));
        assert_eq!(told("ALLOW", &rule), []);
    }
}
