//! What was read but cannot be decided on yet, or was not read at all: which answers it makes unknown.
//!
//! An answer that such an object could change is `UNKNOWN`; all others stand.

use serde_json::Value;

use crate::model::object::Body;
use crate::model::{Kind, Note, Object, ObjectId, Snapshot, Text};

use super::config::Config;
use super::flags::Flag;
use super::registry::Service;
use super::workload::Workload;

/// What is missing for an answer (`missing` in JSON).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Missing {
    /// The kind.
    pub kind: String,
    /// `forbidden`, `absent`, `not-synced` or `not-collected`.
    pub state: &'static str,
    /// What would be needed, in words.
    pub need: String,
}

impl Missing {
    /// Something that was not collected.
    pub fn not_collected(kind: &str, need: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), state: "not-collected", need: need.into() }
    }
}

/// Objects that could change answers and are not evaluated, sorted by what they can touch.
#[derive(Debug, Default)]
pub struct Gaps {
    /// Touches every client of the namespace; an empty namespace is every client.
    clients: Vec<(String, Missing)>,
    /// Touches every service of the namespace; an empty namespace is every service.
    services: Vec<(String, Missing)>,
    /// Touches what an object of the namespace defines: a Service or a `ServiceEntry`.
    targets: Vec<(ObjectId, Missing)>,
    /// Touches every pair whose client or service is in the namespace.
    either: Vec<(String, Missing)>,
    /// Routes that cannot be read: they may bring any service into the scope of any sidecar that does not import it.
    routes: Vec<Missing>,
    /// Touches everything.
    all: Vec<Missing>,
}

impl Gaps {
    /// The gaps of a snapshot.
    pub fn new(snapshot: &Snapshot, config: &Config) -> Self {
        let unread = config.unread_flags.iter().filter(|flag| flag.decides_pairs()).map(|flag| {
            let need = format!("the value of {}, which istiod takes from elsewhere", flag.name());
            Missing::not_collected("Deployment", need)
        });
        let mut gaps = Self { all: unread.collect(), ..Self::default() };
        for object in snapshot.objects() {
            gaps.add(object, config);
        }
        gaps
    }

    /// Whether an object leaves any.
    pub(super) fn leaves_any(object: &Object, config: &Config) -> bool {
        let mut gaps = Self::default();
        gaps.add(object, config);
        !gaps.is_empty()
    }

    fn add(&mut self, object: &Object, config: &Config) {
        if object.body == Body::Unreadable {
            self.unreadable(object, config);
        } else {
            self.not_decoded(object, config);
        }
    }

    fn scope(object: &Object, config: &Config) -> String {
        if *object.id.namespace == *config.root_namespace {
            String::new()
        } else {
            object.id.namespace.to_string()
        }
    }

    fn not_decoded(&mut self, object: &Object, config: &Config) {
        let scope = Self::scope(object, config);
        let missing = |what: &str| missing(object, what);
        let spec = |pointer: &str| object.json.as_ref().and_then(|json| json.pointer(pointer)).cloned();
        match &object.id.kind {
            Kind::BackendPolicy => {
                let missing = missing("makes a rule of its own; it is not evaluated");
                match targets(spec("/spec/targetRefs").as_ref(), &object.id.namespace) {
                    Some(ids) => self.targets.extend(ids.into_iter().map(|id| (id, missing.clone()))),
                    None => self.services.push((object.id.namespace.to_string(), missing)),
                }
            }
            Kind::EnvoyFilter => {
                if spec("/spec/configPatches").is_some_and(|patches| any_touches_tls(&patches)) {
                    self.either.push((scope, missing("patches the TLS of clusters or listeners; it is not evaluated")));
                }
            }
            // A rule without host is one that others inherit, where istiod is told so, and nothing elsewhere.
            Kind::DestinationRule => {
                let hostless = object.body.destination_rule().is_some_and(|rule| rule.host.is_empty());
                if hostless && config.flags.is_on(Flag::RuleInheritance) {
                    self.either.push((scope, missing("has no host and is inherited by other rules; that is not evaluated")));
                }
            }
            Kind::ServiceEntry => {
                let decides = |note: &&Note| note.wrong_type && decides_in_entry(&note.field);
                if let Some(note) = object.notes.iter().find(decides) {
                    let missing = missing(&format!("is refused as it is written: {} {}", note.field, note.problem));
                    // Who is meant by it, and who sees it, may then be others than it says.
                    let whom = ["spec.hosts", "spec.exportTo"];
                    if object.notes.iter().any(|note| note.wrong_type && whom.contains(&note.field.as_str())) {
                        self.all.push(missing);
                    } else {
                        self.targets.push((object.id.clone(), missing));
                    }
                }
            }
            Kind::LegacyPolicy | Kind::LegacyMeshPolicy => {
                let lists = ["/spec/peers", "/spec/targets"];
                if knows_legacy(config) && lists.iter().filter_map(|list| spec(list)).any(|list| !is_list(&list)) {
                    let namespace = object.id.namespace.to_string();
                    self.services.push((namespace, missing("has peers or targets that are no list of objects")));
                }
            }
            Kind::Namespace
            | Kind::Service
            | Kind::Pod
            | Kind::EndpointSlice
            | Kind::Endpoints
            | Kind::Deployment
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::ReplicaSet
            | Kind::Job
            | Kind::CronJob
            | Kind::ConfigMap
            | Kind::Secret
            | Kind::PeerAuthentication
            | Kind::AuthorizationPolicy
            | Kind::RequestAuthentication
            | Kind::Sidecar
            | Kind::VirtualService
            | Kind::WorkloadEntry
            // What else there is decides about requests and routes, and not about TLS.
            | Kind::OtherMesh(_)
            | Kind::Unrelated(_) => {}
        }
    }

