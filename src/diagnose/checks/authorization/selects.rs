//! MS0403: a policy whose selector or `targetRefs` are for nothing that is there (S1, S3, S6, S7). Pods come and go, so
//! that what a template, a job that has ended or an entry for a virtual machine has counts as well.

use super::{Policies, Policy, candidates, named};
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Confidence, Finding};
use crate::model::authorization_policy::TargetRef;
use crate::model::object::Body;
use crate::model::pod::ProxyKind;
use crate::model::{Kind, Labels, Object, Text};
use crate::resolve::authorize::attach::GATEWAY_NAME;
use crate::resolve::name::distance;
use crate::resolve::{Mesh, Workload};

/// Kinds that make pods.
const MAKERS: [Kind; 6] =
    [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::ReplicaSet, Kind::Job, Kind::CronJob];

/// The findings.
pub(super) fn check(policies: &Policies<'_>) -> Vec<Finding> {
    let mesh = policies.mesh;
    policies
        .all
        .iter()
        .filter_map(|policy| match &*policy.body.targets {
            [] if !policy.body.has_selector => None,
            [] if policy.body.selector.is_empty() => empty_selector(mesh, policy),
            [] => selector(mesh, policy),
            targets => target(mesh, policy, targets),
        })
        .collect()
}

/// Whether an object is where a policy selects: in its namespace, or anywhere for one of a root namespace.
fn is_within(mesh: &Mesh, policy: &Policy<'_>, object: &Object) -> bool {
    object.id.namespace == policy.object.id.namespace || mesh.is_a_root(&policy.object.id.namespace)
}

fn is_unread(mesh: &Mesh, kind: &Kind) -> bool {
    mesh.options.unread.contains_key(kind)
        || mesh.snapshot.of_kind(kind).any(|object| object.body == Body::Unreadable)
}

fn selector(mesh: &Mesh, policy: &Policy<'_>) -> Option<Finding> {
    let (namespace, selector) = (&policy.object.id.namespace, &policy.body.selector);
    if mesh.workloads.all().is_empty() || is_unread(mesh, &Kind::Pod) || is_unread(mesh, &Kind::WorkloadEntry)
    {
        return None;
    }
    let pods = candidates(mesh, namespace);
    let has = |labels: &Labels| selector.is_subset_of(labels);
    let of = |kind: &Kind| mesh.snapshot.of_kind(kind).filter(|object| is_within(mesh, policy, object));
    let template = |object: &Object| {
        let template = object.body.workload().and_then(|workload| workload.template.as_ref());
        template.is_some_and(|template| has(&template.labels))
    };
    let entry = |object: &Object| {
        object.body.workload_entry().is_some_and(|entry| has(&entry.labels)) || has(&object.meta.labels)
    };
    let group = Kind::OtherMesh("WorkloadGroup".into());
    let is_there = pods.iter().any(|(_, pod)| has(&pod.labels))
        || of(&Kind::Pod).any(|object| has(&object.meta.labels))
        || MAKERS.iter().any(|kind| of(kind).any(|object| template(object)))
        || of(&Kind::WorkloadEntry).any(|object| entry(object))
        // What its template gives to entries is not read.
        || of(&group).next().is_some();
    if is_there {
        return without_proxy(policy, &pods);
    }
    let wanted: Vec<_> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let near = pods.iter().map(|(_, pod)| pod).find_map(|pod| {
        let off: Vec<_> =
            selector.iter().filter(|(key, value)| pod.labels.get(key) != Some(*value)).collect();
        let [(key, value)] = off.as_slice() else { return None };
        // Of a selector with one label every pod is off by one: there the value has to be near.
        let own = pod
            .labels
            .get(key)
            .filter(|own| selector.iter().nth(1).is_some() || distance(own, value) <= 2)?;
        Some(format!("; {} has {key}={own}, not {value}", pod.path()))
    });
    let whence =
        if mesh.is_a_root(namespace) { "any namespace".to_owned() } else { format!("namespace {namespace}") };
    let message = format!(
        "{} selects {}, which no pod of {whence} has: it is in force for nobody{}",
        policy.object.id,
        wanted.join(", "),
        near.unwrap_or_default()
    );
    let counted = "no pod has these labels";
    let code = Code::PolicySelectsNothing;
    let mut finding = Finding::of_field(code, policy.object, "spec.selector.matchLabels", counted, message);
    // Where nothing of the namespace was read, its pods may not have been collected.
    if pods.is_empty() {
        finding.confidence = Confidence::Likely;
    }
    Some(finding)
}

