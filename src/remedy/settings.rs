//! Changes to rules and policies that are not about a `tls` block: hosts, subsets, namespaces, port numbers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::change::{pointer_of, to_change};
use super::exception::with_what_is_in_force;
use super::proposal::Proposal;
use crate::diagnose::{Finding, Role};
use crate::model::{Kind, Object};
use crate::resolve::Mesh;
use crate::resolve::clients::Classes;
use crate::resolve::rules::{Rule, matches, normalise};

/// The whole host where only one service can be meant (MS0203).
pub(super) fn whole_host(mesh: &Mesh, classes: &Classes, object: &Object) -> Option<Proposal> {
    let body = object.body.destination_rule()?;
    // A rule for some workloads takes the place of another for them alone, and what is in force differs for each.
    if body.workload_selector.is_some() {
        return None;
    }
    let written = body.host.to_string();
    let first = written.split('.').next()?;
    let whole = format!("{written}.");
    let alike: Vec<_> = mesh.registry.hosts().filter(|host| host.split('.').next() == Some(first)).collect();
    let begins: Vec<_> =
        alike.iter().filter(|host| written.contains('.') && host.starts_with(&whole)).collect();
    let host = match (begins.as_slice(), alike.as_slice()) {
        ([one], _) => **one,
        ([], [one]) if !written.contains('.') => *one,
        _ => return None,
    };
    let mut changed = to_change(object)?;
    *changed.pointer_mut("/spec/host")? = host.to_string().into();
    // Winning, it takes the place of what its namespace's clients, or those of the service, use now.
    with_what_is_in_force(mesh, classes, &mut changed, &[host]);
    let title = format!("set spec.host to {host}, with the settings that are in force for it now");
    Proposal::replace(object, title, &changed)
}

/// The rule in the namespace of the service that it is for, where clients find it (MS0201).
pub(super) fn to_namespace_of_service(mesh: &Mesh, classes: &Classes, object: &Object) -> Option<Proposal> {
    let body = object.body.destination_rule()?;
    let host = normalise(&body.host, &object.id.namespace);
    // A wildcard is nobody's in particular.
    let mut services =
        mesh.registry.definitions(&host).filter(|one| !one.is_alias() && !host.starts_with('*'));
    let service = services.next()?;
    let namespace = &service.namespace;
    // One that is for its own namespace only is not for clients elsewhere.
    let is_exported = mesh.rules.of_object(&object.id).is_some_and(Rule::is_exported);
    if !is_exported
        || services.next().is_some()
        || *namespace == object.id.namespace
        || body.workload_selector.is_some()
    {
        return None;
    }
    let mut changed = to_change(object)?;
    with_what_is_in_force(mesh, classes, &mut changed, &[&host]);
    let mut spec = changed.get("spec")?.as_object()?.clone();
    spec.insert("host".to_owned(), host.to_string().into());
    spec.shift_remove("exportTo");
    let title = format!(
        "move {} to {namespace}, the namespace of the service, with the settings that are in force for it now",
        object.id
    );
    let made = Proposal::rule(&mesh.snapshot, title, (namespace, &object.id.name), &spec)?;
    Some(made.without(&object.id))
}

/// The subset that a route names, in the rule in force, as another rule of the host defines it (MS0206).
pub(super) fn with_subset(mesh: &Mesh, finding: &Finding) -> Option<Proposal> {
    let mut rules = finding
        .objects
        .iter()
        .filter(|one| one.role == Role::Partner && one.id.kind == Kind::DestinationRule);
    let rule = mesh.snapshot.get(&rules.next()?.id)?;
    // With several rules in force each would need it: the first alone does not end the finding.
    if rules.next().is_some() {
        return None;
    }
    let (host, _, subset, _) = finding.edges.targets().next()?;
    let subset = subset?;
    let defines = |object: &&std::sync::Arc<Object>| {
        object.id != rule.id
            && object.body.destination_rule().is_some_and(|body| {
                matches(&normalise(&body.host, &object.id.namespace), host)
                    && body.subsets.iter().any(|one| one.name == *subset)
            })
    };
    let other = mesh.snapshot.of_kind(&Kind::DestinationRule).find(defines)?;
    let subsets = other.json.as_ref()?.pointer("/spec/subsets")?.as_array()?;
    let found =
        subsets.iter().find(|one| one.get("name").and_then(Value::as_str) == Some(&**subset))?.clone();
    let mut changed = to_change(rule)?;
    let spec = changed.pointer_mut("/spec")?.as_object_mut()?;
    spec.entry("subsets").or_insert_with(|| Value::Array(Vec::new())).as_array_mut()?.push(found);
    let title = format!("define subset {subset} in {}, which is in force, as {} does", rule.id, other.id);
    Proposal::replace(rule, title, &changed)
}

