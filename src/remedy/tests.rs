use super::*;
use crate::diagnose::checks::examples::{object, pod, rule, service, shop, snapshot};
use crate::diagnose::diagnose;
use crate::resolve::Options;

/// The remedies of the finding with a code; there has to be one.
fn remedies_of(yaml: &str, code: &str) -> Vec<Remedy> {
    let mesh = Mesh::new(&snapshot(yaml), &Options::default());
    let found = diagnose(&mesh, &[]).findings;
    let finding = found.iter().find(|finding| finding.code.code() == code);
    let said: Vec<_> = found.iter().map(|finding| finding.code.code()).collect();
    remedies(&mesh, finding.unwrap_or_else(|| panic!("no {code} among {said:?}")))
}

fn titles(yaml: &str, code: &str) -> Vec<String> {
    remedies_of(yaml, code).into_iter().map(|remedy| remedy.title).collect()
}

const STRICT: &str = "{mtls: {mode: STRICT}}";

/// A wide rule of the root namespace that switches TLS off, a strict `reviews`, and `plain` without proxy.
fn wide(mode: &str) -> String {
    let policy =
        "{host: \"*.local\", trafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}, tls: {mode: MODE}}}";
    shop()
        + &service("shop", "plain", "")
        + &pod("shop", "plain-1", 7, "app: plain", false)
        + &object("PeerAuthentication", "shop", "default", 1, STRICT)
        + &rule("istio-system", "wide", 1, &policy.replace("MODE", mode))
}

#[test]
fn a_wide_rule_is_left_alone_where_others_need_it() {
    // ISTIO_MUTUAL for all would break what has no proxy: only what keeps it is proposed.
    let found = remedies_of(&wide("DISABLE"), "MS0101");
    let titles: Vec<_> = found.iter().map(|one| one.title.as_str()).collect();
    assert!(!titles.iter().any(|title| title.contains("to ISTIO_MUTUAL: mutual TLS to every")), "{titles:?}");
    // The exception touches nobody else, so it comes first.
    assert!(
        titles[0].starts_with("make an exception for reviews.shop.svc.cluster.local in shop"),
        "{titles:?}"
    );
    let manifest = found[0].manifest.as_ref().unwrap();
    assert_eq!(manifest["metadata"], serde_json::json!({"name": "reviews-mtls", "namespace": "shop"}));
    assert_eq!(manifest["spec"]["host"], "reviews.shop.svc.cluster.local");
    assert_eq!(manifest["spec"]["trafficPolicy"]["connectionPool"]["tcp"]["maxConnections"], 7);
    assert_eq!(manifest["spec"]["trafficPolicy"]["tls"]["mode"], "ISTIO_MUTUAL");
    assert!(found[0].command.as_ref().unwrap().starts_with("printf '%s' '{"));
    assert!(found[0].changes.iter().all(|change| &*change.host == "reviews.shop.svc.cluster.local"));
}

#[test]
fn an_exception_for_a_host_without_proxy() {
    let found = remedies_of(&wide("ISTIO_MUTUAL"), "MS0102");
    let exception = found.iter().find(|one| one.title.contains("exception")).unwrap();
    assert_eq!(exception.manifest.as_ref().unwrap()["spec"]["trafficPolicy"]["tls"]["mode"], "DISABLE");
    let change = exception.changes.iter().find(|change| change.port == 80).unwrap();
    assert_eq!((change.before.status, change.after.status), (Status::Conflict, Status::Ok));
    assert_eq!(change.before.policy["connectionPool"], change.after.policy["connectionPool"]);
}

#[test]
fn the_preview_names_every_pair_that_changes() {
    let yaml = wide("DISABLE");
    let found = remedies_of(&yaml, "MS0101");
    let without = found.iter().find(|one| one.title.starts_with("remove spec.trafficPolicy.tls")).unwrap();
    let hosts: std::collections::BTreeSet<_> = without.changes.iter().map(|change| &*change.host).collect();
    // Plaintext to `plain` stays what it is, but its policy has no tls block any more: it is listed.
    let all = ["plain.shop.svc.cluster.local", "reviews.shop.svc.cluster.local"];
    assert_eq!(hosts, all.into());
    let clients: u64 = without.changes.iter().map(|change| change.workloads).sum();
    assert_eq!(clients, 4, "two clients with a proxy, two hosts");
}

