//! What the objects prove where one line leaves it open: that every request of the pair must fail so, by the policies in
//! force or by what is sent. Not where the lines are older than an object, nor where other requests went well.

use std::sync::Arc;

use super::denied::{allows_others, matched_rule};
use super::{Asked, Cause, Label, at_side, explains};
use crate::correlate::age;
use crate::correlate::locate::Located;
use crate::diagnose::Confidence;
use crate::logs::{Group, JoinKind, Reporter};
use crate::model::Object;
use crate::model::peer_authentication::MtlsMode;
use crate::resolve::authorization::{Allowing, Asks};
use crate::resolve::client_tls::Sent;
use crate::resolve::conflict::Server;
use crate::resolve::{EndpointTls, PairTls, Status};

/// What leaves `503 UC` towards a sidecar that takes what is sent. The application's own closing is `via_upstream` there
/// (data fact 1), so it comes last; a certificate that is refused is refused always, so it is the first where nothing
/// went well.
const MUTUAL: [&str; 5] =
    ["client-cert-untrusted", "client-cert-expired", "sidecar-killed", "stale-connection", "app-closed"];
const MUTUAL_AMONG_OTHERS: [&str; 5] =
    ["stale-connection", "sidecar-killed", "client-cert-untrusted", "client-cert-expired", "app-closed"];
const PLAIN: [&str; 3] = ["stale-connection", "sidecar-killed", "app-closed"];

const FOR_OTHERS: &str = "no rule in force is for this client";

/// Whether no endpoint takes what is sent to it.
fn must_fail(pair: &PairTls, of: impl Fn(&EndpointTls) -> bool) -> bool {
    let fails = |endpoint: &EndpointTls| endpoint.result == Status::Conflict && of(endpoint);
    pair.status == Status::Conflict && pair.reachable().next().is_some() && pair.reachable().all(fails)
}

