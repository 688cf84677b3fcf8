//! A rule of its own for a host that a wider rule does not fit. It takes over everything that is in force for the host,
//! since a rule that wins hides the others whole (DR-5.1, DR-6.4).

use serde_json::{Map, Value, json};

use super::proposal::Proposal;
use super::tls::set_mode;
use super::workload;
use crate::diagnose::Finding;
use crate::resolve::clients::Classes;
use crate::resolve::{Level, Mesh, Target, Workload};

/// Exceptions for the hosts of a finding, each with this mode: only where one host is concerned, since several would
/// need a rule each.
pub(super) fn of(mesh: &Mesh, finding: &Finding, mode: &str) -> Vec<Proposal> {
    let mut targets = finding.edges.targets();
    let Some((host, _, _, clients)) = targets.next() else { return Vec::new() };
    if targets.any(|(other, _, _, _)| other != host) {
        return Vec::new();
    }
    let ports: Vec<u16> = finding.edges.targets().map(|(_, port, _, _)| port).collect();
    let Some(client) = clients.first().and_then(|name| workload(mesh, name)) else { return Vec::new() };
    let Some(target) = mesh.target(client, host) else { return Vec::new() };
    let Some(choice) = mesh.choice(client, &target) else { return Vec::new() };
    let Some(rule) = mesh.rules.get(choice.primary).filter(|rule| *rule.host != **host) else {
        return Vec::new();
    };
    let mut spec = in_force(mesh, client, &target);
    spec.shift_insert(0, "host".to_owned(), host.to_string().into());
    set_tls(&mut spec, &ports, mode);
    // The pool in which the wider rule was found answers with the exact host first (DR-3.2); the service's comes
    // before the root namespace's.
    let namespace = match choice.level {
        Level::Client => &client.namespace,
        Level::Service | Level::Root => &target.service.namespace,
    };
    let exports = rule.body().map(|body| body.export_to.clone()).unwrap_or_default();
    if choice.level != Level::Root && !exports.is_empty() {
        spec.insert("exportTo".to_owned(), exports.iter().map(ToString::to_string).collect());
    }
    let name = name_of(host, mode);
    let title = format!(
        "make an exception for {host} in {namespace}: mode {mode}, and all other settings as {} has them",
        rule.object.id
    );
    Proposal::rule(&mesh.snapshot, title, (namespace, &name), &spec).into_iter().collect()
}

/// A rule that originates TLS for a port of a host outside (MS0115).
pub(super) fn originate(mesh: &Mesh, finding: &Finding) -> Option<Proposal> {
    let (host, port, _, clients) = finding.edges.targets().next()?;
    let client = clients.first().and_then(|name| workload(mesh, name))?;
    let target = mesh.target(client, host)?;
    if mesh
        .choice(client, &target)
        .is_some_and(|choice| mesh.rules.get(choice.primary).is_some_and(|rule| *rule.host == **host))
    {
        return None;
    }
    let mut spec = in_force(mesh, client, &target);
    spec.shift_insert(0, "host".to_owned(), host.to_string().into());
    set_tls(&mut spec, &[port], "SIMPLE");
    let namespace = &target.service.namespace;
    let title =
        format!("originate TLS for {host}:{port}: a rule in {namespace} with mode SIMPLE for that port");
    Proposal::rule(&mesh.snapshot, title, (namespace, &name_of(host, "SIMPLE")), &spec)
}

