//! Lines of the server's side that no client's line was joined to; the joined ones are counted there.

use super::reset::is_reset;
use super::{Asked, Cause, Label, in_short, sign};
use crate::diagnose::Confidence;
use crate::logs::{Direction, FlagSet, Group, UpstreamCluster};

impl Asked<'_> {
    /// Failures at the server.
    pub(super) fn left_at_server(&self, group: &Group) -> Option<Cause> {
        let left =
            group.count.checked_sub(group.evidence.joined_server_failure()).filter(|left| *left > 0)?;
        // Lines of which a client tells what they were are told with its own; the rest is no better known for it.
        if self.is_unanswered(group) && left < group.count {
            return None;
        }
        let mut cause = self.at_server(group);
        cause.count = cause.count.min(left);
        // Such answers are what outlier detection ejects for. The requests that it keeps away are in no log of the server.
        if cause.label == Label::AppError && group.response_code.is_some_and(|code| code >= 500) {
            cause.confidence = Confidence::Likely;
            cause.alternatives = vec![Label::OutlierEjected.word()];
        }
        Some(cause)
    }

    /// The server's proxy had taken the request: TLS was not the trouble.
    pub(super) fn at_server(&self, group: &Group) -> Cause {
        if let Some(mut cause) = self.denied(group) {
            cause.server_proof = true;
            return cause;
        }
        if self.is_unanswered(group) {
            return self.unanswered(group);
        }
        if is_behind_waypoint(group) && (is_reset(group) || group.flags.contains(FlagSet::UF)) {
            return self.tunnel_failed(group);
        }
        if group.flags.contains(FlagSet::UC) && is_reset(group) {
            return self.closed_by_application(group);
        }
        if is_reset(group) {
            return self.reset_by_application(group);
        }
        let mut cause = match sign::of(group) {
            Some(sign) => self.by_sign(group, sign),
            None => self.unknown(group, Vec::new()),
        };
        cause.server_proof = cause.label != Label::Unknown && cause.confidence == Confidence::Certain;
        cause
    }

    fn closed_by_application(&self, group: &Group) -> Cause {
        let text = format!("{} on the inbound cluster at the server", in_short(group));
        let also_well = self.successes.contains_key(&super::about(group));
        let confidence = if also_well { Confidence::Likely } else { Confidence::Certain };
        let mut cause = self.base(group, Label::AppClosed, confidence, &text);
        cause.server_proof = true;
        if also_well {
            // A connection that was closed while it lay idle, and used once more, leaves the same line.
            cause.alternatives = vec!["stale-connection"];
        }
        cause
    }

    /// A TCP connection that the application reset. Bytes of TLS that nobody ended reach it as they are, and it may well
    /// answer them so: what came without Istio's TLS proves nothing of it.
    fn reset_by_application(&self, group: &Group) -> Cause {
        let text = format!("{} on the inbound cluster at the server", in_short(group));
        let ended = group.sni_istio >= group.count;
        let confidence = if ended { Confidence::Likely } else { Confidence::Possible };
        let mut cause = self.base(group, Label::AppClosed, confidence, &text);
        cause.server_proof = ended;
        if !ended {
            cause.alternatives = vec!["mtls-to-plaintext", "non-istio-tls-to-permissive"];
        }
        cause
    }

    /// Behind a waypoint there is a tunnel to the ztunnel of the pod, and no application yet: whatever ends the tunnel
    /// leaves the same line, and only that ztunnel's log tells what it was.
    fn tunnel_failed(&self, group: &Group) -> Cause {
        let text = format!("{} at the waypoint, on the way to the service's pods", in_short(group));
        let (label, alternatives): (_, &[Label]) = if group.flags.contains(FlagSet::UF) {
            (Label::HboneUnreachable, &[Label::AppDown, Label::RbacDenied, Label::PodRemoved])
        } else {
            let others =
                &[Label::AppClosed, Label::HboneUnreachable, Label::RbacDenied, Label::ZtunnelStopped];
            (Label::Unknown, others)
        };
        let mut cause = self.base(group, label, Confidence::Possible, &text);
        cause.alternatives = alternatives.iter().map(|label| label.word()).collect();
        cause
    }

    /// Refusals of connections at the server.
    pub(super) fn refused(&self, group: &Group) -> Option<Cause> {
        let joined: u64 = group.evidence.links.iter().map(|link| link.joined.count).sum();
        let left = group.count.checked_sub(joined).filter(|left| *left > 0)?;
        let place = self.locator.locate(group);
        if !self.locator.refuses_by_mode(group) {
            let text = format!(
                "{} filter_chain_not_found at a listener without PeerAuthentication",
                in_short(group)
            );
            let cause = self.base(group, Label::Unknown, Confidence::Possible, &text);
            return Some(Cause { count: left, ..cause });
        }
        // Of an address that nobody knows it is not even known whether it is a pod's: a listener for what leaves has the
        // addresses of services.
        let known_ends = place.client.is_some() && place.server.is_some();
        let (label, confidence, sni) = if group.sni_none >= group.count {
            let confidence = if known_ends { Confidence::Certain } else { Confidence::Likely };
            (Label::PlaintextToStrict, confidence, "SNI -")
        } else if group.sni_other >= group.count {
            (Label::NonIstioTlsToPermissive, Confidence::Likely, "an SNI that is not Istio's")
        } else {
            return Some(self.unknown(group, Vec::new()));
        };
        let text = format!("0 NR filter_chain_not_found with {sni} at the server");
        let mut cause = self.base(group, label, confidence, &text);
        cause.count = left;
        cause.server_proof = true;
        Some(cause)
    }
}

/// Whether a waypoint wrote the lines, of requests that it handed on to the pods of a service.
fn is_behind_waypoint(group: &Group) -> bool {
    let cluster = group.upstream_cluster.as_deref().map(|name| UpstreamCluster::parse(name.as_bytes()));
    cluster.is_some_and(|cluster| cluster.direction == Direction::InboundVip)
}
