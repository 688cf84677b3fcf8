//! What istiod's validation refuses of an `AuthorizationPolicy` (section 12), told with what its schema refuses (MS0902).
//! A policy of this kind reaches no proxy unless it was stored without validation.

use serde_json::Value;

use super::cover::account;
use crate::model::Object;
use crate::resolve::authorize::address::{Block, port};
use crate::resolve::authorize::template::{Read, Template, is_template};

/// Fields of a source that an authorizer asked before mutual TLS is told of cannot have.
const OF_CALLERS: [&str; 10] = [
    "namespaces",
    "notNamespaces",
    "serviceAccounts",
    "notServiceAccounts",
    "trustDomains",
    "notTrustDomains",
    "principals",
    "notPrincipals",
    "requestPrincipals",
    "notRequestPrincipals",
];

/// At most so many mistakes of an object are told.
const TOLD: usize = 100;

/// The mistakes of an object: the field without indices, and what is the matter.
pub fn mistakes(object: &Object) -> Vec<(&'static str, String)> {
    let Some(policy) = object.body.authorization_policy() else { return Vec::new() };
    let Some(json) = &object.json else { return Vec::new() };
    let mut found = Vec::new();
    let spec = json.get("spec").unwrap_or(&Value::Null);
    let action = policy.action.word();
    of_policy(json, spec, action, &mut found);
    for rule in list(spec, "rules") {
        of_rule(rule, action, &mut found);
        if found.len() > TOLD {
            break;
        }
    }
    found.truncate(TOLD);
    found
}

type Found = Vec<(&'static str, String)>;

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn texts<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    list(value, key).iter().filter_map(Value::as_str)
}

fn of_policy(json: &Value, spec: &Value, action: &str, found: &mut Found) {
    let needs_rules = ["DENY", "CUSTOM"].contains(&action);
    if needs_rules && list(spec, "rules").is_empty() {
        found.push(("spec.rules", format!("must not be empty with action {action}")));
    }
    let provider = spec.get("provider").filter(|provider| !provider.is_null());
    let name = provider.and_then(|provider| provider.get("name")).and_then(Value::as_str);
    if action == "CUSTOM" && name.is_none_or(str::is_empty) {
        found.push(("spec.provider.name", "must be set with action CUSTOM".to_owned()));
    } else if action != "CUSTOM" && provider.is_some() {
        found.push(("spec.provider", format!("must not be set with action {action}")));
    }
    let is_there = |key: &str| {
        spec.get(key).is_some_and(|value| match value {
            Value::Null => false,
            Value::Array(list) => !list.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => true,
        })
    };
    if ["selector", "targetRef", "targetRefs"].iter().filter(|key| is_there(key)).count() > 1 {
        found.push(("spec", "must have at most one of selector, targetRef and targetRefs".to_owned()));
    }
    let one = spec.get("targetRef").filter(|target| target.is_object());
    for target in list(spec, "targetRefs").iter().chain(one) {
        of_target(target, found);
    }
    let labels = spec.pointer("/selector/matchLabels").and_then(Value::as_object);
    for (key, value) in labels.into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        if key.is_empty() || key.contains('*') || value.contains('*') || value.len() > 63 {
            let problem = format!("has {key:?}: {value:?}, which no selector can have");
            found.push(("spec.selector.matchLabels", problem));
        }
    }
    let dry_run = json.pointer("/metadata/annotations/istio.io~1dry-run").and_then(Value::as_str);
    let field = "metadata.annotations.istio.io/dry-run";
    match dry_run {
        Some(value) if !is_boolean(value) => {
            found.push((field, format!("is {value:?}, no boolean")));
        }
        Some(_) if !["ALLOW", "DENY"].contains(&action) => {
            found.push((field, format!("is for ALLOW and DENY, not for {action}")));
        }
        Some(_) | None => {}
    }
}

/// What Go's `ParseBool` takes.
fn is_boolean(value: &str) -> bool {
    ["1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False"].contains(&value)
}

fn of_target(target: &Value, found: &mut Found) {
    let of = |key: &str| target.get(key).and_then(Value::as_str).unwrap_or_default();
    let is_known = matches!(
        (of("group"), of("kind")),
        ("" | "core", "Service")
            | ("networking.istio.io", "ServiceEntry")
            | ("gateway.networking.k8s.io", "Gateway" | "GatewayClass")
    );
    if !is_known {
        let problem = format!("is to {} of group {:?}, which no policy can be for", of("kind"), of("group"));
        found.push(("spec.targetRefs", problem));
    }
    if !of("namespace").is_empty() {
        found.push(("spec.targetRefs.namespace", "must not be set".to_owned()));
    }
}

fn of_rule(rule: &Value, action: &str, found: &mut Found) {
    for from in list(rule, "from") {
        match from.get("source").filter(|source| source.is_object()) {
            None => found.push(("spec.rules.from.source", "must be set".to_owned())),
            Some(source) if is_empty(source) => {
                found.push(("spec.rules.from.source", "must not be empty".to_owned()));
            }
            Some(source) => of_source(source, action, found),
        }
    }
    for to in list(rule, "to") {
        match to.get("operation").filter(|operation| operation.is_object()) {
            None => found.push(("spec.rules.to.operation", "must be set".to_owned())),
            Some(operation) if is_empty(operation) => {
                found.push(("spec.rules.to.operation", "must not be empty".to_owned()));
            }
            Some(operation) => of_operation(operation, found),
        }
    }
    for condition in list(rule, "when") {
        of_condition(condition, action, found);
    }
}

