//! MS0205, MS0206 and MS0207: a subset that an older rule has by the same name, that a route names in vain, or that
//! matches no endpoint (DR-6.4, DR-8.7, DR-8.8).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::unreadable;
use crate::diagnose::catalog::{Code, Severity};
use crate::diagnose::finding::{Edges, Finding, Role};
use crate::diagnose::uses::{Uses, Visit};
use crate::model::pod::ProxyKind;
use crate::model::virtual_service::VirtualService;
use crate::model::{Kind, Labels, Object, ObjectId, Text};
use crate::resolve::registry::{exported, exports_or_default};
use crate::resolve::rules::normalise;
use crate::resolve::{Mesh, RuleId, Workload};

/// MS0205, one a rule.
pub fn duplicate(mesh: &Mesh, uses: &Uses<'_>) -> Vec<Finding> {
    let mut by_rule: BTreeMap<RuleId, BTreeMap<RuleId, &BTreeSet<Text>>> = BTreeMap::new();
    for ((loser, owner), names) in &uses.dropped {
        by_rule.entry(*loser).or_default().insert(*owner, names);
    }
    let finding = |(loser, owners): (RuleId, BTreeMap<RuleId, &BTreeSet<Text>>)| {
        let rule = mesh.rules.get(loser)?;
        let name = owners.values().find_map(|names| names.first())?;
        // The last of that name: the first one may be the one that counts.
        let at = rule.body()?.subsets.iter().rposition(|subset| subset.name == *name)?;
        let names: BTreeSet<&str> =
            owners.values().flat_map(|names| names.iter()).map(|name| &**name).collect();
        let names: Vec<_> = names.into_iter().collect();
        let objects = owners.keys().filter_map(|owner| mesh.rules.get(*owner)).map(|rule| &rule.object);
        let older: Vec<_> = objects.clone().map(|object| object.id.to_string()).collect();
        let message = format!(
            "subset {} of {} is dropped: {} has it already, and comes first",
            names.join(", "),
            rule.object.id,
            older.join(", ")
        );
        let field = format!("spec.subsets[{at}].name");
        let mut finding =
            Finding::of_field(Code::DuplicateSubset, &rule.object, &field, "dropped in the merge", message);
        for object in objects.filter(|object| object.id != rule.object.id) {
            finding = finding.with(object, Role::Partner, "spec.host", "the older rule of the merge");
        }
        Some(finding)
    };
    by_rule.into_iter().filter_map(finding).collect()
}

/// MS0207, one a rule.
pub fn empty(mesh: &Mesh, uses: &Uses<'_>) -> Vec<Finding> {
    uses.used.iter().filter_map(|(id, hosts)| empty_of(mesh, uses, *id, hosts)).collect()
}

fn empty_of(mesh: &Mesh, uses: &Uses<'_>, id: RuleId, hosts: &[Text]) -> Option<Finding> {
    let rule = mesh.rules.get(id)?;
    let body = rule.body()?;
    let mut seen = BTreeSet::new();
    let subsets = body.subsets.iter().enumerate().filter(|(_, subset)| seen.insert(&subset.name));
    // Nothing is selected by the labels of a subset that a merge drops: that is MS0205's.
    let judged: Vec<_> = subsets
        .filter(|(_, subset)| !subset.labels.is_empty() && !of_node(&subset.labels))
        .filter(|(_, subset)| !uses.drops(id, &subset.name))
        .collect();
    if judged.is_empty() {
        return None;
    }
    let mut matched = BTreeSet::new();
    let mut any = false;
    for service in hosts.iter().flat_map(|host| mesh.registry.definitions(host)) {
        if service.is_headless() || service.all_endpoints().any(|endpoint| endpoint.unknown_pod.is_some()) {
            return None;
        }
        for endpoint in service.all_endpoints() {
            any = true;
            matched.extend(
                judged.iter().filter(|(_, one)| one.labels.is_subset_of(&endpoint.labels)).map(|(at, _)| *at),
            );
        }
    }
    let none: Vec<_> = judged.iter().filter(|(at, _)| !matched.contains(at)).collect();
    let (at, _) = none.first().filter(|_| any)?;
    let said: Vec<_> =
        none.iter().map(|(_, subset)| format!("{} ({})", subset.name, words(&subset.labels))).collect();
    let host = match hosts.first() {
        Some(host) if hosts.len() == 1 => host.to_string(),
        _ => format!("{} hosts", hosts.len()),
    };
    let message =
        format!("{}: no endpoint of {host} has the labels of subset {}", rule.object.id, said.join(", "));
    let field = format!("spec.subsets[{at}].labels");
    Some(Finding::of_field(Code::SubsetSelectsNoPod, &rule.object, &field, "on no endpoint", message))
}

