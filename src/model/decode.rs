//! From the text of one object to the object, in one pass and straight into the fields that are kept.
//!
//! [`ObjectSeed`] works on any serde format. Kinds of which there are thousands (pods, slices) never exist as JSON in
//! memory; policy objects keep theirs. What the text says that cannot be understood becomes notes; only a text that
//! cannot be read as the kind it names is an error, and the reader makes [`unreadable`] of it.

pub mod annotations;
mod authorization;
mod network;
mod pods;
mod policy;
mod strict;
mod traffic;
mod wire;
mod words;

use std::sync::Arc;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _};
use serde_json::Value;

use super::id::{Kind, ObjectId, Text};
use super::interner::Interner;
use super::mesh::MeshConfig;
use super::networks::{self, MeshNetworks};
use super::object::{Body, Metadata, Note, Object, Origin};
use super::schema;
use strict::Strict;
use wire::MetadataWire;

pub use words::{in_words, refused, without_indices};

/// What tells which object a text is: read before the rest, with everything else skipped.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct HeadWire {
    #[serde(deserialize_with = "wire::nullable")]
    api_version: String,
    #[serde(deserialize_with = "wire::nullable")]
    kind: String,
}

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let HeadWire { api_version, kind } = HeadWire::deserialize(Strict(deserializer))?;
        Ok(Self { api_version, kind })
    }
}

impl Head {
    /// The kind it names; `None` where it names none, so that the text is no Kubernetes object.
    pub fn kind(&self) -> Option<Kind> {
        (!self.kind.is_empty() && !self.api_version.is_empty())
            .then(|| Kind::from_api(&self.api_version, &self.kind))
    }

    /// Whether this is a list of objects (`List`, `PodList`, …), and the head of items that have none of their own.
    pub fn items(&self) -> Option<Self> {
        let kind = self.kind.strip_suffix("List")?;
        Some(Self {
            api_version: if kind.is_empty() { String::new() } else { self.api_version.clone() },
            kind: kind.to_owned(),
        })
    }
}

/// Reads one object of a known kind.
#[derive(Debug)]
pub struct ObjectSeed<'a> {
    /// Its kind.
    pub kind: Kind,
    /// Its API version.
    pub api_version: &'a str,
    /// Where it stands.
    pub origin: Origin,
    /// Holds the strings.
    pub interner: &'a mut Interner,
    /// Receives the texts of a mesh configuration, which are YAML inside strings: the reader parses them and calls
    /// [`attach_mesh_config`].
    pub mesh_text: &'a mut Option<MeshTexts>,
    /// Receives the field and the words of what was refused, where the text was read and its content was not. The
    /// field has its places in lists.
    pub refused: &'a mut Option<Note>,
}

/// The texts of a mesh configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshTexts {
    /// `mesh`.
    pub mesh: String,
    /// `meshNetworks`.
    pub networks: Option<String>,
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_> {
    type Value = Object;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Object, D::Error> {
        let Self { kind, api_version, origin, interner, mesh_text, refused } = self;
        let mut refuse = |note: Note| {
            let told = format!("{} {}", note.field, note.problem);
            *refused = Some(note);
            D::Error::custom(told)
        };
        let api_version = interner.text(api_version);
        let (meta, body) = match &kind {
            Kind::Pod => pods::pod(deserializer, interner)?,
            Kind::EndpointSlice => network::endpoint_slice(deserializer, interner)?,
            Kind::Endpoints => network::endpoints(deserializer, interner)?,
            Kind::ConfigMap => {
                let (meta, mesh) = wire::config_map(deserializer)?;
                *mesh_text = mesh;
                (meta, Body::Raw)
            }
            Kind::ReplicaSet => pods::workload(deserializer, interner)?,
            Kind::Secret | Kind::Unrelated(_) => (wire::metadata_only(deserializer)?, Body::Raw),
            Kind::Namespace
            | Kind::Service
            | Kind::Deployment
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::Job
            | Kind::CronJob
            | Kind::DestinationRule
            | Kind::PeerAuthentication
            | Kind::AuthorizationPolicy
            | Kind::RequestAuthentication
            | Kind::Sidecar
            | Kind::VirtualService
            | Kind::ServiceEntry
            | Kind::WorkloadEntry
            | Kind::EnvoyFilter
            | Kind::LegacyPolicy
            | Kind::LegacyMeshPolicy
            | Kind::BackendPolicy
            | Kind::OtherMesh(_) => {
                let value = Value::deserialize(deserializer)?;
                return from_value(kind, api_version, origin, value, interner).map_err(refuse);
            }
        };
        finish(kind, api_version, origin, meta, body, interner).map_err(&mut refuse)
    }
}