    /// An object that is there and cannot be read may say anything that its kind can say.
    fn unreadable(&mut self, object: &Object, config: &Config) {
        let namespace = object.id.namespace.to_string();
        let missing = missing(object, "cannot be read");
        match &object.id.kind {
            Kind::DestinationRule | Kind::EnvoyFilter => {
                self.either.push((Self::scope(object, config), missing));
            }
            // Before 1.5 the kind is not known.
            Kind::PeerAuthentication if !config.version.at_least(1, 5) => {}
            Kind::PeerAuthentication => self.services.push((Self::scope(object, config), missing)),
            Kind::Service | Kind::EndpointSlice | Kind::Endpoints | Kind::WorkloadEntry => {
                self.services.push((namespace, missing));
            }
            Kind::VirtualService => self.routes.push(missing),
            Kind::Sidecar => {
                let scope = Self::scope(object, config);
                if config.flags.is_on(Flag::SidecarIngressTls) {
                    self.services.push((scope.clone(), missing.clone()));
                }
                self.clients.push((scope, missing));
            }
            // It may define any host.
            Kind::ServiceEntry => self.all.push(missing),
            Kind::Pod => self.either.push((namespace, missing)),
            Kind::BackendPolicy => self.services.push((namespace, missing)),
            // One of the mesh has no namespace, which is every service here.
            Kind::LegacyPolicy | Kind::LegacyMeshPolicy if knows_legacy(config) => {
                self.services.push((namespace, missing));
            }
            Kind::ConfigMap if object.id.name.starts_with("istio") => self.all.push(missing),
            Kind::ConfigMap
            | Kind::Namespace
            | Kind::Deployment
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::ReplicaSet
            | Kind::Job
            | Kind::CronJob
            | Kind::Secret
            | Kind::LegacyPolicy
            | Kind::LegacyMeshPolicy
            | Kind::AuthorizationPolicy
            | Kind::RequestAuthentication
            | Kind::OtherMesh(_)
            | Kind::Unrelated(_) => {}
        }
    }

    /// What is missing to decide on a pair.
    pub fn of_pair(&self, client: &Workload, service: &Service) -> Vec<Missing> {
        if self.is_empty() {
            return Vec::new();
        }
        let touches = |scope: &str, namespace: &str| scope.is_empty() || scope == namespace;
        let mut found = self.all.clone();
        let sidecar = client.proxy == crate::model::pod::ProxyKind::Sidecar;
        found.extend(pick(&self.clients, |scope| sidecar && touches(scope, &client.namespace)));
        found.extend(pick(&self.services, |scope| touches(scope, &service.namespace)));
        let defines = self.targets.iter().filter(|(id, _)| *id == service.object.id);
        found.extend(defines.map(|(_, missing)| missing.clone()));
        found.extend(pick(&self.either, |scope| {
            touches(scope, &client.namespace) || touches(scope, &service.namespace)
        }));
        found.sort();
        found.dedup();
        found
    }

    /// Whether anything is missing to decide on a pair.
    pub fn touches(&self, client: &Workload, service: &Service) -> bool {
        !self.of_pair(client, service).is_empty()
    }

