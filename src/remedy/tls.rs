//! Changes to the `tls` block of a rule, to the mode of a policy, and to what makes a pod's label.

use std::sync::Arc;

use serde_json::{Value, json};

use super::change::{pointer_of, to_change};
use super::kubectl;
use super::proposal::Proposal;
use crate::diagnose::{Finding, Role};
use crate::model::{Kind, Object};
use crate::resolve::Mesh;

/// Keys of a `tls` block that go with the user's own certificates, and that `ISTIO_MUTUAL` refuses.
const OWN_CERTIFICATES: [&str; 6] =
    ["clientCertificate", "privateKey", "caCertificates", "caCrl", "credentialName", "insecureSkipVerify"];

/// The policies that a finding names as the other half of it, with their field.
pub(super) fn partners<'a>(
    mesh: &'a Mesh,
    finding: &'a Finding,
) -> impl Iterator<Item = (Arc<Object>, String)> + 'a {
    let policies = finding
        .objects
        .iter()
        .filter(|one| one.role == Role::Partner && one.id.kind == Kind::PeerAuthentication);
    policies.filter_map(|one| Some((Arc::clone(mesh.snapshot.get(&one.id)?), one.fields.first()?.clone())))
}

/// What a traffic policy keeps beside TLS, in words.
fn kept(policy: Option<&Value>) -> String {
    let blocks = policy.and_then(Value::as_object).into_iter().flatten();
    let names: Vec<_> =
        blocks.map(|(name, _)| name.as_str()).filter(|name| *name != "tls" && *name != "port").collect();
    if names.is_empty() { String::new() } else { format!("; keeps {}", names.join(", ")) }
}

/// Istio's mutual TLS in a `tls` block.
pub(super) fn istio_mutual(object: &Object, block: &str) -> Option<Proposal> {
    let mut changed = to_change(object)?;
    let policy = block.strip_suffix(".tls")?;
    let kept = kept(changed.pointer(&pointer_of(policy)));
    set_mode(changed.pointer_mut(&pointer_of(block))?, "ISTIO_MUTUAL");
    let title = format!("set {block}.mode to ISTIO_MUTUAL: mutual TLS to every endpoint{kept}");
    Proposal::replace(object, title, &changed)
}

/// Sets the mode of a `tls` block, without what contradicts it.
pub(super) fn set_mode(block: &mut Value, mode: &str) {
    if let Some(tls) = block.as_object_mut() {
        tls.insert("mode".to_owned(), mode.into());
        for key in OWN_CERTIFICATES {
            tls.shift_remove(key);
        }
    }
}

/// Dropping the block leaves the choice to automatic mTLS. A traffic policy that then sets nothing goes too, because
/// validation refuses it.
pub(super) fn without(object: &Object, block: &str) -> Option<Proposal> {
    let mut changed = to_change(object)?;
    let policy = block.strip_suffix(".tls")?;
    let kept = kept(changed.pointer(&pointer_of(policy)));
    changed.pointer_mut(&pointer_of(policy))?.as_object_mut()?.shift_remove("tls");
    drop_empty(&mut changed, policy);
    let title = format!(
        "remove {block}: automatic mTLS decides for each endpoint, mutual TLS where it has a proxy and plaintext \
         where not{kept}"
    );
    Proposal::replace(object, title, &changed)
}

fn drop_empty(changed: &mut Value, path: &str) {
    let Some(policy) = changed.pointer(&pointer_of(path)).and_then(Value::as_object) else { return };
    if policy.keys().any(|key| key != "port") {
        return;
    }
    let Some((parent, key)) = path.rsplit_once('.') else { return };
    let (list, index) = match key.split_once('[') {
        Some((list, index)) => (Some(list), index.trim_end_matches(']').parse::<usize>().ok()),
        None => (None, None),
    };
    let Some(holder) = changed.pointer_mut(&pointer_of(parent)).and_then(Value::as_object_mut) else {
        return;
    };
    match (list, index) {
        (Some(list), Some(index)) => {
            let Some(entries) = holder.get_mut(list).and_then(Value::as_array_mut) else { return };
            if index < entries.len() {
                entries.remove(index);
            }
            if entries.is_empty() {
                holder.shift_remove(list);
                drop_empty(changed, parent);
            }
        }
        _ => drop(holder.shift_remove(key)),
    }
}

/// Says what a block without mode means, so that the next reader sees it (MS0112).
pub(super) fn say_disable(object: &Object, block: &str) -> Option<Proposal> {
    let mut changed = to_change(object)?;
    let tls = changed.pointer_mut(&pointer_of(block))?.as_object_mut()?;
    tls.insert("mode".to_owned(), "DISABLE".into());
    Proposal::replace(object, format!("write {block}.mode: DISABLE, which it means as it is"), &changed)
}

