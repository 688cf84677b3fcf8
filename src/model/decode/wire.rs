//! Kubernetes' own kinds as they stand in JSON, skipping every field that no answer needs.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

use super::strict::Strict;
use super::{MeshTexts, words};
use crate::model::interner::Interner;
use crate::model::object::{Body, Metadata, Note};
use crate::model::pod::Controller;
use crate::model::time;

/// Annotations that can change an answer.
const ANNOTATIONS: [&str; 13] = [
    "inject.istio.io/templates",
    "sidecar.istio.io/inject",
    "sidecar.istio.io/rewriteAppHTTPProbers",
    "sidecar.istio.io/status",
    "ambient.istio.io/redirection",
    "networking.istio.io/exportTo",
    "sidecar.istio.io/interceptionMode",
    "traffic.sidecar.istio.io/excludeInboundPorts",
    "traffic.sidecar.istio.io/excludeOutboundIPRanges",
    "traffic.sidecar.istio.io/excludeOutboundPorts",
    "traffic.sidecar.istio.io/includeOutboundIPRanges",
    "traffic.sidecar.istio.io/includeInboundPorts",
    "traffic.istio.io/nodeSelector",
];

/// A field that may be null reads as its default: Kubernetes writes both for "nothing".
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A scalar whose type does not matter: `resourceVersion` is a string, and a number where someone forgot the quotes.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Scalar(pub(super) String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a string")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
                Ok(Scalar::default())
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// `metadata`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct MetadataWire {
    #[serde(deserialize_with = "nullable")]
    pub(super) name: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) namespace: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    creation_timestamp: String,
    #[serde(deserialize_with = "nullable")]
    resource_version: Scalar,
    #[serde(deserialize_with = "nullable")]
    owner_references: Vec<OwnerWire>,
    #[serde(skip)]
    pub(super) changed: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnerWire {
    #[serde(deserialize_with = "nullable")]
    kind: String,
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[serde(deserialize_with = "nullable")]
    controller: bool,
}

impl MetadataWire {
    pub(super) fn into_metadata(self, interner: &mut Interner) -> Metadata {
        let kept = self.annotations.iter().filter(|(key, _)| ANNOTATIONS.contains(&key.as_str()));
        Metadata {
            annotations: interner.labels(kept.map(|(k, v)| (k.as_str(), v.as_str()))),
            labels: interner.labels(self.labels.iter().map(|(k, v)| (k.as_str(), v.as_str()))),
            created: time::parse(&self.creation_timestamp),
            changed: self.changed,
            resource_version: self.resource_version.0.parse().ok(),
        }
    }

    pub(super) fn controller(&self, interner: &mut Interner) -> Option<Controller> {
        let owner = self.owner_references.iter().find(|owner| owner.controller)?;
        Some(Controller { kind: interner.text(&owner.kind), name: interner.text(&owner.name) })
    }
}

pub(super) type Decoded = (MetadataWire, Body);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parts<S, T> {
    #[serde(deserialize_with = "nullable")]
    pub(super) metadata: MetadataWire,
    #[serde(deserialize_with = "nullable", bound(deserialize = "S: Deserialize<'de> + Default"))]
    pub(super) spec: S,
    #[serde(deserialize_with = "nullable", bound(deserialize = "T: Deserialize<'de> + Default"))]
    pub(super) status: T,
}

/// A part that is not looked at.
#[derive(Debug, Default)]
pub(super) struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// The metadata of an object, whatever else it has.
pub(super) fn metadata_only<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MetadataWire, D::Error> {
    Ok(Parts::<Skipped, Skipped>::deserialize(Strict(deserializer))?.metadata)
}

/// The metadata of a parsed object; the note names the field.
pub(super) fn metadata(value: &serde_json::Value) -> Result<MetadataWire, Note> {
    from_value::<Parts<Skipped, Skipped>>(value).map(|parts| parts.metadata)
}

/// Reads a parsed object; the note names the field that was refused.
pub(super) fn from_value<'de, T: Deserialize<'de>>(value: &'de serde_json::Value) -> Result<T, Note> {
    let mut track = serde_path_to_error::Track::new();
    let read = T::deserialize(Strict(serde_path_to_error::Deserializer::new(value, &mut track)));
    read.map_err(|error| words::refused(&track.path().to_string(), &error.to_string()))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ConfigMapWire {
    #[serde(deserialize_with = "nullable")]
    metadata: MetadataWire,
    #[serde(deserialize_with = "nullable")]
    data: DataWire,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DataWire {
    mesh: Option<String>,
    #[serde(rename = "meshNetworks")]
    networks: Option<String>,
}

/// The metadata of a `ConfigMap`, and of the ones called `istio` or `istio-…` the texts of the mesh configuration. All
/// others are not looked into.
pub(super) fn config_map<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<(MetadataWire, Option<MeshTexts>), D::Error> {
    let ConfigMapWire { metadata, data } = ConfigMapWire::deserialize(Strict(d))?;
    let is_mesh = metadata.name == "istio" || metadata.name.starts_with("istio-");
    let texts = data.mesh.map(|mesh| MeshTexts { mesh, networks: data.networks });
    Ok((metadata, texts.filter(|_| is_mesh)))
}
