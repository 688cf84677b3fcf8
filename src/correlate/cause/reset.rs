//! Connections that ended without a reason: `503 UC` on an outbound cluster, `0 UR` on TCP.

use std::sync::Arc;

use super::{Asked, Cause, Label, in_short, is_reset_without_reason, pattern};
use crate::correlate::age;
use crate::correlate::locate::Located;
use crate::correlate::passthrough::demand;
use crate::diagnose::Confidence;
use crate::logs::{FlagSet, Group};
use crate::model::Object;
use crate::model::destination_rule::TlsMode;
use crate::model::peer_authentication::MtlsMode;
use crate::model::pod::ProxyKind;
use crate::resolve::client_tls::Sent;
use crate::resolve::{PairTls, Status, Workload};

/// What leaves `503 UC` with nothing else on an outbound cluster, besides plaintext to STRICT.
const OTHERS: [&str; 5] =
    ["app-closed", "no-client-cert", "client-cert-untrusted", "client-cert-expired", "sidecar-killed"];

/// All of them, where nothing tells one from the other.
pub(super) fn all() -> Vec<&'static str> {
    OTHERS.into_iter().chain(["stale-connection", "plaintext-to-strict"]).collect()
}

/// Whether a connection just ended. On TCP that is `UR` in newer proxies, which HTTP writes for something else.
pub(super) fn is_reset(group: &Group) -> bool {
    let ended = group.flags.contains(FlagSet::UC) || group.response_code == Some(0) && group.flags.has("UR");
    ended && is_reset_without_reason(group)
}

/// Whether that is sent to an endpoint that must fail.
pub(super) fn is_sent(pair: &PairTls, sent: Sent) -> bool {
    pair.failing().any(|endpoint| endpoint.sent == sent)
}

/// Whether what comes to a pod past its proxy, or to one without, reaches the application as it is sent.
fn is_plain(server: &Workload) -> bool {
    matches!(server.proxy, ProxyKind::None | ProxyKind::Sidecar)
}