/// What a hidden rule loses, in the rule that is found first (MS0202): blocks and subsets that nothing stands for.
pub(super) fn into_winner(mesh: &Mesh, object: &Object, finding: &Finding) -> Option<Proposal> {
    let mut winners = finding.objects.iter().filter(|one| one.role == Role::Partner);
    let winner = mesh.snapshot.get(&winners.next()?.id)?;
    let wide = winner.body.destination_rule()?.host.starts_with('*');
    if winners.next().is_some() || wide || winner.body.destination_rule()?.workload_selector.is_some() {
        return None;
    }
    let mut changed = to_change(winner)?;
    let lost = object.json.as_ref()?.get("spec")?.as_object()?;
    let kept: serde_json::Map<_, _> = lost
        .iter()
        // Merged rules give their subsets, and a second one of the name would be dropped (DR-6.4).
        .filter(|(key, _)| *key == "trafficPolicy" || *key == "subsets" && finding.root.1 == "spec.host")
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    super::exception::inherit(changed.pointer_mut("/spec")?.as_object_mut()?, kept);
    let title = format!("give {} what it does not set and {} does", winner.id, object.id);
    Proposal::replace(winner, title, &changed)
}

/// The workload's port in the place of the service's (MS0109).
pub(super) fn target_port(mesh: &Mesh, object: &Object) -> Option<Proposal> {
    let policy = object.body.peer_authentication()?;
    let mut changed = to_change(object)?;
    let entries = changed.pointer_mut("/spec/portLevelMtls")?.as_object_mut()?;
    let mut said = Vec::new();
    for (number, _) in &policy.ports {
        let targets = targets(mesh, object, *number);
        let [target] = targets.iter().copied().collect::<Vec<_>>()[..] else { continue };
        if target != *number && !entries.contains_key(&target.to_string()) {
            let entry = entries.shift_remove(&number.to_string())?;
            entries.insert(target.to_string(), entry);
            said.push(format!("{number} to {target}"));
        }
    }
    let title = format!("change portLevelMtls from {}: the port of the pods", said.join(", "));
    Proposal::replace(object, title, &changed)
}

/// The ports of the pods that a policy selects, behind a number of their services.
fn targets(mesh: &Mesh, object: &Object, number: u16) -> BTreeSet<u16> {
    let Some(policy) = object.body.peer_authentication() else { return BTreeSet::new() };
    let endpoints = mesh.registry.services().flat_map(|service| service.endpoints(number));
    let selected = endpoints.filter(|endpoint| {
        let pod = endpoint.workload.and_then(|at| mesh.workloads.get(at));
        pod.is_some_and(|pod| {
            pod.namespace == object.id.namespace && policy.selector.is_subset_of(&pod.labels)
        })
    });
    selected.map(|endpoint| endpoint.port).collect()
}

/// An exception that ambient mode takes notice of (MS0118).
pub(super) fn permissive_port(object: &Object, field: &str) -> Option<Proposal> {
    let mut changed = to_change(object)?;
    *changed.pointer_mut(&pointer_of(field))? = "PERMISSIVE".into();
    Proposal::replace(
        object,
        format!("set {field} to PERMISSIVE, which ambient mode takes for an exception"),
        &changed,
    )
}

/// The settings above them, in the entries for ports that drop them (MS0113).
pub(super) fn repeat_dropped(object: &Object, finding: &Finding) -> Option<Proposal> {
    let written = object.json.as_ref()?;
    let mut changed = (**written).clone();
    let fields = &finding.objects.first()?.fields;
    for field in fields {
        let policy = field.split(".portLevelSettings").next()?;
        let blocks = |path: &str| written.pointer(&pointer_of(path)).and_then(Value::as_object).cloned();
        let mut above = blocks(policy).unwrap_or_default();
        let entry = changed.pointer_mut(&pointer_of(field))?.as_object_mut()?;
        if policy != "spec.trafficPolicy" {
            // A subset stands on what the rule has for the same port (DR-8.2).
            let number = entry.get("port").cloned();
            let base = blocks("spec.trafficPolicy").unwrap_or_default();
            let entries = base.get("portLevelSettings").and_then(Value::as_array);
            let of_port = entries.into_iter().flatten().find(|one| one.get("port") == number.as_ref());
            let base = of_port.and_then(Value::as_object).unwrap_or(&base);
            for (name, block) in base {
                above.entry(name.clone()).or_insert_with(|| block.clone());
            }
        }
        for name in ["connectionPool", "loadBalancer", "outlierDetection", "tls"] {
            if let Some(block) = above.get(name).filter(|block| !block.is_null()) {
                entry.entry(name).or_insert_with(|| block.clone());
            }
        }
    }
    let title = format!(
        "repeat the settings above it in {}: an entry for a port inherits nothing",
        fields.join(", ")
    );
    Proposal::replace(object, title, &changed)
}
