//! MS0202, MS0204, MS0208 and MS0209: a rule does not count for some clients of its host, though they would find it if
//! another one were not in the way or its export list were another (DR-4.1 to DR-4.7, DR-5.1 to DR-5.7, DR-6.3, DR-6.9),
//! or is merged and its traffic policy does not count (DR-6.4, DR-6.5).

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnose::catalog::{Code, Severity};
use crate::diagnose::finding::{Edge, Edges, Finding, Role};
use crate::diagnose::uses::{Losses, Lost, MANY_NAMESPACES, Uses};
use crate::model::Text;
use crate::resolve::rules::Rule;
use crate::resolve::{Mesh, RuleId};

/// MS0202: a rule that another pool's rule hides. One that is in force for nobody is MS0201's, but for a wildcard of
/// the root namespace: it is there for the hosts that have no rule of their own.
pub fn shadowed(mesh: &Mesh, uses: &Uses<'_>, never: &BTreeSet<RuleId>) -> Vec<Finding> {
    of(mesh, &uses.hidden, never, INSTEAD, |rule, losses| {
        let all = All::new(losses);
        let severity = if all.blocks.contains("tls") || !all.routed.is_empty() {
            Severity::Warning
        } else {
            Severity::Info
        };
        let routed = all.routed.iter().next();
        let routed = routed.map(|subset| format!("; a route names subset {subset}")).unwrap_or_default();
        let message = format!(
            "{} does not count for {}: clients there find {} first; lost is {}{routed}",
            rule.object.id,
            all.pairs(),
            winners(mesh, losses),
            all.words()
        );
        let finding = Finding::of_field(
            Code::RuleShadowed,
            &rule.object,
            "spec.host",
            "hidden for some clients",
            message,
        );
        Finding { severity, ..finding }
    })
}

/// MS0202 too: a rule whose traffic policy the merge drops, since one before it has one (DR-6.4, DR-6.5). Nobody writes
/// two rules for a host of one namespace to have the TLS settings of one of them left out, so their loss is a warning
/// even where the other one sets TLS as well.
pub fn policy_dropped(mesh: &Mesh, uses: &Uses<'_>) -> Vec<Finding> {
    of(mesh, &uses.policy_dropped, &BTreeSet::new(), ("spec.trafficPolicy", "taken whole"), |rule, losses| {
        let all = All::new(losses);
        let severity = if all.blocks.contains("tls") || all.otherwise.contains("tls") {
            Severity::Warning
        } else {
            Severity::Info
        };
        let message = format!(
            "{} is merged with {}, which is of the same namespace and for the same host and comes first: only the first \
             trafficPolicy of a merge counts, and for {} this one does not; lost is {}",
            rule.object.id,
            winners(mesh, losses),
            all.pairs(),
            all.words()
        );
        let counted = "dropped in the merge";
        let code = Code::RuleShadowed;
        let finding = Finding::of_field(code, &rule.object, "spec.trafficPolicy", counted, message);
        Finding { severity, ..finding }
    })
}

/// MS0204: a rule that does not merge with the one of its host that counts.
pub fn not_merged(mesh: &Mesh, uses: &Uses<'_>) -> Vec<Finding> {
    of(mesh, &uses.apart, &BTreeSet::new(), INSTEAD, |rule, losses| {
        let all = All::new(losses);
        let message = format!(
            "{} and {} are for the same host and do not merge, since their exportTo differ; the newer one counts for \
             {}: lost is {}",
            rule.object.id,
            winners(mesh, losses),
            all.pairs(),
            all.words()
        );
        let counted = "not the same as that of the other rule";
        Finding::of_field(Code::RulesNotMerged, &rule.object, "spec.exportTo", counted, message)
    })
}

