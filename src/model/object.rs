//! An object as it was read: its id, labels, body, and where it came from.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::authorization_policy::AuthorizationPolicy;
use super::destination_rule::DestinationRule;
use super::endpoints::EndpointSlice;
use super::id::{ObjectId, Text};
use super::labels::Labels;
use super::mesh::MeshConfig;
use super::peer_authentication::PeerAuthentication;
use super::pod::Pod;
use super::request_authentication::RequestAuthentication;
use super::service::Service;
use super::service_entry::{ServiceEntry, WorkloadEntry};
use super::sidecar::Sidecar;
use super::virtual_service::VirtualService;
use super::workload::Workload;

/// Where an object was read: a file (or the name of another source) and the line its text begins at, from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The file as it was named or found, `-` for standard input.
    pub file: Text,
    /// The line, from 1.
    pub line: u64,
}

/// What all objects have besides their body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Labels.
    pub labels: Labels,
    /// Annotations that can change an answer; the others are not kept.
    pub annotations: Labels,
    /// Creation time in seconds since the epoch. Istio decides between policies by it.
    pub created: Option<i64>,
    /// The latest time in `managedFields`, in seconds since the epoch: when the object was last changed.
    pub changed: Option<i64>,
    /// `resourceVersion`, where it is a number.
    pub resource_version: Option<u64>,
}

/// Something about an object that was not understood, or that its schema refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The field's path, such as `spec.trafficPolicy.tls.mode`; list indices are left out of it.
    pub field: String,
    /// What is the matter, in words that go behind the path.
    pub problem: String,
    /// Whether the value is of another type than its field, so that nobody can tell what it would mean.
    pub wrong_type: bool,
}

/// What the kind says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// A namespace: its labels say it all.
    Namespace,
    /// A service.
    Service(Box<Service>),
    /// A pod.
    Pod(Box<Pod>),
    /// An endpoint slice, or an `Endpoints` object read as slices.
    EndpointSlice(Box<EndpointSlice>),
    /// A controller of pods.
    Workload(Box<Workload>),
    /// A destination rule.
    DestinationRule(Box<DestinationRule>),
    /// A peer authentication policy.
    PeerAuthentication(Box<PeerAuthentication>),
    /// An authorization policy.
    AuthorizationPolicy(Box<AuthorizationPolicy>),
    /// A policy about tokens of callers.
    RequestAuthentication(Box<RequestAuthentication>),
    /// A sidecar.
    Sidecar(Box<Sidecar>),
    /// A virtual service.
    VirtualService(Box<VirtualService>),
    /// A service entry.
    ServiceEntry(Box<ServiceEntry>),
    /// A workload entry.
    WorkloadEntry(Box<WorkloadEntry>),
    /// A mesh configuration, out of the `ConfigMap` that holds it.
    MeshConfig(Box<MeshConfig>),
    /// Kept as JSON only: a kind that is not decoded, or one that no answer looks at.
    Raw,
    /// The body could not be read; the notes say why.
    Unreadable,
}

macro_rules! body_accessors {
    ($($name:ident: $variant:ident => $type:ty),* $(,)?) => {
        impl Body {
            $(
                #[doc = concat!("The ", stringify!($variant), ", where it is one.")]
                pub fn $name(&self) -> Option<&$type> {
                    if let Self::$variant(body) = self { Some(body) } else { None }
                }
            )*
        }
    };
}

body_accessors! {
    service: Service => Service,
    pod: Pod => Pod,
    endpoint_slice: EndpointSlice => EndpointSlice,
    workload: Workload => Workload,
    destination_rule: DestinationRule => DestinationRule,
    peer_authentication: PeerAuthentication => PeerAuthentication,
    authorization_policy: AuthorizationPolicy => AuthorizationPolicy,
    request_authentication: RequestAuthentication => RequestAuthentication,
    sidecar: Sidecar => Sidecar,
    virtual_service: VirtualService => VirtualService,
    service_entry: ServiceEntry => ServiceEntry,
    workload_entry: WorkloadEntry => WorkloadEntry,
    mesh_config: MeshConfig => MeshConfig,
}

/// One object.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Which object.
    pub id: ObjectId,
    /// The API version it was written in.
    pub api_version: Text,
    /// Labels, times, versions.
    pub meta: Metadata,
    /// Where it was read.
    pub origin: Origin,
    /// What it says.
    pub body: Body,
    /// Its JSON, for the kinds that keep it ([`super::Kind::keeps_json`]), without `managedFields`.
    pub json: Option<Arc<serde_json::Value>>,
    /// What was not understood in it.
    pub notes: Vec<Note>,
}

impl Object {
    /// Whether the two say the same, wherever they were read.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.id == other.id && self.meta == other.meta && self.body == other.body && self.json == other.json
    }

    /// Whether two copies have the same content: what the server keeps for itself (`status`, `resourceVersion`,
    /// `managedFields`), and a creation time that only one of them has, make no difference.
    pub fn has_the_content_of(&self, other: &Self) -> bool {
        let spec = |object: &Self| object.json.as_ref().and_then(|json| json.get("spec").cloned());
        let (one, two) = (&self.meta, &other.meta);
        let of_one_age = one.created.is_none() || two.created.is_none() || one.created == two.created;
        self.id == other.id
            && self.api_version == other.api_version
            && self.body == other.body
            && self.body != Body::Unreadable
            && (&one.labels, &one.annotations) == (&two.labels, &two.annotations)
            && of_one_age
            && spec(self) == spec(other)
    }
}
