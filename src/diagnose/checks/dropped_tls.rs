//! The `tls` block that an entry for the port drops, where that is why a pair is as it is: the reason MS0113.

use std::sync::Arc;

use serde_json::Value;

use super::root::tls_field;
use crate::diagnose::judge::Judged;
use crate::model::Object;
use crate::model::destination_rule::{TlsMode, TrafficPolicy};
use crate::model::peer_authentication::MtlsMode;
use crate::resolve::RuleId;
use crate::resolve::client_tls::Sent;
use crate::resolve::conflict::Server;
use crate::resolve::pair::EndpointTls;
use crate::resolve::rules::Rule;
use crate::resolve::traffic_policy::Part;

/// A block that would count if entries for the port inherited.
pub(super) struct Dropped<'a> {
    /// Its rule.
    pub(super) rule: &'a Rule,
    /// Its path.
    pub(super) field: String,
    /// The block.
    pub(super) block: &'a Value,
    /// The entry that drops it, and the rule of that.
    pub(super) entry: Option<(Arc<Object>, String)>,
}

/// Where a rule has `tls` blocks for a pair and none of them is left, an entry for the port dropped them: nothing else
/// takes a block away (DR-8.1, DR-8.2). The nearest is the one that would count, and its mode is the mark on the
/// endpoints (DR-8.6).
pub(super) fn of<'a>(judged: &Judged<'a>) -> Option<Dropped<'a>> {
    let (mesh, tls) = (judged.mesh, judged.tls);
    let choice = tls.choice.as_ref().filter(|_| tls.policy.tls().is_none())?;
    let top = mesh.rules.policy_of(&choice.contributors);
    let named = tls.subset.as_ref();
    let subset = named.and_then(|name| {
        let mut subsets = mesh.rules.subsets_of(&choice.contributors);
        let (rule, subset) = subsets.find(|(_, subset)| subset.name == *name)?;
        Some((rule, subset.traffic_policy.as_ref()?))
    });
    let own =
        |(rule, policy): (RuleId, &'a TrafficPolicy), part| Some((rule, part, policy.blocks.get("tls")?));
    let of_port = |(rule, policy): (RuleId, &'a TrafficPolicy)| {
        Some((rule, Part::RulePort, policy.port(tls.port)?.get("tls")?))
    };
    let (rule, part, block) = subset
        .and_then(|one| own(one, Part::Subset))
        .or_else(|| top.and_then(of_port))
        .or_else(|| top.and_then(|one| own(one, Part::Rule)))?;
    let has_entry = |one: &(RuleId, &TrafficPolicy)| one.1.port(tls.port).is_some();
    let by = subset.filter(has_entry).map(|(rule, _)| (rule, Part::SubsetPort));
    let by = by.or_else(|| top.filter(has_entry).map(|(rule, _)| (rule, Part::RulePort)));
    let entry = by.and_then(|(rule, part)| {
        let field = tls_field(judged, rule, part)?;
        Some((Arc::clone(&mesh.rules.get(rule)?.object), field.strip_suffix(".tls")?.to_owned()))
    });
    Some(Dropped { rule: mesh.rules.get(rule)?, field: tls_field(judged, rule, part)?, block, entry })
}

