//! MS0107, MS0108, MS0112, MS0113 and MS0114 where they stand alone: what is the reason of a conflict elsewhere, and
//! of none here (DR-8.1, DR-8.2, DR-8.5, MT-4.3, MT-4.8).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::root;
use crate::diagnose::catalog::{Code, Severity};
use crate::diagnose::finding::{Edges, Finding, Reason, Role};
use crate::diagnose::judge::Judged;
use crate::model::destination_rule::{DestinationRule, TrafficPolicy};
use crate::model::peer_authentication::MtlsMode;
use crate::model::{Object, ObjectId, Text};
use crate::resolve::client_tls::{Downgrade, Source, says_what_automatic_does};
use crate::resolve::conflict::Server;
use crate::resolve::pair::EndpointTls;
use crate::resolve::rules::Rule;
use crate::resolve::{Mesh, Status};

/// Reasons that pairs show, by root.
#[derive(Debug, Default)]
pub struct Reasons {
    found: BTreeMap<(Code, ObjectId, String), Shown>,
}

#[derive(Debug)]
struct Shown {
    object: Arc<Object>,
    edges: Edges,
    /// What cannot be reached because of it, and its policy.
    partner: Option<(Arc<Object>, String)>,
}

impl Reasons {
    /// Looks at a pair. One that conflicts has its reasons in the conflict's finding.
    pub fn add(&mut self, judged: &Judged<'_>) {
        if matches!(judged.tls.status, Status::Conflict | Status::Unknown) {
            return;
        }
        let cluster = &judged.tls.cluster;
        if let (Some(Downgrade::CredentialOnSidecar), Source::Rule(part)) =
            (&cluster.downgrade, cluster.source)
            && let Some((_, rule)) = judged.tls.policy.tls_from
            && let Some(object) = judged.mesh.rules.get(rule).map(|rule| &rule.object)
            && let Some(field) = root::tls_field(judged, rule, part)
        {
            self.show(judged, Code::CredentialIgnored, object, format!("{field}.mode"), None);
        }
        // An endpoint that must fail and gets no traffic yet.
        let strict = |one: &&EndpointTls| {
            one.server == Server::Sidecar(MtlsMode::Strict) && one.result == Status::Conflict
        };
        for endpoint in judged.tls.endpoints.iter().filter(strict) {
            let demand = endpoint.demand.as_ref();
            let partner = demand
                .and_then(|demand| Some((Arc::clone(demand.policy.as_ref()?), demand.field.to_string())));
            if let Some(Downgrade::PolicyDisables(disables)) = &endpoint.downgrade
                && let Some(policy) = &disables.policy
            {
                let field = disables.field.to_string();
                self.show(judged, Code::HiddenByPolicyLevel, policy, field, partner);
            } else if endpoint.downgrade == Some(Downgrade::AllOrNothing) {
                let service = &judged.service.object;
                self.show(judged, Code::HeadlessAllOrNothing, service, "spec".to_owned(), partner);
            }
        }
    }

    fn show(
        &mut self,
        judged: &Judged<'_>,
        code: Code,
        object: &Arc<Object>,
        field: String,
        partner: Option<(Arc<Object>, String)>,
    ) {
        let shown = self.found.entry((code, object.id.clone(), field)).or_insert_with(|| Shown {
            object: Arc::clone(object),
            edges: Edges::default(),
            partner,
        });
        shown.edges.add(&judged.clients(), &judged.service.host, judged.tls.port, judged.tls.subset.as_ref());
    }

    /// Takes over what pairs of later hosts showed.
    pub fn absorb(&mut self, later: Self) {
        for (key, later) in later.found {
            match self.found.entry(key) {
                Entry::Vacant(place) => drop(place.insert(later)),
                Entry::Occupied(mut known) => known.get_mut().edges.absorb(later.edges),
            }
        }
    }

    /// The findings: what pairs showed and what rules say, less what a conflict names already.
    pub fn findings(self, mesh: &Mesh, conflicts: &[Finding]) -> Vec<Finding> {
        let named = Named::new(conflicts);
        let mut findings = Vec::new();
        for ((code, id, field), shown) in self.found {
            if named.has(code, &id, &field)
                || shown.edges.targets().any(|(host, _, _, _)| named.headless(code, host))
            {
                continue;
            }
            findings.push(shown.finding(code, &field));
        }
        for (_, rule) in mesh.rules.all() {
            let Some(body) = rule.body() else { continue };
            findings.extend(mode_missing(rule, body, &named));
            findings.extend(settings_dropped(mesh, rule, body, &named));
        }
        findings
    }
}