    fn is_empty(&self) -> bool {
        let Self { clients, services, targets, either, routes, all } = self;
        let by_scope = clients.is_empty() && services.is_empty() && either.is_empty();
        by_scope && targets.is_empty() && routes.is_empty() && all.is_empty()
    }

    /// Routes that cannot be read.
    pub(super) fn routes(&self) -> &[Missing] {
        &self.routes
    }

    /// Whether a gap tells clients of this namespace apart from others.
    pub fn names_client_namespace(&self, namespace: &str) -> bool {
        self.clients.iter().chain(&self.either).any(|(scope, _)| scope == namespace)
    }
}

/// Whether a field of a `ServiceEntry` decides whom its clients find and what they send.
fn decides_in_entry(field: &str) -> bool {
    let other = ["spec.addresses", "spec.endpoints.weight", "spec.endpoints.locality"];
    !other.contains(&field)
}

/// The objects that the `targetRefs` of a policy name; `None` where one is of a kind that is not known.
fn targets(refs: Option<&Value>, namespace: &Text) -> Option<Vec<ObjectId>> {
    let of_ref = |one: &Value| {
        let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        let kind = match (text("group"), text("kind")) {
            ("", "Service") => Kind::Service,
            ("networking.istio.io", "ServiceEntry") => Kind::ServiceEntry,
            _ => return None,
        };
        (!text("name").is_empty()).then(|| ObjectId::new(kind, Text::clone(namespace), text("name")))
    };
    refs?.as_array()?.iter().map(of_ref).collect()
}

/// What an object leaves open, with the place where it was read.
fn missing(object: &Object, what: &str) -> Missing {
    let (id, origin) = (&object.id, &object.origin);
    Missing::not_collected(id.kind.name(), format!("{} ({}:{}) {what}", id.path(), origin.file, origin.line))
}

/// Keys of clusters, listeners and filter chains that decide about TLS or about where traffic goes.
const TLS_KEYS: [&str; 6] = [
    "transportsocket",
    "transportsocketmatches",
    "tlscontext",
    "filterchains",
    "filterchainmatch",
    "loadassignment",
];

/// From Istio 1.6 on the policies of 2019 are not looked at (MT-9.5).
fn knows_legacy(config: &Config) -> bool {
    !config.version.at_least(1, 6)
}

fn is_list(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(|items| items.iter().all(Value::is_object))
}

/// Whether any patch of an `EnvoyFilter` does; what is no list of patches may say anything.
fn any_touches_tls(patches: &Value) -> bool {
    !is_list(patches) || patches.as_array().into_iter().flatten().any(touches_tls)
}

/// Whether a patch of an `EnvoyFilter` can change what is sent or accepted. New clusters and listeners change nothing
/// of those that are there, and most merges are about time-outs, keep-alive and the like.
fn touches_tls(patch: &Value) -> bool {
    let kind = patch.get("applyTo").and_then(Value::as_str).unwrap_or_default();
    let operation = patch.pointer("/patch/operation").and_then(Value::as_str).unwrap_or_default();
    match (kind, operation) {
        ("CLUSTER" | "LISTENER", "ADD") => false,
        ("CLUSTER" | "LISTENER" | "FILTER_CHAIN", "MERGE") => {
            patch.pointer("/patch/value").is_some_and(has_tls_key)
        }
        ("CLUSTER" | "LISTENER" | "FILTER_CHAIN", _) => true,
        _ => false,
    }
}