impl Dropped<'_> {
    /// Whether the block says no mode, which means DISABLE (DR-8.5).
    pub(super) fn lacks_mode(&self) -> bool {
        self.block.get("mode").is_none()
    }

    /// Whether with the block an endpoint would get what it accepts (MT-5.1), so that its loss is a reason.
    pub(super) fn would_do(&self, judged: &Judged<'_>, endpoint: &EndpointTls) -> bool {
        let passes_network = judged.tls.symptom == Some("X7");
        match (endpoint.sent, TlsMode::of_block(self.block)) {
            (Sent::Plaintext, TlsMode::IstioMutual) => {
                let ends =
                    matches!(endpoint.server, Server::Sidecar(MtlsMode::Strict | MtlsMode::Permissive));
                ends || passes_network
            }
            (Sent::IstioMutual, TlsMode::Disable) => matches!(
                endpoint.server,
                Server::NoProxy | Server::PastProxy | Server::Sidecar(MtlsMode::Disable)
            ),
            (_, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnose::Finding;
    use crate::diagnose::checks::examples::{REVIEWS, finding, object, pod, rule, service, shop};

    const STRICT: &str = "{mtls: {mode: STRICT}}";
    const ENTRY: &str = "portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]";

    fn codes(finding: &Finding) -> Vec<&'static str> {
        finding.because.iter().map(|one| one.code()).collect()
    }

    fn strict(namespace: &str) -> String {
        object("PeerAuthentication", namespace, "default", 1, STRICT)
    }

    fn own(policy: &str, subset: &str) -> String {
        let subsets = format!("subsets: [{{name: v1, labels: {{version: v1}}{subset}}}]");
        rule("shop", "r", 1, &format!("{{host: {REVIEWS}, {policy}{subsets}}}"))
    }

    /// A route that names the subset.
    fn to_subset() -> String {
        let route = format!("route: [{{destination: {{host: {REVIEWS}, subset: v1}}}}]");
        object("VirtualService", "web", "v", 1, &format!("{{hosts: [{REVIEWS}], http: [{{{route}}}]}}"))
    }

    #[test]
    fn a_mark_that_an_entry_leaves_behind_is_the_reason_at_the_top_and_in_a_subset() {
        let top = shop()
            + &strict("shop")
            + &own(&format!("trafficPolicy: {{tls: {{mode: DISABLE}}, {ENTRY}}}, "), "");
        let found = finding(&top, "MS0101");
        assert_eq!((codes(&found), found.root.1.as_str()), (vec!["MS0113"], "spec.trafficPolicy.tls.mode"));
        // The subset's own block, dropped by the subset's entry; the rule above it sets nothing, or no TLS.
        for above in ["", "trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}, "] {
            let subset = own(above, &format!(", trafficPolicy: {{tls: {{mode: DISABLE}}, {ENTRY}}}"));
            let found = finding(&(shop() + &strict("shop") + &to_subset() + &subset), "MS0101");
            assert_eq!(codes(&found), ["MS0113"]);
            assert_eq!(found.root.1, "spec.subsets[0].trafficPolicy.tls.mode");
            assert_eq!(found.edges.len(), 2);
        }
        // A block without mode is a second reason, and the entry is part of the proof.
        let both = own(&format!("trafficPolicy: {{tls: {{sni: x}}, {ENTRY}}}, "), "");
        let found = finding(&(shop() + &strict("shop") + &both), "MS0101");
        assert_eq!(codes(&found), ["MS0113", "MS0112"]);
        let proof = format!("{:?}", found.evidence);
        assert!(proof.contains("spec.trafficPolicy.portLevelSettings[0]"), "{proof}");
    }

    #[test]
    fn each_pair_of_a_finding_adds_its_reason() {
        // The subset's entry drops the block that conflicts without it, too.
        let yaml = shop()
            + &strict("shop")
            + &to_subset()
            + &own("trafficPolicy: {tls: {mode: DISABLE}}, ", &format!(", trafficPolicy: {{{ENTRY}}}"));
        let found = finding(&yaml, "MS0101");
        assert_eq!((codes(&found), found.edges.len()), (vec!["MS0113"], 4));
        // Without an entry the subset inherits, and nothing is dropped.
        let inherits = own(
            "trafficPolicy: {tls: {mode: DISABLE}}, ",
            ", trafficPolicy: {loadBalancer: {simple: RANDOM}}",
        );
        let inherits = shop() + &strict("shop") + &to_subset() + &inherits;
        assert!(codes(&finding(&inherits, "MS0101")).is_empty());
        // An entry that says so itself drops nothing either.
        let entry = ENTRY.replace("loadBalancer", "tls: {mode: DISABLE}, loadBalancer");
        let says = own(&format!("trafficPolicy: {{tls: {{mode: ISTIO_MUTUAL}}, {entry}}}, "), "");
        assert!(codes(&finding(&(shop() + &strict("shop") + &says), "MS0101")).is_empty());
    }

    /// `ISTIO_MUTUAL`, and an entry that drops it.
    fn mutual() -> String {
        own(&format!("trafficPolicy: {{tls: {{mode: ISTIO_MUTUAL}}, {ENTRY}}}, "), "")
    }

    #[test]
    fn istio_mutual_that_is_dropped_is_a_reason_of_plaintext_beside_that_of_automatic_mtls() {
        let of_reviews = "{selector: {matchLabels: {app: reviews}}, mtls: {mode: STRICT}}";
        let hidden = object("PeerAuthentication", "shop", "default", 1, "{mtls: {mode: DISABLE}}")
            + &object("PeerAuthentication", "shop", "reviews", 2, of_reviews);
        let found = finding(&(shop() + &hidden + &mutual()), "MS0101");
        assert_eq!((codes(&found), &*found.root.0.name), (vec!["MS0107", "MS0113"], "default"));
        let rule = found.objects.iter().find(|one| &*one.id.name == "r").unwrap();
        assert_eq!(rule.fields, ["spec.trafficPolicy.portLevelSettings[0]"]);
        assert!(!found.message.contains("DestinationRule"), "{}", found.message);
        // SIMPLE is accepted no more than plaintext.
        let simple = mutual().replace("ISTIO_MUTUAL", "SIMPLE");
        assert_eq!(codes(&finding(&(shop() + &hidden + &simple), "MS0101")), ["MS0107"]);
        let off = "---
apiVersion: v1
kind: ConfigMap
metadata: {namespace: istio-system, name: istio}
data: {mesh: 'enableAutoMtls: false'}
";
        let off = shop() + off + &strict("shop");
        assert_eq!(codes(&finding(&(off.clone() + &mutual()), "MS0101")), ["MS0113"]);
        // With the conflict the rule is not told a second time.
        let told = crate::diagnose::checks::examples::check(&(off + &mutual()));
        assert!(!told.iter().any(|line| line.starts_with("MS0113")), "{told:?}");
        let mixed = service("shop", "reviews", ", clusterIP: None")
            + &pod("shop", "reviews-1", 1, "app: reviews", true)
            + &pod("shop", "reviews-2", 3, "app: reviews", false)
            + &pod("web", "client-1", 2, "app: client", true)
            + &strict("shop");
        assert_eq!(codes(&finding(&(mixed.clone() + &mutual()), "MS0101")), ["MS0108", "MS0113"]);
        let alone = finding(&mixed, "MS0101");
        assert_eq!(codes(&alone), ["MS0108"]);
        // The server's policy makes nobody send anything.
        assert!(alone.message.starts_with("clients send plaintext to "), "{}", alone.message);
        let by = "PeerAuthentication shop/default (spec.mtls.mode) accepts mutual TLS only";
        assert!(alone.message.ends_with(by), "{}", alone.message);
        // A pod whose label says that it cannot, and under ISTIO_MUTUAL would get mutual TLS all the same.
        let label =
            shop().replacen("security.istio.io/tlsMode: istio", "security.istio.io/tlsMode: disabled", 1);
        let mislabelled = finding(&(label + &strict("shop") + &mutual()), "MS0101");
        assert_eq!((codes(&mislabelled), &*mislabelled.root.0.name), (vec!["MS0113"], "reviews-1"));
    }

    #[test]
    fn disable_that_is_dropped_is_a_reason_of_mutual_tls() {
        let entry = ENTRY.replace("RANDOM", "PASSTHROUGH");
        let yaml = service("shop", "reviews", "")
            + &pod("shop", "reviews-1", 1, "app: reviews, version: v1", false)
            + &pod("web", "client-1", 2, "app: client", true)
            + &own(&format!("trafficPolicy: {{tls: {{mode: DISABLE}}, {entry}}}, "), "");
        let found = finding(&yaml, "MS0102");
        assert_eq!(codes(&found), ["MS0113"]);
        let other = yaml.replace("tls: {mode: DISABLE}", "connectionPool: {tcp: {maxConnections: 1}}");
        assert!(codes(&finding(&other, "MS0102")).is_empty());
    }
}
