//! The answer for one client, service port and subset: rule, what is sent, what is demanded, and whether they agree.

use std::sync::Arc;

use super::ambient::{Sending, Waypoint};
use super::answers::Answers;
use super::client_tls::{self, ClusterTls, Downgrade, Sent, Source, Tunnel};
use super::conflict::{self, ClientTrust, Server};
use super::flags::Flag;
use super::gaps::Missing;
use super::interception;
use super::mesh::{Mesh, Target};
use super::registry::{Endpoint, EndpointsFrom, Service};
use super::rules::Choice;
use super::scope::Ports;
use super::server_mtls::{Demand, PolicyLevel};
use super::traffic_policy::{self, EffectivePolicy};
use super::workload::{REVISION, Workload};
use crate::model::destination_rule::TlsMode;
use crate::model::peer_authentication::MtlsMode;
use crate::model::pod::ProxyKind;
use crate::model::service::{PortProtocol, ServicePort};
use crate::model::{Labels, Text};

pub use super::conflict::Status;

/// What one endpoint gets and how it takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointTls {
    /// Address and port.
    pub address: Text,
    /// The port at the workload.
    pub port: u16,
    /// The index of the pod with that address.
    pub workload: Option<usize>,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether its label claims Istio's mutual TLS.
    pub claims_mtls: bool,
    /// What stands there.
    pub server: Server,
    /// What it demands, where it has a sidecar or a ztunnel.
    pub demand: Option<Demand>,
    /// What is sent to it.
    pub sent: Sent,
    /// Why plaintext, where nothing says so outright.
    pub downgrade: Option<Downgrade>,
    /// How the two agree.
    pub result: Status,
    /// The symptom, for a conflict.
    pub symptom: Option<&'static str>,
    /// What the result depends on.
    pub condition: &'static str,
}

impl EndpointTls {
    /// Requests go to a waypoint first, of which no pod was read: whether there is one decides.
    pub(super) fn depends_on_waypoint(&mut self) {
        if self.result != Status::Conflict {
            self.result = Status::Cond;
            self.condition = "the service's waypoint takes the requests first, and no pod of it was read";
        }
    }

    /// The rule's names are not those of the mesh's certificates: another certificate would have to be there.
    pub(super) fn depends_on_names(&mut self) {
        if matches!(self.result, Status::Ok | Status::Warn) {
            self.result = Status::Cond;
            self.condition = "the rule's subjectAltNames do not name the server's service account: the client \
                              refuses a certificate of the mesh that they do not name";
        }
    }
}

/// The server's side in short.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerSide {
    /// `STRICT`, `PERMISSIVE`, `DISABLE`, `NONE`, `MIXED` or `UNKNOWN`.
    pub mode: String,
    /// What all endpoints have in common, where they have.
    pub demand: Option<Demand>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct PairTls {
    /// The service port's number.
    pub port: u16,
    /// The subset, if one was asked about.
    pub subset: Option<Text>,
    /// How the pair stands: the worst of its endpoints.
    pub status: Status,
    /// The rule in force.
    pub choice: Option<Choice>,
    /// Its traffic policy for this port and subset.
    pub policy: Arc<EffectivePolicy>,
    /// What the client's cluster does.
    pub cluster: ClusterTls,
    /// What is sent: one for all endpoints, or `None` where they differ.
    pub effective: Option<Sent>,
    /// The server's side.
    pub server: Arc<ServerSide>,
    /// All endpoints of the client's cluster.
    pub endpoints: Arc<[EndpointTls]>,
    /// Endpoints on another network that the client's cluster does not have, since its gateway takes Istio's mutual TLS
    /// only (MT-4.13).
    pub dropped: Arc<[EndpointTls]>,
    /// The symptom, for a conflict.
    pub symptom: Option<&'static str>,
    /// What would be needed to answer; not empty means [`Status::Unknown`].
    pub missing: Vec<Missing>,
    /// What was taken for granted.
    pub assumed: Vec<&'static str>,
    /// Both outcomes, where age decides between policies and is not known; the status is [`Status::Cond`] then.
    pub undecided: Option<String>,
}

