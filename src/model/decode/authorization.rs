//! `AuthorizationPolicy` and `RequestAuthentication`, read out of their JSON. A policy with anything of another type
//! than it should be, or with a field that is not known, is not read at all: a selector or a rule without it means more
//! than it says.

use serde_json::Value;

use super::policy::{labels, list, text};
use crate::model::authorization_policy::{
    AccessRule, Action, AsksIdentity, AuthorizationPolicy, Besides, Condition, HTTP_FIELDS, Peer, Spares,
    TargetRef, Values, Written,
};
use crate::model::id::Text;
use crate::model::interner::Interner;
use crate::model::object::{Body, Note};
use crate::model::request_authentication::{JwtRule, RequestAuthentication};

/// Fields of a source that nobody has without mutual TLS.
const IDENTITIES: [&str; 4] = ["principals", "namespaces", "serviceAccounts", "trustDomains"];

/// The same as keys of conditions.
const IDENTITY_KEYS: [&str; 4] =
    ["source.principal", "source.namespace", "source.serviceAccount", "source.trustDomain"];

/// Fields of a source that keep an identity from being matched.
const NOT_IDENTITIES: [&str; 4] = ["notPrincipals", "notNamespaces", "notServiceAccounts", "notTrustDomains"];

/// Fields of sources that every engine decides by the identity: ztunnel has no other (Z2, Z5).
const BY_IDENTITY: [&str; 6] =
    ["principals", "notPrincipals", "namespaces", "notNamespaces", "serviceAccounts", "notServiceAccounts"];

const DRY_RUN: &str = "/metadata/annotations/istio.io~1dry-run";

/// Whether the policy is clear in spite of what was not understood in it. An action that is not known is kept as such.
pub(super) fn is_read_around(note: &Note) -> bool {
    !note.wrong_type && ["apiVersion", "spec.action"].contains(&note.field.as_str())
}

/// The policy of a whole object, whose types are right.
pub(super) fn policy(object: &Value, interner: &mut Interner) -> Body {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let dry_run = object.pointer(DRY_RUN).and_then(Value::as_str).unwrap_or_default();
    Body::AuthorizationPolicy(Box::new(AuthorizationPolicy {
        selector: labels(spec.pointer("/selector/matchLabels"), interner),
        has_selector: spec.get("selector").is_some_and(|selector| !selector.is_null()),
        targets: targets(spec),
        action: match text(spec, "action") {
            "" | "ALLOW" => Action::Allow,
            "DENY" => Action::Deny,
            "AUDIT" => Action::Audit,
            "CUSTOM" => Action::Custom,
            other => Action::Other(other.to_owned()),
        },
        provider: spec.pointer("/provider/name").and_then(Value::as_str).map(str::to_owned),
        is_dry_run: ["1", "t", "T", "true", "TRUE", "True"].contains(&dry_run),
        rules: list(spec, "rules").iter().map(|written| rule(written, interner)).collect(),
    }))
}