/// The entries for the ports that fail get the TLS that they drop.
pub(super) fn with_port_entries(object: &Object, finding: &Finding) -> Vec<Option<Proposal>> {
    // The entries stand beside the block that they drop: the rule's, or a subset's.
    let block = finding.root.1.strip_suffix(".mode").unwrap_or(&finding.root.1);
    let entries_of = block.strip_suffix("tls").unwrap_or(block);
    let with = |tls: Value, title: &str| -> Option<Proposal> {
        let mut changed = to_change(object)?;
        let entries =
            changed.pointer_mut(&pointer_of(&format!("{entries_of}portLevelSettings")))?.as_array_mut()?;
        for entry in entries {
            let port = entry.pointer("/port/number").and_then(Value::as_u64);
            let fails = finding.edges.targets().any(|(_, number, _, _)| Some(u64::from(number)) == port);
            if fails && entry.get("tls").is_none() {
                entry.as_object_mut()?.insert("tls".to_owned(), tls.clone());
            }
        }
        Proposal::replace(object, title.to_owned(), &changed)
    };
    let title = "give the entry for the port a tls block of its own with ISTIO_MUTUAL";
    vec![with(json!({"mode": "ISTIO_MUTUAL"}), title), without(object, block)]
}

/// A policy that accepts both.
pub(super) fn permissive(policy: &Object, field: &str) -> Option<Proposal> {
    let mut changed = to_change(policy)?;
    let pointer = pointer_of(field);
    let holder = pointer.strip_suffix("/mode")?;
    let mode = changed.pointer_mut(holder)?.as_object_mut()?;
    let before = mode.insert("mode".to_owned(), "PERMISSIVE".into());
    let cost = if before == Some("STRICT".into()) {
        "plaintext is accepted again, also from others"
    } else {
        "mutual TLS is accepted too, plaintext still is"
    };
    Proposal::replace(policy, format!("set {field} to PERMISSIVE in {}: {cost}", policy.id), &changed)
}

/// A host inside the mesh (MT-4.11).
pub(super) fn internal(entry: &Object) -> Option<Proposal> {
    let mut changed = to_change(entry)?;
    changed.pointer_mut("/spec")?.as_object_mut()?.insert("location".to_owned(), "MESH_INTERNAL".into());
    let title = "set spec.location to MESH_INTERNAL: automatic mTLS then looks at each endpoint".to_owned();
    Proposal::replace(entry, title, &changed)
}

/// A port that annotations keep from the proxy: automatic mTLS sends mutual TLS there all the same (MT-2.4). Annotations
/// count when a pod starts, so they are changed where the pod is made, and a new one is made.
pub(super) fn intercept(mesh: &Mesh, object: &Object, (port, annotation): (u16, &'static str)) -> Proposal {
    let workload =
        mesh.workloads.by_pod(&object.id.namespace, &object.id.name).and_then(|at| mesh.workloads.get(at));
    let template = workload.filter(|one| &*one.kind != "Pod");
    let what = match annotation.rsplit_once('/').map_or(annotation, |(_, name)| name) {
        "excludeInboundPorts" => format!("take port {port} out of {annotation}"),
        "includeInboundPorts" => format!("add port {port} to {annotation}"),
        _ => format!("remove {annotation}"),
    };
    let place = match template {
        Some(one) => format!("the template of {} {}/{}", one.kind, one.namespace, one.name),
        None => object.id.to_string(),
    };
    Proposal {
        title: format!(
            "{what} in {place}, so that the proxy takes what comes to port {port}; or, if the port is kept from it on \
             purpose, let clients send plaintext there with a DestinationRule (tls mode DISABLE)"
        ),
        object: object.id.clone(),
        patch: None,
        manifest: None,
        command: None,
        delta: Vec::new(),
    }
}

/// A label that injection sets is mended by letting injection run again.
pub(super) fn restart(mesh: &Mesh, object: &Object) -> Proposal {
    let workload =
        mesh.workloads.by_pod(&object.id.namespace, &object.id.name).and_then(|at| mesh.workloads.get(at));
    let restartable = workload.filter(|one| matches!(&*one.kind, "Deployment" | "StatefulSet" | "DaemonSet"));
    Proposal {
        title: format!(
            "make {} anew: its label security.istio.io/tlsMode and its containers contradict each other, and \
             injection sets both",
            object.id
        ),
        object: object.id.clone(),
        patch: None,
        manifest: None,
        command: restartable.and_then(|one| kubectl::restart(&one.kind, &one.name, &one.namespace)),
        delta: Vec::new(),
    }
}
