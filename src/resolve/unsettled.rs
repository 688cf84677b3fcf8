//! What is missing to decide on a pair: objects that are not evaluated ([`super::gaps`]), and choices of a control plane
//! of which only the outcome for simple cases is known.

use super::client_tls::{ClusterTls, Sent};
use super::conflict::{Server, Status};
use super::flags::Flag;
use super::gaps::Missing;
use super::interception;
use super::mesh::{Mesh, Target};
use super::pair::EndpointTls;
use super::registry::Service;
use super::workload::Workload;
use crate::model::destination_rule::TlsMode;
use crate::model::peer_authentication::MtlsMode;
use crate::model::pod::ProxyKind;

impl Mesh {
    /// What would be needed to answer for a client and a service; empty where nothing is missing.
    pub fn missing(&self, client: &Workload, target: &Target<'_>) -> Vec<Missing> {
        let mesh = self.of_client(client);
        let mut missing = mesh.gaps.of_pair(client, target.service);
        missing.extend(mesh.private_rules_of_root(client, target));
        missing.extend(client.missing());
        missing.extend(self.which_control_plane(client, target));
        let routes = mesh.gaps.routes();
        if !routes.is_empty() && mesh.may_be_brought_in(client, &target.service.host) {
            missing.extend(routes.iter().cloned());
        }
        if client.proxy == ProxyKind::Sidecar && interception::excludes_addresses(client) {
            let need =
                "which of the client's connections its annotations about addresses keep from its proxy";
            missing.push(Missing::not_collected("Pod", need));
        }
        missing
    }

    /// Whether routes could bring a host, or more of its ports, into a client's scope: its own listeners do not import the
    /// whole of it, and somebody exports it to the client (DR-7.4, DR-7.14).
    pub(super) fn may_be_brought_in(&self, client: &Workload, host: &str) -> bool {
        let namespace = &client.namespace;
        let is_seen = |one: &Service| one.namespace == *namespace || one.is_visible_to(namespace);
        client.proxy == ProxyKind::Sidecar
            && !self.scopes.imports_whole(&self.registry, client, host)
            && self.registry.definitions(host).any(is_seen)
    }

    /// Whether nothing but gaps can make an answer another than its parts tell: ages are known, there is one control
    /// plane, every kind was read, and its version leaves nothing open.
    pub(super) fn is_plain(&self) -> bool {
        self.other_ages.is_none()
            && self.options.unread.is_empty()
            && self.legacy.is_none()
            && self.config.version.at_least(1, 12)
            && !self.is_one_of_several()
            && self.gaps.routes().is_empty()
    }

    /// MT-4.9: a proxy with certificate files of its own presents those, and what the server makes of them is in no
    /// object. Outside the mesh the rule's own settings win (from 1.24).
    pub(super) fn own_certificates(
        &self,
        client: &Workload,
        service: &Service,
        cluster: &ClusterTls,
        mut sent: impl Iterator<Item = Sent>,
    ) -> Option<Missing> {
        let has_own = client.body().is_some_and(|pod| pod.own_certificates);
        if !has_own || service.is_external && self.config.flags.is_on(Flag::RuleTlsForExternal) {
            return None;
        }
        let declared = matches!(cluster.declared, Some(TlsMode::Mutual | TlsMode::IstioMutual));
        (declared || sent.any(|sent| sent == Sent::IstioMutual)).then(|| {
            Missing::not_collected("Pod", "the certificate files of its own that the client's proxy presents")
        })
    }

    /// Where a server's sidecar ends TLS that its `Sidecar` describes: istiod is told so, and the policies leave the port
    /// alone (MT-2.5). What such a port accepts is not evaluated.
    pub(super) fn ingress_tls(&self, pod: Option<&Workload>, server: &Server, port: u16) -> Option<Missing> {
        let pod = pod.filter(|_| *server == Server::Sidecar(MtlsMode::Disable))?;
        if !self.is_on_for_servers(Flag::SidecarIngressTls, &pod.revision) {
            return None;
        }
        let object = self.scopes.sidecar_of(pod)?;
        let listeners = &object.body.sidecar()?.ingress;
        listeners.iter().any(|one| one.port == port && one.tls).then(|| {
            let need = format!(
                "what port {port} accepts, on which the proxies of {} end the TLS that {} describes",
                pod.path(),
                object.id.path()
            );
            Missing::not_collected("Sidecar", need)
        })
    }

    /// Takes back what sidecars demand where policies of 2019 leave it open, and says what is missing.
    pub(super) fn take_back_demands(
        &self,
        service: &Service,
        port: u16,
        endpoints: &mut [EndpointTls],
    ) -> Option<Missing> {
        let missing = self.legacy_policies(service, port)?;
        for endpoint in endpoints.iter_mut().filter(|one| matches!(one.server, Server::Sidecar(_))) {
            (endpoint.server, endpoint.demand) = (Server::Unknown, None);
            (endpoint.result, endpoint.symptom) = (Status::Unknown, None);
        }
        Some(missing)
    }

    /// Where policies of 2019 leave open what a service's port demands (MT-9).
    fn legacy_policies(&self, service: &Service, port: u16) -> Option<Missing> {
        let legacy = self.legacy.as_deref().filter(|_| !service.is_external)?;
        let namespace = &service.namespace;
        let general = self.policies.of_namespace(namespace);
        let missing = |need: String| Missing::not_collected("Policy", need);
        if general.policy.is_none() {
            let unsettled = legacy.unsettled_order(service, port);
            if let Some(need) = unsettled.or_else(|| legacy.unsettled_by_labels(service, port)) {
                return Some(missing(need));
            }
            let older = legacy.policy(service, port)?;
            let older_name = older.policy.as_ref().map(|policy| policy.id.to_string()).unwrap_or_default();
            // Istio 1.5 alone has both kinds: one that says nothing, or that selects workloads only, may or may not
            // count as the one that wins (MT-9.5).
            if self.policies.are_of_namespace(namespace) && older.mode != general.mode {
                return Some(missing(format!("whether {older_name} counts beside a policy without mode")));
            }
            let selecting = service.endpoints(port).iter().find_map(|endpoint| {
                let own = self.policies.on_port(&endpoint.namespace, &endpoint.labels, endpoint.port);
                own.policy.filter(|_| own.mode != older.mode)
            })?;
            return Some(missing(format!("whether {older_name} or {} counts", selecting.id)));
        }
        None
    }

    /// Private root rules are honoured since 1.8, and by most specific host only since 1.12.
    fn private_rules_of_root(&self, client: &Workload, target: &Target<'_>) -> Option<Missing> {
        let uses_rules = match client.proxy {
            ProxyKind::Sidecar | ProxyKind::Gateway | ProxyKind::Waypoint => target.is_in_scope(),
            ProxyKind::None | ProxyKind::Ztunnel => false,
        };
        let in_root = *client.namespace == *self.config.root_namespace;
        (uses_rules
            && in_root
            && self.rules.is_unsettled_in_root(&self.config.root_namespace, &target.service.host))
        .then(|| {
            let need = format!(
                "which of the private rules of {} with a wildcard host Istio {} takes is not known",
                client.namespace, self.config.version.value
            );
            Missing::not_collected("DestinationRule", need)
        })
    }
}