#[test]
fn a_host_is_made_whole_with_what_is_in_force_for_it() {
    let short = rule("web", "short", 2, "{host: reviews, trafficPolicy: {loadBalancer: {simple: RANDOM}}}")
        + &rule(
            "shop",
            "full",
            1,
            "{host: reviews, trafficPolicy: {connectionPool: {tcp: {maxConnections: 3}}}}",
        );
    let found = remedies_of(&(shop() + &short), "MS0203");
    let patch = found[0].patch.as_ref().unwrap();
    assert_eq!(patch["spec"]["host"], "reviews.shop.svc.cluster.local");
    assert_eq!(patch["spec"]["trafficPolicy"]["connectionPool"]["tcp"]["maxConnections"], 3);
    // Two services of that name: nobody knows which one is meant.
    let two = shop() + &short + &service("api", "reviews", "");
    assert!(remedies_of(&two, "MS0203").is_empty());
}

#[test]
fn a_rule_is_moved_to_where_clients_find_it() {
    let stray = "{host: reviews.shop.svc.cluster.local, trafficPolicy: {loadBalancer: {simple: RANDOM}}}";
    let wide = "{host: \"*.local\", trafficPolicy: {connectionPool: {tcp: {maxConnections: 3}}}}";
    let yaml = shop() + &rule("config", "stray", 1, stray) + &rule("istio-system", "wide", 2, wide);
    let found = remedies_of(&yaml, "MS0201");
    let moved = &found[0];
    let manifest = moved.manifest.as_ref().unwrap();
    assert_eq!(manifest["metadata"], serde_json::json!({"name": "stray", "namespace": "shop"}));
    assert_eq!(manifest["spec"]["trafficPolicy"]["connectionPool"]["tcp"]["maxConnections"], 3);
    let command = moved.command.as_ref().unwrap();
    assert!(command.ends_with("&& kubectl delete destinationrule stray -n config"), "{command}");
    assert!(moved.changes.iter().all(|change| change.after.policy.contains_key("loadBalancer")));
}

#[test]
fn a_subset_is_taken_over_from_the_rule_that_defines_it() {
    let route = "{hosts: [reviews.shop.svc.cluster.local], http: [{route: [{destination: {host: \
                 reviews.shop.svc.cluster.local, subset: v1}}]}]}";
    let yaml = shop()
        + &rule(
            "web",
            "own",
            1,
            "{host: reviews.shop.svc.cluster.local, trafficPolicy: {loadBalancer: {simple: RANDOM}}}",
        )
        + &rule("shop", "full", 1, "{host: reviews, subsets: [{name: v1, labels: {version: v1}}]}")
        + &object("VirtualService", "web", "route", 1, route);
    let found = remedies_of(&yaml, "MS0206");
    assert_eq!(found[0].object.path(), "web/own");
    let subsets = &found[0].patch.as_ref().unwrap()["spec"]["subsets"];
    assert_eq!(subsets, &serde_json::json!([{"name": "v1", "labels": {"version": "v1"}}]));
    // The same settings, into the rule that hides them.
    assert!(titles(&yaml, "MS0202")[0].starts_with("give DestinationRule web/own what it does not set"));
}

#[test]
fn the_first_rule_of_a_merge_takes_over_the_policy_that_is_dropped_and_no_subset() {
    let old = "{host: reviews, trafficPolicy: {loadBalancer: {simple: RANDOM}}}";
    let young =
        "{host: reviews, trafficPolicy: {tls: {mode: SIMPLE}}, subsets: [{name: v1, labels: {version: v1}}]}";
    let with = |young: &str| shop() + &rule("shop", "old", 1, old) + &rule("shop", "young", 2, young);
    // The settings make it worse: the server takes no such TLS.
    assert!(titles(&with(young), "MS0202").is_empty());
    let pool = young.replace("tls: {mode: SIMPLE}", "connectionPool: {tcp: {maxConnections: 3}}");
    let found = remedies_of(&with(&pool), "MS0202");
    assert_eq!(found[0].object.path(), "shop/old");
    let spec = &found[0].patch.as_ref().unwrap()["spec"];
    assert_eq!(spec["trafficPolicy"]["connectionPool"]["tcp"]["maxConnections"], 3);
    assert!(spec.get("subsets").is_none(), "{spec}");
}