/// Labels that Istio gives to endpoints by itself, after the node that they run on.
fn of_node(labels: &Labels) -> bool {
    labels.iter().any(|(key, _)| key.starts_with("topology.") || key == "kubernetes.io/hostname")
}

fn words(labels: &Labels) -> String {
    labels.iter().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>().join(", ")
}

/// MS0206: subsets that routes name and the rule in force does not have.
#[derive(Debug, Default)]
pub struct Missing {
    found: BTreeMap<(ObjectId, String), Found>,
}

#[derive(Debug)]
struct Found {
    route: Arc<Object>,
    host: Text,
    subset: Text,
    mirror: bool,
    rules: BTreeSet<Option<RuleId>>,
    edges: Edges,
}

impl Missing {
    /// Looks at a class of clients and a host.
    pub fn visit(&mut self, visit: &Visit<'_>) {
        let (mesh, client, service) = (visit.mesh, visit.client, visit.target.service);
        let judged = matches!(client.proxy, ProxyKind::Sidecar | ProxyKind::Gateway);
        if !judged || !visit.target.is_in_scope() {
            return;
        }
        if visit.called.is_empty() {
            return;
        }
        let known = mesh.subsets(visit.choice);
        let mut clients = None;
        for subset in visit.called.iter().copied().filter(|name| !known.contains(name)) {
            for (route, field) in routes(mesh, client, &service.host, subset) {
                let key = (route.id.clone(), field.path.clone());
                let found = self.found.entry(key).or_insert_with(|| Found {
                    route: Arc::clone(route),
                    host: Arc::clone(&service.host),
                    subset: Arc::clone(subset),
                    mirror: field.mirror,
                    rules: BTreeSet::new(),
                    edges: Edges::default(),
                });
                found.rules.insert(visit.choice.map(|choice| choice.primary));
                let ports = service.ports().iter().filter(|port| port.tcp && visit.target.has(port.number));
                for port in ports {
                    let clients = clients.get_or_insert_with(|| visit.clients());
                    found.edges.add(clients, &service.host, port.number, Some(subset));
                }
            }
        }
    }

    /// Takes over what was found of later hosts.
    pub fn absorb(&mut self, later: Self) {
        for (key, later) in later.found {
            match self.found.entry(key) {
                Entry::Vacant(place) => drop(place.insert(later)),
                Entry::Occupied(mut known) => {
                    known.get_mut().rules.extend(later.rules);
                    known.get_mut().edges.absorb(later.edges);
                }
            }
        }
    }

    /// The findings, one a route and destination. None where a rule could not be read: it may have the subset.
    pub fn findings(self, mesh: &Mesh) -> Vec<Finding> {
        if unreadable(mesh, &[Kind::DestinationRule, Kind::VirtualService, Kind::Sidecar]) {
            return Vec::new();
        }
        self.found.into_iter().map(|((_, field), found)| found.finding(mesh, &field)).collect()
    }
}

impl Found {
    fn finding(self, mesh: &Mesh, field: &str) -> Finding {
        let rules = self.rules.iter().filter_map(|id| mesh.rules.get((*id)?));
        let names: Vec<_> = rules.clone().map(|rule| rule.object.id.to_string()).collect();
        let force = match names.as_slice() {
            [] => "no rule is in force for these clients".to_owned(),
            [one] => format!("{one}, which is in force, does not define it"),
            [one, more @ ..] => {
                format!("{one} and {} more, which are in force, do not define it", more.len())
            }
        };
        let message =
            format!("{} sends requests to subset {} of {}: {force}", self.route.id, self.subset, self.host);
        let code = Code::SubsetMissing;
        let mut finding = Finding::of_field(code, &self.route, field, "a subset that is not there", message);
        for rule in rules {
            finding = finding.with(&rule.object, Role::Partner, "spec.subsets", "the rule in force");
        }
        if self.mirror {
            finding.severity = Severity::Warning;
        }
        finding.edges = self.edges;
        finding
    }
}

/// Where a route names a subset.
struct Place {
    path: String,
    mirror: bool,
}

