//! A change that may end a finding, before it was tried.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::change::merge_diff;
use super::kubectl;
use crate::model::decode::{Head, ObjectSeed};
use crate::model::interner::Interner;
use crate::model::{Change, Kind, Object, ObjectId, Origin, Snapshot};

/// A change to one object, or a new object, with what it needs to be tried.
#[derive(Debug, Clone)]
pub(super) struct Proposal {
    /// What it does, in one line.
    pub(super) title: String,
    /// The object that is changed or made.
    pub(super) object: ObjectId,
    /// A merge patch (RFC 7386) with complete lists.
    pub(super) patch: Option<Value>,
    /// The whole object, where it is new.
    pub(super) manifest: Option<Value>,
    /// The command that applies it.
    pub(super) command: Option<String>,
    /// The same for the snapshot.
    pub(super) delta: Vec<Change>,
}

impl Proposal {
    /// Another version of an object, out of its JSON as it should be. `None` where nothing would change, or where it
    /// could not be read any more.
    pub(super) fn replace(object: &Object, title: String, changed: &Value) -> Option<Self> {
        let patch = merge_diff(object.json.as_deref()?, changed)?;
        let mut read = read(object.id.kind.name(), &object.api_version, object.origin.clone(), changed)?;
        read.meta.changed = object.meta.changed;
        Some(Self {
            title,
            object: object.id.clone(),
            command: kubectl::patch(&object.id, &patch),
            patch: Some(patch),
            manifest: None,
            delta: vec![Change::Upsert(Arc::new(read))],
        })
    }

    /// A new rule in a namespace; its name is made from `name` so that nothing has it yet. It is the youngest of all.
    pub(super) fn rule(
        snapshot: &Snapshot,
        title: String,
        (namespace, name): (&str, &str),
        spec: &Map<String, Value>,
    ) -> Option<Self> {
        let mut rules = snapshot.of_kind(&Kind::DestinationRule);
        let version = rules.next().map_or("networking.istio.io/v1", |rule| &rule.api_version).to_owned();
        let name = unused_name(snapshot, namespace, name);
        let manifest = json!({
            "apiVersion": version, "kind": "DestinationRule",
            "metadata": {"name": name, "namespace": namespace}, "spec": spec,
        });
        let origin = Origin { file: "remedy".into(), line: 1 };
        let mut read = read("DestinationRule", &version, origin, &manifest)?;
        // Age decides within a namespace only.
        let others = snapshot.in_namespace(&Kind::DestinationRule, namespace);
        let newest = others.filter_map(|rule| rule.meta.created).max();
        read.meta.created = newest.map(|newest| newest + 1);
        Some(Self {
            title,
            object: read.id.clone(),
            patch: None,
            command: Some(kubectl::create(&manifest)),
            manifest: Some(manifest),
            delta: vec![Change::Upsert(Arc::new(read))],
        })
    }

    /// Removes another object with it: the place that a moved one had.
    pub(super) fn without(mut self, id: &ObjectId) -> Self {
        self.command =
            self.command.and_then(|command| Some(format!("{command} && {}", kubectl::delete(id)?)));
        self.delta.push(Change::Delete(id.clone()));
        self
    }

    /// The objects that it touches.
    pub(super) fn touched(&self) -> Vec<ObjectId> {
        self.delta.iter().map(Change::id).cloned().collect()
    }
}

/// A name with a number behind it, where it is taken; cut to what Kubernetes takes.
fn unused_name(snapshot: &Snapshot, namespace: &str, name: &str) -> String {
    let is_free = |name: &str| snapshot.get(&ObjectId::new(Kind::DestinationRule, namespace, name)).is_none();
    let short = |name: &str| name.chars().take(240).collect::<String>();
    let numbered = (2..).map(|number| format!("{}-{number}", short(name)));
    std::iter::once(short(name)).chain(numbered).find(|name| is_free(name)).unwrap_or_default()
}

/// The object that a text is.
fn read(kind: &str, api_version: &str, origin: Origin, text: &Value) -> Option<Object> {
    use serde::de::DeserializeSeed;
    let head = Head { api_version: api_version.to_owned(), kind: kind.to_owned() };
    let seed = ObjectSeed {
        kind: head.kind()?,
        api_version: &head.api_version,
        origin,
        interner: &mut Interner::default(),
        mesh_text: &mut None,
        refused: &mut None,
    };
    seed.deserialize(text).ok()
}