impl Asked<'_> {
    /// At least six causes look like this on one line (Envoy's behaviour), so the configuration decides, then the time,
    /// and where neither does, nothing does.
    pub(super) fn reset(&self, group: &Group) -> Cause {
        let text = format!("{} at the client", in_short(group));
        let place = self.locator.locate(group);
        let Some(pair) = self.pair(group, &place) else {
            // Past every service the proxy passes on what the application sends: HTTP that it could read is plaintext.
            let server = self.locator.workload(place.server).zip(place.direct.as_ref());
            let demand = server.and_then(|(server, (_, port))| demand(self.locator.mesh(), server, *port));
            let is_newer = |object: &Arc<Object>| age::is_newer(object, group.first);
            let strict = demand.as_ref().is_some_and(|demand| {
                demand.mode == MtlsMode::Strict
                    && !demand.policy.iter().any(is_newer)
                    && !server.is_some_and(|(server, _)| is_newer(&server.object))
            });
            // gRPC has 200; on TCP it may be the application's own TLS.
            let disputed = self.succeeds_later(group) || self.was_taken(group);
            if strict && group.response_code != Some(0) && !disputed {
                return self.base(group, Label::PlaintextToStrict, Confidence::Certain, &text);
            }
            // Where no proxy stands before the application that was called, nobody refuses plaintext.
            let bare = demand.is_none() && server.is_some_and(|(server, _)| is_plain(server));
            let label = if bare { Label::AppClosed } else { Label::PlaintextToStrict };
            let mut others = all();
            if bare {
                others.retain(|other| *other != Label::PlaintextToStrict.word());
            }
            if let Some(cause) = self.by_time(group, &text, &others) {
                return cause;
            }
            let mut cause = self.base(group, label, Confidence::Possible, &text);
            cause.alternatives = if bare { vec!["stale-connection"] } else { OTHERS.to_vec() };
            return cause;
        };
        let plaintext = is_sent(&pair, Sent::Plaintext);
        match pair.status {
            Status::Conflict if self.was_taken(group) => {
                self.by_time(group, &text, &all()).unwrap_or_else(|| self.unknown(group, all()))
            }
            Status::Conflict if plaintext && (!self.succeeds_later(group) || self.others_take(group)) => {
                let confidence = self.confidence(group, &pair).min(self.as_plaintext(group, &place));
                let mut cause = self.base(group, Label::PlaintextToStrict, confidence, &text);
                if confidence != Confidence::Certain {
                    cause.alternatives = OTHERS.to_vec();
                }
                cause
            }
            // It sends TLS that the server refuses: plaintext is not what failed.
            Status::Conflict if !plaintext => self.refused_certificate(group, &pair, &text),
            Status::Conflict | Status::Unknown => {
                let mut cause = self.base(group, Label::PlaintextToStrict, Confidence::Possible, &text);
                cause.alternatives = OTHERS.to_vec();
                cause
            }
            Status::Ok | Status::Warn | Status::Cond => {
                let bare = pair.endpoints.iter().all(|endpoint| self.has_no_proxy(endpoint.workload));
                if bare && !pair.endpoints.is_empty() {
                    let mut cause = self.base(group, Label::AppClosed, Confidence::Likely, &text);
                    cause.alternatives = vec!["stale-connection"];
                    return cause;
                }
                let others = self.where_they_agree(group, &pair);
                self.by_time(group, &text, &others).unwrap_or_else(|| self.unknown(group, others))
            }
        }
    }

    /// TLS of the rule's own to a server that wants Istio's: SIMPLE has no certificate at all, and that of MUTUAL is not
    /// the mesh's. TLS 1.3 hides the server's refusal from the client.
    fn refused_certificate(&self, group: &Group, pair: &PairTls, text: &str) -> Cause {
        let simple = pair.cluster.declared.as_ref().is_some_and(|mode| matches!(mode, TlsMode::Simple));
        if simple && (!self.succeeds_later(group) || self.others_take(group)) {
            let confidence = self.confidence(group, pair);
            let mut cause = self.base(group, Label::NoClientCert, confidence, text);
            if confidence != Confidence::Certain {
                cause.alternatives = vec!["app-closed", "sidecar-killed"];
            }
            return cause;
        }
        let mut alternatives = vec!["no-client-cert", "client-cert-untrusted", "client-cert-expired"];
        alternatives.extend(["app-closed", "sidecar-killed"]);
        self.unknown(group, alternatives)
    }

    /// How sure a conflict of the configuration makes: certain where every endpoint that is ready has it, and not where
    /// it is newer than the lines, or where something came back on the connections. An endpoint that the lines name and that
    /// was not read may be another.
    fn confidence(&self, group: &Group, pair: &PairTls) -> Confidence {
        let mut ready = pair.endpoints.iter().filter(|endpoint| endpoint.ready);
        if !self.holds_for(pair, group) || group.response_code == Some(0) && group.answered > 0 {
            Confidence::Possible
        } else if ready.all(|endpoint| endpoint.result == Status::Conflict) && !self.names_others(pair, group)
        {
            Confidence::Certain
        } else {
            Confidence::Likely
        }
    }

    /// How sure it is that plaintext was sent where the proxy adds no TLS: HTTP that it could read is plaintext. On TCP the
    /// application may have sent its own TLS, and where it sent nothing nobody refuses it (data fact 23).
    fn as_plaintext(&self, group: &Group, place: &Located) -> Confidence {
        let silent = group.evidence.silent;
        if group.response_code != Some(0) {
            Confidence::Certain
        } else if silent >= group.count || self.is_for_tls(place) {
            Confidence::Possible
        } else if silent > 0 {
            Confidence::Likely
        } else {
            Confidence::Certain
        }
    }

    /// Whether a service's port is declared for the application's own TLS, which goes out as it is where the proxy adds none.
    fn is_for_tls(&self, place: &Located) -> bool {
        let service = place.host.as_deref().and_then(|host| self.locator.mesh().registry.by_host(host));
        let port = service.zip(place.port).and_then(|(service, number)| service.port(number));
        port.is_some_and(|port| {
            let declared = if port.app_protocol.is_empty() { &port.name } else { &port.app_protocol };
            let declared = declared.split('-').next().unwrap_or_default().to_ascii_lowercase();
            matches!(&*declared, "https" | "tls" | "kubernetes.io/wss") || port.number == 443
        })
    }

    /// What the times of the lines tell: many that end at one moment before the address refuses, or single ones among
    /// others that go well.
    fn by_time(&self, group: &Group, text: &str, others: &[&'static str]) -> Option<Cause> {
        if self.is_burst_before_refusal(group) {
            let mut cause = self.base(group, Label::SidecarKilled, Confidence::Likely, text);
            cause.alternatives = pattern::OTHER_DEATHS.to_vec();
            return Some(cause);
        }
        if !self.is_among_successes(group) {
            return None;
        }
        let label = if group.response_code == Some(0) { Label::AppClosed } else { Label::StaleConnection };
        let mut cause = self.base(group, label, Confidence::Possible, text);
        let others = others.iter().filter(|other| **other != label.word());
        cause.alternatives = others.copied().collect();
        Some(cause)
    }
}