/// Whether no list has anything in it.
fn is_empty(part: &Value) -> bool {
    let fields = part.as_object();
    !fields.into_iter().flatten().any(|(_, value)| value.as_array().is_some_and(|list| !list.is_empty()))
}

fn of_source(source: &Value, action: &str, found: &mut Found) {
    let field = "spec.rules.from.source";
    empty_texts(source, field, found);
    let has = |key: &str| !list(source, key).is_empty();
    if action == "CUSTOM"
        && let Some(key) = OF_CALLERS.iter().find(|key| has(key))
    {
        found.push((field, format!("has {key}, which action CUSTOM cannot have")));
    }
    let accounts = ["serviceAccounts", "notServiceAccounts"];
    let beside = ["principals", "notPrincipals", "namespaces", "notNamespaces"];
    if let Some((one, other)) = accounts.iter().find(|key| has(key)).zip(beside.iter().find(|key| has(key))) {
        found.push((field, format!("has {one} and {other}, which exclude each other")));
    }
    for key in accounts {
        let wrong = texts(source, key).filter(|value| !is_account(value));
        found.extend(wrong.map(|value| (field, format!("has {value:?} in {key}, no service account"))));
        if list(source, key).len() > 16 {
            found.push((field, format!("has more than 16 values in {key}")));
        }
    }
    for key in ["trustDomains", "notTrustDomains"] {
        let wrong = texts(source, key).filter(|value| !is_trust_domain(value));
        found.extend(wrong.map(|value| (field, format!("has {value:?} in {key}, no trust domain"))));
    }
    for key in ["ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"] {
        let wrong = texts(source, key).filter(|value| Block::parse(value).is_none());
        found.extend(wrong.map(|value| (field, format!("has {value:?} in {key}, neither address nor CIDR"))));
    }
}

fn of_operation(operation: &Value, found: &mut Found) {
    let field = "spec.rules.to.operation";
    empty_texts(operation, field, found);
    for key in ["ports", "notPorts"] {
        let wrong = texts(operation, key).filter(|value| port(value).is_none() && !value.is_empty());
        found.extend(wrong.map(|value| (field, format!("has {value:?} in {key}, no port"))));
    }
    for key in ["paths", "notPaths"] {
        let wrong = texts(operation, key)
            .filter(|value| is_template(value) && Template::read(value) == Read::Invalid);
        found.extend(wrong.map(|value| (field, format!("has {value:?} in {key}, no path template"))));
    }
}

/// An empty text in any list.
fn empty_texts(part: &Value, field: &'static str, found: &mut Found) {
    for (key, value) in part.as_object().into_iter().flatten() {
        if value.as_array().is_some_and(|list| list.iter().any(|one| one == "")) {
            found.push((field, format!("has an empty text in {key}")));
        }
    }
}

fn is_account(value: &str) -> bool {
    let (_, name) = account(value, "");
    !value.contains('*')
        && value.len() <= 320
        && !name.is_empty()
        && !name.contains('/')
        && !value.starts_with('/')
}

fn is_trust_domain(value: &str) -> bool {
    let stars = value.matches('*').count();
    let at_end = value.starts_with('*') || value.ends_with('*');
    !value.contains('/') && (stars == 0 || stars == 1 && at_end)
}

fn of_condition(condition: &Value, action: &str, found: &mut Found) {
    let field = "spec.rules.when";
    let key = condition.get("key").and_then(Value::as_str).unwrap_or_default();
    let lists = || texts(condition, "values").chain(texts(condition, "notValues"));
    if key.is_empty() {
        found.push(("spec.rules.when.key", "must be set".to_owned()));
        return;
    }
    if list(condition, "values").is_empty() && list(condition, "notValues").is_empty() {
        found.push((field, format!("has neither values nor notValues for {key:?}")));
    }
    let custom = ["source.namespace", "source.serviceAccount", "source.trustDomain", "source.principal"];
    if action == "CUSTOM" && (custom.contains(&key) || key.starts_with("request.auth.")) {
        found.push((field, format!("has key {key:?}, which action CUSTOM cannot have")));
    }
    let is_right: fn(&str) -> bool = match key {
        "source.ip" | "remote.ip" | "destination.ip" => |value| Block::parse(value).is_some(),
        "destination.port" => |value| port(value).is_some(),
        "source.serviceAccount" => is_account,
        "source.trustDomain" => is_trust_domain,
        _ => |_| true,
    };
    if !is_key(key) {
        found.push(("spec.rules.when.key", format!("is {key:?}, no key of a condition")));
    }
    let wrong = lists().filter(|value| !is_right(value));
    found.extend(wrong.map(|value| (field, format!("has {value:?} for {key:?}, no such value"))));
}

/// The keys that there are (section 7).
fn is_key(key: &str) -> bool {
    let known = [
        "source.ip",
        "source.namespace",
        "source.principal",
        "source.serviceAccount",
        "source.trustDomain",
        "remote.ip",
        "request.auth.principal",
        "request.auth.audiences",
        "request.auth.presenter",
        "destination.ip",
        "destination.port",
        "connection.sni",
    ];
    let bracketed = |start: &str| {
        key.strip_prefix(start).is_some_and(|rest| rest.starts_with('[') && rest.ends_with(']'))
    };
    known.contains(&key)
        || bracketed("request.headers")
        || bracketed("request.auth.claims")
        || key.starts_with("experimental.envoy.filters.")
}
