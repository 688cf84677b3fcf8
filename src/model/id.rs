//! Names of objects: kind, namespace, name.

use std::fmt;
use std::sync::Arc;

/// A string that many objects share (namespaces, label keys, node names), so that it is held once.
pub type Text = Arc<str>;

/// What a kind means to this program. `group` is the API group without the version, empty for the core group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `v1/Namespace`.
    Namespace,
    /// `v1/Service`.
    Service,
    /// `v1/Pod`.
    Pod,
    /// `discovery.k8s.io/EndpointSlice`.
    EndpointSlice,
    /// `v1/Endpoints`, the older form of slices.
    Endpoints,
    /// `apps/Deployment`.
    Deployment,
    /// `apps/StatefulSet`.
    StatefulSet,
    /// `apps/DaemonSet`.
    DaemonSet,
    /// `apps/ReplicaSet`.
    ReplicaSet,
    /// `batch/Job`.
    Job,
    /// `batch/CronJob`.
    CronJob,
    /// `v1/ConfigMap`: only Istio's mesh configuration is read from it.
    ConfigMap,
    /// `v1/Secret`: seen, never read.
    Secret,
    /// `networking.istio.io/DestinationRule`.
    DestinationRule,
    /// `security.istio.io/PeerAuthentication`.
    PeerAuthentication,
    /// `security.istio.io/AuthorizationPolicy`.
    AuthorizationPolicy,
    /// `security.istio.io/RequestAuthentication`.
    RequestAuthentication,
    /// `networking.istio.io/Sidecar`.
    Sidecar,
    /// `networking.istio.io/VirtualService`.
    VirtualService,
    /// `networking.istio.io/ServiceEntry`.
    ServiceEntry,
    /// `networking.istio.io/WorkloadEntry`.
    WorkloadEntry,
    /// `networking.istio.io/EnvoyFilter`.
    EnvoyFilter,
    /// `authentication.istio.io/Policy` of Istio 0.8 to 1.5.
    LegacyPolicy,
    /// `authentication.istio.io/MeshPolicy` of Istio 0.8 to 1.5.
    LegacyMeshPolicy,
    /// `gateway.networking.k8s.io/BackendTLSPolicy` (also its experimental siblings), from which istiod makes rules.
    BackendPolicy,
    /// Any other kind of Istio or the Gateway API: kept raw, with its kind's own name.
    OtherMesh(Text),
    /// A kind that no answer looks at.
    Unrelated(Text),
}

impl Kind {
    /// The kind that an `apiVersion` and `kind` name. Two groups may use one kind's name, so the group decides.
    pub fn from_api(api_version: &str, kind: &str) -> Self {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        match (group, kind) {
            ("", "Namespace") => Self::Namespace,
            ("", "Service") => Self::Service,
            ("", "Pod") => Self::Pod,
            ("discovery.k8s.io", "EndpointSlice") => Self::EndpointSlice,
            ("", "Endpoints") => Self::Endpoints,
            ("apps" | "extensions", "Deployment") => Self::Deployment,
            ("apps", "StatefulSet") => Self::StatefulSet,
            ("apps" | "extensions", "DaemonSet") => Self::DaemonSet,
            ("apps" | "extensions", "ReplicaSet") => Self::ReplicaSet,
            ("batch", "Job") => Self::Job,
            ("batch", "CronJob") => Self::CronJob,
            ("", "ConfigMap") => Self::ConfigMap,
            ("", "Secret") => Self::Secret,
            ("networking.istio.io", "DestinationRule") => Self::DestinationRule,
            ("security.istio.io", "PeerAuthentication") => Self::PeerAuthentication,
            ("security.istio.io", "AuthorizationPolicy") => Self::AuthorizationPolicy,
            ("security.istio.io", "RequestAuthentication") => Self::RequestAuthentication,
            ("networking.istio.io", "Sidecar") => Self::Sidecar,
            ("networking.istio.io", "VirtualService") => Self::VirtualService,
            ("networking.istio.io", "ServiceEntry") => Self::ServiceEntry,
            ("networking.istio.io", "WorkloadEntry") => Self::WorkloadEntry,
            ("networking.istio.io", "EnvoyFilter") => Self::EnvoyFilter,
            ("authentication.istio.io", "Policy") => Self::LegacyPolicy,
            ("authentication.istio.io", "MeshPolicy") => Self::LegacyMeshPolicy,
            ("gateway.networking.k8s.io", "BackendTLSPolicy")
            | ("gateway.networking.x-k8s.io", "XBackendTrafficPolicy") => Self::BackendPolicy,
            (group, kind) if is_mesh_group(group) => Self::OtherMesh(kind.into()),
            (_, kind) => Self::Unrelated(kind.into()),
        }
    }

