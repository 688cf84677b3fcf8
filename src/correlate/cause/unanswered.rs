//! TCP connections on which nothing came back and of which the proxy tells no failure (`0 -`). A refusal by a policy or of
//! a certificate leaves that (data facts 3, 10 and 24), and so does an application that closes, or a caller that only
//! looks whether somebody listens. So it is told as *possible*, with all of them, unless the objects decide; and not at all
//! where other connections of the same proxy to the same cluster were answered: what refuses refuses them all, at one
//! endpoint (`silent`).

use super::reset::is_sent;
use super::{Asked, Cause, Label, at_side};
use crate::correlate::passthrough::demand;
use crate::diagnose::Confidence;
use crate::logs::{Direction, Group, Reporter, UpstreamCluster};
use crate::model::destination_rule::TlsMode;
use crate::model::peer_authentication::MtlsMode;
use crate::resolve::client_tls::Sent;
use crate::resolve::{PairTls, Status};

const CERTIFICATES: [Label; 2] = [Label::ClientCertUntrusted, Label::ClientCertExpired];

/// A TCP connection that ended without a flag, and without words.
pub(super) fn is_plain_end(group: &Group) -> bool {
    group.response_code == Some(0)
        && group.flags.is_empty()
        && group.response_code_details.is_none()
        && group.upstream_transport_failure_reason.is_none()
        && group.connection_termination_details.is_none()
}

/// Whether lines are of what a client's proxy sent to a cluster.
pub(super) fn is_outbound(group: &Group) -> bool {
    direction(group) == Some(Direction::Outbound)
}

fn direction(group: &Group) -> Option<Direction> {
    let cluster = group.upstream_cluster.as_deref()?;
    Some(UpstreamCluster::parse(cluster.as_bytes()).direction)
}

/// Connections of TLS that is not Istio's on which nothing came back, as many as there may be. Plaintext is not counted:
/// it would have been refused with a flag, and whoever probes a port leaves such lines.
fn foreign(group: &Group) -> u64 {
    let silent = group.count.saturating_sub(group.answered);
    if group.sni_other <= silent { group.sni_other } else { 0 }
}

impl Asked<'_> {
    /// Whether a group is one of these.
    pub(super) fn is_unanswered(&self, group: &Group) -> bool {
        if !is_plain_end(group) || group.ambiguous {
            return false;
        }
        match (group.reporter, direction(group)) {
            (Reporter::Client, Some(Direction::Outbound)) => {
                group.answered == 0 && !self.others_answer(group).0
            }
            (Reporter::Server, Some(Direction::Inbound)) => {
                foreign(group) > 0 || group.answered == 0 && group.sni_istio >= group.count
            }
            _ => false,
        }
    }

    /// The cause of such a group.
    pub(super) fn unanswered(&self, group: &Group) -> Cause {
        match group.reporter {
            Reporter::Server => self.unanswered_at_server(group),
            Reporter::Client | Reporter::Unknown => self.unanswered_at_client(group),
        }
    }

    fn unanswered_at_client(&self, group: &Group) -> Cause {
        let pair = self.pair(group, &self.locator.locate(group));
        let simple = |pair: &PairTls| {
            pair.cluster.declared.as_ref().is_some_and(|mode| matches!(mode, TlsMode::Simple))
        };
        // What is sent there must be refused, and that is what it looks like.
        let refused = |pair: &PairTls| {
            pair.status == Status::Conflict && (is_sent(pair, Sent::Plaintext) || simple(pair))
        };
        let taken = self.was_taken(group);
        if pair.as_ref().is_some_and(refused) && !taken {
            return self.reset(group);
        }
        if let Some(cause) = self.denied_always(group) {
            return cause;
        }
        let others = match &pair {
            // Of what the server's proxy took it tells the policies itself, and a certificate that it refused not.
            _ if taken && group.evidence.joined_server_failure() >= group.count => CERTIFICATES.to_vec(),
            Some(pair) if matches!(pair.status, Status::Ok | Status::Warn) && self.holds_for(pair, group) => {
                self.where_nothing_is_refused_by_mode(pair)
            }
            Some(_) | None => {
                let modes = [Label::NoClientCert, Label::PlaintextToStrict];
                let all = [Label::RbacDenied, Label::RbacDeniedBecausePlaintext].into_iter();
                all.chain(CERTIFICATES).chain(modes).collect()
            }
        };
        self.open(group, group.count, Label::AppClosed, others)
    }

    fn where_nothing_is_refused_by_mode(&self, pair: &PairTls) -> Vec<Label> {
        if pair.endpoints.iter().all(|endpoint| self.has_no_proxy(endpoint.workload)) {
            return Vec::new();
        }
        let by_policy = [Label::RbacDenied, Label::RbacDeniedBecausePlaintext].into_iter();
        if pair.reachable().all(|endpoint| endpoint.sent == Sent::Plaintext) {
            return by_policy.collect();
        }
        let all_mutual = pair.reachable().all(|endpoint| endpoint.sent == Sent::IstioMutual);
        by_policy.take(if all_mutual { 1 } else { 2 }).chain(CERTIFICATES).collect()
    }

    /// The server's proxy writes a line for TLS whose certificate it refused, where it reads no HTTP.
    fn unanswered_at_server(&self, group: &Group) -> Cause {
        let foreign = foreign(group);
        if foreign == 0 {
            return self.open(group, group.count, Label::AppClosed, CERTIFICATES.to_vec());
        }
        let place = self.locator.locate(group);
        let port =
            group.upstream_cluster.as_deref().and_then(|name| UpstreamCluster::parse(name.as_bytes()).port);
        let server = self.locator.workload(place.reporter).zip(port);
        let mode = server.and_then(|(server, port)| demand(self.locator.mesh(), server, port));
        // Other modes hand what is not Istio's to the application as it is (MT-2.1).
        if mode.is_some_and(|demand| demand.mode != MtlsMode::Strict) {
            return self.open(group, foreign, Label::AppClosed, vec![Label::NonIstioTlsToPermissive]);
        }
        let others = CERTIFICATES.into_iter().chain([Label::AppClosed, Label::NonIstioTlsToPermissive]);
        self.open(group, foreign, Label::NoClientCert, others.collect())
    }

    fn open(&self, group: &Group, count: u64, label: Label, others: Vec<Label>) -> Cause {
        let text = format!("{} and nothing came back", at_side(group));
        let mut cause = self.base(group, label, Confidence::Possible, &text);
        cause.count = count;
        cause.alternatives = others.into_iter().chain([Label::CallerGaveUp]).map(Label::word).collect();
        cause.proof.tells_no_failure = true;
        cause
    }
}

