//! MS0205, MS0206 and MS0207: a subset that an older rule has by the same name, that a route names in vain, or that
//! matches no endpoint (DR-6.4, DR-8.7, DR-8.8).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::unreadable;
use crate::diagnose::catalog::{Code, Severity};
use crate::diagnose::finding::{Edges, Finding, Role};
use crate::diagnose::uses::{Uses, Visit};
use crate::model::pod::ProxyKind;
use crate::model::{Kind, Labels, Object, ObjectId, Text};
use crate::resolve::routes::Placed;
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
            for (route, place) in routes(mesh, client, &service.host, subset) {
                let key = (route.id.clone(), format!("spec.{}.subset", place.destination.place));
                let found = self.found.entry(key).or_insert_with(|| Found {
                    route: Arc::clone(route),
                    host: Arc::clone(&service.host),
                    subset: Arc::clone(subset),
                    mirror: place.destination.is_mirror,
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

/// Where routes in force for a client send something to the subset of a host, one place an object: what every request
/// needs, before what only copies go to.
fn routes<'a>(
    mesh: &'a Mesh,
    client: &Workload,
    host: &str,
    subset: &str,
) -> Vec<(&'a Arc<Object>, &'a Placed)> {
    let mut found: BTreeMap<&ObjectId, &Placed> = BTreeMap::new();
    let named = mesh
        .scopes
        .called(client, host)
        .into_iter()
        .filter(|one| one.destination.subset.as_deref() == Some(subset));
    for one in named.filter(|one| one.destination.is_sent) {
        let known = found.entry(&one.object).or_insert(one);
        if known.destination.is_mirror && !one.destination.is_mirror {
            *known = one;
        }
    }
    found.into_iter().filter_map(|(id, one)| Some((mesh.snapshot.get(id)?, one))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::diagnose::checks::examples::{
        REVIEWS, check, diagnosis, finding, object, pod, rule, service, shop,
    };

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
    fn a_destination_that_stands_alone_gets_all_whatever_its_weight() {
        let alone = |subset| shop() + &own(V1) + &route(&format!("route: [{}]", to(subset, 0)));
        assert_eq!(finding(&alone("v2"), "MS0206").severity.word(), "error");
        assert_eq!(said(&alone("v1"), "MS0206"), 0);
        for (share, wanted) in [("mirrorPercentage: {value: 0}", 0), ("mirrorPercentage: {value: 0.5}", 1)] {
            let mirror =
                format!("route: [{}], {share}, mirror: {{host: {REVIEWS}, subset: v2}}", to("v1", 100));
            assert_eq!(said(&(shop() + &own(V1) + &route(&mirror)), "MS0206"), wanted, "{share}");
        }
        let mirrors = |share: &str| {
            let mirrors =
                format!("mirrors: [{{destination: {{host: {REVIEWS}, subset: v2}}, percentage: {share}}}]");
            shop() + &own(V1) + &route(&format!("route: [{}], {mirrors}", to("v1", 100)))
        };
        assert_eq!(said(&mirrors("{value: 0}"), "MS0206"), 0);
        assert_eq!(
            finding(&mirrors("{value: 9}"), "MS0206").root.1,
            "spec.http[0].mirrors[0].destination.subset"
        );
        for kind in ["tcp", "tls"] {
            let of = |weights: (u8, u8)| {
                let spec = format!(
                    "{{hosts: [{REVIEWS}], {kind}: [{{route: [{}, {}]}}]}}",
                    to("v1", weights.0),
                    to("v2", weights.1)
                );
                shop() + &own(V1) + &object("VirtualService", "web", "reviews", 1, &spec)
            };
            assert_eq!(said(&of((100, 0)), "MS0206"), 0, "{kind}");
            assert_eq!(
                finding(&of((50, 50)), "MS0206").root.1,
                format!("spec.{kind}[0].route[1].destination.subset")
            );
        }
    }

    /// The clients of a finding about a route with this match, with the pods of `shop` called `reviews` and of `web`
    /// called `client`.
    fn callers(matches: &str) -> Vec<String> {
        let spec = format!("match: [{matches}], route: [{}]", to("v2", 100));
        clients(&(shop() + &own(V1) + &route(&spec)))
    }

    /// The clients of all findings about missing subsets.
    fn clients(yaml: &str) -> Vec<String> {
        let found = diagnosis(yaml).findings.into_iter().filter(|one| one.code.code() == "MS0206");
        let edges: Vec<_> = found.flat_map(|one| one.edges.iter().collect::<Vec<_>>()).collect();
        let names = edges.iter().map(|edge| format!("{}/{}", edge.client.0, edge.client.1));
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    #[test]
    fn a_match_says_whom_a_route_is_for() {
        let both = callers("{uri: {prefix: /}}");
        assert_eq!(both.len(), 2, "{both:?}");
        assert_eq!(callers("{gateways: [edge]}"), Vec::<String>::new());
        assert_eq!(callers("{gateways: [edge]}, {gateways: [mesh]}").len(), 2);
        assert_eq!(callers("{sourceNamespace: web}"), ["web/client-1"]);
        assert_eq!(callers("{sourceLabels: {app: client}}"), ["web/client-1"]);
        assert_eq!(callers("{sourceLabels: {app: client}, sourceNamespace: shop}"), Vec::<String>::new());
        // What counts for gateways is told by them alone, over HTTP.
        assert_eq!(callers("{gateways: [mesh], sourceLabels: {app: nobody}}").len(), 2);
    }

    /// A root of `web` that delegates what matches to a `VirtualService` of `shop`, which leads to a subset.
    fn delegated(root: &str, delegate: &str) -> String {
        let root =
            format!("{{hosts: [{REVIEWS}], http: [{{{root}delegate: {{name: leaf, namespace: shop}}}}]}}");
        let leaf = format!("{{{delegate}route: [{{destination: {{host: reviews, subset: v2}}}}]}}");
        shop()
            + &own(V1)
            + &object("VirtualService", "web", "root", 1, &root)
            + &object("VirtualService", "shop", "leaf", 1, &format!("{{http: [{leaf}]}}"))
    }

    #[test]
    fn routes_of_a_delegate_are_those_of_its_root() {
        let missing = finding(&delegated("", ""), "MS0206");
        assert_eq!(
            (&*missing.root.0.name, missing.root.1.as_str()),
            ("leaf", "spec.http[0].route[0].destination.subset")
        );
        assert_eq!(missing.edges.len(), 2);
        let prefix = |path: &str| format!("match: [{{uri: {{prefix: {path}}}}}], ");
        assert_eq!(said(&delegated(&prefix("/a"), &prefix("/a/b")), "MS0206"), 1);
        // A delegate's route for what its root does not match is none.
        assert_eq!(said(&delegated(&prefix("/a/b"), &prefix("/a")), "MS0206"), 0);
        assert_eq!(said(&delegated("match: [{gateways: [edge]}], ", ""), "MS0206"), 0);
        assert_eq!(finding(&delegated("match: [{sourceNamespace: web}], ", ""), "MS0206").edges.len(), 1);
        for (from, to) in [
            // It is not exported to its root, is not there, or is named by nobody.
            ("{http: [{route", "{exportTo: [\".\"], http: [{route".to_owned()),
            ("name: leaf, namespace: shop", "name: gone, namespace: shop".to_owned()),
            ("name: leaf, namespace: shop", "name: leaf".to_owned()),
            ("delegate: {name: leaf, namespace: shop}", format!("route: [{}]", to("v1", 1))),
        ] {
            let mesh = delegated("", "");
            assert!(mesh.contains(from), "{from}");
            assert_eq!(said(&mesh.replace(from, &to), "MS0206"), 0, "{to}");
        }
        // Its gateways are the root's: here there is none for sidecars.
        let edge = delegated("", "").replace("http: [{delegate", "gateways: [edge], http: [{delegate");
        assert_eq!(said(&edge, "MS0206"), 0);
        // A mirror of the root is that of a delegate without any.
        let mirror = format!("mirror: {{host: {REVIEWS}, subset: v3}}, ");
        let told = finding(&delegated(&mirror, "").replace("subset: v2", "subset: v1"), "MS0206");
        assert_eq!((&*told.root.0.name, told.root.1.as_str()), ("root", "spec.http[0].mirror.subset"));
        let own = format!("mirror: {{host: {REVIEWS}, subset: v1}}, ");
        let own = delegated(&mirror, &own).replace("subset: v2", "subset: v1");
        assert_eq!(said(&own, "MS0206"), 0);
        let off = delegated(&mirror, "mirrorPercentage: {value: 0}, ").replace("subset: v2", "subset: v1");
        assert_eq!(said(&off, "MS0206"), 0);
    }

    #[test]
    fn a_gateway_takes_notice_of_routes_for_the_gateways_that_select_it() {
        let mesh = |gateways: &str, selector: &str, matches: &str| {
            let spec = format!(
                "{{hosts: [{REVIEWS}], gateways: [{gateways}], http: [{{{matches}route: [{}]}}]}}",
                to("v2", 100)
            );
            shop()
                + &own(V1)
                + &object("Gateway", "edge", "public", 1, &format!("{{{selector}servers: []}}"))
                + &object("VirtualService", "web", "reviews", 1, &spec)
                + &pod("edge", "public-1", 7, "app: public", true).replace("sidecar]", "router]")
                + &pod("edge", "other-1", 8, "app: other", true).replace("sidecar]", "router]")
        };
        let selector = "selector: {app: public}, ";
        assert_eq!(clients(&mesh("edge/public", selector, "")), ["edge/public-1"]);
        assert_eq!(clients(&mesh("public.edge.svc.cluster.local", selector, "")), ["edge/public-1"]);
        // In the route's own namespace there is none of that name.
        assert_eq!(clients(&mesh("public", selector, "")), Vec::<String>::new());
        assert_eq!(clients(&mesh("mesh, edge/public", selector, "")).len(), 3);
        assert_eq!(clients(&mesh("mesh, edge/public", selector, "match: [{gateways: [mesh]}], ")).len(), 2);
        assert_eq!(
            clients(&mesh("mesh, edge/public", selector, "match: [{gateways: [edge/public]}], ")),
            ["edge/public-1"]
        );
        // A delegate means the Gateways of its own namespace.
        let leaf = format!("{{http: [{{match: [{{gateways: [public]}}], route: [{}]}}]}}", to("v2", 100));
        let of = |namespace: &str| {
            let spec = format!(
                "{{hosts: [{REVIEWS}], gateways: [mesh, edge/public], http: [{{delegate: {{name: leaf, \
                 namespace: {namespace}}}}}]}}"
            );
            mesh("edge/none", selector, "")
                + &object("VirtualService", "web", "root", 1, &spec)
                + &object("VirtualService", namespace, "leaf", 1, &leaf)
        };
        assert_eq!(clients(&of("edge")), ["edge/public-1"]);
        assert_eq!(clients(&of("shop")), Vec::<String>::new());
        // One without selector is for every gateway.
        assert_eq!(clients(&mesh("edge/public", "", "")), ["edge/other-1", "edge/public-1"]);
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
