//! From a finding to the smallest change that ends it and keeps every other setting.
//!
//! A remedy is proposed only after it was tried: the change is applied to the snapshot, the pairs of the finding are
//! resolved again, and none of them may be in conflict.

mod change;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::diagnose::{Code, Finding, Reason, Role};
use crate::model::decode::{Head, ObjectSeed};
use crate::model::interner::Interner;
use crate::model::{Kind, Object, ObjectId};
use crate::resolve::{Mesh, Status};

use change::{merge_diff, pointer_of};

/// A change that ends a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Remedy {
    /// What it does and what differs, in one line.
    pub title: String,
    /// The object to change.
    pub object: ObjectId,
    /// A merge patch (RFC 7386) with complete lists.
    pub patch: Option<Value>,
    /// The command that applies it.
    pub command: Option<String>,
}

/// At most so many pairs of a finding are resolved again to try a remedy.
const TRIED: usize = 200;

/// Keys of a `tls` block that go with the user's own certificates, and that `ISTIO_MUTUAL` refuses.
const OWN_CERTIFICATES: [&str; 6] =
    ["clientCertificate", "privateKey", "caCertificates", "caCrl", "credentialName", "insecureSkipVerify"];

/// The remedies of a finding, the one that changes least first.
pub fn remedies(mesh: &Mesh, finding: &Finding) -> Vec<Remedy> {
    let (id, field) = &finding.root;
    let Some(object) = mesh.snapshot.get(id) else { return Vec::new() };
    let proposed = match (&finding.code, &id.kind) {
        (Code::PlaintextToStrict, Kind::DestinationRule)
            if finding.because.contains(&Reason::PortSettingsDropTls) =>
        {
            with_port_entries(object, finding)
        }
        (
            Code::PlaintextToStrict | Code::OneWayTlsToStrict | Code::ForeignTlsToSidecar,
            Kind::DestinationRule,
        ) => {
            let block = field.strip_suffix(".mode").unwrap_or(field);
            vec![istio_mutual(object, block), without_tls(object, block)]
        }
        (Code::MtlsToPlaintext | Code::MtlsToExternal, Kind::DestinationRule) => {
            let block = field.strip_suffix(".mode").unwrap_or(field);
            let mut all = vec![without_tls(object, block)];
            all.extend(partners(mesh, finding).map(|policy| permissive(&policy.0, &policy.1)));
            all
        }
        (Code::PlaintextToStrict | Code::MtlsToPlaintext, Kind::PeerAuthentication) => {
            vec![permissive(object, field)]
        }
        (Code::PlaintextToStrict | Code::MtlsToPlaintext, Kind::Pod) => return vec![restart(mesh, object)],
        _ => Vec::new(),
    };
    proposed
        .into_iter()
        .flatten()
        .filter(|(remedy, changed)| ends(mesh, finding, remedy, changed))
        .map(|(remedy, _)| remedy)
        .collect()
}

type Proposed = Option<(Remedy, Value)>;

fn partners<'a>(mesh: &'a Mesh, finding: &'a Finding) -> impl Iterator<Item = (Arc<Object>, String)> + 'a {
    let policies = finding
        .objects
        .iter()
        .filter(|one| one.role == Role::Partner && one.id.kind == Kind::PeerAuthentication);
    policies.filter_map(|one| Some((Arc::clone(mesh.snapshot.get(&one.id)?), one.fields.first()?.clone())))
}

/// A remedy out of the object's JSON as it should be.
fn remedy(object: &Object, title: String, changed: Value) -> Proposed {
    let before = object.json.as_deref()?;
    let patch = merge_diff(before, &changed)?;
    Some((
        Remedy {
            title,
            object: object.id.clone(),
            command: Some(command(&object.id, &patch)),
            patch: Some(patch),
        },
        changed,
    ))
}

fn command(id: &ObjectId, patch: &Value) -> String {
    let kind = id.kind.name().to_ascii_lowercase();
    format!(
        "kubectl patch {kind} {} -n {} --type merge -p {}",
        shell(&id.name),
        shell(&id.namespace),
        shell(&patch.to_string())
    )
}

