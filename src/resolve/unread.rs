//! Kinds that could not be read at all, for want of a right or of time: which answers an object of such a kind could
//! change. Those are `UNKNOWN`, and no others. A kind of which there simply is no object is not unread.

use std::collections::BTreeMap;

use super::client_tls::{ClusterTls, Downgrade, Sent, Source};
use super::conflict::Server;
use super::flags::Flag;
use super::gaps::Missing;
use super::mesh::{Mesh, Target};
use super::pair::EndpointTls;
use super::registry::{EndpointsFrom, Service};
use super::workload::{REVISION, Workload};
use crate::model::Kind;
use crate::model::pod::ProxyKind;

/// Why a kind was not read (`missing[].state` in JSON).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// There is no right to list it.
    Forbidden,
    /// The server does not know it.
    Absent,
    /// It has not arrived yet.
    NotSynced,
}

impl Why {
    /// The word for it in every answer.
    pub fn word(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Absent => "absent",
            Self::NotSynced => "not-synced",
        }
    }
}

/// The kinds that could not be read.
pub type Unread = BTreeMap<Kind, Why>;

/// What would be needed of a kind.
pub fn missing(kind: &Kind, why: Why) -> Missing {
    let resource = resource(kind);
    let need = match why {
        Why::Forbidden => format!("the right to list {resource} in all namespaces"),
        Why::Absent => format!("a server that knows {resource}"),
        Why::NotSynced => format!("{resource} have not been read yet"),
    };
    Missing { kind: kind.name().to_owned(), state: why.word(), need }
}

/// The resource as rights name it.
fn resource(kind: &Kind) -> String {
    let name = kind.name().to_ascii_lowercase();
    let plural = match name.strip_suffix('y') {
        Some(rest) => format!("{rest}ies"),
        None if name.ends_with('s') => name.clone(),
        None => format!("{name}s"),
    };
    let group = match kind {
        Kind::DestinationRule
        | Kind::Sidecar
        | Kind::VirtualService
        | Kind::ServiceEntry
        | Kind::WorkloadEntry
        | Kind::EnvoyFilter => ".networking.istio.io",
        Kind::PeerAuthentication | Kind::AuthorizationPolicy | Kind::RequestAuthentication => {
            ".security.istio.io"
        }
        Kind::EndpointSlice => ".discovery.k8s.io",
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::ReplicaSet => ".apps",
        Kind::Job | Kind::CronJob => ".batch",
        Kind::BackendPolicy => ".gateway.networking.k8s.io",
        Kind::LegacyPolicy | Kind::LegacyMeshPolicy => ".authentication.istio.io",
        Kind::Namespace
        | Kind::Service
        | Kind::Pod
        | Kind::Endpoints
        | Kind::ConfigMap
        | Kind::Secret
        | Kind::OtherMesh(_)
        | Kind::Unrelated(_) => "",
    };
    plural + group
}

/// A pair as far as it was answered with what was read.
pub(super) struct Answered<'a> {
    pub(super) mesh: &'a Mesh,
    pub(super) client: &'a Workload,
    pub(super) target: &'a Target<'a>,
    pub(super) port: u16,
    pub(super) cluster: &'a ClusterTls,
    pub(super) endpoints: &'a [EndpointTls],
}