#[test]
fn policies_get_the_port_that_is_meant() {
    let policy = "{selector: {matchLabels: {app: reviews}}, mtls: {mode: STRICT}, portLevelMtls: {80: {mode: DISABLE}}}";
    let found = remedies_of(&(shop() + &object("PeerAuthentication", "shop", "ports", 1, policy)), "MS0109");
    let patch = found[0].patch.as_ref().unwrap();
    assert_eq!(patch["spec"]["portLevelMtls"], serde_json::json!({"8080": {"mode": "DISABLE"}, "80": null}));
    assert!(found[0].changes.iter().all(|change| change.after.server == "DISABLE"));
}

#[test]
fn settings_that_an_entry_drops_are_repeated_in_it() {
    let policy = "{host: reviews, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}, \
                  portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]}}";
    let found = remedies_of(&(shop() + &rule("shop", "r", 1, policy)), "MS0113");
    let entries = &found[0].patch.as_ref().unwrap()["spec"]["trafficPolicy"]["portLevelSettings"];
    assert_eq!(entries[0]["connectionPool"]["tcp"]["maxConnections"], 1);
    assert_eq!(entries[0]["loadBalancer"]["simple"], "RANDOM");
}

#[test]
fn a_subsets_entry_gets_the_tls_that_it_drops() {
    let host = "reviews.shop.svc.cluster.local";
    let subset = "{host: reviews, subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {tls: {mode: DISABLE}, \
                  portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]}}]}";
    let route =
        format!("{{hosts: [{host}], http: [{{route: [{{destination: {{host: {host}, subset: v1}}}}]}}]}}");
    let yaml = shop()
        + &object("PeerAuthentication", "shop", "default", 1, "{mtls: {mode: STRICT}}")
        + &rule("shop", "r", 1, subset)
        + &object("VirtualService", "web", "v", 1, &route);
    let found = remedies_of(&yaml, "MS0101");
    let entry = "/spec/subsets/0/trafficPolicy/portLevelSettings/0/tls/mode";
    let modes: Vec<_> = found.iter().map(|one| one.patch.as_ref().unwrap().pointer(entry).cloned()).collect();
    assert!(modes.contains(&Some("ISTIO_MUTUAL".into())), "{found:?}");
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn tls_is_originated_for_the_port_that_needs_it() {
    let entry = "{hosts: [api.example.com], location: MESH_EXTERNAL, resolution: DNS, ports: [{name: http, number: \
                 80, protocol: HTTP, targetPort: 443}]}";
    let found = remedies_of(&(shop() + &object("ServiceEntry", "shop", "api", 1, entry)), "MS0115");
    let manifest = found[0].manifest.as_ref().unwrap();
    assert_eq!(manifest["spec"]["host"], "api.example.com");
    assert!(found[0].changes.iter().all(|change| change.after.sent == Some(Sent::Simple)));
}

#[test]
fn every_pair_of_a_long_finding_has_to_be_well_afterwards() {
    let mut mesh = shop()
        + &object("PeerAuthentication", "shop", "default", 1, STRICT)
        + &rule(
            "web",
            "wide",
            1,
            "{host: \"*.shop.svc.cluster.local\", trafficPolicy: {tls: {mode: DISABLE}}}",
        );
    for at in 10..=220_u8 {
        let name = format!("s{at:03}");
        mesh += &(service("shop", &name, "")
            + &pod("shop", &format!("{name}-1"), at, &format!("app: {name}"), true));
    }
    let automatic =
        |mesh: &str| titles(mesh, "MS0101").iter().any(|title| title.contains("automatic mTLS decides"));
    assert!(automatic(&mesh), "{:?}", titles(&mesh, "MS0101"));
    // Without its label the last one gets plaintext from automatic mTLS, as it does from the rule.
    let label = "labels: {app: s220, security.istio.io/tlsMode: istio}";
    assert!(mesh.contains(label));
    assert!(!automatic(&mesh.replace(label, "labels: {app: s220}")));
}