/// The routes in force for a client that send something to the subset of a host.
fn routes<'a>(mesh: &'a Mesh, client: &Workload, host: &str, subset: &str) -> Vec<(&'a Arc<Object>, Place)> {
    let mut found = Vec::new();
    for object in mesh.snapshot.of_kind(&Kind::VirtualService) {
        let Some(body) = object.body.virtual_service() else { continue };
        let namespace = &object.id.namespace;
        let names = |one: &crate::model::virtual_service::Destination| {
            one.subset.as_deref() == Some(subset)
                && *normalise(&one.host, namespace) == *host
                && (one.only_from.is_empty() || one.only_from.contains(&client.namespace))
        };
        let exports =
            exports_or_default(&body.export_to, mesh.config.default_virtual_service_export_to.as_ref());
        if !body.destinations.iter().any(names)
            || !exported(&exports, namespace, &client.namespace)
            || !is_bound(mesh, object, body, client)
        {
            continue;
        }
        let json = object.json.as_ref().and_then(|json| json.get("spec"));
        let mut places = Vec::new();
        let is = |written: &str, name: &str| *normalise(written, namespace) == *host && name == subset;
        if let Some(json) = json {
            walk(json, "spec", &is, &mut places);
        }
        // What every request needs, before what only copies go to.
        places.sort_by_key(|place| place.mirror);
        found.extend(places.into_iter().next().map(|place| (object, place)));
    }
    found
}

/// Whether a client takes notice of a route: a sidecar of those for the mesh, a gateway of those for a Gateway that
/// selects it.
fn is_bound(mesh: &Mesh, object: &Object, body: &VirtualService, client: &Workload) -> bool {
    if client.proxy == ProxyKind::Sidecar {
        return body.is_for_mesh();
    }
    body.gateways.iter().any(|gateway| {
        let (namespace, name) = gateway.split_once('/').unwrap_or((&object.id.namespace, gateway));
        let id = ObjectId::new(Kind::OtherMesh("Gateway".into()), namespace, name);
        let selector =
            mesh.snapshot.get(&id).and_then(|gateway| gateway.json.as_ref()?.pointer("/spec/selector"));
        let selector = selector.and_then(Value::as_object).filter(|selector| !selector.is_empty());
        selector.is_some_and(|selector| {
            selector.iter().all(|(key, value)| client.labels.get(key) == value.as_str())
        })
    })
}

