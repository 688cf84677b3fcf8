//! MS0101 to MS0104 and MS0106: what a client sends and what an endpoint accepts exclude each other (MT-5).
//! MS0111: they agree on plaintext, though the endpoint would accept mutual TLS.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::root::{self, Root};
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Confidence, Edges, Evidence, Finding, Involved, Reason, Role, field_value};
use crate::diagnose::judge::Judged;
use crate::model::peer_authentication::MtlsMode;
use crate::model::{Kind, Object, ObjectId, Text};
use crate::resolve::Status;
use crate::resolve::client_tls::Sent;
use crate::resolve::conflict::Server;
use crate::resolve::pair::EndpointTls;

/// Conflicts found so far, by root.
#[derive(Debug, Default)]
pub struct Conflicts {
    found: BTreeMap<(Code, ObjectId, String), Found>,
}

#[derive(Debug)]
struct Found {
    root: Root,
    edges: Edges,
    partners: BTreeMap<(ObjectId, String), (Arc<Object>, String)>,
    /// Entries for ports that drop the `tls` block above them.
    drops: BTreeMap<(ObjectId, String), Arc<Object>>,
    /// Host and port, with failing and all endpoints.
    targets: BTreeMap<(Text, u16), (usize, usize)>,
}

impl Conflicts {
    /// Looks at a pair.
    pub fn add(&mut self, judged: &Judged<'_>) {
        // A pair that conflicts is an error, whatever else is the matter with it.
        if !matches!(judged.tls.status, Status::Conflict | Status::Warn) {
            return;
        }
        let mut seen = Vec::new();
        let mut clients = None;
        let worst = judged.tls.status;
        if judged.tls.symptom == Some("X7") {
            self.add_unreachable(judged);
        }
        for endpoint in judged.tls.reachable().filter(|endpoint| endpoint.result == worst) {
            let Some(code) = code_of(endpoint) else { continue };
            let Some(root) = root::of(judged, endpoint) else { continue };
            let key = (code, root.object.id.clone(), root.field.clone());
            let found = self.found(&key, root);
            found.partner(judged, endpoint, code);
            let all = judged.tls.reachable().count();
            let failing = judged.tls.reachable().filter(|one| one.result == worst);
            let failing = failing.filter(|one| code_of(one) == Some(code)).count();
            found.targets.insert((Arc::clone(&judged.service.host), judged.tls.port), (failing, all));
            // One endpoint that must fail is enough for the edge, and it is listed once.
            if !seen.contains(&key) {
                let clients = clients.get_or_insert_with(|| judged.clients());
                found.edges.add(clients, &judged.service.host, judged.tls.port, judged.tls.subset.as_ref());
                seen.push(key);
            }
        }
    }

    /// All endpoints are on another network, and what is sent is not taken there (MT-4.13).
    fn add_unreachable(&mut self, judged: &Judged<'_>) {
        let Some(endpoint) = judged.tls.dropped.iter().find(|endpoint| endpoint.ready) else { return };
        let Some(root) = root::of(judged, endpoint) else { return };
        let key = (Code::UpstreamUnreachable, root.object.id.clone(), root.field.clone());
        let found = self.found(&key, root);
        let all = judged.tls.dropped.len();
        found.targets.insert((Arc::clone(&judged.service.host), judged.tls.port), (all, all));
        let clients = judged.clients();
        found.edges.add(&clients, &judged.service.host, judged.tls.port, judged.tls.subset.as_ref());
    }

    /// Takes over what was found of later hosts.
    pub fn absorb(&mut self, later: Self) {
        for (key, later) in later.found {
            match self.found.entry(key) {
                Entry::Vacant(place) => drop(place.insert(later)),
                Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    known.edges.absorb(later.edges);
                    known.partners.extend(later.partners);
                    known.targets.extend(later.targets);
                    known.drops.extend(later.drops);
                    known.add_reasons(later.root.because);
                }
            }
        }
    }

    /// The finding of a root, with the reasons that this pair adds to it.
    fn found(&mut self, key: &(Code, ObjectId, String), mut root: Root) -> &mut Found {
        let reasons = std::mem::take(&mut root.because);
        let drops = root.drops.take();
        let found = self.found.entry(key.clone()).or_insert_with(|| Found {
            root,
            edges: Edges::default(),
            partners: BTreeMap::new(),
            drops: BTreeMap::new(),
            targets: BTreeMap::new(),
        });
        found.add_reasons(reasons);
        found.drops.extend(drops.map(|(object, field)| ((object.id.clone(), field), object)));
        found
    }

    /// The findings, one a root.
    pub fn findings(self) -> Vec<Finding> {
        self.found.into_iter().map(|((code, _, _), found)| found.finding(code)).collect()
    }
}

/// Which conflict an endpoint is in; `None` where it is none of these.
fn code_of(endpoint: &EndpointTls) -> Option<Code> {
    match (endpoint.sent, &endpoint.server) {
        (Sent::Plaintext, _) if endpoint.result == Status::Warn => Some(Code::PlaintextInPermissive),
        (Sent::Plaintext, _) => Some(Code::PlaintextToStrict),
        (Sent::IstioMutual, Server::Outside) => Some(Code::MtlsToExternal),
        (Sent::IstioMutual | Sent::Hbone { .. }, _) => Some(Code::MtlsToPlaintext),
        (Sent::Simple | Sent::Mutual, Server::Sidecar(MtlsMode::Strict) | Server::Ambient(_)) => {
            Some(Code::OneWayTlsToStrict)
        }
        (Sent::Simple | Sent::Mutual, Server::Sidecar(_)) => Some(Code::ForeignTlsToSidecar),
        (Sent::Simple | Sent::Mutual | Sent::Unknown, _) => None,
    }
}