impl Asked<'_> {
    /// Whether the server's own line of any of a client's lines says that its proxy took it, and refused it neither for TLS
    /// nor by a policy, which leaves its words there (data facts 8 and 10). Objects that say otherwise are not those in force.
    pub(super) fn was_taken(&self, group: &Group) -> bool {
        let mut servers =
            group.evidence.of(JoinKind::ServerFailure).filter_map(|link| self.by_index.get(&link.other));
        group.reporter == Reporter::Client && servers.any(|server| !explains(server))
    }

    /// Whether the objects that decide about the pair are older than a group's lines, as far as they tell.
    pub(super) fn holds_for(&self, pair: &PairTls, group: &Group) -> bool {
        let client = self.locator.locate(group).client;
        !age::deciding(self.locator, client, pair).iter().any(|object| age::is_newer(object, group.first))
    }

    /// `403` with nothing else: the policies of all endpoints may be such that no request of the client gets in.
    pub(super) fn denied_always(&self, group: &Group) -> Option<Cause> {
        let is_answer = group.response_code == Some(403)
            && group.response_code_details.as_deref() == Some("via_upstream");
        let is_tcp = group.response_code == Some(0) && self.is_silent(group);
        if !is_answer && !is_tcp || is_answer && self.went_well_since(group) || self.was_taken(group) {
            return None;
        }
        let pair = self.pair(group, &self.locator.locate(group))?;
        if !matches!(pair.status, Status::Ok | Status::Warn)
            || !self.holds_for(&pair, group)
            || self.names_others(&pair, group)
        {
            return None;
        }
        // Policies are asked when the first bytes come, or the end.
        if is_tcp && group.evidence.silent >= group.count {
            return None;
        }
        let mut found: Option<Cause> = None;
        for endpoint in pair.reachable() {
            let at = endpoint.workload.filter(|_| matches!(endpoint.server, Server::Sidecar(_)))?;
            let (label, says, policies) = self.lets_nobody_in(at, endpoint.sent, group)?;
            if policies.iter().any(|one| age::is_newer(&one.object, group.first)) {
                return None;
            }
            let text = format!("{}: {says}", at_side(group));
            let cause = found.get_or_insert_with(|| self.base(group, label, Confidence::Certain, &text));
            if cause.label != label {
                return None;
            }
            let known = self.allowing(at);
            if label == Label::RbacDeniedBecausePlaintext && !self.knows_caller(&known, group) {
                cause.confidence = Confidence::Likely;
                cause.alternatives = vec![Label::RbacDenied.word()];
            } else if endpoint.sent == Sent::Plaintext && says == FOR_OTHERS {
                cause.confidence = Confidence::Likely;
                cause.alternatives = vec![Label::RbacDeniedBecausePlaintext.word()];
            }
            cause.proof.absorb(super::Proof { objects: policies, ..super::Proof::default() });
        }
        found
    }

    /// Why a server lets nobody in who sends that: the label, what is said of it, and the policies.
    fn lets_nobody_in(
        &self,
        at: usize,
        sent: Sent,
        group: &Group,
    ) -> Option<(Label, &'static str, Vec<super::Proved>)> {
        let known = self.allowing(at);
        let server = self.locator.workload(Some(at))?;
        if known.others_refuse {
            return None;
        }
        if let Some((policy, rule)) = &known.denies_all {
            let says = "a policy in force denies everything";
            return Some((Label::RbacDenied, says, vec![matched_rule(policy, *rule)]));
        }
        let policies = || known.policies.iter().map(|policy| allows_others(policy, server)).collect();
        match known.asks(group.response_code != Some(0)) {
            Asks::LetsNobodyIn => {
                Some((Label::RbacDenied, "the policies in force let nobody in", policies()))
            }
            // With an identity it would be denied as well, so the want of one is not why.
            Asks::AlwaysIdentity if sent == Sent::Plaintext && self.is_other(&known, group) => {
                Some((Label::RbacDenied, FOR_OTHERS, policies()))
            }
            Asks::AlwaysIdentity if sent == Sent::Plaintext => {
                let says = "every rule in force wants an identity, and plaintext is sent";
                Some((Label::RbacDeniedBecausePlaintext, says, policies()))
            }
            // The certificate of Istio's mutual TLS says who it is, and no rule is for that one.
            Asks::AlwaysIdentity if sent == Sent::IstioMutual && self.is_other(&known, group) => {
                Some((Label::RbacDenied, FOR_OTHERS, policies()))
            }
            Asks::AlwaysIdentity | Asks::SometimesIdentity | Asks::NoIdentity | Asks::Unknown => None,
        }
    }

    /// Whether no rule is for the identity of a client.
    fn is_other(&self, allowing: &Allowing, group: &Group) -> bool {
        let client = self.locator.workload(self.locator.locate(group).client);
        allowing.is_for_others(self.locator.mesh(), client, group.response_code != Some(0))
    }

    /// Whether the identity of a client would have let it in.
    fn knows_caller(&self, allowing: &Allowing, group: &Group) -> bool {
        let client = self.locator.workload(self.locator.locate(group).client);
        allowing.knows(self.locator.mesh(), client) == Some(true)
    }

    /// A TLS handshake that nobody gives a reason for, where all endpoints must refuse it.
    pub(super) fn refused_always(&self, group: &Group) -> Option<Cause> {
        // Older proxies say no more of an address that refuses.
        let details = group.response_code_details.as_deref().unwrap_or_default();
        let in_handshake =
            details.contains("remote_connection_failure") && !details.contains("connect_error");
        if !in_handshake || self.went_well_since(group) {
            return None;
        }
        let pair =
            self.pair(group, &self.locator.locate(group)).filter(|pair| self.holds_for(pair, group))?;
        if self.names_others(&pair, group) {
            return None;
        }
        let to_sidecar = |endpoint: &EndpointTls| {
            matches!(endpoint.sent, Sent::Simple | Sent::Mutual)
                && matches!(&endpoint.server, Server::Sidecar(mode) if *mode != MtlsMode::Strict)
        };
        let label = if must_fail(&pair, |endpoint| endpoint.sent == Sent::IstioMutual) {
            Label::MtlsToPlaintext
        } else if must_fail(&pair, to_sidecar) {
            Label::NonIstioTlsToPermissive
        } else {
            return None;
        };
        let text = format!("{}: no endpoint ends the TLS that is sent", at_side(group));
        let mut cause = self.base(group, label, Confidence::Certain, &text);
        cause.proof.objects = self.decided_by(&cause.place, &pair);
        Some(cause)
    }

    /// Whether TLS without a certificate of the mesh is all that is sent, to endpoints that want one.
    pub(super) fn sends_no_certificate(&self, group: &Group) -> bool {
        let pair = self.pair(group, &self.locator.locate(group)).filter(|pair| self.holds_for(pair, group));
        pair.is_some_and(|pair| must_fail(&pair, |endpoint| endpoint.sent == Sent::Simple))
    }

    fn decided_by(&self, place: &Located, pair: &PairTls) -> Vec<super::Proved> {
        let objects = age::settings(self.locator, place.client, pair).into_iter();
        let proved = |object: Arc<Object>| super::Proved {
            object,
            role: crate::diagnose::finding::Role::Partner,
            field: String::new(),
            counted: "decides what is sent or demanded".to_owned(),
        };
        objects.map(proved).collect()
    }

    /// What leaves `503 UC` where client and server agree, the most likely first. Plaintext to STRICT is not among it,
    /// unless an object is newer than the lines.
    pub(super) fn where_they_agree(&self, group: &Group, pair: &PairTls) -> Vec<&'static str> {
        let mut others: Vec<&'static str> = match pair.status {
            Status::Ok | Status::Warn => self.towards(group, pair),
            Status::Cond | Status::Unknown | Status::Conflict => return super::reset::all(),
        };
        let client = self.locator.locate(group).client;
        let is_older = age::deciding(self.locator, client, pair).iter().any(|object| {
            let changed = age::changed(object).zip(group.last);
            changed.is_some_and(|(changed, last)| changed.saturating_mul(1_000_000) > last)
        });
        if is_older {
            others.push(Label::PlaintextToStrict.word());
        }
        others
    }

    fn towards(&self, group: &Group, pair: &PairTls) -> Vec<&'static str> {
        let sidecar = |endpoint: &EndpointTls| matches!(endpoint.server, Server::Sidecar(_));
        let all = |sent: Sent| pair.reachable().all(|endpoint| sidecar(endpoint) && endpoint.sent == sent);
        let any = pair.reachable().next().is_some() && group.response_code != Some(0);
        let well = self.successes.contains_key(&super::about(group));
        if any && all(Sent::IstioMutual) {
            (if well { MUTUAL_AMONG_OTHERS } else { MUTUAL }).to_vec()
        } else if any && all(Sent::Plaintext) {
            PLAIN.to_vec()
        } else {
            let others = super::reset::all().into_iter();
            others.filter(|other| *other != Label::PlaintextToStrict.word()).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::correlate::cause::causes;
    use crate::correlate::locate::Locator;
    use crate::correlate::tests::{HOST, ISTIO_SNI, UC, client, mesh, read, server};
    use crate::resolve::{Mesh, Options};

    /// The main cause: label, confidence, alternatives.
    fn said(mesh: &str, clients: &str) -> String {
        let bundle = read(mesh, clients, "");
        let mesh = Mesh::new(&bundle.snapshot, &Options::default());
        let causes = causes(&Locator::new(&mesh), &bundle.logs);
        let main = causes.first().unwrap();
        format!("{} {} {}", main.label.word(), main.confidence.word(), main.alternatives.join(" "))
            .trim()
            .to_owned()
    }

    fn policy(kind: &str, name: &str, more: &str, spec: &str) -> String {
        format!(
            "---\napiVersion: security.istio.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop{more}}}\n\
             spec: {spec}\n"
        )
    }

    const DENIED: &str = "403 - via_upstream";
    const OPEN: &str = "app-error possible rbac-denied ext-authz-denied rbac-denied-because-plaintext";

    #[test]
    fn policies_that_let_nobody_in_prove_what_the_client_alone_cannot_tell() {
        let of = |mode: &str, policies: &str, lines: &str| {
            said(&(mesh(mode, "", &[true]) + policies), &(client(20, DENIED, "-") + lines))
        };
        let a = |spec: &str| policy("AuthorizationPolicy", "a", "", spec);
        let (nobody, everybody) = (a("{}"), a("{action: DENY, rules: [{}]}"));
        let by_principal = "{rules: [{from: [{source: {principals: ['*']}}]}]}";
        assert_eq!(of("ISTIO_MUTUAL", &nobody, ""), "rbac-denied certain");
        assert_eq!(of("ISTIO_MUTUAL", &everybody, ""), "rbac-denied certain");
        assert_eq!(of("DISABLE", &a(by_principal), ""), "rbac-denied-because-plaintext certain");
        // A client that no rule is for is kept out with an identity as well.
        let others = "{rules: [{from: [{source: {namespaces: [foo]}}]}]}";
        let denied = "rbac-denied likely rbac-denied-because-plaintext";
        assert_eq!(of("DISABLE", &a(others), ""), denied);
        assert_eq!(of("ISTIO_MUTUAL", &a(others), ""), "rbac-denied certain");
        let either = "{rules: [{from: [{source: {namespaces: [foo]}}, {source: {namespaces: [web], ipBlocks: [10.0.0.0/8]}}]}]}";
        let likely = "rbac-denied-because-plaintext likely rbac-denied";
        assert_eq!(of("DISABLE", &a(either), ""), likely);
        // Rules are not evaluated: with an identity, and with rules for some requests, it stays open.
        assert_eq!(of("ISTIO_MUTUAL", &a(by_principal), ""), OPEN);
        assert_eq!(of("", &a("{action: DENY, rules: [{to: [{operation: {paths: [/a]}}]}]}"), ""), OPEN);
        assert_eq!(of("DISABLE", "", ""), OPEN);
        // Others are let in besides, somebody else may refuse before, the policy is newer, or others went well since.
        let other = policy("AuthorizationPolicy", "b", "", "{rules: [{to: [{operation: {paths: [/a]}}]}]}");
        assert_eq!(of("", &(nobody.clone() + &other), ""), OPEN);
        for before in [
            policy("AuthorizationPolicy", "b", "", "{action: CUSTOM, provider: {name: a}, rules: [{}]}"),
            policy("RequestAuthentication", "b", "", "{}"),
        ] {
            assert_eq!(of("", &(everybody.clone() + &before), ""), OPEN, "{before}");
        }
        // What is not understood of a policy is not read as absent.
        for odd in [
            "{selector: {matchLabels: {x: true}}}",
            "{selector: {matchLabels: [x]}}",
            "{selector: {app: x}}",
            "{rules: {}}",
            "{action: DENY, rules: [{form: [{source: {namespaces: [foo]}}]}]}",
            "[]",
        ] {
            assert_eq!(of("", &a(odd), ""), OPEN, "{odd}");
        }
        let newer = policy("AuthorizationPolicy", "a", ", creationTimestamp: '2026-03-02T09:00:30Z'", "{}");
        assert_eq!(of("", &newer, ""), OPEN);
        assert_eq!(of("", &nobody, &client(30, "200 - via_upstream", "-")), OPEN);
        assert_eq!(of("", &nobody, &client(10, "200 - via_upstream", "-")), "rbac-denied certain");
        // A server without proxy asks nobody; which one it was is told by the line, if it is one of them.
        let two = mesh("", "", &[true, false]) + &nobody;
        let to = |host: &str| said(&two, &client(20, DENIED, "-").replace("10.8.2.0:9080", host));
        assert_eq!(to("10.8.2.0:9080"), "rbac-denied certain");
        assert_eq!(to("10.8.2.1:9080"), OPEN);
        assert_eq!(to("10.8.2.9:9080"), OPEN);
    }

    #[test]
    fn a_handshake_that_every_endpoint_must_refuse_is_told_from_one_that_some_do() {
        let reset = "503 URX,UF upstream_reset_before_response_started{remote_connection_failure}";
        let none = client(20, reset, "-");
        let well = client(30, "200 - via_upstream", "-");
        let of = |mode: &str, policy: &str, servers: &[bool], lines: &str| {
            said(&mesh(mode, policy, servers), lines)
        };
        assert_eq!(of("ISTIO_MUTUAL", "", &[false], &none), "mtls-to-plaintext certain");
        assert_eq!(of("ISTIO_MUTUAL", "DISABLE", &[true, true], &none), "mtls-to-plaintext certain");
        let likely = "mtls-to-plaintext likely pod-unreachable";
        let to = |host: &str| of("ISTIO_MUTUAL", "", &[true, false], &none.replace("10.8.2.0:9080", host));
        assert_eq!(to("10.8.2.1:9080"), "mtls-to-plaintext certain");
        assert_eq!(to("10.8.2.9:9080"), likely);
        assert_eq!(to("10.8.2.0:9080"), "pod-unreachable possible mtls-to-plaintext sidecar-killed");
        assert_eq!(of("ISTIO_MUTUAL", "", &[false], &(none.clone() + &well)), likely);
        let open = "pod-unreachable possible mtls-to-plaintext sidecar-killed";
        assert_eq!(of("ISTIO_MUTUAL", "STRICT", &[true], &none), open);
        // Former proxies wrote the same of an address that refuses.
        let former = client(20, "503 UF upstream_reset_before_response_started{connection_failure}", "-");
        assert_eq!(of("ISTIO_MUTUAL", "", &[false], &former), likely);
        let by_peer =
            "TLS_error:|33554536:system_library:OPENSSL_internal:Connection_reset_by_peer:TLS_error_end";
        let foreign = client(20, reset, by_peer);
        assert_eq!(of("SIMPLE", "", &[true], &foreign), "non-istio-tls-to-permissive certain");
        assert!(
            of("ISTIO_MUTUAL", "STRICT", &[true], &foreign)
                .starts_with("non-istio-tls-to-permissive possible")
        );
    }

    #[test]
    fn a_conflict_that_is_newer_than_the_lines_or_that_bytes_contradict_is_no_proof() {
        let uc = client(20, UC, "-");
        let at = |mesh: &str, time: &str| {
            let time = format!(", creationTimestamp: '2026-03-02T{time}Z'}}\n");
            mesh.replace("name: r, namespace: shop}\n", &format!("name: r, namespace: shop{time}"))
        };
        let said = |mesh: &str, lines: &str| {
            let said = said(mesh, lines);
            said.split(' ').take(2).collect::<Vec<_>>().join(" ")
        };
        for (mode, label) in [("DISABLE", "plaintext-to-strict"), ("SIMPLE", "no-client-cert")] {
            let mesh = mesh(mode, "STRICT", &[true]);
            assert_eq!(said(&mesh, &uc), format!("{label} certain"));
            assert_eq!(said(&at(&mesh, "08:00:00"), &uc), format!("{label} certain"));
            assert_eq!(said(&at(&mesh, "10:00:00"), &uc), format!("{label} possible"));
        }
        let strict = mesh("DISABLE", "STRICT", &[true]);
        // Neither tells which was first.
        let none = |line: &str, second: u32| line.replace(&format!("[2026-03-02T09:00:{second}.000Z] "), "");
        let untimed = none(&uc, 20) + &none(&client(30, "200 - via_upstream", "-"), 30);
        assert!(!said(&strict, &untimed).ends_with("certain"));
        // On TCP something came back.
        let tcp = client(20, "0 UR -", "-");
        assert_eq!(said(&strict, &tcp), "plaintext-to-strict possible");
        assert_eq!(said(&strict, &tcp.replace(" 0 95 ", " 11 0 ")), "plaintext-to-strict certain");
        // A port that is only looked at is not refused, and what is the application's own TLS is no plaintext.
        assert_eq!(said(&strict, &tcp.replace(" 0 95 ", " 0 0 ")), "plaintext-to-strict possible");
        for port in
            ["name: https, port: 80", "name: tls-a, port: 80", "name: x, appProtocol: https, port: 80"]
        {
            let own = strict.replace("name: http, port: 80", port);
            assert_eq!(
                said(&own, &tcp.replace(" 0 95 ", " 11 0 ")),
                "plaintext-to-strict possible",
                "{port}"
            );
        }
    }

    #[test]
    fn a_request_that_the_server_took_is_not_what_the_objects_refuse() {
        let uc = client(20, UC, "-");
        let line = server(20, "0 DC downstream_remote_disconnect");
        let foreign = line.replace(ISTIO_SNI, "cart.example.com");
        for (mode, line) in [("DISABLE", &line), ("SIMPLE", &foreign)] {
            let bundle = read(&mesh(mode, "STRICT", &[true]), &uc, line);
            let mesh = Mesh::new(&bundle.snapshot, &Options::default());
            let causes = causes(&Locator::new(&mesh), &bundle.logs);
            let main = causes.iter().map(|one| (one.label.word(), one.confidence.word())).collect::<Vec<_>>();
            assert_eq!(main, [("unknown", "possible")], "{mode}");
        }
    }

    #[test]
    fn past_every_service_grpc_fails_as_http_does_and_a_newer_policy_proves_nothing() {
        let mesh = mesh("", "STRICT", &[true]);
        let of = |mesh: &str, what: &str| {
            let line = client(20, what, "-").replace(&format!("outbound|80||{HOST}"), "PassthroughCluster");
            said(mesh, &line.replace("10.9.0.1:80", "10.8.2.0:9080"))
        };
        assert_eq!(of(&mesh, UC), "plaintext-to-strict certain");
        assert_eq!(of(&mesh, &UC.replace("503", "200")), "plaintext-to-strict certain");
        let newer = ", creationTimestamp: '2026-03-02T10:00:00Z'}\nspec: {mtls";
        assert!(of(&mesh.replace("}\nspec: {mtls", newer), UC).starts_with("plaintext-to-strict possible"));
    }

    #[test]
    fn a_sound_pair_leaves_what_is_left_in_the_order_of_likelihood() {
        let sound = mesh("ISTIO_MUTUAL", "STRICT", &[true]);
        let all = "client-cert-untrusted client-cert-expired sidecar-killed stale-connection app-closed";
        assert_eq!(said(&sound, &client(20, UC, "-")), format!("unknown possible {all}"));
        // Where others go well a certificate is not the first to think of.
        let well = client(10, "200 - via_upstream", "-");
        let among = "stale-connection sidecar-killed client-cert-untrusted client-cert-expired app-closed";
        assert_eq!(said(&sound, &(well + &client(20, UC, "-"))), format!("unknown possible {among}"));
        let open = mesh("DISABLE", "PERMISSIVE", &[true]);
        assert_eq!(
            said(&open, &client(20, UC, "-")),
            "unknown possible stale-connection sidecar-killed app-closed"
        );
        // The policy may be newer than the lines.
        let newer = sound.replace(
            "metadata: {name: default, namespace: shop}",
            "metadata: {name: default, namespace: shop, creationTimestamp: '2026-03-02T09:00:30Z'}",
        );
        assert_eq!(said(&newer, &client(20, UC, "-")), format!("unknown possible {all} plaintext-to-strict"));
    }
}