impl Answered<'_> {
    /// What the answer is missing.
    pub(super) fn missing(&self) -> Vec<Missing> {
        let unread = self.mesh.options.unread.iter();
        unread.filter(|(kind, _)| self.depends_on(kind)).map(|(kind, why)| missing(kind, *why)).collect()
    }

    /// Whether an object of a kind could make the answer another.
    fn depends_on(&self, kind: &Kind) -> bool {
        let service = self.target.service;
        let proxy = self.client.proxy;
        let is_envoy = matches!(proxy, ProxyKind::Sidecar | ProxyKind::Gateway | ProxyKind::Waypoint);
        match kind {
            // Who is there, and by which settings, is behind every answer.
            Kind::Pod | Kind::ConfigMap => true,
            // Only sidecars take notice of it. It can take a service out of scope (DR-7.2), and refuse what is not in
            // it or let that pass (MT-4.2). By a flag it decides about servers too (MT-2.5).
            Kind::Sidecar => {
                proxy == ProxyKind::Sidecar || self.mesh.config.flags.is_on(Flag::SidecarIngressTls)
            }
            // A rule is looked for where the service is in scope (DR-7.1), also for an alias (DR-7.16).
            Kind::DestinationRule | Kind::BackendPolicy => is_envoy && self.target.has(self.port),
            Kind::PeerAuthentication => self.depends_on_policies(),
            Kind::LegacyPolicy | Kind::LegacyMeshPolicy => {
                !self.mesh.config.version.at_least(1, 6) && self.depends_on_policies()
            }
            // A listener's own choice is not changed by what routes bring in (DR-7.4, DR-7.14).
            Kind::VirtualService => self.mesh.may_be_brought_in(self.client, &service.host),
            Kind::ServiceEntry => self.depends_on_entries(),
            Kind::Service => !service.is_kubernetes && service.host.ends_with(".svc.cluster.local"),
            Kind::WorkloadEntry => service.port(self.port).is_some() && selects_entries(service),
            // Without slices the pods that a selector selects count, which the answer says.
            Kind::EndpointSlice | Kind::Endpoints => {
                service.endpoints_from == EndpointsFrom::Nothing && !service.is_alias()
            }
            Kind::EnvoyFilter => is_envoy || !self.endpoints.is_empty(),
            // Of several control planes it may name the one of a client that does not name it itself.
            Kind::Namespace => {
                let names = self.client.labels.get(REVISION).is_some()
                    || self.client.body().is_some_and(|pod| pod.injected_by.is_some());
                proxy == ProxyKind::Ztunnel || is_envoy && !names && self.mesh.is_one_of_several()
            }
            Kind::Deployment
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::ReplicaSet
            | Kind::Job
            | Kind::CronJob
            | Kind::Secret
            | Kind::AuthorizationPolicy
            | Kind::RequestAuthentication
            | Kind::OtherMesh(_)
            | Kind::Unrelated(_) => false,
        }
    }

    /// Whether a `ServiceEntry` could define the host in the place of what does (DR-7.5): one in a sidecar's own
    /// namespace stands before a Kubernetes Service elsewhere; for all others the Service stands first.
    fn depends_on_entries(&self) -> bool {
        let (service, client, scopes) = (self.target.service, self.client, &self.mesh.scopes);
        let is_settled = service.is_kubernetes && self.target.is_in_scope();
        match client.proxy {
            ProxyKind::None => false,
            ProxyKind::Gateway | ProxyKind::Waypoint | ProxyKind::Ztunnel => !is_settled,
            ProxyKind::Sidecar => {
                let own = scopes.would_import(client, (&service.host, self.port), &client.namespace);
                let elsewhere = || {
                    let mut named = scopes.imported_namespaces(client);
                    named.any(|namespace| scopes.would_import(client, (&service.host, self.port), namespace))
                };
                if is_settled { own && service.namespace != client.namespace } else { own || elsewhere() }
            }
        }
    }

    /// Whether policies decide what is demanded, or what automatic mTLS sends (MT-4.3, MT-4.6).
    fn depends_on_policies(&self) -> bool {
        let demands = |endpoint: &EndpointTls| {
            let by_policy = matches!(endpoint.server, Server::Sidecar(_) | Server::Ambient(_));
            // A tunnel is taken whatever they say (MT-6.5), and its server's mode is still reported.
            by_policy || endpoint.server == Server::Unknown
        };
        let decided = matches!(
            self.cluster.downgrade,
            Some(Downgrade::AutoMtlsOff | Downgrade::External | Downgrade::AllOrNothing)
        );
        let automatic = self.cluster.source == Source::Auto && !decided;
        let capable =
            |endpoint: &EndpointTls| endpoint.claims_mtls && !matches!(endpoint.sent, Sent::Hbone { .. });
        let to_all = self.cluster.fixed == Some(Sent::IstioMutual);
        self.endpoints.is_empty()
            || self.endpoints.iter().any(demands)
            || automatic && (to_all || self.endpoints.iter().any(capable))
    }
}

/// Whether `WorkloadEntries` can be endpoints of a service (MT-3.6, MT-3.8).
fn selects_entries(service: &Service) -> bool {
    let of_kubernetes =
        service.object.body.service().is_some_and(|one| one.selector.is_some() && !one.headless);
    let of_entry = service.object.body.service_entry().is_some_and(|one| one.selector.is_some());
    of_kubernetes && !service.is_alias() || of_entry
}
