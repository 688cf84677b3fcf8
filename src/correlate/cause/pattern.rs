//! What several groups tell together: their order in time, and what is about the same address.

use rustc_hash::FxHashMap;

use super::sign::Sign;
use super::{Asked, Cause, Label, at_side, is_failure, is_refusal};
use crate::correlate::locate::Locator;
use crate::diagnose::Confidence;
use crate::logs::{FlagSet, Group, PodName, PodOf, Reporter, SourceId};
use crate::model::Kind;

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

/// A proxy, as far as it can be told. Without a connection of its own a line has no address but that of its caller, which
/// is a forwarded one where there is `x-forwarded-for`; there the file tells.
#[derive(PartialEq, Eq, Hash)]
enum Writer<'a> {
    Pod(&'a PodName),
    File(SourceId),
}

impl<'a> Writer<'a> {
    fn of(group: &'a Group) -> Option<Self> {
        match &group.pod {
            PodOf::Named(pod) => Some(Self::Pod(pod)),
            PodOf::Address(_) | PodOf::Unknown => {
                group.samples.first().map(|sample| Self::File(sample.source))
            }
        }
    }
}

/// Groups by who wrote them and the cluster that they are about.
#[derive(Default)]
pub(super) struct Beside<'a>(FxHashMap<Place<'a>, Vec<&'a Group>>);

type Place<'a> = (Writer<'a>, Reporter, Option<&'a str>, Option<&'a str>);

fn place(group: &Group) -> Option<Place<'_>> {
    Some((Writer::of(group)?, group.reporter, group.upstream_cluster.as_deref(), super::called(group)))
}

impl<'a> Beside<'a> {
    pub(super) fn new(groups: &'a [Group]) -> Self {
        let mut beside = Self::default();
        for (place, group) in groups.iter().filter_map(|group| Some((place(group)?, group))) {
            beside.0.entry(place).or_default().push(group);
        }
        beside
    }
}

/// What groups tell of others that are about no cluster of theirs.
#[derive(Default)]
pub(super) struct Elsewhere<'a> {
    /// Clients that were answered without TLS.
    greeted: Vec<&'a Group>,
    /// Refusals of names that are not Istio's, by the address that was refused.
    refused: FxHashMap<&'a str, Vec<&'a Group>>,
}

impl<'a> Elsewhere<'a> {
    pub(super) fn new(locator: &Locator<'_>, groups: &'a [Group]) -> Self {
        let mut elsewhere = Self::default();
        for group in groups {
            let reason = group.upstream_transport_failure_reason.as_deref();
            if group.reporter == Reporter::Client && reason.is_some_and(is_not_tls) {
                elsewhere.greeted.push(group);
            }
            if let Some(peer) = group.peer.as_deref()
                && is_refusal(group)
                && group.sni_other >= group.count
                && locator.refuses_by_mode(group)
            {
                elsewhere.refused.entry(peer).or_default().push(group);
            }
        }
        elsewhere
    }
}

/// So long after each other two sides may write of the same connection, in microseconds.
const APART: i64 = 1_000_000;

/// Whether a time is before another one; where one of them is not known it is not.
fn is_before(one: Option<i64>, other: Option<i64>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one < other)
}

/// Whether a group has lines in the time of another one, or just beside it.
fn is_at_the_time(one: &Group, other: &Group) -> bool {
    let is_within = |first: Option<i64>, last: Option<i64>| {
        first.zip(last).is_some_and(|(first, last)| first <= last.saturating_add(APART))
    };
    is_within(one.first, other.last) && is_within(other.first, one.last)
}

impl Asked<'_> {
    pub(super) fn succeeds_later(&self, group: &Group) -> bool {
        let success = self.successes.get(&super::about(group));
        // Lines without time may be the later ones.
        success.is_some_and(|(_, last)| last.zip(group.last).is_none_or(|(last, own)| last > own))
    }

    /// Groups of the same writer about the same cluster.
    pub(super) fn beside<'b>(&'b self, group: &'b Group) -> impl Iterator<Item = &'b Group> {
        let known = place(group).and_then(|place| self.beside.0.get(&place));
        known.into_iter().flatten().copied().filter(|other| other.index != group.index)
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
            before |= is_before(other.first, group.last);
            after |= is_before(group.first, other.last);
        }
        before && after
    }

    /// `UH`: the service has no endpoint, or outlier detection took them all out. The objects tell, and otherwise what
    /// the endpoints answered before.
    pub(super) fn no_endpoint(&self, group: &Group) -> Cause {
        let pair = self.pair(group, &self.locator.locate(group));
        // Nothing is taken out where no rule says when (the mesh's default policy is in it).
        let ejects = pair.as_ref().is_none_or(|pair| {
            let objects = &self.locator.mesh().snapshot;
            let patched = objects.of_kind(&Kind::EnvoyFilter).next().is_some();
            let may =
                patched || pair.policy.blocks.contains_key("outlierDetection") || pair.policy.passthrough;
            may || !pair.missing.is_empty()
        });
        let none_ready = pair.map(|pair| !pair.endpoints.iter().any(|endpoint| endpoint.ready));
        let before = |other: &&Group| is_before(other.first, group.first);
        let bad =
            |other: &Group| other.response_code.is_some_and(|code| code >= 500) && !other.flags.has("UH");
        let failed = self.beside(group).filter(before).any(bad);
        let answered = self.beside(group).any(|other| before(&other) && !is_failure(other));
        let (label, confidence, other) = match none_ready {
            Some(true) if !ejects => (Label::NoEndpoints, Confidence::Certain, ""),
            // Pods become ready and unready faster than states are saved.
            Some(false) if !ejects => (Label::NoEndpoints, Confidence::Likely, "outlier-ejected"),
            // Outlier detection leaves no trace in the objects: likely, and no more.
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
        cause.alternatives.extend(Some(other).filter(|other| !other.is_empty()));
        cause
    }

    /// Whether what came without HTTP is a TLS greeting: a client reports at the same time that TLS was answered with
    /// something else. Such lines tell no address, so this is never sure.
    pub(super) fn is_tls_greeting(&self, group: &Group, sign: &Sign) -> bool {
        sign.label == Label::BadRequest
            && sign.confidence == Confidence::Possible
            && self.elsewhere.greeted.iter().any(|other| is_at_the_time(other, group))
    }

    /// Whether a server refused TLS with a name that is not Istio's from the address that wrote a group, at that time.
    pub(super) fn is_refused_by_name(&self, group: &Group) -> bool {
        let PodOf::Address(own) = &group.pod else { return false };
        let refused = self.elsewhere.refused.get(&**own).into_iter().flatten();
        refused.into_iter().any(|other| is_at_the_time(other, group))
    }
}