impl Shown {
    fn finding(self, code: Code, field: &str) -> Finding {
        let id = &self.object.id;
        let alone = [Reason::HiddenByPolicyLevel, Reason::HeadlessAllOrNothing, Reason::CredentialIgnored];
        let reason = alone.into_iter().find(|one| one.code() == code.code());
        let reason = reason.map(Reason::text).unwrap_or_default();
        let target = self
            .edges
            .targets()
            .next()
            .map(|(host, port, _, _)| format!("{host}:{port}"))
            .unwrap_or_default();
        let message = format!("{id} ({field}), for {target}: {reason}");
        let mut finding =
            Finding::of_field(code, &self.object, field, "what makes clients send plaintext", message);
        if let Some((object, field)) = &self.partner {
            finding = finding.with(object, Role::Partner, field, "the mode of an endpoint");
        }
        finding.edges = self.edges;
        finding
    }
}

/// What conflicts name as their reasons.
struct Named<'a> {
    roots: BTreeSet<(&'static str, &'a ObjectId, &'a str)>,
    objects: BTreeSet<(&'static str, &'a ObjectId)>,
    hosts: BTreeSet<(&'static str, &'a Text)>,
}

impl<'a> Named<'a> {
    fn new(conflicts: &'a [Finding]) -> Self {
        let (mut roots, mut objects, mut hosts) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        // What only goes unencrypted is no conflict.
        for finding in conflicts.iter().filter(|finding| finding.severity == Severity::Error) {
            for reason in &finding.because {
                roots.insert((reason.code(), &finding.root.0, finding.root.1.as_str()));
                objects.extend(finding.objects.iter().map(|one| (reason.code(), &one.id)));
                hosts.extend(finding.edges.targets().map(|(host, _, _, _)| (reason.code(), host)));
            }
        }
        Self { roots, objects, hosts }
    }

    fn has(&self, code: Code, id: &ObjectId, field: &str) -> bool {
        self.roots.contains(&(code.code(), id, field))
    }

    fn headless(&self, code: Code, host: &Text) -> bool {
        code == Code::HeadlessAllOrNothing && self.hosts.contains(&(code.code(), host))
    }
}

/// Every policy of a rule and its path.
fn policies(body: &DestinationRule) -> Vec<(String, &TrafficPolicy)> {
    let top = body.traffic_policy.iter().map(|policy| ("spec.trafficPolicy".to_owned(), policy));
    let subsets = body.subsets.iter().enumerate();
    let subsets = subsets.filter_map(|(at, subset)| {
        Some((format!("spec.subsets[{at}].trafficPolicy"), subset.traffic_policy.as_ref()?))
    });
    top.chain(subsets).collect()
}

/// MS0112: blocks that switch TLS off without saying so, in one finding a rule.
fn mode_missing(rule: &Rule, body: &DestinationRule, named: &Named<'_>) -> Option<Finding> {
    let mut fields = Vec::new();
    for (path, policy) in policies(body) {
        let entries = policy.ports.iter().enumerate();
        let entries = entries.map(|(at, (_, entry))| (format!("{path}.portLevelSettings[{at}].tls"), entry));
        for (field, blocks) in std::iter::once((format!("{path}.tls"), &policy.blocks)).chain(entries) {
            let missing = blocks.get("tls").is_some_and(|tls| tls.is_object() && tls.get("mode").is_none());
            if missing && !named.has(Code::TlsModeMissing, &rule.object.id, &field) {
                fields.push(field);
            }
        }
    }
    let first = fields.first()?;
    let message = format!("{} ({}): {}", rule.object.id, fields.join(", "), Reason::ModeMissing.text());
    let mut finding = Finding::of_field(
        Code::TlsModeMissing,
        &rule.object,
        first,
        "a block without mode: DISABLE",
        message,
    );
    if let Some(cause) = finding.objects.first_mut() {
        cause.fields = fields;
    }
    Some(finding)
}

const OF_PORTS: [&str; 4] = ["connectionPool", "loadBalancer", "outlierDetection", "tls"];

