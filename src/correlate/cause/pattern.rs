//! What several groups tell together: their order in time, and what is about the same address.

use super::sign::Sign;
use super::{Asked, Cause, Label, at_side, is_failure, is_refusal};
use crate::diagnose::Confidence;
use crate::logs::{FlagSet, Group, PodOf, Reporter};

/// What else ends many connections at once, and leaves an address that refuses.
pub(super) const OTHER_DEATHS: [&str; 2] = ["app-closed", "pod-unreachable"];

/// How long after requests broke off their proxy's address may still refuse, in microseconds.
const AFTERMATH: i64 = 60_000_000;

/// Whether a reason says that the answer to a TLS greeting was no TLS.
pub(super) fn is_not_tls(reason: &str) -> bool {
    ["WRONG_VERSION_NUMBER", "UNEXPECTED_MESSAGE", "HTTP_REQUEST"].iter().any(|text| reason.contains(text))
}

fn is_refused_connection(group: &Group) -> bool {
    let text = super::sign::text_of(group);
    group.flags.contains(FlagSet::UF)
        && (text.contains("Connection_refused") || text.contains("connect_error:_111"))
}

/// Whether one proxy wrote both, as far as it can be told. Without a connection of its own a line has no address but that
/// of its caller, which is a forwarded one where there is `x-forwarded-for`; there the file tells.
fn is_same_writer(group: &Group, other: &Group) -> bool {
    let is_named = |group: &Group| matches!(group.pod, PodOf::Named(_));
    let source = |group: &Group| group.samples.first().map(|sample| sample.source);
    if is_named(group) || is_named(other) {
        group.pod == other.pod
    } else {
        source(group).is_some() && source(group) == source(other)
    }
}

impl Asked<'_> {
    pub(super) fn succeeds_later(&self, group: &Group) -> bool {
        let success = self.successes.get(&(group.pod.clone(), group.upstream_cluster.clone()));
        success.is_some_and(|(_, last)| *last > group.last)
    }

    /// Groups of the same writer about the same cluster.
    fn beside<'b>(&'b self, group: &'b Group) -> impl Iterator<Item = &'b Group> {
        self.groups.iter().filter(|other| {
            other.index != group.index
                && other.upstream_cluster == group.upstream_cluster
                && other.reporter == group.reporter
                && is_same_writer(group, other)
        })
    }

    /// Several requests under way that ended together, and then an address that refuses: whatever was there is gone.
    /// What is under way at one moment began within the longest of its durations; what is refused one by one did not.
    pub(super) fn is_burst_before_refusal(&self, group: &Group) -> bool {
        let (Some(first), Some(last), Some(durations)) = (group.first, group.last, group.duration_ms) else {
            return false;
        };
        let longest = i64::try_from(durations.p99).unwrap_or(i64::MAX).saturating_mul(1000);
        let after = |other: &Group| {
            other.first.is_some_and(|time| time >= last && time - last <= AFTERMATH + longest)
        };
        group.count >= 2
            && durations.p50 > 0
            && last - first <= longest
            && self.beside(group).any(|other| is_refused_connection(other) && after(other))
    }

    /// Whether such a burst came before a group of refused connections.
    pub(super) fn kills_before(&self, group: &Group) -> bool {
        is_refused_connection(group)
            && self
                .beside(group)
                .any(|other| super::reset::is_reset(other) && self.is_burst_before_refusal(other))
    }

    /// Whether lines go well before and after some of a group, so that nothing is wrong with all of them.
    pub(super) fn is_among_successes(&self, group: &Group) -> bool {
        let well = |other: &&Group| !is_failure(other) && other.response_code.is_none_or(|code| code < 400);
        let (mut before, mut after) = (false, false);
        for other in self.beside(group).filter(well) {
            before |= other.first < group.last;
            after |= other.last > group.first;
        }
        before && after
    }

    /// `UH`: the service has no endpoint, or outlier detection took them all out. The objects tell, and otherwise what
    /// the endpoints answered before.
    pub(super) fn no_endpoint(&self, group: &Group) -> Cause {
        let pair = self.pair(&self.locator.locate(group));
        let none_ready = pair.map(|pair| !pair.endpoints.iter().any(|endpoint| endpoint.ready));
        let before = |other: &&Group| other.first < group.first;
        let bad =
            |other: &Group| other.response_code.is_some_and(|code| code >= 500) && !other.flags.has("UH");
        let failed = self.beside(group).filter(before).any(bad);
        let answered = self.beside(group).any(|other| before(&other) && !is_failure(other));
        let (label, confidence, other) = match none_ready {
            // Pods become ready and unready faster than states are saved: likely, and no more.
            Some(true) => (Label::NoEndpoints, Confidence::Likely, "outlier-ejected"),
            _ if failed => (Label::OutlierEjected, Confidence::Likely, "no-endpoints"),
            Some(false) => (Label::OutlierEjected, Confidence::Possible, "no-endpoints"),
            None if answered || group.reporter != Reporter::Client => {
                (Label::NoEndpoints, Confidence::Possible, "outlier-ejected")
            }
            None => (Label::NoEndpoints, Confidence::Likely, "outlier-ejected"),
        };
        let says = if failed && label == Label::OutlierEjected {
            "no endpoint is left, after answers that failed"
        } else {
            "no endpoint to send it to"
        };
        let text = format!("{}: {says}", at_side(group));
        let mut cause = self.base(group, label, confidence, &text);
        cause.alternatives.push(other);
        cause
    }

    /// Whether what came without HTTP is a TLS greeting: a client reports at the same time that TLS was answered with
    /// something else. Such lines tell no address, so this is never sure.
    pub(super) fn is_tls_greeting(&self, group: &Group, sign: &Sign) -> bool {
        let greeted = |other: &Group| {
            other.reporter == Reporter::Client
                && other.upstream_transport_failure_reason.as_deref().is_some_and(is_not_tls)
                && other.first <= group.last
                && other.last >= group.first.map(|first| first - 1_000_000)
        };
        sign.label == Label::BadRequest
            && sign.confidence == Confidence::Possible
            && self.groups.iter().any(greeted)
    }

    /// Whether a server refused TLS with a name that is not Istio's from the address that wrote a group, at that time.
    pub(super) fn is_refused_by_name(&self, group: &Group) -> bool {
        let PodOf::Address(own) = &group.pod else { return false };
        self.groups.iter().any(|other| {
            is_refusal(other)
                && other.sni_other >= other.count
                && other.peer.as_deref() == Some(own)
                && other.first <= group.last.map(|last| last + 1_000_000)
                && other.last >= group.first
        })
    }
}