/// A word of a shell command. Commands are pasted, and names come from whoever wrote the objects.
fn shell(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What a traffic policy keeps beside TLS, in words.
fn kept(policy: Option<&Value>) -> String {
    let blocks = policy.and_then(Value::as_object).into_iter().flatten();
    let names: Vec<_> =
        blocks.map(|(name, _)| name.as_str()).filter(|name| *name != "tls" && *name != "port").collect();
    if names.is_empty() { String::new() } else { format!("; keeps {}", names.join(", ")) }
}

fn istio_mutual(object: &Object, block: &str) -> Proposed {
    let mut changed = (**object.json.as_ref()?).clone();
    let policy = block.strip_suffix(".tls")?;
    let kept = kept(changed.pointer(&pointer_of(policy)));
    let tls = changed.pointer_mut(&pointer_of(block))?.as_object_mut()?;
    tls.insert("mode".to_owned(), "ISTIO_MUTUAL".into());
    for key in OWN_CERTIFICATES {
        tls.shift_remove(key);
    }
    remedy(object, format!("set {block}.mode to ISTIO_MUTUAL: mutual TLS to every endpoint{kept}"), changed)
}

/// Dropping the block leaves the choice to automatic mTLS. A traffic policy that then sets nothing goes too, because
/// validation refuses it.
fn without_tls(object: &Object, block: &str) -> Proposed {
    let mut changed = (**object.json.as_ref()?).clone();
    let policy = block.strip_suffix(".tls")?;
    let kept = kept(changed.pointer(&pointer_of(policy)));
    changed.pointer_mut(&pointer_of(policy))?.as_object_mut()?.shift_remove("tls");
    drop_empty(&mut changed, policy);
    let title = format!(
        "remove {block}: automatic mTLS decides for each endpoint, mutual TLS where it has a proxy and plaintext \
         where not{kept}"
    );
    remedy(object, title, changed)
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

/// The entries for the ports that fail get the TLS that they drop.
fn with_port_entries(object: &Object, finding: &Finding) -> Vec<Proposed> {
    let with = |tls: Value, title: &str| -> Proposed {
        let mut changed = (**object.json.as_ref()?).clone();
        let entries = changed.pointer_mut("/spec/trafficPolicy/portLevelSettings")?.as_array_mut()?;
        for entry in entries {
            let port = entry.pointer("/port/number").and_then(Value::as_u64);
            let fails = finding.edges.targets().any(|(_, number, _, _)| Some(u64::from(number)) == port);
            if fails && entry.get("tls").is_none() {
                entry.as_object_mut()?.insert("tls".to_owned(), tls.clone());
            }
        }
        remedy(object, title.to_owned(), changed)
    };
    vec![
        with(
            json!({"mode": "ISTIO_MUTUAL"}),
            "give the entry for the port a tls block of its own with ISTIO_MUTUAL",
        ),
        without_tls(object, "spec.trafficPolicy.tls"),
    ]
}

fn permissive(policy: &Object, field: &str) -> Proposed {
    let mut changed = (**policy.json.as_ref()?).clone();
    let pointer = pointer_of(field);
    let holder = pointer.strip_suffix("/mode")?;
    let mode = changed.pointer_mut(holder)?.as_object_mut()?;
    let before = mode.insert("mode".to_owned(), "PERMISSIVE".into());
    let cost = if before == Some("STRICT".into()) {
        "plaintext is accepted again, also from others"
    } else {
        "mutual TLS is accepted too, plaintext still is"
    };
    remedy(policy, format!("set {field} to PERMISSIVE in {}: {cost}", policy.id), changed)
}

/// A label that injection sets is mended by letting injection run again.
fn restart(mesh: &Mesh, object: &Object) -> Remedy {
    let workload =
        mesh.workloads.by_pod(&object.id.namespace, &object.id.name).and_then(|at| mesh.workloads.get(at));
    let restartable = workload.filter(|one| matches!(&*one.kind, "Deployment" | "StatefulSet" | "DaemonSet"));
    let command = restartable.map(|one| {
        let kind = one.kind.to_ascii_lowercase();
        format!("kubectl rollout restart {kind}/{} -n {}", shell(&one.name), shell(&one.namespace))
    });
    Remedy {
        title: format!(
            "make {} anew: its label security.istio.io/tlsMode and its containers contradict each other, and \
             injection sets both",
            object.id
        ),
        object: object.id.clone(),
        patch: None,
        command,
    }
}

/// Whether no pair of the finding is in conflict, or unknown, once the object says `changed`.
fn ends(mesh: &Mesh, finding: &Finding, remedy: &Remedy, changed: &Value) -> bool {
    let Some(object) = mesh.snapshot.get(&remedy.object) else { return false };
    let Some(object) = read_again(object, changed) else { return false };
    let changed = mesh.with_object(object);
    let edges = finding.edges.iter().take(TRIED);
    edges.into_iter().all(|edge| {
        let clients = changed.workloads.in_namespace(&edge.client.0).iter();
        let mut clients =
            clients.filter_map(|at| changed.workloads.get(*at)).filter(|pod| pod.name == edge.client.1);
        let pair = clients
            .next()
            .and_then(|client| changed.pair(client, &edge.host, edge.port, edge.subset.as_deref()));
        pair.is_some_and(|pair| matches!(pair.status, Status::Ok | Status::Warn | Status::Cond))
    })
}

/// The object that a changed text is.
fn read_again(object: &Object, changed: &Value) -> Option<Object> {
    use serde::de::DeserializeSeed;
    let head = Head { api_version: object.api_version.to_string(), kind: object.id.kind.name().to_owned() };
    let seed = ObjectSeed {
        kind: head.kind()?,
        api_version: &head.api_version,
        origin: object.origin.clone(),
        interner: &mut Interner::default(),
        mesh_text: &mut None,
    };
    let mut read = seed.deserialize(changed).ok()?;
    read.meta.changed = object.meta.changed;
    Some(read)
}