/// MS0113: entries for a port that leave out what stands above them, in one finding a rule.
fn settings_dropped(mesh: &Mesh, rule: &Rule, body: &DestinationRule, named: &Named<'_>) -> Option<Finding> {
    if named.objects.contains(&(Code::PortSettingsDropTls.code(), &rule.object.id)) {
        return None;
    }
    let exact = !rule.host.starts_with('*');
    // An entry for a port that the service does not have replaces nothing.
    let counts =
        |port: u16| !exact || mesh.registry.definitions(&rule.host).any(|one| one.port(port).is_some());
    let rules_own = body.traffic_policy.as_ref();
    let mut dropped = Vec::new();
    for (path, policy) in policies(body) {
        let of_subset = path.starts_with("spec.subsets");
        let mut seen = BTreeSet::new();
        for (at, (port, entry)) in policy.ports.iter().enumerate() {
            if !seen.insert(*port) || !counts(*port) {
                continue;
            }
            let mut above = policy.blocks.clone();
            if of_subset {
                let base = rules_own.map(|own| own.port(*port).unwrap_or(&own.blocks));
                for (name, block) in base.into_iter().flatten() {
                    above.entry(name.clone()).or_insert_with(|| block.clone());
                }
                above.retain(|name, _| OF_PORTS.contains(&name.as_str()));
            }
            let lost = above.iter().filter(|(name, _)| !entry.contains_key(name.as_str()));
            let lost = lost.filter(|(name, block)| name.as_str() != "tls" || counts_as_lost(mesh, block));
            let left_out: Vec<_> = lost.map(|(name, _)| name.as_str()).collect();
            if !left_out.is_empty() {
                dropped.push((format!("{path}.portLevelSettings[{at}]"), *port, left_out.join(", ")));
            }
        }
    }
    let (field, _, _) = dropped.first()?;
    let said: Vec<_> = dropped.iter().map(|(_, port, names)| format!("{names} for port {port}")).collect();
    let message = format!(
        "{} ({field}) drops {}: an entry for a port replaces the settings above it, and inherits none",
        rule.object.id,
        said.join("; ")
    );
    let counted = "all that clients have for the port";
    let mut finding = Finding::of_field(Code::PortSettingsDropTls, &rule.object, field, counted, message);
    if let Some(cause) = finding.objects.first_mut() {
        cause.fields = dropped.into_iter().map(|(field, _, _)| field).collect();
    }
    Some(finding)
}