#[cfg(test)]
mod tests {
    use crate::correlate::cause::causes;
    use crate::correlate::locate::Locator;
    use crate::correlate::tests::{HOST, ISTIO_SNI, mesh, read};
    use crate::resolve::{Mesh, Options};

    /// A TCP line of the client, with the bytes that were sent and came back.
    fn outbound(second: u32, bytes: (u32, u32), flags: &str) -> String {
        let (sent, back) = bytes;
        format!(
            "[2026-03-02T09:00:{second:02}.000Z] \"- - -\" 0 {flags} - - \"-\" {sent} {back} 1 - \"-\" \"-\" \"-\" \"-\" \
             \"10.8.2.0:9080\" outbound|80||{HOST} 10.8.1.8:{} 10.9.0.1:80 10.8.1.8:5000 - -\n",
            40000 + second
        )
    }

    fn inbound(second: u32, bytes: (u32, u32), sni: &str) -> String {
        let (sent, back) = bytes;
        format!(
            "[2026-03-02T09:00:{second:02}.000Z] \"- - -\" 0 - - - \"-\" {sent} {back} 1 - \"-\" \"-\" \"-\" \"-\" \"-\" \
             inbound|9080|| - 10.8.2.0:9080 10.8.9.9:{} {sni} -\n",
            50000 + second
        )
    }

    fn said(mesh: &str, clients: &str, servers: &str) -> Vec<String> {
        let bundle = read(mesh, clients, servers);
        let mesh = Mesh::new(&bundle.snapshot, &Options::default());
        let causes = causes(&Locator::new(&mesh), &bundle.logs);
        let words = causes.iter().map(|cause| {
            let all = cause.alternatives.join(" ");
            format!("{} {} {} {all}", cause.count, cause.label.word(), cause.confidence.word())
        });
        words.map(|text| text.trim_end().to_owned()).collect()
    }

    #[test]
    fn connections_of_which_none_is_answered_have_all_causes_that_leave_no_flag() {
        let silent = outbound(1, (11, 0), "-") + &outbound(2, (0, 0), "-");
        let all = "2 app-closed possible rbac-denied rbac-denied-because-plaintext client-cert-untrusted \
                   client-cert-expired no-client-cert plaintext-to-strict caller-gave-up";
        assert_eq!(said("", &silent, ""), [all]);
        // One that is answered says that nothing refuses them.
        assert!(said("", &(silent + &outbound(3, (11, 11), "-")), "").is_empty());
        assert!(said("", &outbound(3, (0, 11), "-"), "").is_empty());
    }