fn from_value(
    kind: Kind,
    api_version: Text,
    origin: Origin,
    mut value: Value,
    interner: &mut Interner,
) -> Result<Object, Note> {
    let changed = take_managed_fields(&mut value);
    let (mut meta, body, notes) = match &kind {
        Kind::DestinationRule
        | Kind::PeerAuthentication
        | Kind::Sidecar
        | Kind::VirtualService
        | Kind::ServiceEntry
        | Kind::WorkloadEntry => {
            let meta = wire::metadata(&value)?;
            let spec = value.get("spec").unwrap_or(&Value::Null);
            let mut notes = schema::check(kind.name(), &api_version, spec);
            let body = istio_body(&kind, spec, interner, &mut notes);
            let unclear = notes.iter().any(|note| note.wrong_type && decides(&kind, &note.field));
            (meta, if unclear { Body::Unreadable } else { body }, notes)
        }
        Kind::AuthorizationPolicy => {
            let meta = wire::metadata(&value)?;
            let notes = schema::check(kind.name(), &api_version, value.get("spec").unwrap_or(&Value::Null));
            let is_clear = notes.iter().all(authorization::is_read_around);
            let body = if is_clear { authorization::policy(&value, interner) } else { Body::Unreadable };
            (meta, body, notes)
        }
        Kind::RequestAuthentication => {
            let meta = wire::metadata(&value)?;
            let spec = value.get("spec").unwrap_or(&Value::Null);
            let notes = schema::check(kind.name(), &api_version, spec);
            let is_clear = !notes.iter().any(|note| note.wrong_type);
            let body = if is_clear {
                authorization::request_authentication(spec, interner)
            } else {
                Body::Unreadable
            };
            (meta, body, notes)
        }
        Kind::Service => with_body(network::service(&value, interner)?),
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::Job | Kind::CronJob => {
            with_body(pods::of_value(&value, interner)?)
        }
        Kind::Namespace => with_body((wire::metadata(&value)?, Body::Namespace)),
        Kind::Pod
        | Kind::EndpointSlice
        | Kind::Endpoints
        | Kind::ReplicaSet
        | Kind::ConfigMap
        | Kind::Secret
        | Kind::EnvoyFilter
        | Kind::LegacyPolicy
        | Kind::LegacyMeshPolicy
        | Kind::BackendPolicy
        | Kind::OtherMesh(_)
        | Kind::Unrelated(_) => with_body((wire::metadata(&value)?, Body::Raw)),
    };
    meta.changed = changed;
    let mut object = finish(kind, api_version, origin, meta, body, interner)?;
    object.notes.extend(notes);
    object.json = Some(Arc::new(value));
    Ok(object)
}

/// The blocks of a `DestinationRule` that decide neither whom it is for nor about TLS.
const OTHER_BLOCKS: [&str; 5] =
    ["connectionPool", "loadBalancer", "outlierDetection", "tunnel", "proxyProtocol"];

/// The fields of a `Sidecar` that decide neither about its scope nor about its listeners.
const OTHER_LISTENERS: [&str; 2] = ["connectionPool", "inboundConnectionPool"];

/// The fields of routes that decide about requests, and not about where they go.
const OTHER_ROUTES: [&str; 8] =
    ["timeout", "retries", "fault", "corsPolicy", "headers", "rewrite", "redirect", "directResponse"];

/// Whether a field of an object can change who is sent what: its value has to be understood, or the object is not. What
/// a `ServiceEntry` leaves open is told by itself (`resolve::gaps`).
fn decides(kind: &Kind, field: &str) -> bool {
    let is_in = |others: &[&str]| field.split('.').any(|part| others.contains(&part));
    if *kind == Kind::DestinationRule {
        !is_in(&OTHER_BLOCKS)
    } else if *kind == Kind::Sidecar {
        !is_in(&OTHER_LISTENERS)
    } else if *kind == Kind::WorkloadEntry {
        let part = field.split('.').nth(1).unwrap_or_default();
        !matches!(part, "weight" | "locality" | "")
    } else if *kind == Kind::VirtualService {
        !is_in(&OTHER_ROUTES)
    } else {
        *kind == Kind::PeerAuthentication
    }
}

