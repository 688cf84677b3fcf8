//! The evaluator of a workload of the mesh: which engine reads its policies, and with which settings.

use std::sync::Arc;

use super::attach::{Engine, GATEWAY_NAME, Handled, Subject};
use super::envoy::{Provider, Remote, Setting};
use super::evaluator::{Evaluator, Policies, Protocol};
use super::path::Normalization;
use super::request::Peer;
use crate::model::pod::ProxyKind;
use crate::model::service::PortProtocol;
use crate::model::{Kind, Labels, Text};
use crate::resolve::ambient::Waypoint;
use crate::resolve::{Config, Flag, Mesh, Service, Workload, unread};

/// The kinds that decide.
const KINDS: [Kind; 2] = [Kind::AuthorizationPolicy, Kind::RequestAuthentication];

/// The engine that reads the policies of a workload; `None` where there is no proxy.
pub fn engine(workload: &Workload) -> Option<Engine> {
    match workload.proxy {
        ProxyKind::None => None,
        ProxyKind::Sidecar => Some(Engine::Sidecar),
        ProxyKind::Gateway => Some(Engine::Gateway),
        ProxyKind::Waypoint => Some(Engine::Waypoint),
        ProxyKind::Ztunnel => Some(Engine::Ztunnel),
    }
}

/// The evaluator of a workload, as its own proxy or as another engine; `None` where there is no proxy and none is named.
/// `service` is the one that a waypoint handles.
pub fn evaluator(
    mesh: &Mesh,
    workload: &Workload,
    as_engine: Option<Engine>,
    service: Option<&Service>,
) -> Option<Evaluator> {
    let engine = as_engine.or_else(|| engine(workload))?;
    let (namespace, labels) = (Arc::clone(&workload.namespace), workload.labels.clone());
    let mut evaluator = of(mesh.of_client(workload), engine, namespace, labels, service);
    if let Some(missing) = workload.missing() {
        evaluator.policies.not_understood.push(missing.need);
    }
    Some(evaluator)
}

/// The evaluator of a waypoint, of which a pod may have been read or not.
pub fn of_waypoint(mesh: &Mesh, waypoint: &Waypoint, service: &Service) -> Evaluator {
    let pod = waypoint.pod.and_then(|at| mesh.workloads.get(at));
    let labels = match pod {
        Some(pod) if pod.labels.get(GATEWAY_NAME).is_some() => pod.labels.clone(),
        // istiod gives every pod of a waypoint this label.
        Some(_) | None => Labels::from_pairs(vec![(GATEWAY_NAME.into(), Arc::clone(&waypoint.name))]),
    };
    of(mesh, Engine::Waypoint, Arc::clone(&waypoint.namespace), labels, Some(service))
}

/// Whom the workloads behind a waypoint see (S8).
pub fn waypoint_peer(mesh: &Mesh, waypoint: &Waypoint) -> Peer {
    let pod = waypoint.pod.and_then(|at| mesh.workloads.get(at));
    pod.and_then(|pod| identity(mesh, pod)).map_or(Peer::Somebody, Peer::Identity)
}

/// The identity in the certificate of a workload's proxy.
pub fn identity(mesh: &Mesh, workload: &Workload) -> Option<String> {
    let account = &workload.body()?.service_account;
    let account = if account.is_empty() { "default" } else { account };
    let domain = &mesh.of_client(workload).config.trust_domain;
    engine(workload).map(|_| format!("{domain}/ns/{}/sa/{account}", workload.namespace))
}

fn of(mesh: &Mesh, engine: Engine, namespace: Text, labels: Labels, service: Option<&Service>) -> Evaluator {
    let config = &mesh.config;
    let root: Text = config.root_namespace.as_str().into();
    let mut namespaces = vec![Arc::clone(&root), Arc::clone(&namespace)];
    namespaces.extend(service.map(|service| Arc::clone(&service.namespace)));
    namespaces.sort();
    namespaces.dedup();
    let subject = Subject {
        namespace,
        labels,
        engine,
        service: service.map(|service| Handled {
            name: Arc::clone(&service.object.id.name),
            namespace: Arc::clone(&service.namespace),
            is_kubernetes: service.is_kubernetes,
        }),
        root_namespace: root,
        selectors_on_gateways: config.flags.is_on(Flag::SelectorsOnGateways),
    };
    let all = namespaces
        .iter()
        .flat_map(|namespace| KINDS.iter().flat_map(move |kind| mesh.snapshot.in_namespace(kind, namespace)));
    let mut policies = Policies::choose(subject, all);
    let unread = KINDS.iter().filter_map(|kind| Some((kind, *mesh.options.unread.get(kind)?)));
    policies.not_understood.extend(unread.map(|(kind, why)| unread::missing(kind, why).need));
    if engine == Engine::Ztunnel {
        Evaluator::ztunnel(policies, Arc::clone(&mesh.ambient_policies))
    } else {
        Evaluator::envoy(policies, &setting(config, engine))
    }
}

/// What the mesh configuration says about requests.
fn setting(config: &Config, engine: Engine) -> Setting {
    let domains = std::iter::once(&config.trust_domain).chain(&config.trust_domain_aliases);
    let providers = config
        .authorizers
        .iter()
        .map(|(name, is_http)| (name.clone(), Provider { is_http: *is_http, answer: None }));
    Setting {
        trust_domains: domains.cloned().collect(),
        normalization: Normalization::of_word(&config.path_normalization),
        providers: providers.collect(),
        several_providers: config.flags.is_on(Flag::SeveralAuthorizers),
        remote: match engine {
            Engine::Gateway => Remote::Gateway(config.trusted_proxies),
            Engine::Sidecar | Engine::Waypoint | Engine::Ztunnel => Remote::Sidecar,
        },
    }
}

/// What the proxy of a pod reads on one of its ports, as the services that lead there declare it; `None` where they do
/// not, or not all the same.
pub fn protocol(mesh: &Mesh, pod: usize, port: u16) -> Option<Protocol> {
    let mut found = None;
    let namespace = &mesh.workloads.get(pod)?.namespace;
    for service in mesh.registry.services().filter(|service| service.namespace == *namespace) {
        for declared in service.ports() {
            let leads_here =
                |endpoint: &crate::resolve::Endpoint| endpoint.workload == Some(pod) && endpoint.port == port;
            if !service.endpoints(declared.number).iter().any(leads_here) {
                continue;
            }
            let protocol = match declared.protocol() {
                PortProtocol::Http => Protocol::Http,
                PortProtocol::Tcp => Protocol::Tcp,
                PortProtocol::Auto => return None,
            };
            if found.is_some_and(|known| known != protocol) {
                return None;
            }
            found = Some(protocol);
        }
    }
    found
}