    #[test]
    fn objects_leave_what_they_cannot_exclude() {
        let silent = outbound(1, (11, 0), "-");
        let of = |rule: &str, policy: &str, servers: &[bool]| said(&mesh(rule, policy, servers), &silent, "");
        assert_eq!(of("DISABLE", "STRICT", &[true]), ["1 plaintext-to-strict certain"]);
        let probed = silent.clone() + &outbound(2, (0, 0), "-");
        let of_probed = |rule: &str| said(&mesh(rule, "STRICT", &[true]), &probed, "");
        assert!(of_probed("DISABLE")[0].starts_with("2 plaintext-to-strict likely "));
        // A proxy that adds TLS sends its greeting in any case.
        assert_eq!(of_probed("SIMPLE"), ["2 no-client-cert certain"]);
        assert_eq!(of("SIMPLE", "STRICT", &[true]), ["1 no-client-cert certain"]);
        let mutual =
            "1 app-closed possible rbac-denied client-cert-untrusted client-cert-expired caller-gave-up";
        assert_eq!(of("ISTIO_MUTUAL", "STRICT", &[true]), [mutual]);
        let plain = "1 app-closed possible rbac-denied rbac-denied-because-plaintext caller-gave-up";
        assert_eq!(of("DISABLE", "", &[true]), [plain]);
        assert_eq!(of("DISABLE", "", &[false]), ["1 app-closed possible caller-gave-up"]);
        let policy = |spec: &str| {
            "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
             metadata: {name: a, namespace: shop}\nspec: "
                .to_owned()
                + spec
                + "\n"
        };
        let under = |rule: &str, spec: &str| said(&(mesh(rule, "", &[true]) + &policy(spec)), &silent, "");
        assert_eq!(under("ISTIO_MUTUAL", "{}"), ["1 rbac-denied certain"]);
        // A rule about HTTP lets nobody in where there is none (T1).
        let http = "{rules: [{to: [{operation: {paths: [/a]}}]}]}";
        assert_eq!(under("ISTIO_MUTUAL", http), ["1 rbac-denied certain"]);
        let of_web = "{rules: [{from: [{source: {namespaces: [web]}}]}]}";
        assert_eq!(under("DISABLE", of_web), ["1 rbac-denied-because-plaintext certain"]);
        assert_eq!(under("ISTIO_MUTUAL", of_web), [mutual]);
        assert_eq!(under("ISTIO_MUTUAL", &of_web.replace("web", "zzz")), ["1 rbac-denied certain"]);
        // From some addresses anybody of a third namespace gets in as well, whose identity may be the client's.
        let more = "{rules: [{from: [{source: {namespaces: [zzz]}}, {source: {namespaces: [web], ipBlocks: [10.8.0.0/16]}}]}]}";
        assert_eq!(under("ISTIO_MUTUAL", more), [mutual]);
    }

    /// What refuses refuses all connections to an endpoint, and says nothing of another one's.
    #[test]
    fn each_endpoint_that_never_answers_is_judged_by_itself() {
        let at =
            |second: u32, back: u32, host: &str| outbound(second, (11, back), "-").replace("10.8.2.0", host);
        let (strict, bare) = ("10.8.2.0", "10.8.2.1");
        let mixed = mesh("DISABLE", "STRICT", &[true, false]);
        let both = at(1, 0, strict) + &at(2, 0, strict) + &at(3, 11, bare);
        assert_eq!(said(&mixed, &both, ""), ["2 plaintext-to-strict certain"]);
        // Nothing decides about the one that is silent here, nor where the strict one answered before, nor about a pod that
        // the service does not have.
        assert!(said(&mixed, &(at(1, 0, bare) + &at(3, 11, strict)), "").is_empty());
        assert!(said(&mixed, &(both.clone() + &at(4, 5, strict)), "").is_empty());
        assert!(said(&mixed, &(at(1, 0, "10.8.2.9") + &at(3, 11, bare)), "").is_empty());
        assert!(said(&mesh("DISABLE", "PERMISSIVE", &[true, true]), &both, "").is_empty());
        assert!(said("", &both, "").is_empty());
        // What must be refused was answered at another one, so these objects were not in force.
        assert!(said(&mesh("DISABLE", "STRICT", &[true, true]), &both, "").is_empty());
        assert!(said(&mixed, &(both.clone() + &at(4, 5, "10.8.2.9")), "").is_empty());
        // A policy for one of two pods.
        let policy = "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
                      metadata: {name: a, namespace: shop}\nspec: {selector: {matchLabels: {one: only}}}\n";
        let two = mesh("ISTIO_MUTUAL", "", &[true, true]) + policy;
        assert!(said(&two, &both, "").is_empty());
        let one = two.replacen(
            "name: cart-0, namespace: shop, labels: {",
            "name: cart-0, namespace: shop, labels: {one: only, ",
            1,
        );
        assert_ne!(one, two);
        assert_eq!(said(&one, &both, ""), ["2 rbac-denied certain"]);
        assert!(said(&one, &(at(1, 0, bare) + &at(3, 11, strict)), "").is_empty());
    }