/// A policy that selects pods, of which none has a proxy or a ztunnel that takes notice of selectors (S3, S5).
fn without_proxy(policy: &Policy<'_>, pods: &[(usize, &Workload)]) -> Option<Finding> {
    let selected: Vec<&Workload> = pods
        .iter()
        .map(|(_, pod)| *pod)
        .filter(|pod| policy.body.selector.is_subset_of(&pod.labels))
        .collect();
    let enforces = |pod: &&Workload| {
        pod.unclear.is_some() || !matches!(pod.proxy, ProxyKind::None | ProxyKind::Waypoint)
    };
    if selected.is_empty() || selected.iter().any(enforces) {
        return None;
    }
    let message = format!(
        "{} selects pods that have neither a sidecar nor a ztunnel before them, or are waypoints, which take notice of \
         targetRefs only: it is in force for nobody: {}",
        policy.object.id,
        named(selected.into_iter())
    );
    let counted = "nothing at these pods enforces it";
    let code = Code::PolicySelectsNothing;
    Some(Finding::of_field(code, policy.object, "spec.selector.matchLabels", counted, message))
}

/// An empty selector selects everything in Envoy, and nothing in ambient mode (S7).
fn empty_selector(mesh: &Mesh, policy: &Policy<'_>) -> Option<Finding> {
    let pods = candidates(mesh, &policy.object.id.namespace);
    let mut proxies =
        pods.iter().map(|(_, pod)| pod.proxy).filter(|proxy| *proxy != ProxyKind::None).peekable();
    let captured = |proxy| matches!(proxy, ProxyKind::Ztunnel | ProxyKind::Waypoint);
    if proxies.peek().is_none() || !proxies.all(captured) {
        return None;
    }
    let message = format!(
        "{} has a selector without labels, which selects no pod of ambient mode: left out it selects all",
        policy.object.id
    );
    let counted = "selects nothing at a ztunnel";
    Some(Finding::of_field(Code::PolicySelectsNothing, policy.object, "spec.selector", counted, message))
}

/// Whether what a reference names is there; `None` where that cannot be told.
fn is_there(mesh: &Mesh, policy: &Policy<'_>, target: &TargetRef) -> Option<bool> {
    let namespace = &policy.object.id.namespace;
    if !target.namespace.is_empty() && *target.namespace != **namespace {
        return None;
    }
    let id = |kind: Kind| crate::model::ObjectId::new(kind, Text::clone(namespace), target.name.as_str());
    match (target.group.as_str(), target.kind.as_str()) {
        ("" | "core", "Service") => {
            let any = mesh.snapshot.of_kind(&Kind::Service).next().is_some();
            (any && !is_unread(mesh, &Kind::Service)).then(|| mesh.snapshot.get(&id(Kind::Service)).is_some())
        }
        ("networking.istio.io", "ServiceEntry") => {
            let any = mesh.snapshot.of_kind(&Kind::ServiceEntry).next().is_some();
            let known = any && !is_unread(mesh, &Kind::ServiceEntry);
            known.then(|| mesh.snapshot.get(&id(Kind::ServiceEntry)).is_some())
        }
        ("gateway.networking.k8s.io", "Gateway") => {
            let kind = Kind::OtherMesh("Gateway".into());
            let is_one = |object: &Object| {
                let version = object.json.as_ref().and_then(|json| json.pointer("/apiVersion"));
                version
                    .and_then(serde_json::Value::as_str)
                    .is_some_and(|one| one.starts_with("gateway.networking.k8s.io/"))
            };
            let named = |labels: &Labels| labels.get(GATEWAY_NAME) == Some(&*target.name);
            let mut own =
                mesh.workloads.in_namespace(namespace).iter().filter_map(|at| mesh.workloads.get(*at));
            if mesh.snapshot.get(&id(kind.clone())).is_some() || own.any(|pod| named(&pod.labels)) {
                return Some(true);
            }
            // Without any Gateway they may not have been collected.
            mesh.snapshot.of_kind(&kind).any(|object| is_one(object)).then_some(false)
        }
        _ => None,
    }
}

fn target(mesh: &Mesh, policy: &Policy<'_>, targets: &[TargetRef]) -> Option<Finding> {
    let absent: Vec<_> = targets
        .iter()
        .enumerate()
        .filter(|(_, target)| is_there(mesh, policy, target) == Some(false))
        .collect();
    let (first, _) = absent.first()?;
    let list = policy.object.json.as_ref().and_then(|json| json.pointer("/spec/targetRefs"));
    let is_list = list.and_then(serde_json::Value::as_array).is_some_and(|list| !list.is_empty());
    let field = if is_list { format!("spec.targetRefs[{first}]") } else { "spec.targetRef".to_owned() };
    let names: Vec<_> = absent
        .iter()
        .map(|(_, one)| format!("{} {}/{}", one.kind, policy.object.id.namespace, one.name))
        .collect();
    let effect = if absent.len() == targets.len() {
        "it is in force for nobody"
    } else {
        "for its other targets it is in force"
    };
    let message = format!("{} is for {}, which is not there: {effect}", policy.object.id, names.join(", "));
    let counted = "names nothing that was read";
    Some(Finding::of_field(Code::PolicySelectsNothing, policy.object, &field, counted, message))
}