impl PairTls {
    /// Whether Istio's mutual TLS is sent to any endpoint, or would be to a capable one where there is none.
    pub fn sends_istio_mutual(&self) -> bool {
        let sent = |endpoint: &EndpointTls| endpoint.sent == Sent::IstioMutual;
        self.effective == Some(Sent::IstioMutual) || self.endpoints.iter().any(sent)
    }

    /// The endpoints that must fail, of those that traffic can reach.
    pub fn failing(&self) -> impl Iterator<Item = &EndpointTls> {
        self.reachable().filter(|endpoint| endpoint.result == Status::Conflict)
    }

    /// The endpoints that traffic can reach: those that are not ready get none.
    pub fn reachable(&self) -> impl Iterator<Item = &EndpointTls> {
        self.endpoints.iter().filter(|endpoint| endpoint.ready)
    }
}

impl Mesh {
    /// The names of the subsets that the rule in force has, in order.
    pub fn subsets(&self, choice: Option<&Choice>) -> Vec<Text> {
        let contributors = choice.map(|choice| choice.contributors.as_slice()).unwrap_or_default();
        self.rules.subsets_of(contributors).map(|(_, subset)| Arc::clone(&subset.name)).collect()
    }

    /// The answer for a client, a host's port and a subset; `None` where no such host was read.
    pub fn pair(&self, client: &Workload, host: &str, port: u16, subset: Option<&str>) -> Option<PairTls> {
        let target = self.target(client, host)?;
        let choice = self.choice(client, &target);
        Some(Answers::new(self).pair(client, &target, choice, port, subset))
    }

    /// What an answer comes to, in words that are the same for equal answers.
    pub(super) fn outcome(&self, pair: &PairTls) -> String {
        let rule = pair.choice.as_ref().and_then(|choice| self.rules.get(choice.primary));
        let rule =
            rule.map_or_else(|| "no rule".to_owned(), |rule| format!("rule {}", rule.object.id.path()));
        let sent = pair.effective.map_or("mixed", Sent::word);
        let policy = pair.server.demand.as_ref().and_then(|demand| demand.policy.as_ref());
        let policy = policy.map(|policy| format!(" by {}", policy.id.path())).unwrap_or_default();
        format!("{} ({rule}, {sent} to {}{policy})", pair.status.word(), pair.server.mode)
    }