    #[test]
    fn a_server_tells_foreign_tls_without_answer_and_no_probes_of_a_port() {
        let foreign = |second: u32, back: u32| inbound(second, (0, back), "cart.example.com");
        let refused = "2 no-client-cert possible client-cert-untrusted client-cert-expired app-closed \
                       non-istio-tls-to-permissive caller-gave-up";
        let two = foreign(1, 0) + &foreign(2, 0);
        assert_eq!(said("", "", &two), [refused]);
        // Others that are answered have certificates of the mesh.
        assert_eq!(said("", "", &(two.clone() + &inbound(3, (9, 9), ISTIO_SNI))), [refused]);
        // One of the same kind is answered: the application ends that TLS.
        assert!(said("", "", &(two.clone() + &foreign(3, 9))).is_empty());
        let istio = "1 app-closed possible client-cert-untrusted client-cert-expired caller-gave-up";
        assert_eq!(said("", "", &inbound(1, (0, 0), ISTIO_SNI)), [istio]);
        assert!(said("", "", &inbound(1, (0, 0), "-")).is_empty());
        let passed = "2 app-closed possible non-istio-tls-to-permissive caller-gave-up";
        assert_eq!(said(&mesh("", "", &[true]), "", &two), [passed]);
        assert_eq!(said(&mesh("", "STRICT", &[true]), "", &two), [refused]);
    }

    /// The server's own line of the same connection says what became of it there.
    #[test]
    fn what_the_server_took_is_not_what_the_objects_refuse() {
        let silent = outbound(1, (11, 0), "-") + &outbound(2, (11, 0), "-");
        let taken = |sni: &str, end: &str| {
            let line = |second| {
                let line = inbound(second, (11, 0), sni).replace("10.8.9.9", "10.8.1.8");
                let line = line.replace(&format!(":{}", 50000 + second), &format!(":{}", 40000 + second));
                line.replace(" 0 - - - ", &format!(" 0 - - {end} "))
            };
            line(1) + &line(2)
        };
        let nobody = "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
                      metadata: {name: a, namespace: shop}\nspec: {}\n";
        let denying = mesh("ISTIO_MUTUAL", "", &[true]) + nobody;
        assert_eq!(said(&denying, &silent, ""), ["2 rbac-denied certain"]);
        let probe = said(&denying, &outbound(1, (0, 0), "-"), "");
        assert!(probe[0].starts_with("1 app-closed possible rbac-denied "), "{probe:?}");
        let denied = taken(ISTIO_SNI, "rbac_access_denied_matched_policy[none]");
        assert_eq!(said(&denying, &silent, &denied), ["2 rbac-denied certain"]);
        let open = "2 app-closed possible client-cert-untrusted client-cert-expired caller-gave-up";
        assert_eq!(said(&denying, &silent, &taken(ISTIO_SNI, "-")), [open]);
        let strict = mesh("DISABLE", "STRICT", &[true]);
        assert_eq!(said(&strict, &silent, ""), ["2 plaintext-to-strict certain"]);
        assert_eq!(said(&strict, &silent, &taken(ISTIO_SNI, "-")), [open]);
    }

    /// Nothing says that anything failed, so it is a hint for whoever reads the causes, and no finding.
    #[test]
    fn what_is_not_answered_makes_no_finding() {
        let bundle = read(&mesh("ISTIO_MUTUAL", "STRICT", &[true]), &outbound(1, (11, 0), "-"), "");
        let mesh = Mesh::new(&bundle.snapshot, &Options::default());
        let locator = Locator::new(&mesh);
        let causes = causes(&locator, &bundle.logs);
        assert_eq!(causes.len(), 1);
        let (found, _) = crate::correlate::findings(&locator, Vec::new(), &causes);
        assert!(found.is_empty(), "{found:?}");
    }
}