/// MS0208: a rule whose export list hides it from clients that have its host in their scope.
pub fn not_exported(mesh: &Mesh, uses: &Uses<'_>, never: &BTreeSet<RuleId>) -> Vec<Finding> {
    of(mesh, &uses.not_exported, never, INSTEAD, |rule, losses| {
        let all = All::new(losses);
        let own = all.namespaces.contains(&*rule.object.id.namespace);
        let own = if own { "; its own namespace, too, has to be named" } else { "" };
        let message = format!(
            "{} is not exported to {}, which call its host without {}{own}",
            rule.object.id,
            all.pairs(),
            all.words()
        );
        let counted = "does not name these clients' namespaces";
        Finding::of_field(Code::NotExported, &rule.object, "spec.exportTo", counted, message)
    })
}

/// MS0209: a rule for selected clients, by which the others of its namespace find no rule at all.
pub fn stops(mesh: &Mesh, uses: &Uses<'_>) -> Vec<Finding> {
    let mut by_stop: BTreeMap<RuleId, BTreeMap<RuleId, &Lost>> = BTreeMap::new();
    for (hidden, losses) in &uses.stopped {
        for (stop, lost) in losses {
            if let Some(stop) = stop {
                by_stop.entry(*stop).or_default().insert(*hidden, lost);
            }
        }
    }
    let finding = |(stop, hidden): (RuleId, BTreeMap<RuleId, &Lost>)| {
        let rule = mesh.rules.get(stop)?;
        let mut all = All::over(hidden.values().copied());
        // The clients are mostly the same for all of them, and a pair is one, however many rules it loses.
        all.pairs = hidden.values().map(|lost| lost.pairs).max().unwrap_or(0).max(all.edges.len());
        let merged = |one: &&Rule| one.object.id.namespace == rule.object.id.namespace;
        let (within, further): (Vec<_>, Vec<_>) =
            hidden.keys().filter_map(|id| mesh.rules.get(*id)).partition(merged);
        let names = |rules: &[&Rule]| {
            rules.iter().map(|rule| rule.object.id.to_string()).collect::<Vec<_>>().join(", ")
        };
        let mut why = Vec::new();
        if !within.is_empty() {
            let are = if within.len() == 1 { "is" } else { "are" };
            let names = names(&within);
            why.push(format!("{names} {are} merged into it, being exported alike, and kept nowhere else"));
        }
        if !further.is_empty() {
            why.push(format!("the search ends with it and does not come to {}", names(&further)));
        }
        let message = format!(
            "{} does not select all clients of {}, and those that it leaves out have no rule: {}; lost is {}",
            rule.object.id,
            all.pairs(),
            why.join("; "),
            all.words()
        );
        let counted = "does not select these clients, and is found first";
        let code = Code::SelectorRuleStopsLookup;
        let mut finding = Finding::of_field(code, &rule.object, "spec.workloadSelector", counted, message);
        let within = within.into_iter().map(|rule| (rule, "merged into it and kept nowhere else"));
        for (hidden, counted) in
            within.chain(further.into_iter().map(|rule| (rule, "not looked at any more")))
        {
            finding = finding.with(&hidden.object, Role::Affected, "spec.host", counted);
        }
        finding.edges = all.listed();
        Some(finding)
    };
    by_stop.into_iter().filter_map(finding).collect()
}

type OfRule = BTreeMap<Option<RuleId>, Lost>;

/// The field of the rule that counts in place of another, and how it counts.
const INSTEAD: (&str, &str) = ("spec.host", "counts instead");

fn of(
    mesh: &Mesh,
    losses: &Losses,
    without: &BTreeSet<RuleId>,
    (field, counted): (&str, &str),
    finding: impl Fn(&Rule, &OfRule) -> Finding,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (id, losses) in losses.iter().filter(|(id, _)| !without.contains(id)) {
        let Some(rule) = mesh.rules.get(*id) else { continue };
        let mut found = finding(rule, losses);
        for winner in losses.keys().take(10).filter_map(|winner| mesh.rules.get((*winner)?)) {
            found = found.with(&winner.object, Role::Partner, field, counted);
        }
        found.edges = All::new(losses).listed();
        findings.push(found);
    }
    findings
}

