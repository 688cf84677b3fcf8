//! The obvious way to answer a pair: look at every rule and every policy, each time. It knows what the big mesh has
//! and no more: sidecars everywhere, no subsets, no port entries, no selectors of rules.

use std::cmp::Reverse;
use std::sync::Arc;

use meshscope::model::destination_rule::TlsMode;
use meshscope::model::peer_authentication::MtlsMode;
use meshscope::model::{Kind, Object, Text};
use meshscope::resolve::{Mesh, Status, Table};

/// The rule in force and how the pair stands.
pub type Answer = (Option<Text>, Status);

pub struct Obvious<'a> {
    mesh: &'a Mesh,
    /// Oldest first.
    rules: Vec<&'a Arc<Object>>,
    policies: Vec<&'a Arc<Object>>,
}

/// Rules of one host in one namespace that are merged: who sees them, the first, and the one whose policy counts.
struct Merged<'a> {
    exports: Vec<Text>,
    first: &'a Object,
    policy: Option<&'a Object>,
}

const ROOT: &str = "istio-system";

impl<'a> Obvious<'a> {
    pub fn new(mesh: &'a Mesh) -> Self {
        let sorted = |kind: Kind| {
            let mut all: Vec<_> = mesh.snapshot.of_kind(&kind).collect();
            all.sort_by_key(|object| {
                (object.meta.created, object.id.name.clone(), object.id.namespace.clone())
            });
            all
        };
        Self { mesh, rules: sorted(Kind::DestinationRule), policies: sorted(Kind::PeerAuthentication) }
    }

    /// What a client pod gets for a service's port.
    pub fn answer(&self, pod: usize, service: usize, port: u16) -> Answer {
        let client = self.mesh.workloads.get(pod).expect("the pod is there");
        let host = host(service);
        let service = self.mesh.registry.by_host(&host).expect("the service is there");
        let rule = self.rule(&client.namespace, &service.namespace, &host);
        let tls = rule.as_ref().and_then(|merged| merged.policy).and_then(|object| {
            let policy = object.body.destination_rule()?.traffic_policy.as_ref()?;
            Some(TlsMode::of_block(policy.blocks.get("tls")?))
        });
        let worst = service.endpoints(port).iter().map(|endpoint| {
            let strict = self.mode(&endpoint.namespace, &endpoint.labels) == Some(MtlsMode::Strict);
            match (&tls, strict) {
                (Some(TlsMode::Disable), true) => Status::Conflict,
                (Some(TlsMode::Disable), false) => Status::Warn,
                _ => Status::Ok,
            }
        });
        (rule.map(|merged| merged.first.id.name.clone()), worst.max().expect("there is an endpoint"))
    }

    fn rule(&self, client: &str, service: &str, host: &str) -> Option<Merged<'a>> {
        let steps = [(client, true), (service, false), (ROOT, false)];
        steps.into_iter().find_map(|(namespace, own)| self.in_pool(namespace, own, client, host))
    }

    /// The rules of a namespace as its own clients, or all others, find them.
    fn in_pool(&self, namespace: &str, own: bool, client: &str, host: &str) -> Option<Merged<'a>> {
        let mut best: Vec<(&'a Object, Vec<Text>, &'a Text)> = Vec::new();
        for object in self.rules.iter().copied() {
            let Some(body) = object.body.destination_rule() else { continue };
            if *object.id.namespace != *namespace || !is_match(&body.host, host) {
                continue;
            }
            let exports = body.export_to.clone();
            let has = |name: &str| exports.iter().any(|one| **one == *name);
            let named = has(".") || has(namespace);
            let private = exports.len() == 1 && named;
            let in_pool = if own { exports.is_empty() || has("*") || named } else { !private };
            // The root namespace's clients find its private rules first, and the others as everybody does.
            let in_pool = if own && namespace == ROOT { private } else { in_pool };
            if in_pool {
                best.push((object, exports, &body.host));
            }
        }
        let host = best
            .iter()
            .map(|(_, _, host)| *host)
            .min_by_key(|host| (host.starts_with('*'), Reverse(host.len())))?;
        let mut merged: Vec<Merged<'a>> = Vec::new();
        for (object, exports, _) in best.iter().filter(|(_, _, one)| *one == host) {
            let object: &'a Object = object;
            let has_policy = object.body.destination_rule().is_some_and(|body| body.traffic_policy.is_some());
            let mut append = true;
            for entry in &mut merged {
                let within =
                    !entry.exports.is_empty() && entry.exports.iter().all(|one| exports.contains(one));
                append = entry.exports != *exports && !within;
                if !append && entry.policy.is_none() && has_policy {
                    entry.policy = Some(object);
                }
            }
            if append {
                let policy = has_policy.then_some(object);
                merged.push(Merged { exports: exports.clone(), first: object, policy });
            }
        }
        let sees = |entry: &Merged<'_>| {
            own || entry.exports.is_empty()
                || entry.exports.iter().any(|one| **one == *"*" || **one == *client)
        };
        merged.into_iter().rfind(sees)
    }

    /// The mode of a server: of the first policy that selects it, else of its namespace, else of the mesh.
    fn mode(&self, namespace: &str, labels: &meshscope::model::Labels) -> Option<MtlsMode> {
        let first = |wanted: &dyn Fn(&Object, bool, bool) -> bool| {
            self.policies.iter().find_map(|object| {
                let policy = object.body.peer_authentication()?;
                let selects = !policy.selector.is_empty() && policy.selector.is_subset_of(labels);
                wanted(object, policy.selector.is_empty(), selects).then(|| policy.mode.clone())
            })
        };
        first(&|object, _, selects| *object.id.namespace == *namespace && selects)
            .or_else(|| first(&|object, general, _| *object.id.namespace == *namespace && general))
            .or_else(|| first(&|object, general, _| *object.id.namespace == *ROOT && general))
    }
}

fn is_match(rule: &str, host: &str) -> bool {
    rule.strip_prefix('*').map_or(rule == host, |rest| host.ends_with(rest))
}

fn host(service: usize) -> String {
    format!("svc{service}.{}.svc.cluster.local", super::big::namespace(service))
}

/// The same out of a table.
pub fn of_table(mesh: &Mesh, table: &Table, (pod, service, port): (usize, usize, u16)) -> Answer {
    let cells = table.of_pair(mesh, pod, &host(service));
    let cell = cells.iter().find(|cell| cell.port == port).expect("the port is there");
    let answer = table.answer(cell).expect("the answer is there");
    (answer.rule.as_ref().map(|(id, _)| id.name.clone()), answer.status)
}