/// `ISTIO_MUTUAL` that is dropped is what automatic mTLS does anyway, but for the names that it gives.
fn counts_as_lost(mesh: &Mesh, block: &serde_json::Value) -> bool {
    !(mesh.config.auto_mtls && says_what_automatic_does(block))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::checks::examples::{
        REVIEWS, check, finding, object, pod, rule, service, shop, slice,
    };

    const STRICT: &str = "{mtls: {mode: STRICT}}";

    fn said(yaml: &str, code: &str) -> usize {
        check(yaml).iter().filter(|line| line.starts_with(code)).count()
    }

    #[test]
    fn a_block_without_mode_is_told_unless_a_conflict_names_it() {
        let empty =
            shop() + &rule("shop", "r", 1, &format!("{{host: {REVIEWS}, trafficPolicy: {{tls: {{}}}}}}"));
        assert_eq!(said(&empty, "MS0112"), 1);
        let strict = object("PeerAuthentication", "shop", "default", 1, STRICT);
        let conflict = finding(&(empty.clone() + &strict), "MS0101");
        assert_eq!(conflict.because.iter().map(|one| one.code()).collect::<Vec<_>>(), ["MS0112"]);
        assert_eq!(said(&(empty + &strict), "MS0112"), 0);
        let with_mode =
            shop() + &rule("shop", "r", 1, "{host: reviews, trafficPolicy: {tls: {mode: DISABLE}}}");
        assert_eq!(said(&with_mode, "MS0112"), 0);
        let none = shop() + &rule("shop", "r", 1, "{host: reviews, trafficPolicy: {tls: null}}");
        assert_eq!(said(&none, "MS0112"), 0);
    }

    #[test]
    fn entries_for_ports_are_told_with_all_that_they_drop() {
        let with = |policy: &str| shop() + &rule("shop", "r", 1, &format!("{{host: reviews, {policy}}}"));
        let drops = with(
            "trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}, tls: {mode: SIMPLE}, \
             portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]}",
        );
        assert!(finding(&drops, "MS0113").message.contains("drops connectionPool, tls for port 80"));
        // A subset's entry drops the subset's and the rule's.
        let subset = with(
            "trafficPolicy: {outlierDetection: {interval: 1s}}, subsets: [{name: v1, labels: {version: v1}, \
             trafficPolicy: {portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]}}]",
        );
        let subset = finding(&subset, "MS0113");
        assert_eq!(subset.root.1, "spec.subsets[0].trafficPolicy.portLevelSettings[0]");
        assert!(subset.message.contains("outlierDetection"));
        // The names that the server's certificate must have, or that the connection is for, are nobody else's.
        for names in ["subjectAltNames: [\"spiffe://cluster.local/ns/shop/sa/reviews\"]", "sni: reviews"] {
            let dropped = with(&format!(
                "trafficPolicy: {{tls: {{mode: ISTIO_MUTUAL, {names}}}, portLevelSettings: [{{port: {{number: 80}}, \
                 connectionPool: {{}}}}]}}"
            ));
            assert!(finding(&dropped, "MS0113").message.contains("drops tls for port 80"), "{names}");
        }
        // Nothing above it, a port that the service does not have, and TLS that automatic mTLS gives back.
        for silent in [
            "trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]}",
            "trafficPolicy: {loadBalancer: {simple: RANDOM}, portLevelSettings: [{port: {number: 81}, tls: {mode: DISABLE}}]}",
            "trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, portLevelSettings: [{port: {number: 80}, connectionPool: {}}]}",
            "trafficPolicy: {tls: {mode: ISTIO_MUTUAL, sni: \"\", subjectAltNames: []}, portLevelSettings: [{port: {number: 80}, connectionPool: {}}]}",
        ] {
            assert_eq!(said(&with(silent), "MS0113"), 0, "{silent}");
        }
    }

    #[test]
    fn a_credential_on_a_sidecar_is_told_unless_the_rule_selects_its_clients() {
        let entry = object(
            "ServiceEntry",
            "web",
            "api",
            1,
            "{hosts: [api.example.com], resolution: DNS, ports: [{name: tls, number: 443, protocol: TLS}]}",
        );
        let tls = "trafficPolicy: {tls: {mode: SIMPLE, credentialName: api}}";
        let with = |more: &str| {
            shop() + &entry + &rule("web", "api", 1, &format!("{{host: api.example.com, {tls}{more}}}"))
        };
        let told = finding(&with(""), "MS0114");
        assert_eq!(told.root.1, "spec.trafficPolicy.tls.mode");
        assert_eq!(told.edges.len(), 2);
        assert_eq!(said(&with(", workloadSelector: {matchLabels: {app: client}}"), "MS0114"), 0);
    }

    #[test]
    fn a_disable_above_a_strict_policy_is_told_before_its_pods_are_ready() {
        let policies = object("PeerAuthentication", "shop", "default", 1, "{mtls: {mode: DISABLE}}")
            + &object(
                "PeerAuthentication",
                "shop",
                "reviews",
                2,
                "{selector: {matchLabels: {app: reviews}}, mtls: {mode: STRICT}}",
            );
        let waiting = shop() + &policies + &slice("reviews-1", false);
        assert_eq!(said(&waiting, "MS0107"), 1);
        let failing = shop() + &policies + &slice("reviews-1", true);
        assert_eq!((said(&failing, "MS0107"), said(&failing, "MS0101")), (0, 1));
        assert_eq!(said(&(shop() + &slice("reviews-1", false)), "MS0107"), 0);
    }

    #[test]
    fn a_headless_service_is_told_only_where_a_strict_pod_waits() {
        let mixed = service("shop", "db", ", clusterIP: None")
            + &pod("shop", "db-1", 5, "app: db", true)
            + &pod("shop", "db-2", 6, "app: db", false)
            + &pod("web", "client-1", 2, "app: client", true);
        assert_eq!(said(&mixed, "MS0108"), 0);
        let strict = mixed + &object("PeerAuthentication", "shop", "default", 1, STRICT);
        assert_eq!((said(&strict, "MS0108"), said(&strict, "MS0101")), (0, 1));
    }
}