fn winners(mesh: &Mesh, losses: &OfRule) -> String {
    let rules = losses.keys().filter_map(|winner| mesh.rules.get((*winner)?));
    let names: Vec<_> = rules.map(|rule| rule.object.id.to_string()).collect();
    match names.as_slice() {
        [] => "no rule".to_owned(),
        [one] => one.clone(),
        [one, more @ ..] => format!("{one} and {} more", more.len()),
    }
}

/// All that a rule loses, to whichever rule.
#[derive(Default)]
struct All<'a> {
    edges: Vec<Edge>,
    pairs: usize,
    hosts: BTreeSet<&'a str>,
    namespaces: BTreeSet<&'a str>,
    blocks: BTreeSet<&'a str>,
    otherwise: BTreeSet<&'a str>,
    routed: BTreeSet<&'a str>,
    subsets: BTreeSet<&'a str>,
}

impl<'a> All<'a> {
    fn new(losses: &'a OfRule) -> Self {
        Self::over(losses.values())
    }

    fn over(losses: impl Iterator<Item = &'a Lost>) -> Self {
        let mut all = Self::default();
        for lost in losses {
            all.edges.extend(lost.edges.iter().cloned());
            all.pairs += lost.pairs;
            all.hosts.extend(lost.hosts.as_slice().iter().map(|host| &**host));
            all.namespaces.extend(lost.namespaces.as_slice().iter().map(|namespace| &**namespace));
            all.blocks.extend(lost.what.blocks.iter().map(String::as_str));
            all.otherwise.extend(lost.what.otherwise.iter().map(String::as_str));
            all.routed.extend(lost.routed.iter().map(|subset| &**subset));
            all.subsets.extend(lost.what.subsets.iter().map(|subset| &**subset));
        }
        all.edges.sort();
        all.edges.dedup();
        all.edges.truncate(100);
        all
    }

    /// The pairs that are listed, and how many there are.
    fn listed(self) -> Edges {
        let are_all = self.namespaces.len() < MANY_NAMESPACES;
        let namespaces = are_all.then(|| self.namespaces.iter().map(|one| Text::from(*one)).collect());
        Edges::some(self.edges, self.pairs, namespaces)
    }

    fn words(&self) -> String {
        let mut parts: Vec<_> = self.blocks.iter().map(|block| (*block).to_owned()).collect();
        parts.extend(self.subsets.iter().map(|subset| format!("subset {subset}")));
        // What some lose altogether need not be told as another thing to others.
        let otherwise = self.otherwise.iter().filter(|block| !self.blocks.contains(*block));
        parts.extend(otherwise.map(|block| format!("{block} (set otherwise)")));
        parts.join(", ")
    }