impl Found {
    fn add_reasons(&mut self, reasons: Vec<Reason>) {
        for reason in reasons {
            if !self.root.because.contains(&reason) {
                self.root.because.push(reason);
            }
        }
    }

    /// The other half of the contradiction: the server's policy, or the pod that has no proxy.
    fn partner(&mut self, judged: &Judged<'_>, endpoint: &EndpointTls, code: Code) {
        let policy =
            endpoint.demand.as_ref().and_then(|demand| Some((Arc::clone(demand.policy.as_ref()?), demand)));
        // No policy has a say in who ends a tunnel (MT-6.5).
        let policy = policy.filter(|_| !matches!(endpoint.sent, Sent::Hbone { .. }));
        if let Some((policy, demand)) = policy {
            let counted = format!("server's mode, {} level", demand.level.word());
            self.partners.insert((policy.id.clone(), demand.field.to_string()), (policy, counted));
        } else if endpoint.server == Server::Outside {
            let entry = Arc::clone(&judged.service.object);
            let counted = "a host outside the mesh".to_owned();
            self.partners.insert((entry.id.clone(), "spec.location".to_owned()), (entry, counted));
        } else if code == Code::MtlsToPlaintext
            && endpoint.server == Server::NoProxy
            && let Some(workload) = endpoint.workload.and_then(|at| judged.mesh.workloads.get(at))
        {
            let pod = Arc::clone(&workload.object);
            let counted = "has no container istio-proxy".to_owned();
            self.partners.insert((pod.id.clone(), "spec.containers".to_owned()), (pod, counted));
        }
    }

    fn finding(self, code: Code) -> Finding {
        let root = &self.root;
        let mut objects = vec![Involved::new(&root.object, Role::Cause, root.field.clone())];
        let mut evidence = vec![field_evidence(&root.object, &root.field, &root.counted)];
        for ((id, field), (object, counted)) in &self.partners {
            if *id != root.object.id || *field != root.field {
                objects.push(Involved::new(object, Role::Partner, field.clone()));
                evidence.push(field_evidence(object, field, counted));
            }
        }
        for ((id, field), object) in &self.drops {
            match objects.iter_mut().find(|one| one.id == *id) {
                Some(known) => known.fields.push(field.clone()),
                None => objects.push(Involved::new(object, Role::Partner, field.clone())),
            }
            evidence.push(field_evidence(object, field, "replaces the settings above it, TLS too"));
        }
        Finding {
            code,
            severity: code.severity(),
            confidence: Confidence::Certain,
            root: (root.object.id.clone(), root.field.clone()),
            message: self.message(code),
            because: root.because.clone(),
            objects,
            edges: self.edges,
            evidence,
        }
    }

    fn message(&self, code: Code) -> String {
        let id = &self.root.object.id;
        let field = &self.root.field;
        let target = match self.targets.first_key_value() {
            Some(((host, port), _)) if self.targets.len() == 1 => format!("{host}:{port}"),
            Some(((host, port), _)) => format!("{host}:{port} and {} more", self.targets.len() - 1),
            None => String::new(),
        };
        let part = self.targets.values().find(|(failing, all)| failing < all);
        let part = part.map(|(failing, all)| format!(" ({failing} of {all} endpoints)")).unwrap_or_default();
        let partner = self.partners.values().next().map(|(object, _)| object.id.to_string());
        let partner = partner.filter(|partner| *partner != id.to_string());
        let (sent, takes) = words(code);
        if self.root.is_servers {
            // What the server demands makes nobody send anything.
            let who =
                partner.filter(|_| id.kind == Kind::Service).unwrap_or_else(|| format!("{id} ({field})"));
            return format!("clients send {sent} to {target}{part}: {who} {takes}").trim_end().to_owned();
        }
        let because = partner.map(|partner| format!(": {partner}")).unwrap_or_default();
        let why = if because.is_empty() { because } else { format!("{because} {takes}") };
        format!("{id} ({field}) makes clients send {sent} to {target}{part}{why}")
    }
}

/// What is sent, and why the other side does not take it.
fn words(code: Code) -> (&'static str, &'static str) {
    let known = [
        (Code::PlaintextToStrict, "plaintext", "accepts mutual TLS only"),
        (Code::OneWayTlsToStrict, "TLS without a certificate of the mesh", "accepts mutual TLS only"),
        (Code::ForeignTlsToSidecar, "TLS that is not Istio's", "lets the proxy end Istio's only"),
        (Code::MtlsToExternal, "Istio's mutual TLS", "is outside the mesh"),
        (Code::UpstreamUnreachable, "what the gateway of another network does not pass on", ""),
        (Code::PlaintextInPermissive, "plaintext", "would accept mutual TLS"),
    ];
    let found = known.into_iter().find(|(one, _, _)| *one == code);
    found.map_or(("mutual TLS", "does not end it"), |(_, sent, takes)| (sent, takes))
}

fn field_evidence(object: &Arc<Object>, field: &str, counted: &str) -> Evidence {
    let mut value = field_value(object, field);
    if field == "data.mesh.enableAutoMtls" {
        value = object.body.mesh_config().and_then(|mesh| mesh.enable_auto_mtls).into();
    }
    if let Some(label) = field.strip_prefix("metadata.labels.") {
        value = object.meta.labels.get(label).map_or(serde_json::Value::Null, Into::into);
    }
    Evidence::Field { object: object.id.clone(), field: field.to_owned(), value, counted: counted.to_owned() }
}