fn walk(value: &Value, path: &str, is: &impl Fn(&str, &str) -> bool, found: &mut Vec<Place>) {
    match value {
        Value::Array(list) => {
            for (at, one) in list.iter().enumerate() {
                walk(one, &format!("{path}[{at}]"), is, found);
            }
        }
        Value::Object(map) => {
            // Nothing is sent to a destination whose weight is nothing.
            if map.get("weight").is_some_and(|weight| weight == 0) {
                return;
            }
            let text = |key: &str| map.get(key).and_then(Value::as_str);
            if let (Some(host), Some(subset)) = (text("host"), text("subset"))
                && is(host, subset)
            {
                found.push(Place { path: format!("{path}.subset"), mirror: path.contains(".mirror") });
            }
            for (key, one) in map {
                walk(one, &format!("{path}.{key}"), is, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnose::checks::examples::{REVIEWS, check, finding, object, pod, rule, service, shop};

    fn said(yaml: &str, code: &str) -> usize {
        check(yaml).iter().filter(|line| line.starts_with(code)).count()
    }

    fn route(destinations: &str) -> String {
        let spec = format!("{{hosts: [{REVIEWS}], http: [{{{destinations}}}]}}");
        object("VirtualService", "web", "reviews", 1, &spec)
    }

    fn to(subset: &str, weight: u8) -> String {
        format!("{{destination: {{host: {REVIEWS}, subset: {subset}}}, weight: {weight}}}")
    }

    const V1: &str = "subsets: [{name: v1, labels: {version: v1}}]";

    fn own(more: &str) -> String {
        rule("shop", "own", 1, &format!("{{host: {REVIEWS}, {more}}}"))
    }

    #[test]
    fn a_subset_that_an_older_rule_has_is_told() {
        let two = shop() + &own(V1) + &rule("shop", "second", 2, &format!("{{host: reviews, {V1}}}"));
        let told = finding(&two, "MS0205");
        assert_eq!((&*told.root.0.name, told.root.1.as_str()), ("second", "spec.subsets[0].name"));
        assert!(told.message.contains("DestinationRule shop/own has it already"), "{}", told.message);
        let other = V1.replace("name: v1", "name: v2");
        let other = shop() + &own(V1) + &rule("shop", "second", 2, &format!("{{host: reviews, {other}}}"));
        assert_eq!(said(&other, "MS0205"), 0);
        let twice = "subsets: [{name: v1, labels: {version: v1}}, {name: v1, labels: {version: v2}}]";
        assert_eq!(finding(&(shop() + &own(twice)), "MS0205").root.1, "spec.subsets[1].name");
    }

    #[test]
    fn a_route_to_a_subset_that_is_not_there_is_an_error() {
        let only = route(&format!("route: [{}]", to("v1", 100)));
        let missing = finding(&(shop() + &only), "MS0206");
        assert_eq!((missing.severity.word(), missing.edges.len()), ("error", 2));
        assert_eq!(missing.root.1, "spec.http[0].route[0].destination.subset");
        assert_eq!(said(&(shop() + &only + &own(V1)), "MS0206"), 0);
        // Hidden for the clients of one namespace by a rule without subsets.
        let hides = rule("web", "clients", 2, "{host: \"*.local\", trafficPolicy: {}}");
        let hidden = finding(&(shop() + &only + &own(V1) + &hides), "MS0206");
        assert!(hidden.message.contains("DestinationRule web/clients"), "{}", hidden.message);
        assert_eq!(hidden.edges.len(), 1);
    }

    #[test]
    fn a_route_that_sends_nothing_there_is_not_told_and_a_mirror_is_a_warning() {
        let weight = route(&format!("route: [{}, {}]", to("v1", 100), to("v2", 0)));
        assert_eq!(said(&(shop() + &own(V1) + &weight), "MS0206"), 0);
        let mirror = format!("route: [{}], mirror: {{host: {REVIEWS}, subset: v2}}", to("v1", 100));
        let mirror = finding(&(shop() + &own(V1) + &route(&mirror)), "MS0206");
        assert_eq!(mirror.severity.word(), "warning");
        // For gateways only: the sidecars take no notice of it.
        let gateway =
            route(&format!("route: [{}]", to("v2", 100))).replace("hosts:", "gateways: [edge], hosts:");
        assert_eq!(said(&(shop() + &own(V1) + &gateway), "MS0206"), 0);
    }

    #[test]
    fn a_subset_that_a_merge_drops_selects_no_pod_and_that_is_not_told() {
        let empty = V1.replace("version: v1", "version: v0");
        let second = |more: &str| rule("shop", "second", 2, &format!("{{host: reviews, {empty}{more}}}"));
        let dropped = shop() + &own(V1) + &second("");
        assert_eq!((said(&dropped, "MS0205"), said(&dropped, "MS0207")), (1, 0));
        // The first of the name is the one that counts.
        let first = shop() + &second("") + &rule("shop", "third", 3, &format!("{{host: reviews, {V1}}}"));
        assert_eq!(&*finding(&first, "MS0207").root.0.name, "second");
        // Dropped for the clients that a rule selects, and in force for the others.
        let some = rule(
            "shop",
            "some",
            3,
            &format!("{{host: reviews, {V1}, workloadSelector: {{matchLabels: {{app: some}}}}}}"),
        );
        let both =
            shop() + &pod("shop", "some-1", 5, "app: some", true) + &some + &second(", exportTo: [\".\", x]");
        assert_eq!((said(&both, "MS0205"), said(&both, "MS0207")), (1, 1));
    }

    #[test]
    fn a_subset_whose_labels_nobody_has_is_told() {
        let with = |labels: &str| shop() + &own(&format!("subsets: [{{name: old, labels: {{{labels}}}}}]"));
        let told = finding(&with("version: v0"), "MS0207");
        assert!(told.message.contains("old (version: v0)"), "{}", told.message);
        for silent in ["version: v1", "app: reviews, version: v1", "topology.kubernetes.io/zone: a", ""] {
            assert_eq!(said(&with(silent), "MS0207"), 0, "{silent}");
        }
        // Nothing can match where there is no endpoint, and no client chooses behind a headless service.
        let none = with("version: v0").replace("app: reviews, version: v1", "app: else");
        assert_eq!(said(&none, "MS0207"), 0);
        let headless = with("version: v0") + &service("shop", "reviews", ", clusterIP: None");
        assert_eq!(said(&headless, "MS0207"), 0);
    }
}