    pub(super) fn assumed(
        &self,
        service: &Service,
        cluster: &ClusterTls,
        tunnelled: bool,
    ) -> Vec<&'static str> {
        let endpoints =
            (service.endpoints_from == EndpointsFrom::Selector).then_some("endpoints from selectors");
        let by_proxy = tunnelled && cluster.tunnel == Tunnel::UnlessMutual;
        let sending = (by_proxy && self.ambient.sending == Sending::Assumed)
            .then_some("proxies send through tunnels, since pods are captured (istiod was not read)");
        self.workloads.assumed().iter().copied().chain(endpoints).chain(sending).collect()
    }

    /// The waypoint that a client's requests go through: those of ambient mode always, those of gateways where the
    /// service asks for it; sidecars go past it (MT-6.8).
    pub(super) fn waypoint_between(&self, client: &Workload, target: &Target<'_>) -> Option<Waypoint> {
        let goes_through = match client.proxy {
            ProxyKind::Ztunnel => target.is_in_scope(),
            ProxyKind::Gateway => self.ambient.ingress_uses_waypoint(target.service),
            ProxyKind::None | ProxyKind::Sidecar | ProxyKind::Waypoint => false,
        };
        goes_through.then(|| self.ambient.waypoint_of(target.service)).flatten()
    }

    /// The client's network, where endpoints on others are reached through gateways: those that are listed.
    pub(super) fn network_between(&self, client: &Workload, target: &Target<'_>) -> Option<Text> {
        let is_listed =
            target.is_in_scope() && !(target.service.is_headless() && client.proxy == ProxyKind::Sidecar);
        let by_envoy = matches!(client.proxy, ProxyKind::Sidecar | ProxyKind::Gateway);
        self.networks.of_client(client).filter(|_| is_listed && by_envoy).map(Text::from)
    }

    /// What a waypoint sends to the service's endpoints (MT-6.7).
    pub(super) fn sent_by(
        &self,
        waypoint: &Waypoint,
        service: &Service,
        port: u16,
        subset: Option<&str>,
    ) -> Option<ClusterTls> {
        let client = self.workloads.get(waypoint.pod?)?;
        let target = Target { service, ports: Some(Ports::All) };
        let choice = self.choice(client, &target);
        let policy = traffic_policy::effective(&self.rules, choice.as_ref(), port, subset, &self.config);
        let mut cluster = self.cluster_tls(client, &target, port, choice.as_ref(), &policy);
        cluster.tunnel = client_tls::tunnel(self, client, &target, &cluster);
        Some(cluster)
    }

    pub(super) fn cluster_tls(
        &self,
        client: &Workload,
        target: &Target<'_>,
        port: u16,
        choice: Option<&Choice>,
        policy: &EffectivePolicy,
    ) -> ClusterTls {
        let source = match client.proxy {
            ProxyKind::None => Some(Source::NoProxy),
            ProxyKind::Sidecar if interception::is_outbound_excluded(client, port) => Some(Source::NoProxy),
            ProxyKind::Sidecar if !target.has(port) && self.scopes.refuses_others(client, &self.config) => {
                Some(Source::Refused)
            }
            ProxyKind::Sidecar | ProxyKind::Gateway | ProxyKind::Waypoint | ProxyKind::Ztunnel => {
                (!target.has(port)).then_some(Source::NotInScope)
            }
        };
        match source {
            Some(source) => ClusterTls::plaintext(source),
            // ztunnel takes no notice of rules (DR-7.9).
            None if client.proxy == ProxyKind::Ztunnel => ClusterTls::plaintext(Source::None),
            None => client_tls::cluster(self, client, target.service, port, choice, policy),
        }
    }

    pub(super) fn subset_labels(&self, choice: Option<&Choice>, name: &str) -> Option<Labels> {
        let contributors = choice.map(|choice| choice.contributors.as_slice()).unwrap_or_default();
        self.rules
            .subsets_of(contributors)
            .find(|(_, one)| &*one.name == name)
            .map(|(_, one)| one.labels.clone())
    }

    pub(super) fn endpoint(
        &self,
        cluster: &ClusterTls,
        (service, port): (&Service, u16),
        endpoint: &Endpoint,
        trust: ClientTrust,
    ) -> EndpointTls {
        let workload = endpoint.workload.and_then(|at| self.workloads.get(at));
        let declared = || service.port(port).map_or(PortProtocol::Auto, ServicePort::protocol);
        let ingress = workload.and_then(|workload| self.scopes.ingress_protocol(workload, endpoint.port));
        let protocol = ingress.unwrap_or_else(declared);
        let (server, demand) = match workload {
            None if endpoint.unknown_pod.is_some() => (Server::Unknown, None),
            None if service.is_external => (Server::Outside, None),
            // Outside Kubernetes a proxy is known by what the entry claims (MT-3.2).
            None if endpoint.claims_mtls => {
                let of_entry = (&*endpoint.namespace, &endpoint.labels, endpoint.port);
                self.sidecar(service, port, endpoint.labels.get(REVISION).unwrap_or_default(), of_entry)
            }
            None => (Server::NoProxy, None),
            Some(workload) if workload.unclear.is_some() => (Server::Unknown, None),
            Some(workload) => match workload.proxy {
                ProxyKind::None => (Server::NoProxy, None),
                ProxyKind::Sidecar if interception::is_inbound_excluded(workload, endpoint.port) => {
                    (Server::PastProxy, None)
                }
                ProxyKind::Gateway | ProxyKind::Waypoint => (Server::OwnListeners, None),
                ProxyKind::Ztunnel => {
                    let policies =
                        self.demands_of(&workload.revision).map(|demands| &demands.ambient_policies);
                    let policies = policies.unwrap_or(&self.ambient_policies);
                    let demand = policies.on_port(&workload.namespace, &workload.labels, endpoint.port);
                    (Server::Ambient(demand.demand.mode.clone()), Some(demand.demand))
                }
                ProxyKind::Sidecar => {
                    let of_pod = (&*workload.namespace, &workload.labels, endpoint.port);
                    self.sidecar(service, port, &workload.revision, of_pod)
                }
            },
        };
        let (sent, downgrade) = client_tls::to_endpoint(self, cluster, endpoint);
        let mut verdict = conflict::judge(sent, &server, protocol, trust);
        if matches!((sent, &server), (Sent::Hbone { .. }, Server::Sidecar(_) | Server::PastProxy)) {
            let of_entry = || endpoint.labels.get(REVISION).unwrap_or_default();
            let revision = workload.map_or_else(of_entry, |workload| &*workload.revision);
            if !self.is_on_for_servers(Flag::SidecarListeningHbone, revision) {
                verdict = conflict::REFUSED_TUNNEL;
            }
        } else if self.ingress_tls(workload, &server, endpoint.port).is_some() {
            verdict = conflict::OWN_TLS;
        }
        EndpointTls {
            address: Arc::clone(&endpoint.address),
            port: endpoint.port,
            workload: endpoint.workload,
            ready: endpoint.ready,
            claims_mtls: endpoint.claims_mtls,
            server,
            demand,
            sent,
            downgrade,
            result: verdict.status,
            symptom: verdict.symptom,
            condition: verdict.condition,
        }
    }

    /// What a sidecar demands on a port of its own, by the policies of its control plane.
    fn sidecar(
        &self,
        service: &Service,
        port: u16,
        revision: &str,
        (namespace, labels, target): (&str, &Labels, u16),
    ) -> (Server, Option<Demand>) {
        let own = self.demands_of(revision);
        let demand = own.map_or(&self.policies, |own| &own.policies).on_port(namespace, labels, target);
        let demand = match own.map_or(&self.legacy, |own| &own.legacy) {
            None => demand,
            Some(legacy) => legacy.on_port(service, port, demand),
        };
        (Server::Sidecar(demand.mode.clone()), Some(demand))
    }

    /// What an endpoint's answer is missing, where no object is.
    pub(super) fn unknown(
        &self,
        service: &Service,
        choice: Option<&Choice>,
        cluster: &ClusterTls,
        endpoints: &[EndpointTls],
    ) -> Vec<Missing> {
        let mut missing = Vec::new();
        if let Some(TlsMode::Other(word)) = &cluster.declared {
            let rule =
                choice.and_then(|choice| self.rules.get(choice.primary)).map(|rule| rule.object.id.path());
            let need = format!("tls.mode {word} of {} is no mode that is known", rule.unwrap_or_default());
            missing.push(Missing::not_collected("DestinationRule", need));
        }
        for endpoint in endpoints.iter().filter(|endpoint| endpoint.result == Status::Unknown) {
            let pods = service.endpoints(endpoint.port).iter().chain(service.all_endpoints());
            let named =
                pods.filter(|one| one.address == endpoint.address).find_map(|one| one.unknown_pod.as_ref());
            let pod = endpoint.workload.and_then(|at| self.workloads.get(at));
            if let Some(own) = self.ingress_tls(pod, &endpoint.server, endpoint.port) {
                missing.push(own);
                continue;
            }
            match (&endpoint.server, &endpoint.demand) {
                (Server::Sidecar(MtlsMode::Other(word)), Some(demand)) => {
                    let policy = demand.policy.as_ref().map(|policy| policy.id.path()).unwrap_or_default();
                    let need = format!("mode {word} of {policy} is no mode that is known");
                    missing.push(Missing::not_collected("PeerAuthentication", need));
                }
                (Server::Ambient(MtlsMode::Other(word)), _) => {
                    let need = format!("its mode is {word}");
                    missing.push(Missing::not_collected("PeerAuthentication", need));
                }
                _ if endpoint.sent == Sent::Unknown && tunnel_need(cluster).is_some() => {
                    missing.extend(tunnel_need(cluster).map(|need| Missing::not_collected("Pod", need)));
                }
                _ if endpoint.workload.is_some() => {
                    missing.extend(pod.and_then(Workload::missing));
                }
                _ => missing.extend(
                    named.map(|pod| Missing::not_collected("Pod", format!("pod {pod} was not read"))),
                ),
            }
        }
        missing.sort();
        missing.dedup();
        missing
    }

    pub(super) fn server_side(&self, service: &Service, port: u16, endpoints: &[EndpointTls]) -> ServerSide {
        if endpoints.is_empty() {
            let demand = self.hint(service, port);
            return ServerSide { mode: demand.mode.word().to_owned(), demand: Some(demand) };
        }
        let word = |endpoint: &EndpointTls| match &endpoint.server {
            Server::Sidecar(MtlsMode::Other(_)) | Server::Ambient(MtlsMode::Other(_)) | Server::Unknown => {
                "UNKNOWN".to_owned()
            }
            Server::Sidecar(mode) | Server::Ambient(mode) => mode.word().to_owned(),
            Server::NoProxy | Server::PastProxy | Server::OwnListeners | Server::Outside => "NONE".to_owned(),
        };
        let mode = common(endpoints.iter().map(word), String::new());
        let demand = common(endpoints.iter().map(|endpoint| endpoint.demand.clone()), None).flatten();
        ServerSide { mode: mode.unwrap_or_else(|| "MIXED".to_owned()), demand }
    }
}