fn has_tls_key(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            TLS_KEYS.contains(&key.replace('_', "").to_ascii_lowercase().as_str()) || has_tls_key(value)
        }),
        Value::Array(items) => items.iter().any(has_tls_key),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn pick<'a>(
    gaps: &'a [(String, Missing)],
    touches: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = Missing> + 'a {
    gaps.iter().filter(move |(scope, _)| touches(scope)).map(|(_, missing)| missing.clone())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::decode::{Head, unreadable};
    use crate::model::{Change, Origin};
    use crate::resolve::Options;
    use serde_json::json;

    #[test]
    fn only_patches_that_can_change_tls_leave_a_gap() {
        let patch = |kind: &str, operation: &str, value: Value| {
            touches_tls(&json!({"applyTo": kind, "patch": {"operation": operation, "value": value}}))
        };
        assert!(!patch(
            "CLUSTER",
            "MERGE",
            json!({"connect_timeout": "5s", "upstream_connection_options": {}})
        ));
        assert!(patch("CLUSTER", "MERGE", json!({"transport_socket": {}})));
        assert!(patch("CLUSTER", "MERGE", json!({"transportSocketMatches": []})));
        assert!(!patch("CLUSTER", "ADD", json!({"name": "x", "transport_socket": {}})));
        assert!(patch("CLUSTER", "REMOVE", Value::Null));
        assert!(patch("FILTER_CHAIN", "ADD", json!({})));
        assert!(!patch("HTTP_FILTER", "INSERT_BEFORE", json!({"name": "lua"})));
    }

    #[test]
    fn a_backend_policy_leaves_a_gap_for_what_it_names() {
        let backend = ("gateway.networking.k8s.io/v1", "BackendTLSPolicy");
        let of = |refs: Value| {
            let found = targets(Some(&refs), &"shop".into());
            found.map(|ids| ids.iter().map(|id| format!("{} {}", id.kind, id.path())).collect::<Vec<_>>())
        };
        let service = json!({"group": "", "kind": "Service", "name": "reviews", "sectionName": "http"});
        assert_eq!(of(json!([service])), Some(vec!["Service shop/reviews".to_owned()]));
        assert_eq!(of(json!([service, {"group": "x", "kind": "Y", "name": "z"}])), None);
        assert_eq!(of(json!({"name": "reviews"})), None);
        assert_eq!(gaps(backend, "1.28", Some(json!({"targetRefs": [service]}))), [0; 4]);
        assert_eq!(gaps(backend, "1.28", Some(json!({"targetRefs": "reviews"}))), [0, 1, 0, 0]);
    }

    #[test]
    fn patches_that_are_no_list_leave_a_gap() {
        assert!(!any_touches_tls(&json!([])));
        assert!(!any_touches_tls(&json!([{"applyTo": "HTTP_FILTER", "patch": {"operation": "ADD"}}])));
        assert!(any_touches_tls(&json!({"applyTo": "CLUSTER"})));
        assert!(any_touches_tls(&json!(["CLUSTER"])));
    }

    /// How many gaps an object of `shop` leaves: for clients, services, either, and all.
    fn gaps((api_version, kind): (&str, &str), version: &str, spec: Option<Value>) -> [usize; 4] {
        let head = Head { api_version: api_version.to_owned(), kind: kind.to_owned() };
        let note = Note { field: String::new(), problem: "broken".to_owned(), wrong_type: true };
        let origin = Origin { file: "mesh.yaml".into(), line: 1 };
        let mut object = unreadable(&head, "shop", "one", origin, note).unwrap();
        if let Some(spec) = spec {
            object.body = Body::Raw;
            object.json = Some(Arc::new(json!({ "spec": spec })));
        }
        let (snapshot, _) = Snapshot::default().apply(vec![Change::Upsert(Arc::new(object))]);
        let options = Options { istio_version: Some(version.to_owned()), ..Options::default() };
        let gaps = Gaps::new(&snapshot, &Config::new(&snapshot, &options));
        [gaps.clients.len(), gaps.services.len(), gaps.either.len(), gaps.all.len()]
    }

    #[test]
    fn what_cannot_be_read_may_say_anything() {
        let filter = ("networking.istio.io/v1alpha3", "EnvoyFilter");
        let backend = ("gateway.networking.k8s.io/v1", "BackendTLSPolicy");
        let policy = ("authentication.istio.io/v1alpha1", "Policy");
        let mesh = ("authentication.istio.io/v1alpha1", "MeshPolicy");
        assert_eq!(gaps(filter, "1.28", None), [0, 0, 1, 0]);
        assert_eq!(gaps(backend, "1.28", None), [0, 1, 0, 0]);
        assert_eq!(gaps(policy, "1.5", None), [0, 1, 0, 0]);
        assert_eq!(gaps(mesh, "1.5", None), [0, 1, 0, 0]);
        assert_eq!(gaps(policy, "1.6", None), [0; 4]);
        let peers = ("security.istio.io/v1beta1", "PeerAuthentication");
        assert_eq!(gaps(peers, "1.5", None), [0, 1, 0, 0]);
        assert_eq!(gaps(peers, "1.4", None), [0; 4]);
        assert_eq!(gaps(policy, "1.4", Some(json!({"peers": {"mtls": {}}}))), [0, 1, 0, 0]);
        assert_eq!(gaps(policy, "1.4", Some(json!({"targets": ["reviews"]}))), [0, 1, 0, 0]);
        assert_eq!(gaps(policy, "1.4", Some(json!({"peers": [{"mtls": {}}]}))), [0; 4]);
        assert_eq!(gaps(policy, "1.4", Some(json!({}))), [0; 4]);
    }
}