/// The fields of a `RequestAuthentication`.
pub(super) fn request_authentication(spec: &Value, interner: &mut Interner) -> Body {
    let texts = |value: &Value, key: &str| {
        list(value, key).iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let rules = list(spec, "jwtRules").iter().map(|rule| JwtRule {
        issuer: text(rule, "issuer").to_owned(),
        audiences: texts(rule, "audiences"),
        space_delimited_claims: texts(rule, "spaceDelimitedClaims"),
        forwards_token: rule.get("forwardOriginalToken").and_then(Value::as_bool).unwrap_or_default(),
        // With places of its own, the header is not looked at.
        is_elsewhere: ["fromHeaders", "fromParams", "fromCookies"].iter().any(|field| has(rule, field)),
    });
    Body::RequestAuthentication(Box::new(RequestAuthentication {
        selector: labels(spec.pointer("/selector/matchLabels"), interner),
        targets: targets(spec),
        rules: rules.collect(),
    }))
}

/// What a policy is for by name: `targetRefs`, or `targetRef` where there is none of them.
fn targets(spec: &Value) -> Vec<TargetRef> {
    let one = |target: &Value| TargetRef {
        group: text(target, "group").to_owned(),
        kind: text(target, "kind").to_owned(),
        name: text(target, "name").to_owned(),
        namespace: text(target, "namespace").to_owned(),
    };
    match list(spec, "targetRefs") {
        [] => spec.get("targetRef").filter(|target| !target.is_null()).map(one).into_iter().collect(),
        targets => targets.iter().map(one).collect(),
    }
}

fn written(rule: &Value, interner: &mut Interner) -> Written {
    let mut texts = |values: &[Value]| -> Vec<Text> {
        values.iter().filter_map(Value::as_str).map(|value| interner.text(value)).collect()
    };
    let mut part = |entry: &Value, name: &str| {
        let fields = entry.get(name).and_then(Value::as_object).into_iter().flatten();
        let lists = fields.filter_map(|(field, values)| Some((field, values.as_array()?)));
        let filled = lists.filter(|(_, values)| !values.is_empty());
        let read =
            filled.map(|(field, values)| Values { field: field.as_str().into(), values: texts(values) });
        read.collect::<Vec<_>>()
    };
    let from = list(rule, "from").iter().map(|entry| part(entry, "source")).collect();
    let to = list(rule, "to").iter().map(|entry| part(entry, "operation")).collect();
    let when = list(rule, "when").iter().map(|condition| Condition {
        key: text(condition, "key").to_owned(),
        values: texts(list(condition, "values")),
        not_values: texts(list(condition, "notValues")),
    });
    Written { from, to, when: when.collect() }
}

/// Whether a list is there with anything in it: an empty one is as none (C4).
fn has(value: &Value, key: &str) -> bool {
    !list(value, key).is_empty()
}

/// Whether a part is not there, which an empty list is as well (C4).
fn is_nothing(part: Option<&Value>) -> bool {
    part.is_none_or(|part| part.is_null() || part.as_array().is_some_and(Vec::is_empty))
}

fn rule(rule: &Value, interner: &mut Interner) -> AccessRule {
    let source = |from: &Value| from.get("source").cloned().unwrap_or_default();
    let sources: Vec<_> = list(rule, "from").iter().map(source).collect();
    let operations = list(rule, "to").iter().filter_map(|to| to.get("operation"));
    let conditions = list(rule, "when");
    let by_identity = |source: &Value| IDENTITIES.iter().any(|field| has(source, field));
    let by_source = !sources.is_empty() && sources.iter().all(by_identity);
    let by_condition = conditions
        .iter()
        .any(|condition| IDENTITY_KEYS.contains(&text(condition, "key")) && has(condition, "values"));
    let identity = if by_source || by_condition {
        AsksIdentity::Always
    } else if sources.iter().any(by_identity) {
        AsksIdentity::Sometimes
    } else {
        AsksIdentity::Never
    };
    let mut parts = sources.iter().chain(operations);
    AccessRule {
        written: written(rule, interner),
        // A rule that is null arrives as an empty one.
        is_for_all: ["from", "to", "when"].iter().all(|part| is_nothing(rule.get(part)))
            && (rule.is_object() || rule.is_null()),
        identity,
        spares: spares(&sources, conditions),
        besides: if is_nothing(rule.get("to")) { besides(&sources, conditions) } else { Besides::More },
        peers: if is_nothing(rule.get("to")) { peers(&sources, conditions) } else { Vec::new() },
        peers_are_all: match (&*sources, conditions) {
            (sources @ [_, ..], []) => sources.iter().all(|source| only(source).is_some()),
            ([], [condition]) => {
                is_nothing(condition.get("notValues"))
                    && peers_of(text(condition, "key"), list(condition, "values")).is_some()
            }
            _ => false,
        },
        is_for_http: parts.any(|part| HTTP_FIELDS.iter().any(|field| has(part, field)))
            || conditions.iter().any(|condition| text(condition, "key").starts_with("request.")),
    }
}

/// Whom a rule spares for their identity.
fn spares(sources: &[Value], conditions: &[Value]) -> Spares {
    let any = |values: &[Value]| values.iter().any(|value| value == "*");
    let is_of_identity =
        |condition: &&Value| IDENTITY_KEYS.contains(&text(condition, "key")) && has(condition, "notValues");
    let from_any = |source: &Value| NOT_IDENTITIES.iter().any(|field| any(list(source, field)));
    let from_some = |source: &Value| NOT_IDENTITIES.iter().any(|field| has(source, field));
    let mut negative = conditions.iter().filter(is_of_identity).peekable();
    if !sources.is_empty() && sources.iter().all(from_any) {
        Spares::Everybody
    } else if sources.iter().any(from_some) || negative.peek().is_some() {
        if negative.any(|condition| any(list(condition, "notValues"))) {
            Spares::Everybody
        } else {
            Spares::Some
        }
    } else {
        Spares::Nobody
    }
}

/// What sources and conditions ask besides identities. A source without fields matches nobody (Z1).
fn besides(sources: &[Value], conditions: &[Value]) -> Besides {
    let by_identity = |source: &Value| {
        let fields =
            || source.as_object().into_iter().flatten().filter(|(_, value)| !is_nothing(Some(value)));
        fields().next().is_some() && fields().all(|(field, _)| BY_IDENTITY.contains(&field.as_str()))
    };
    let key = |condition: &Value| {
        let values = has(condition, "values") || has(condition, "notValues");
        values && ["source.principal", "source.namespace"].contains(&text(condition, "key"))
    };
    if sources.iter().all(by_identity) && conditions.iter().all(key) {
        Besides::Nothing
    } else {
        Besides::More
    }
}

/// Those whom sources and conditions match by identity alone: of sources with anything else in them, none.
fn peers(sources: &[Value], conditions: &[Value]) -> Vec<Peer> {
    match (sources, conditions) {
        (sources, []) => sources.iter().flat_map(|source| only(source).unwrap_or_default()).collect(),
        ([], [condition]) if is_nothing(condition.get("notValues")) => {
            peers_of(text(condition, "key"), list(condition, "values")).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// Those whom a source names, where it has one field.
fn only(source: &Value) -> Option<Vec<Peer>> {
    let mut fields = source.as_object()?.iter().filter(|(_, value)| !is_nothing(Some(value)));
    let (field, values) = fields.next()?;
    if fields.next().is_some() { None } else { peers_of(field, values.as_array()?) }
}

fn peers_of(field: &str, values: &[Value]) -> Option<Vec<Peer>> {
    let peer = match field {
        "principals" | "source.principal" => Peer::Principal,
        "namespaces" | "source.namespace" => Peer::Namespace,
        "serviceAccounts" | "source.serviceAccount" => Peer::ServiceAccount,
        _ => return None,
    };
    Some(values.iter().filter_map(Value::as_str).map(|value| peer(value.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> AuthorizationPolicy {
        let value: Value = serde_saphyr::from_str(yaml).unwrap();
        let body = policy(&value, &mut Interner::default());
        body.authorization_policy().unwrap().clone()
    }

    fn wants(rules: &str) -> Vec<bool> {
        let read = read(&format!("{{spec: {{rules: {rules}}}}}"));
        read.rules.iter().map(|rule| rule.identity == AsksIdentity::Always).collect()
    }

    #[test]
    fn an_identity_that_one_source_asks_for_is_known_and_whom_it_names_alone() {
        let of = |rule: &str| read(&format!("{{spec: {{rules: [{rule}]}}}}")).rules.remove(0);
        let either = of("{from: [{source: {principals: [a]}}, {source: {ipBlocks: [10.0.0.0/8]}}]}");
        assert_eq!(either.identity, AsksIdentity::Sometimes);
        assert_eq!(either.peers, [Peer::Principal("a".to_owned())]);
        assert_eq!(of("{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}").identity, AsksIdentity::Never);
        assert!(!either.peers_are_all && of("{from: [{source: {principals: [a]}}]}").peers_are_all);
        let and_more =
            of("{from: [{source: {principals: [a]}}, {source: {principals: [b], ipBlocks: [10.0.0.0/8]}}]}");
        assert!(!and_more.peers_are_all && !of("{to: [{operation: {ports: ['80']}}]}").peers_are_all);
        let by_key = of("{when: [{key: source.namespace, values: [a]}]}");
        assert_eq!(by_key.peers, [Peer::Namespace("a".to_owned())]);
        for more in [
            "{from: [{source: {principals: [a]}}], to: [{operation: {methods: [GET]}}]}",
            "{from: [{source: {principals: [a], ipBlocks: [10.0.0.0/8]}}]}",
            "{from: [{source: {principals: [a], requestPrincipals: ['*']}}]}",
            "{from: [{source: {namespaces: [a]}}], when: [{key: source.ip, values: [1.1.1.1]}]}",
            "{when: [{key: source.namespace, values: [a], notValues: [b]}]}",
        ] {
            assert_eq!(of(more).peers, [], "{more}");
        }
    }

    #[test]
    fn whom_a_rule_spares_for_an_identity_is_read() {
        for (rule, wanted) in [
            ("{from: [{source: {notPrincipals: ['*']}}]}", Spares::Everybody),
            ("{from: [{source: {notPrincipals: ['*'], ipBlocks: [10.0.0.0/8]}}]}", Spares::Everybody),
            ("{when: [{key: source.principal, notValues: ['*']}]}", Spares::Everybody),
            ("{from: [{source: {notNamespaces: [a]}}]}", Spares::Some),
            ("{from: [{source: {notPrincipals: ['*']}}, {source: {ipBlocks: [10.0.0.0/8]}}]}", Spares::Some),
            ("{when: [{key: source.namespace, notValues: [a]}]}", Spares::Some),
            ("{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}", Spares::Nobody),
            ("{from: [{source: {notPrincipals: []}}]}", Spares::Nobody),
            ("{when: [{key: source.ip, notValues: ['*']}]}", Spares::Nobody),
            ("{}", Spares::Nobody),
        ] {
            let read = read(&format!("{{spec: {{action: DENY, rules: [{rule}]}}}}"));
            assert_eq!(read.rules[0].spares, wanted, "{rule}");
        }
    }

    #[test]
    fn what_a_rule_asks_besides_identities_is_read() {
        let of = |rule: &str| {
            let read = read(&format!("{{spec: {{action: DENY, rules: [{rule}]}}}}"));
            read.rules[0].besides == Besides::Nothing
        };
        for rule in [
            "{}",
            "{from: [{source: {notPrincipals: ['*'], namespaces: [a], ipBlocks: []}}]}",
            "{when: [{key: source.principal, notValues: ['*']}], to: []}",
        ] {
            assert!(of(rule), "{rule}");
        }
        for rule in [
            "{from: [{source: {notPrincipals: ['*'], ipBlocks: [10.0.0.0/8]}}]}",
            "{from: [{source: {notPrincipals: ['*']}}], to: [{operation: {ports: ['80']}}]}",
            "{from: [{source: {notPrincipals: ['*']}}], when: [{key: destination.port, values: ['80']}]}",
            "{from: [{source: {notTrustDomains: ['*']}}]}",
            "{when: [{key: source.serviceAccount, notValues: ['*']}]}",
            "{from: [{source: {}}]}",
            "{from: [{}]}",
        ] {
            assert!(!of(rule), "{rule}");
        }
    }

    #[test]
    fn a_rule_wants_an_identity_where_nobody_meets_it_without() {
        for (rules, wanted) in [
            ("[{from: [{source: {principals: ['*']}}]}]", true),
            ("[{from: [{source: {namespaces: [a]}}]}]", true),
            ("[{from: [{source: {serviceAccounts: [a/b]}}]}]", true),
            ("[{when: [{key: source.principal, values: [a]}]}]", true),
            (
                "[{from: [{source: {ipBlocks: [10.0.0.0/8]}}], when: [{key: source.namespace, values: [a]}]}]",
                true,
            ),
            // One of the sources can be met by anybody.
            ("[{from: [{source: {principals: [a]}}, {source: {ipBlocks: [10.0.0.0/8]}}]}]", false),
            ("[{from: [{source: {principals: []}}]}]", false),
            ("[{from: [{source: {notPrincipals: [a]}}]}]", false),
            ("[{when: [{key: source.principal, notValues: [a]}]}]", false),
            ("[{from: [{source: {requestPrincipals: ['*']}}]}]", false),
            ("[{from: []}]", false),
            ("[{}]", false),
            ("[null]", false),
            ("[{from: {source: {principals: [a]}}}]", false),
        ] {
            assert_eq!(wants(rules), [wanted], "{rules}");
        }
    }

    #[test]
    fn what_else_decides_is_read() {
        let empty = read("{spec: {}}");
        assert_eq!((empty.action, empty.rules.len(), empty.is_dry_run), (Action::Allow, 0, false));
        let tried = read("{metadata: {annotations: {istio.io/dry-run: 'true'}}, spec: {action: DENY}}");
        assert_eq!((tried.action, tried.is_dry_run), (Action::Deny, true));
        assert!(!read("{metadata: {annotations: {istio.io/dry-run: 'yes'}}}").is_dry_run);
        assert!(read("{spec: {targetRefs: [{kind: Service, name: a}]}}").targets.len() == 1);
        assert!(read("{spec: {targetRefs: []}}").targets.is_empty());
        let http = |rule: &str| read(&format!("{{spec: {{rules: [{rule}]}}}}")).rules.remove(0).is_for_http;
        assert!(http("{to: [{operation: {methods: [GET]}}]}"));
        assert!(http("{when: [{key: 'request.headers[a]', values: [b]}]}"));
        assert!(http("{from: [{source: {requestPrincipals: [a]}}]}"));
        let all = |rule: &str| read(&format!("{{spec: {{rules: [{rule}]}}}}")).rules.remove(0).is_for_all;
        assert!(all("{}") && all("{from: [], to: []}") && all("null"));
        assert!(!all("{from: [{source: {principals: [a]}}]}") && !all("{to: [{}]}") && !all("[]"));
        assert!(!http("{to: [{operation: {ports: ['80']}}], from: [{source: {principals: [a]}}]}"));
    }
}