/// The settings in force for a client and a service, as a rule's `spec` has them: traffic policy and subsets of all
/// rules that were merged.
pub(super) fn in_force(mesh: &Mesh, client: &Workload, target: &Target<'_>) -> Map<String, Value> {
    let choice = mesh.choice(client, target);
    let contributors = choice.map(|choice| choice.contributors).unwrap_or_default();
    let written = |id, pointer: &str| {
        let rule: &crate::resolve::rules::Rule = mesh.rules.get(id)?;
        rule.object.json.as_ref()?.pointer(pointer).cloned()
    };
    let mut spec = Map::new();
    let policy = mesh.rules.policy_of(&contributors).and_then(|(id, _)| written(id, "/spec/trafficPolicy"));
    if let Some(policy) = policy {
        spec.insert("trafficPolicy".to_owned(), policy);
    }
    let mut subsets = Vec::new();
    for one in contributors.iter() {
        let list = written(one.rule, "/spec/subsets");
        for subset in list.as_ref().and_then(Value::as_array).into_iter().flatten() {
            let name = subset.get("name").and_then(Value::as_str).unwrap_or_default();
            let known = subsets.iter().any(|known: &Value| known.get("name") == subset.get("name"));
            if one.subsets.iter().any(|given| **given == *name) && !known {
                subsets.push(subset.clone());
            }
        }
    }
    if !subsets.is_empty() {
        spec.insert("subsets".to_owned(), subsets.into());
    }
    spec
}

/// The same TLS for the ports that fail, and for no other that an entry speaks of. Subsets that set TLS of their own
/// follow.
fn set_tls(spec: &mut Map<String, Value>, ports: &[u16], mode: &str) {
    let policy = spec.entry("trafficPolicy").or_insert_with(|| json!({}));
    let is_failing = |entry: &Value| {
        let number = entry.pointer("/port/number").and_then(Value::as_u64);
        number.is_some_and(|number| ports.iter().any(|port| u64::from(*port) == number))
    };
    let in_policy = |policy: &mut Value, always: bool| {
        let mut entries = policy.get_mut("portLevelSettings").and_then(Value::as_array_mut);
        for entry in
            entries.iter_mut().flat_map(|entries| entries.iter_mut()).filter(|entry| is_failing(entry))
        {
            set_block(entry, mode);
        }
        if always || policy.get("tls").is_some() {
            set_block(policy, mode);
        }
    };
    in_policy(policy, true);
    for subset in spec.get_mut("subsets").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(policy) = subset.get_mut("trafficPolicy") {
            in_policy(policy, false);
        }
    }
}

fn set_block(policy: &mut Value, mode: &str) {
    let Some(policy) = policy.as_object_mut() else { return };
    set_mode(policy.entry("tls").or_insert_with(|| json!({})), mode);
}

/// The name of the new rule: the host's first label and what it does.
fn name_of(host: &str, mode: &str) -> String {
    let first = host.split('.').find(|label| *label != "*" && !label.is_empty()).unwrap_or("host");
    let first: String = first
        .chars()
        .map(|one| if one.is_ascii_alphanumeric() { one.to_ascii_lowercase() } else { '-' })
        .collect();
    let what = match mode {
        "DISABLE" => "plaintext",
        "SIMPLE" => "tls",
        _ => "mtls",
    };
    format!("{}-{what}", first.trim_matches('-'))
}

/// The settings that a rule would take from clients by winning: those in force now, which it does not set itself.
pub(super) fn with_what_is_in_force(mesh: &Mesh, classes: &Classes, rule: &mut Value, hosts: &[&str]) {
    for host in hosts {
        for group in classes.groups(mesh, host) {
            let Some(client) = group.representative(mesh) else { continue };
            let Some(target) = mesh.target(client, host) else { continue };
            let Some(spec) = rule.pointer_mut("/spec").and_then(Value::as_object_mut) else { return };
            inherit(spec, in_force(mesh, client, &target));
        }
    }
}

/// Adds what another `spec` sets and this one does not.
pub(super) fn inherit(spec: &mut Map<String, Value>, other: Map<String, Value>) {
    for (key, value) in other {
        match (key.as_str(), spec.get_mut(&key), value) {
            ("trafficPolicy", Some(Value::Object(own)), Value::Object(policy)) => {
                for (name, block) in policy {
                    own.entry(name).or_insert(block);
                }
            }
            ("subsets", Some(Value::Array(own)), Value::Array(subsets)) => {
                for subset in subsets {
                    if !own.iter().any(|known| known.get("name") == subset.get("name")) {
                        own.push(subset);
                    }
                }
            }
            (_, None, value) => drop(spec.insert(key, value)),
            (_, Some(_), _) => {}
        }
    }
}