    /// The clients and hosts, counted where they are several.
    fn pairs(&self) -> String {
        let count = |all: &BTreeSet<&str>, of: &str| match all.first() {
            Some(one) if all.len() == 1 => (*one).to_owned(),
            _ => format!("{} {of}", all.len()),
        };
        let many = if self.namespaces.len() >= MANY_NAMESPACES { "at least " } else { "" };
        format!("{} called from {many}{}", count(&self.hosts, "hosts"), count(&self.namespaces, "namespaces"))
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnose::checks::examples::{REVIEWS, check, finding, object, pod, rule, service, shop};

    fn said(yaml: &str, code: &str) -> usize {
        check(yaml).iter().filter(|line| line.starts_with(code)).count()
    }

    fn spec(more: &str) -> String {
        format!("{{host: {REVIEWS}, {more}}}")
    }

    const SIMPLE: &str = "trafficPolicy: {tls: {mode: SIMPLE}}";
    const POOL: &str = "trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}";

    #[test]
    fn a_rule_hidden_by_another_pool_is_an_info_and_a_warning_where_tls_is_lost() {
        let with = |own: &str, clients: &str| {
            shop() + &rule("shop", "own", 1, &spec(own)) + &rule("web", "clients", 2, &spec(clients))
        };
        let pool = finding(&with(POOL, "trafficPolicy: {loadBalancer: {simple: RANDOM}}"), "MS0202");
        assert_eq!((pool.severity.word(), &*pool.root.0.name), ("info", "own"));
        assert!(pool.message.contains("lost is connectionPool"), "{}", pool.message);
        assert_eq!(pool.edges.len(), 1);
        let tls = finding(&with(SIMPLE, POOL), "MS0202");
        assert_eq!(tls.severity.word(), "warning");
        // The same settings, and TLS that automatic mTLS gives back.
        assert_eq!(said(&with(POOL, POOL), "MS0202"), 0);
        assert_eq!(said(&with("trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}", POOL), "MS0202"), 0);
        // The names that it wants in the server's certificate are not given back.
        let names = "trafficPolicy: {tls: {mode: ISTIO_MUTUAL, subjectAltNames: [reviews]}}";
        assert_eq!(finding(&with(names, POOL), "MS0202").severity.word(), "warning");
    }

    #[test]
    fn a_policy_that_a_merge_drops_is_told_for_the_rule_that_loses_it() {
        let merged = |old: &str, young: &str| {
            shop() + &rule("shop", "old", 1, &spec(old)) + &rule("shop", "young", 2, &spec(young))
        };
        let tls = finding(&merged(POOL, SIMPLE), "MS0202");
        assert_eq!((tls.severity.word(), &*tls.root.0.name), ("warning", "young"));
        assert_eq!(tls.root.1, "spec.trafficPolicy");
        assert!(tls.message.contains("merged with DestinationRule shop/old"), "{}", tls.message);
        assert!(tls.message.ends_with("lost is tls"), "{}", tls.message);
        assert_eq!(tls.edges.len(), 2);
        assert_eq!(finding(&merged(SIMPLE, POOL), "MS0202").severity.word(), "info");
        let otherwise = finding(&merged("trafficPolicy: {tls: {mode: DISABLE}}", SIMPLE), "MS0202");
        assert_eq!(otherwise.severity.word(), "warning");
        // What only gives subsets leaves the policy to the next, and so does one that says the same.
        let subsets = "subsets: [{name: v1, labels: {version: v1}}]";
        for silent in [merged(subsets, SIMPLE), merged(SIMPLE, subsets), merged(POOL, POOL)] {
            assert_eq!(said(&silent, "MS0202"), 0);
        }
        // Not merged: that is MS0204.
        let apart = merged(POOL, &format!("{SIMPLE}, exportTo: [\"*\"]"));
        assert_eq!((said(&apart, "MS0202"), said(&apart, "MS0204")), (0, 1));
    }

    #[test]
    fn a_rule_for_some_clients_may_say_something_else_than_the_one_for_all() {
        let own = |name: &str, age: u8, more: &str| rule("web", name, age, &spec(more));
        let some = format!("{POOL}, workloadSelector: {{matchLabels: {{app: client}}}}");
        let all = own("all", 1, &format!("{SIMPLE}, exportTo: [\".\", x]"));
        assert_eq!(said(&(shop() + &own("some", 2, &some) + &all), "MS0202"), 0);
        // Two for the same clients are merged as any two are.
        let two = shop() + &own("some", 2, &some) + &own("too", 3, &some.replace(POOL, SIMPLE));
        assert_eq!(&*finding(&two, "MS0202").root.0.name, "too");
    }

    #[test]
    fn a_rule_that_loses_a_routed_subset_is_a_warning() {
        let subset = "subsets: [{name: v1, labels: {version: v1}}]";
        let route = object(
            "VirtualService",
            "web",
            "reviews",
            1,
            &format!(
                "{{hosts: [{REVIEWS}], http: [{{route: [{{destination: {{host: {REVIEWS}, subset: v1}}}}]}}]}}"
            ),
        );
        let hidden =
            shop() + &rule("shop", "own", 1, &spec(subset)) + &rule("web", "clients", 2, &spec(POOL));
        assert_eq!(finding(&hidden, "MS0202").severity.word(), "info");
        assert_eq!(finding(&(hidden + &route), "MS0202").severity.word(), "warning");
    }

    #[test]
    fn rules_that_do_not_merge_are_told_for_the_one_that_loses() {
        let two = |one: &str, other: &str| {
            shop()
                + &rule(
                    "shop",
                    "a",
                    1,
                    &spec(&format!("trafficPolicy: {{loadBalancer: {{simple: RANDOM}}}}{one}")),
                )
                + &rule("shop", "b", 2, &spec(&format!("{POOL}{other}")))
        };
        let apart = finding(&two("", ", exportTo: [\"*\"]"), "MS0204");
        assert_eq!(&*apart.root.0.name, "a");
        assert!(apart.message.contains("DestinationRule shop/b"), "{}", apart.message);
        assert_eq!(said(&two("", ""), "MS0204"), 0);
        let same = shop()
            + &rule("shop", "a", 1, &spec(POOL))
            + &rule("shop", "b", 2, &spec(&format!("{POOL}, exportTo: [\"*\"]")));
        assert_eq!(said(&same, "MS0204"), 0);
    }

    #[test]
    fn a_rule_is_told_where_its_export_list_leaves_clients_out() {
        let exported =
            |to: &str| shop() + &rule("shop", "own", 1, &spec(&format!("{SIMPLE}, exportTo: [{to}]")));
        let own = finding(&exported("\".\""), "MS0208");
        assert_eq!((own.severity.word(), own.edges.len()), ("info", 1));
        // A namespace that is named leaves the rule's own out.
        assert!(finding(&exported("web"), "MS0208").message.contains("has to be named"));
        assert_eq!(said(&exported("\"*\""), "MS0208"), 0);
        assert_eq!(said(&exported("\".\", web"), "MS0208"), 0);
        // Another rule answers the clients that it leaves out.
        let other = rule("web", "clients", 2, &spec(SIMPLE));
        assert_eq!(said(&(exported("\".\"") + &other), "MS0208"), 0);
        // The service is not there for them either.
        let limited = shop()
            .replace("name: reviews}", "name: reviews, annotations: {networking.istio.io/exportTo: \".\"}}");
        let limited = limited + &rule("shop", "own", 1, &spec(&format!("{SIMPLE}, exportTo: [\".\"]")));
        assert_eq!(said(&limited, "MS0208"), 0);
    }

    #[test]
    fn a_selector_rule_is_told_where_it_hides_rules_from_clients_that_it_does_not_select() {
        let selector = |labels: &str| {
            rule("web", "some", 1, &spec(&format!("{POOL}, workloadSelector: {{matchLabels: {{{labels}}}}}")))
        };
        let below = rule("shop", "own", 1, &spec(SIMPLE));
        let stopped = finding(&(shop() + &below + &selector("app: other")), "MS0209");
        assert_eq!(&*stopped.root.0.name, "some");
        assert!(stopped.message.contains("DestinationRule shop/own"), "{}", stopped.message);
        assert_eq!(said(&(shop() + &below + &selector("app: client")), "MS0209"), 0);
        assert_eq!(said(&(shop() + &selector("app: other")), "MS0209"), 0);
        let general = rule("web", "all", 2, &spec(POOL));
        assert_eq!(said(&(shop() + &below + &selector("app: other") + &general), "MS0209"), 0);
    }

    #[test]
    fn a_rule_for_all_that_is_kept_in_one_for_selected_clients_only_is_told() {
        // A selector rule is exported to its own namespace, and so is this one: they merge, and there is no other entry.
        let selector = |labels: &str| {
            rule("web", "some", 1, &spec(&format!("{POOL}, workloadSelector: {{matchLabels: {{{labels}}}}}")))
        };
        let private = rule("web", "all", 2, &spec(&format!("{SIMPLE}, exportTo: [\".\"]")));
        let stopped = finding(&(shop() + &selector("app: other") + &private), "MS0209");
        assert_eq!(&*stopped.root.0.name, "some");
        assert!(stopped.message.contains("DestinationRule web/all"), "{}", stopped.message);
        assert!(stopped.message.ends_with("lost is tls"), "{}", stopped.message);
        assert!(stopped.message.contains("merged into it"), "{}", stopped.message);
        assert_eq!(said(&(shop() + &selector("app: client") + &private), "MS0209"), 0);
        // A client is one, however many rules it loses, and what it loses is told once.
        let second = rule("web", "too", 3, &spec(&format!("{SIMPLE}, exportTo: [\".\"]")));
        let below = rule("shop", "own", 1, &spec(&format!("{SIMPLE}, subsets: [{{name: v1}}]")));
        let stopped = finding(&(shop() + &selector("app: other") + &private + &second + &below), "MS0209");
        assert_eq!((stopped.edges.len(), stopped.edges.iter().count()), (1, 1));
        assert!(stopped.message.ends_with("lost is tls, subset v1"), "{}", stopped.message);
    }

    #[test]
    fn every_finding_lists_a_pair_however_many_its_rules_lose_elsewhere() {
        let mut mesh = shop()
            + &rule("istio-system", "all", 1, "{host: \"*.local\", trafficPolicy: {tls: {mode: SIMPLE}}}");
        // More pairs than are kept lose the rule to one of `web`, and another client loses it to another one.
        for at in 0..120 {
            mesh += &service("shop", &format!("s{at:03}"), "");
        }
        mesh += &rule("web", "wide", 2, "{host: \"*.shop.svc.cluster.local\", trafficPolicy: {}}");
        mesh += &rule(
            "zone",
            "some",
            3,
            &spec(&format!("{POOL}, workloadSelector: {{matchLabels: {{app: other}}}}")),
        );
        mesh += &pod("zone", "last-1", 9, "app: last", true);
        let stopped = finding(&mesh, "MS0209");
        assert_eq!(stopped.edges.iter().count(), 1, "{}", stopped.message);
    }

    #[test]
    fn a_selector_rule_costs_those_that_it_does_not_select_more_than_those_that_it_does() {
        let own = rule("shop", "own", 1, &spec(SIMPLE));
        let tls =
            "trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}, workloadSelector: {matchLabels: {app: client}}";
        let yaml = shop()
            + &own
            + &rule("web", "some", 1, &spec(tls))
            + &pod("web", "second", 9, "app: second", true);
        let hidden = finding(&yaml, "MS0202").message;
        assert!(hidden.contains("lost is tls (set otherwise)"), "{hidden}");
        let stopped = finding(&yaml, "MS0209").message;
        assert!(stopped.ends_with("lost is tls"), "{stopped}");
    }

    #[test]
    fn a_mesh_wide_default_is_an_info_even_where_every_host_has_its_own() {
        let default =
            rule("istio-system", "default", 1, "{host: \"*.local\", trafficPolicy: {tls: {mode: SIMPLE}}}");
        let own = rule("shop", "own", 2, &spec("trafficPolicy: {tls: {mode: DISABLE}}"));
        let mesh = shop() + &default + &own;
        assert_eq!((said(&mesh, "MS0201"), finding(&mesh, "MS0202").severity.word()), (0, "info"));
        let ratings = service("shop", "ratings", "") + &pod("shop", "ratings-1", 7, "app: ratings", true);
        assert_eq!(said(&(mesh + &ratings), "MS0201"), 0);
    }
}
