//! MS0101 of traffic that goes past every service in the client's scope: straight to a pod's address, or to a service
//! that the client's proxy does not know. Its proxy passes on what the application sends (MT-4.2), and a strict server
//! refuses it. Nobody is warned of such traffic before it was seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cause::{Cause, Label};
use super::locate::Locator;
use crate::diagnose::finding::{Edge, Edges, Evidence, Finding, Involved, Role};
use crate::diagnose::{Code, Confidence};
use crate::model::peer_authentication::MtlsMode;
use crate::model::pod::ProxyKind;
use crate::model::{Object, ObjectId, Text};
use crate::resolve::client_tls::Source;
use crate::resolve::server_mtls::Demand;
use crate::resolve::{Mesh, Workload, interception};

/// What a cause is about: the object to blame and how it counted, the pair, and the policy of the server.
struct Passed {
    root: (Arc<Object>, String, &'static str),
    edge: Edge,
    demand: Option<Demand>,
}

/// What a server's proxy demands on a port of its own; `None` where it has no proxy, or does not see the port (MT-2.4).
/// The port 0 is one that is not known.
pub(super) fn demand(mesh: &Mesh, server: &Workload, port: u16) -> Option<Demand> {
    match server.proxy {
        ProxyKind::Sidecar if port != 0 && interception::is_inbound_excluded(server, port) => None,
        ProxyKind::Sidecar => Some(mesh.policies.on_port(&server.namespace, &server.labels, port)),
        ProxyKind::Ztunnel => {
            Some(mesh.ambient_policies.on_port(&server.namespace, &server.labels, port).demand)
        }
        ProxyKind::None | ProxyKind::Gateway | ProxyKind::Waypoint => None,
    }
}

/// Whether a server accepts mutual TLS only on a port of its own.
pub(super) fn is_strict(mesh: &Mesh, server: &Workload, port: u16) -> bool {
    demand(mesh, server, port).is_some_and(|demand| demand.mode == MtlsMode::Strict)
}

/// Adds the findings of causes of this kind, each to the one of its root where there is one, and says whether a cause
/// was one.
pub(super) fn take(
    locator: &Locator<'_>,
    found: &mut Vec<Finding>,
    cause: &Cause,
    seen: &mut BTreeMap<Edge, u64>,
) -> bool {
    let Some(passed) = passed(locator, cause) else { return false };
    let (object, field, counted) = &passed.root;
    let same = |one: &&mut Finding| {
        one.code == Code::PlaintextToStrict && one.root == (object.id.clone(), field.clone())
    };
    let mut edges = Edges::default();
    edges.add_direct(passed.edge.clone());
    if let Some(known) = found.iter_mut().find(same) {
        known.edges.add_direct(passed.edge.clone());
        for lines in cause.evidence.iter().chain(&cause.proof.patterns) {
            super::merge::add_lines(known, lines);
        }
    } else {
        let mut finding = Finding {
            code: Code::PlaintextToStrict,
            severity: Code::PlaintextToStrict.severity(),
            confidence: Confidence::Certain,
            root: (object.id.clone(), field.clone()),
            message: message(&passed),
            because: Vec::new(),
            objects: vec![Involved::new(object, Role::Cause, field.clone())],
            edges,
            evidence: vec![Evidence::of_field(object, field, counted)],
        };
        let policy = passed.demand.as_ref().and_then(|demand| Some((demand.policy.as_ref()?, demand)));
        if let Some((policy, demand)) = policy.filter(|(policy, _)| policy.id != object.id) {
            finding = finding.with(policy, Role::Partner, &demand.field, "server's mode");
        }
        for lines in cause.evidence.iter().chain(&cause.proof.patterns) {
            super::merge::add_lines(&mut finding, lines);
        }
        found.push(finding);
    }
    *seen.entry(passed.edge).or_default() += cause.count;
    true
}

/// The object and field to blame for a cause of this kind.
pub(super) fn root_of(locator: &Locator<'_>, cause: &Cause) -> Option<(ObjectId, String)> {
    passed(locator, cause).map(|passed| (passed.root.0.id.clone(), passed.root.1))
}

fn passed(locator: &Locator<'_>, cause: &Cause) -> Option<Passed> {
    let client = locator.workload(cause.place.client)?;
    let is_proved = cause.label == Label::PlaintextToStrict && cause.confidence == Confidence::Certain;
    // ztunnel passes on plaintext to what it has no tunnel for, whatever address was called.
    if !is_proved || !matches!(client.proxy, ProxyKind::Sidecar | ProxyKind::Gateway | ProxyKind::Ztunnel) {
        return None;
    }
    not_in_scope(locator, cause, client).or_else(|| direct(locator, cause, client))
}

/// A pair of a client and what it calls by an address or a host that is not in its scope.
pub(super) fn edge(client: &Workload, host: Text, port: u16) -> Edge {
    let client = (Arc::clone(&client.namespace), Arc::clone(&client.name), Arc::clone(&client.kind));
    Edge { client, host, port, subset: None }
}

/// A service that the client's proxy does not know: its export list or the client's `Sidecar` is to blame.
fn not_in_scope(locator: &Locator<'_>, cause: &Cause, client: &Workload) -> Option<Passed> {
    let mesh = locator.mesh();
    let (host, port) = (cause.place.host.as_ref()?, cause.place.port?);
    let pair = mesh.pair(client, host, port, None)?;
    if pair.cluster.source != Source::NotInScope {
        return None;
    }
    let service = mesh.registry.by_host(host)?;
    let visible = mesh.registry.definitions(host).any(|one| one.is_visible_to(&client.namespace));
    let root = if visible {
        let sidecar = Arc::clone(mesh.of_client(client).scopes.sidecar_of(client)?);
        (sidecar, "spec.egress".to_owned(), "does not import the service")
    } else {
        let field = if service.is_kubernetes {
            "metadata.annotations.networking.istio.io/exportTo"
        } else {
            "spec.exportTo"
        };
        (Arc::clone(&service.object), field.to_owned(), "does not name the client's namespace")
    };
    let demand = pair.failing().find_map(|endpoint| endpoint.demand.clone());
    Some(Passed { root, edge: edge(client, Arc::clone(host), port), demand })
}

/// A pod's own address: nothing but the server's policy stands between.
fn direct(locator: &Locator<'_>, cause: &Cause, client: &Workload) -> Option<Passed> {
    let mesh = locator.mesh();
    let server = locator.workload(cause.place.server)?;
    let (address, port) = cause.place.direct.as_ref()?;
    let demand = demand(mesh, server, *port).filter(|demand| demand.mode == MtlsMode::Strict)?;
    let policy = Arc::clone(demand.policy.as_ref()?);
    let root = (policy, demand.field.to_string(), "server's mode");
    Some(Passed { root, edge: edge(client, Arc::clone(address), *port), demand: Some(demand) })
}

fn message(passed: &Passed) -> String {
    let (object, field, _) = &passed.root;
    let (namespace, name, _) = &passed.edge.client;
    let target = format!("{}:{}", passed.edge.host, passed.edge.port);
    let policy = passed.demand.as_ref().and_then(|demand| demand.policy.as_ref());
    match policy.filter(|policy| policy.id != object.id) {
        Some(policy) => format!(
            "{} ({field}) keeps {target} out of the scope of {namespace}/{name}, whose proxy passes on plaintext: {} \
             accepts mutual TLS only",
            object.id, policy.id
        ),
        None => format!(
            "{} ({field}) accepts mutual TLS only, and {namespace}/{name} calls {target} by the pod's address: past \
             every service its proxy passes on plaintext",
            object.id
        ),
    }
}