/// The body of one of Istio's kinds. A spec that is no object at all is not taken for an empty one.
fn istio_body(kind: &Kind, spec: &Value, interner: &mut Interner, notes: &mut Vec<Note>) -> Body {
    if !spec.is_object() && !spec.is_null() {
        return Body::Unreadable;
    }
    if *kind == Kind::DestinationRule {
        policy::destination_rule(spec, interner, notes)
    } else if *kind == Kind::PeerAuthentication {
        policy::peer_authentication(spec, interner, notes)
    } else if *kind == Kind::Sidecar {
        traffic::sidecar(spec, interner)
    } else if *kind == Kind::VirtualService {
        traffic::virtual_service(spec, interner)
    } else if *kind == Kind::ServiceEntry {
        traffic::service_entry(spec, interner)
    } else {
        traffic::workload_entry(spec, interner)
    }
}

fn with_body((meta, body): (MetadataWire, Body)) -> (MetadataWire, Body, Vec<Note>) {
    (meta, body, Vec::new())
}

fn finish(
    kind: Kind,
    api_version: Text,
    origin: Origin,
    meta: MetadataWire,
    body: Body,
    interner: &mut Interner,
) -> Result<Object, Note> {
    if meta.name.is_empty() {
        let (field, problem) = ("metadata.name".to_owned(), "is missing".to_owned());
        return Err(Note { field, problem, wrong_type: false });
    }
    let namespace = match (kind.is_cluster_scoped(), meta.namespace.as_str()) {
        (true, _) => "",
        (false, "") => "default",
        (false, namespace) => namespace,
    };
    let id = ObjectId { namespace: interner.text(namespace), name: meta.name.as_str().into(), kind };
    let meta = meta.into_metadata(interner);
    let notes = annotations::check(&meta.annotations, &body);
    Ok(Object { id, api_version, meta, origin, body, json: None, notes })
}

/// Takes `metadata.managedFields` out, which is long and says only who wrote what, and returns its latest time.
fn take_managed_fields(value: &mut Value) -> Option<i64> {
    let fields = value.get_mut("metadata")?.as_object_mut()?.shift_remove("managedFields")?;
    let times = fields.as_array()?.iter().filter(|entry| entry.get("subresource").is_none());
    times.filter_map(|entry| super::time::parse(entry.get("time")?.as_str()?)).max()
}

/// An object whose text names a kind and cannot be read as it: it is there, and what depends on it is unknown.
pub fn unreadable(head: &Head, namespace: &str, name: &str, origin: Origin, note: Note) -> Option<Object> {
    let kind = head.kind()?;
    let note = Note { field: without_indices(&note.field), ..note };
    let namespace = if kind.is_cluster_scoped() { "" } else { namespace };
    Some(Object {
        id: ObjectId::new(kind, namespace, name),
        api_version: head.api_version.as_str().into(),
        meta: Metadata::default(),
        origin,
        body: Body::Unreadable,
        json: None,
        notes: vec![note],
    })
}

/// Puts the mesh configuration that a `ConfigMap` held into its object. `parsed` is what the reader of YAML made of
/// the text, and `networks` what it made of that of the networks.
pub fn attach_mesh_config(
    object: &mut Object,
    parsed: Result<Value, String>,
    networks: Option<Result<Value, String>>,
) {
    match parsed {
        Ok(value) if value.is_object() || value.is_null() => match MeshConfig::from_value(&value) {
            Ok(mut config) => {
                config.networks =
                    networks.map(|networks| mesh_networks(object, networks)).unwrap_or_default();
                object.body = Body::MeshConfig(Box::new(config));
            }
            Err(notes) => {
                object.body = Body::Unreadable;
                object.notes.extend(notes);
            }
        },
        Ok(value) => {
            object.body = Body::Unreadable;
            object.notes.push(Note {
                field: "data.mesh".to_owned(),
                problem: format!("must be an object, is {}", schema::type_word(&value)),
                wrong_type: true,
            });
        }
        Err(problem) => {
            object.body = Body::Unreadable;
            object.notes.push(Note { field: "data.mesh".to_owned(), problem, wrong_type: true });
        }
    }
}

/// The networks of a mesh. Those that istiod refuses are said, and the rest of the object stands.
fn mesh_networks(object: &mut Object, parsed: Result<Value, String>) -> MeshNetworks {
    match parsed {
        Ok(value) => {
            let (networks, notes) = MeshNetworks::from_value(&value);
            object.notes.extend(notes);
            networks
        }
        Err(problem) => {
            object.notes.push(Note { field: networks::PATH.to_owned(), problem, wrong_type: true });
            MeshNetworks::refused()
        }
    }
}
