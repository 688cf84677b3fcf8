//! MS0405: layer 7 where nothing reads it: a policy with fields of HTTP that a ztunnel enforces, which leaves them out
//! (Z2 to Z4), and one for a service that has no waypoint (S9).

use std::sync::Arc;

use super::{Policies, Policy, fields, named, place_of};
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Finding, Role};
use crate::model::authorization_policy::{AccessRule, Action, Condition, HTTP_FIELDS, Values};
use crate::model::pod::ProxyKind;
use crate::model::{Kind, ObjectId, Text};
use crate::resolve::{Mesh, Workload};

/// The keys of conditions that a ztunnel knows (Z2).
const LAYER_4: [&str; 5] =
    ["source.ip", "source.namespace", "source.principal", "destination.ip", "destination.port"];

/// The findings.
pub(super) fn check(policies: &Policies<'_>) -> Vec<Finding> {
    let mesh = policies.mesh;
    let in_force = policies.all.iter().filter(|policy| !policy.body.is_dry_run);
    in_force.flat_map(|policy| at_ztunnel(policy).into_iter().chain(without_waypoint(mesh, policy))).collect()
}

fn is_layer_7(field: &str) -> bool {
    HTTP_FIELDS.contains(&field) || ["remoteIpBlocks", "notRemoteIpBlocks"].contains(&field)
}

/// The place of the first part of a rule that a ztunnel does not read.
fn first_place(at: usize, rule: &AccessRule) -> Option<String> {
    let in_parts = fields(at, &rule.written).into_iter().find(|(_, one)| is_layer_7(&one.field));
    let unknown = |one: &Condition| !LAYER_4.contains(&&*one.key);
    let when = || rule.written.when.iter().enumerate().find(|(_, one)| unknown(one));
    in_parts.map(|(place, _)| place).or_else(|| when().map(|(number, one)| place_of(at, number, one)))
}

/// Whether a rule that denies is left without effect: a clause of which nothing remains matches nothing (Z4, Z5).
fn is_lost(rule: &AccessRule) -> bool {
    let written = &rule.written;
    let is_left =
        |one: &Values| !is_layer_7(&one.field) && !["trustDomains", "notTrustDomains"].contains(&&*one.field);
    let is_gone =
        |parts: &[Vec<Values>]| !parts.is_empty() && !parts.iter().any(|part| part.iter().any(is_left));
    is_gone(&written.from)
        || is_gone(&written.to)
        || written.when.iter().any(|one| !LAYER_4.contains(&&*one.key))
}

fn at_ztunnel(policy: &Policy<'_>) -> Option<Finding> {
    let pods: Vec<&Workload> =
        policy.pods.iter().map(|(_, pod)| *pod).filter(|pod| pod.proxy == ProxyKind::Ztunnel).collect();
    let example = Arc::clone(&pods.first()?.object);
    let rules = || policy.body.rules.iter().enumerate();
    let (at, rule, place) = rules().find_map(|(at, rule)| Some((at, rule, first_place(at, rule)?)))?;
    let effect = match policy.body.action {
        Action::Allow if rules().all(|(at, rule)| first_place(at, rule).is_some()) => {
            "none of its rules is left there, and it lets nobody in"
        }
        Action::Allow => "the rule is dropped there, and lets nobody in",
        Action::Deny if is_lost(rule) => "the rule denies nothing there",
        Action::Deny => "the rule denies there whatever the rest of it matches",
        Action::Audit | Action::Custom | Action::Other(_) => return None,
    };
    let message = format!(
        "{} (spec.rules[{at}]) has fields that a ztunnel does not read ({place}): {effect}; a waypoint reads them, of a \
         policy with targetRefs: {}",
        policy.object.id,
        named(pods.into_iter())
    );
    let counted = "layer 7, at a ztunnel";
    let finding = Finding::of_field(Code::L7PolicyWithoutWaypoint, policy.object, &place, counted, message);
    Some(finding.with(&example, Role::Affected, "", ""))
}

/// A reference to a service that no waypoint stands before. Where its namespace was not read, its label may name one.
fn without_waypoint(mesh: &Mesh, policy: &Policy<'_>) -> Option<Finding> {
    let namespace = &policy.object.id.namespace;
    let known = mesh.snapshot.get(&ObjectId::new(Kind::Namespace, "", Text::clone(namespace))).is_some();
    let (number, service) = policy.body.targets.iter().enumerate().find_map(|(number, target)| {
        let kind = match (target.group.as_str(), target.kind.as_str()) {
            ("" | "core", "Service") => Kind::Service,
            ("networking.istio.io", "ServiceEntry") => Kind::ServiceEntry,
            _ => return None,
        };
        let own = target.namespace.is_empty() || *target.namespace == **namespace;
        let object = mesh.snapshot.get(&ObjectId::new(kind, Text::clone(namespace), target.name.as_str()))?;
        let host = object.body.service_entry().and_then(|entry| entry.hosts.first().cloned());
        let host = host.unwrap_or_else(|| format!("{}.{namespace}.svc.cluster.local", target.name).into());
        let mut services = mesh.registry.definitions(&host).filter(|service| service.object.id == object.id);
        let service = services.next().filter(|service| mesh.ambient.waypoint_of(service).is_none())?;
        let told = known || service.object.meta.labels.get("istio.io/use-waypoint").is_some();
        (own && told).then_some((number, service))
    })?;
    let list = policy.object.json.as_ref().and_then(|json| json.pointer("/spec/targetRefs"));
    let is_list = list.and_then(serde_json::Value::as_array).is_some_and(|list| !list.is_empty());
    let field = if is_list { format!("spec.targetRefs[{number}]") } else { "spec.targetRef".to_owned() };
    let message = format!(
        "{} is for {}, which has no waypoint: nothing enforces it there, since neither sidecars nor ztunnels take \
         notice of targetRefs",
        policy.object.id, service.object.id
    );
    let counted = "a service without waypoint";
    let finding = Finding::of_field(Code::L7PolicyWithoutWaypoint, policy.object, &field, counted, message);
    Some(finding.with(&service.object, Role::Partner, "", ""))
}