impl ClusterTls {
    fn plaintext(source: Source) -> Self {
        Self::fixed_at(source, Sent::Plaintext)
    }
}

/// What would have to be known about the client's tunnels.
fn tunnel_need(cluster: &ClusterTls) -> Option<&'static str> {
    match cluster.tunnel {
        Tunnel::Unknown(need) | Tunnel::Only(need) => Some(need),
        Tunnel::Never | Tunnel::Always | Tunnel::UnlessMutual => None,
    }
}

/// What all have in common; `when_empty` for none at all, and `None` where they differ.
pub(super) fn common<T: PartialEq>(mut all: impl Iterator<Item = T>, when_empty: T) -> Option<T> {
    let Some(first) = all.next() else { return Some(when_empty) };
    all.all(|one| one == first).then_some(first)
}

pub(super) fn trust(policy: &EffectivePolicy) -> ClientTrust {
    let own = policy.tls().is_some_and(|block| {
        let named = |key: &str| block.get(key).is_some_and(|value| value.as_str() != Some(""));
        named("caCertificates")
            || named("credentialName")
            || block.get("insecureSkipVerify") == Some(&true.into())
    });
    ClientTrust { verifies_with_own_authorities: own }
}

/// The worst of the endpoints that traffic can reach. Those that are not ready get none while another one is.
pub(crate) fn overall(endpoints: &[EndpointTls]) -> (Status, Option<&'static str>) {
    let ready: Vec<_> = endpoints.iter().filter(|endpoint| endpoint.ready).collect();
    let worst = ready.iter().map(|endpoint| endpoint.result).max();
    match worst {
        Some(status) => {
            let first = ready.iter().find(|endpoint| endpoint.result == status);
            (status, first.and_then(|endpoint| endpoint.symptom))
        }
        None => (Status::Cond, None),
    }
}

/// The level of a demand, for reports.
pub fn level_word(demand: Option<&Demand>) -> Option<&'static str> {
    demand.map(|demand| demand.level).filter(|level| *level != PolicyLevel::Default).map(PolicyLevel::word)
}