    /// Whether what clients send and servers demand is decided by objects of the kind.
    pub fn decides_pairs(&self) -> bool {
        matches!(
            self,
            Self::DestinationRule
                | Self::PeerAuthentication
                | Self::Sidecar
                | Self::VirtualService
                | Self::ServiceEntry
                | Self::WorkloadEntry
                | Self::EnvoyFilter
                | Self::LegacyPolicy
                | Self::LegacyMeshPolicy
                | Self::BackendPolicy
        )
    }

    /// The name as it stands in the object's `kind`.
    pub fn name(&self) -> &str {
        match self {
            Self::Namespace => "Namespace",
            Self::Service => "Service",
            Self::Pod => "Pod",
            Self::EndpointSlice => "EndpointSlice",
            Self::Endpoints => "Endpoints",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::DestinationRule => "DestinationRule",
            Self::PeerAuthentication => "PeerAuthentication",
            Self::AuthorizationPolicy => "AuthorizationPolicy",
            Self::RequestAuthentication => "RequestAuthentication",
            Self::Sidecar => "Sidecar",
            Self::VirtualService => "VirtualService",
            Self::ServiceEntry => "ServiceEntry",
            Self::WorkloadEntry => "WorkloadEntry",
            Self::EnvoyFilter => "EnvoyFilter",
            Self::LegacyPolicy => "Policy",
            Self::LegacyMeshPolicy => "MeshPolicy",
            Self::BackendPolicy => "BackendTLSPolicy",
            Self::OtherMesh(name) | Self::Unrelated(name) => name,
        }
    }

    /// Whether objects of this kind live outside namespaces.
    pub fn is_cluster_scoped(&self) -> bool {
        matches!(self, Self::Namespace | Self::LegacyMeshPolicy)
    }

    /// Whether the object's JSON is kept beside its body: the kinds whose text is shown, patched or asked about.
    pub fn keeps_json(&self) -> bool {
        !matches!(
            self,
            Self::Pod
                | Self::EndpointSlice
                | Self::Endpoints
                | Self::ReplicaSet
                | Self::ConfigMap
                | Self::Secret
                | Self::Unrelated(_)
        )
    }
}

fn is_mesh_group(group: &str) -> bool {
    group == "istio.io"
        || group.ends_with(".istio.io")
        || group == "gateway.networking.k8s.io"
        || group == "gateway.networking.x-k8s.io"
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which object: its kind, namespace (empty for cluster-scoped kinds) and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace, empty for cluster-scoped kinds.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
}

impl ObjectId {
    /// The id of an object of `kind` called `name` in `namespace`.
    pub fn new(kind: Kind, namespace: impl Into<Text>, name: impl Into<Text>) -> Self {
        Self { kind, namespace: namespace.into(), name: name.into() }
    }

    /// `namespace/name`, or the name alone for cluster-scoped kinds.
    pub fn path(&self) -> String {
        if self.namespace.is_empty() {
            self.name.to_string()
        } else {
            format!("{}/{}", self.namespace, self.name)
        }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.path())
    }
}
