//! Lines of the client's side: explained by the server's, by their own sign, or by the configuration.

use super::reset::{is_reset, is_sent};
use super::{
    Asked, Cause, Label, Part, at_side, denied, explains, in_short, is_broken_off_tls, part_of, pattern, sign,
};
use crate::correlate::locate::Located;
use crate::correlate::locate::origins;
use crate::diagnose::Confidence;
use crate::diagnose::finding::{LogEvidence, Recorded};
use crate::logs::{FlagSet, Group, JoinKind, Link, format_time};
use crate::model::destination_rule::TlsMode;
use crate::resolve::client_tls::Sent;
use crate::resolve::{PairTls, Status};

impl Asked<'_> {
    /// Lines that a line of the server explains count for that; the others are judged by themselves.
    pub(super) fn at_client(&self, group: &Group) -> Vec<Cause> {
        let refusals = [
            (JoinKind::RefusedPlaintext, Label::PlaintextToStrict),
            (JoinKind::RefusedTls, Label::NonIstioTlsToPermissive),
            (JoinKind::RefusedIstioTls, Label::MtlsToPlaintext),
        ];
        let mut causes = Vec::new();
        let mut left = group.count;
        for (kind, label) in refusals {
            let joined = group.evidence.count(kind).min(left);
            if joined > 0 {
                left -= joined;
                let part = self.joined_part(group, joined, group.evidence.of(kind));
                causes.push(self.proved_refusal(&part, label, kind));
            }
        }
        causes.extend(self.by_messages(group, &mut left));
        for link in group.evidence.of(JoinKind::ServerFailure) {
            let joined = link.joined.count.min(left);
            if joined > 0
                && let Some(cause) =
                    self.failed_at_server(&self.joined_part(group, joined, std::iter::once(link)), link)
            {
                left -= joined;
                causes.push(cause);
            }
        }
        // A group that only the server's lines made worth telling is not told by itself.
        if left > 0
            && (super::is_failure(group)
                || super::refuses(group)
                || denied::is_denial(group)
                || self.without_origination(group).is_some()
                || self.is_unanswered(group))
        {
            let parts = self.by_endpoints(&part_of(group, left));
            causes.extend(parts.iter().map(|part| self.alone_at_client(part)));
        } else if left == group.count {
            causes.extend(self.at_silent_endpoints(group));
        }
        causes
    }

    fn alone_at_client(&self, group: &Group) -> Cause {
        if let Some(cause) = self.denied(group) {
            return cause;
        }
        if let Some(cause) = self.denied_always(group).or_else(|| self.without_origination(group)) {
            return cause;
        }
        if is_reset(group) {
            return self.reset(group);
        }
        if self.is_unanswered(group) {
            return self.unanswered(group);
        }
        if group.flags.has("UH") && sign::of(group).is_none() {
            return self.no_endpoint(group);
        }
        let reason = group.upstream_transport_failure_reason.as_deref().unwrap_or_default();
        if pattern::is_not_tls(reason) {
            return self.answered_without_tls(group);
        }
        match sign::of(group) {
            Some(sign) if sign.label == Label::PodUnreachable && self.kills_before(group) => {
                let mut cause = self.by_sign(group, sign);
                cause.label = Label::SidecarKilled;
                cause.alternatives = pattern::OTHER_DEATHS.to_vec();
                cause
            }
            Some(sign)
                if sign.label == Label::NonIstioTlsToPermissive && self.refused_always(group).is_some() =>
            {
                self.refused_always(group).unwrap_or_else(|| self.by_sign(group, sign))
            }
            Some(sign) if sign.label == Label::NonIstioTlsToPermissive && self.is_refused_by_name(group) => {
                let mut cause = self.by_sign(group, sign);
                cause.confidence = Confidence::Likely;
                cause.alternatives.clear();
                cause
            }
            Some(sign) => self.by_sign(group, sign),
            None if group.flags.contains(FlagSet::UF) && reason.is_empty() => self.no_connection(group),
            None => self.unknown(group, Vec::new()),
        }
    }

    /// `UF` without a reason: a server that closes on the greeting, or nobody at the address.
    fn no_connection(&self, group: &Group) -> Cause {
        let text = at_side(group);
        if let Some(cause) = self.refused_always(group) {
            return cause;
        }
        let pair = self.pair(group, &self.locator.locate(group));
        let refused = |pair: &PairTls| pair.status == Status::Conflict && is_sent(pair, Sent::IstioMutual);
        if let Some(pair) = pair.filter(refused) {
            let holds = self.holds_for(&pair, group);
            let confidence = if holds { Confidence::Likely } else { Confidence::Possible };
            let mut cause = self.base(group, Label::MtlsToPlaintext, confidence, &text);
            cause.alternatives = vec!["pod-unreachable"];
            return cause;
        }
        let mut cause = self.base(group, Label::PodUnreachable, Confidence::Possible, &text);
        cause.alternatives = vec!["mtls-to-plaintext", "sidecar-killed"];
        cause
    }

    /// The server's own log says that it refused these connections.
    fn proved_refusal(&self, group: &Group, label: Label, kind: JoinKind) -> Cause {
        let mut cause =
            self.base(group, label, Confidence::Certain, &format!("{} at the client", in_short(group)));
        cause.server_proof = true;
        let sni = match kind {
            JoinKind::RefusedIstioTls => "an SNI of Istio's mutual TLS",
            JoinKind::RefusedTls => "an SNI that is not Istio's",
            JoinKind::RefusedPlaintext | JoinKind::ServerFailure => "SNI -",
        };
        let mut by_mode = true;
        for link in group.evidence.of(kind) {
            let other = self.by_index.get(&link.other);
            by_mode &= other.is_none_or(|other| self.locator.refuses_by_mode(other));
            cause.parts.push(Part { group: group.index, count: 0, other: Some(link.other) });
            cause.place.server = other.and_then(|other| self.locator.locate(other).server);
            let text = format!("0 NR filter_chain_not_found with {sni} at the server, joined by address");
            cause.evidence.push(self.joined(link, text));
        }
        if !by_mode {
            cause.label = Label::Unknown;
            cause.confidence = Confidence::Possible;
        }
        cause
    }

    /// The request or connection reached the server's proxy, and what became of it stands in its log. `None` where the
    /// client's own line tells more.
    fn failed_at_server(&self, group: &Group, link: &Link) -> Option<Cause> {
        let server = self.by_index.get(&link.other)?;
        let own = sign::of(group).filter(|sign| sign.confidence == Confidence::Certain);
        let by = if server.response_code == Some(0) { "address" } else { "request id" };
        let joined = self.joined(link, format!("{} at the server, joined by {by}", in_short(server)));
        let evidence = vec![self.lines(group, &at_side(group)), joined];
        if let Some(sign) = own {
            let mut cause = self.by_sign(group, sign);
            cause.evidence.extend(evidence.into_iter().skip(1));
            cause.parts = vec![Part { group: group.index, count: group.count, other: Some(link.other) }];
            return Some(cause);
        }
        if !super::is_failure(server) && !super::refuses(server) && !explains(server) {
            return None;
        }
        let mut cause = if is_broken_off_tls(server) {
            let mut cause = self.base(group, Label::NoClientCert, Confidence::Possible, "");
            cause.alternatives = vec!["client-cert-untrusted", "client-cert-expired", "app-closed"];
            if self.sends_no_certificate(group) {
                cause.confidence = Confidence::Certain;
                cause.alternatives.clear();
            } else if super::is_failure(group) {
                cause.confidence = Confidence::Likely;
            }
            cause
        } else {
            self.at_server(server)
        };
        // The server saw its caller go: the client did not, so neither tells why.
        if cause.label == Label::CallerGaveUp {
            return None;
        }
        cause.count = group.count;
        cause.groups = vec![group.index];
        cause.parts = vec![Part { group: group.index, count: group.count, other: Some(link.other) }];
        cause.last = group.last;
        cause.place = Located { server: self.locator.locate(server).server, ..self.locator.locate(group) };
        cause.server_proof = true;
        let says = cause.evidence.first().and_then(|lines| lines.text.split_once(": "));
        let says = says.map(|(_, says)| says.to_owned());
        cause.evidence = evidence;
        if let (Some(says), Some(last)) = (says, cause.evidence.last_mut()) {
            last.text = format!("{}: {says}", last.text);
        }
        Some(cause)
    }

    fn joined(&self, link: &Link, text: String) -> LogEvidence {
        LogEvidence {
            by: Recorded::Lines,
            count: link.joined.count,
            first: link.joined.first.map(format_time),
            last: link.joined.last.map(format_time),
            text,
            samples: origins(self.logs, &link.joined.samples),
        }
    }

    /// The server answered a TLS greeting with something that is no TLS. Whose TLS it was, the rule in force tells.
    fn answered_without_tls(&self, group: &Group) -> Cause {
        let text = format!("{} with an answer that is no TLS at the client", in_short(group));
        let pair = self.pair(group, &self.locator.locate(group));
        let own_tls = pair.as_ref().and_then(|pair| pair.cluster.declared.as_ref());
        let own_tls = own_tls.is_some_and(|mode| matches!(mode, TlsMode::Simple | TlsMode::Mutual));
        let (label, confidence, other) = if pair.is_some_and(|pair| is_sent(&pair, Sent::IstioMutual)) {
            return self.base(group, Label::MtlsToPlaintext, Confidence::Certain, &text);
        } else if own_tls {
            (Label::NonIstioTlsToPermissive, Confidence::Likely, "mtls-to-plaintext")
        } else {
            (Label::MtlsToPlaintext, Confidence::Likely, "non-istio-tls-to-permissive")
        };
        let mut cause = self.base(group, label, confidence, &text);
        cause.alternatives = vec![other];
        cause
    }
}
