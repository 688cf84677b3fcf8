//! What several groups tell together: their order in time, and what is about the same address.

use rustc_hash::FxHashMap;

use super::sign::Sign;
use super::{Asked, Cause, Label, at_side, is_refusal};
use crate::correlate::locate::Locator;
use crate::diagnose::Confidence;
use crate::logs::{FlagSet, Group, PodOf, Reporter};
use crate::model::Kind;

/// What else ends many connections at once, and leaves an address that refuses.
pub(super) const OTHER_DEATHS: [&str; 2] = ["app-closed", "pod-unreachable"];

/// How long after requests broke off their proxy's address may still refuse, in microseconds.
pub(super) const AFTERMATH: i64 = 60_000_000;

/// Whether a reason says that the answer to a TLS greeting was no TLS.
pub(super) fn is_not_tls(reason: &str) -> bool {
    ["WRONG_VERSION_NUMBER", "UNEXPECTED_MESSAGE", "HTTP_REQUEST"].iter().any(|text| reason.contains(text))
}

pub(super) fn is_refused_connection(group: &Group) -> bool {
    let text = super::sign::text_of(group);
    group.flags.contains(FlagSet::UF)
        && (text.contains("Connection_refused") || text.contains("connect_error:_111"))
}

/// What groups tell of others that are about no cluster of theirs.
#[derive(Default)]
pub(super) struct Elsewhere<'a> {
    /// Clients that were answered without TLS.
    greeted: Times,
    /// Refusals of names that are not Istio's, by the address that was refused.
    refused: FxHashMap<&'a str, Times>,
}

impl<'a> Elsewhere<'a> {
    pub(super) fn new(locator: &Locator<'_>, groups: &'a [Group]) -> Self {
        let mut elsewhere = Self::default();
        for group in groups {
            let reason = group.upstream_transport_failure_reason.as_deref();
            if group.reporter == Reporter::Client && reason.is_some_and(is_not_tls) {
                elsewhere.greeted.add(group);
            }
            if let Some(peer) = group.peer.as_deref()
                && is_refusal(group)
                && group.sni_other >= group.count
                && locator.refuses_by_mode(group)
            {
                elsewhere.refused.entry(peer).or_default().add(group);
            }
        }
        [&mut elsewhere.greeted].into_iter().chain(elsewhere.refused.values_mut()).for_each(Times::end);
        elsewhere
    }
}

/// So long after each other two sides may write of the same connection, in microseconds.
const APART: i64 = 1_000_000;

/// The times of groups: from when on there were lines, and the last time of all that began until then.
#[derive(Debug, Default)]
struct Times(Vec<(i64, i64)>);

impl Times {
    fn add(&mut self, group: &Group) {
        self.0.extend(group.first.zip(group.last));
    }

    /// Puts them in order: there will be no more.
    fn end(&mut self) {
        self.0.sort_unstable();
        let mut latest = i64::MIN;
        for (_, last) in &mut self.0 {
            latest = latest.max(*last);
            *last = latest;
        }
    }

    /// Whether any of them has lines in the time of a group, or just beside it.
    fn are_at_the_time(&self, group: &Group) -> bool {
        let Some((first, last)) = group.first.zip(group.last) else { return false };
        let begun = self.0.partition_point(|(begin, _)| *begin <= last.saturating_add(APART));
        let latest = begun.checked_sub(1).and_then(|at| self.0.get(at)).map(|(_, latest)| *latest);
        latest.is_some_and(|latest| first <= latest.saturating_add(APART))
    }
}

impl Asked<'_> {
    pub(super) fn succeeds_later(&self, group: &Group) -> bool {
        let success = self.successes.get(&super::about(group));
        // Lines without time may be the later ones.
        success.is_some_and(|(_, last)| last.zip(group.last).is_none_or(|(last, own)| last > own))
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
        let (failed, answered) = self.before(group);
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
            && self.elsewhere.greeted.are_at_the_time(group)
    }

    /// Whether a server refused TLS with a name that is not Istio's from the address that wrote a group, at that time.
    pub(super) fn is_refused_by_name(&self, group: &Group) -> bool {
        let PodOf::Address(own) = &group.pod else { return false };
        self.elsewhere.refused.get(&**own).is_some_and(|refused| refused.are_at_the_time(group))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Groups with times, as they are read from lines.
    fn groups(spans: &[(i64, i64)]) -> Vec<Group> {
        let mut logs = crate::logs::Aggregate::new();
        let source = logs.add_source(crate::logs::SourceName { file: "a".into(), pod: None });
        for (at, (first, length)) in (0..).zip(spans) {
            for second in [*first, first + length] {
                let line = format!(
                    "[2026-03-02T09:{:02}:{:02}.000Z] \"GET / HTTP/1.1\" 503 UF a - \"-\" 0 0 1 - \"-\" \"-\" \"-\" \"-\" \
                     \"10.8.2.0:9080\" outbound|{at}||a 10.8.1.8:4000 10.9.0.1:80 10.8.1.8:5000 - -",
                    second / 60,
                    second % 60
                );
                logs.add_line(source, 1, line.as_bytes());
            }
        }
        logs.groups().collect()
    }

    proptest! {
        /// Held against a look at each of them.
        #[test]
        fn times_that_meet_are_found(spans in prop::collection::vec((0_i64..60, 0_i64..9), 1..6), own in (0_i64..60, 0_i64..9)) {
            let mut times = Times::default();
            for group in &groups(&spans) {
                times.add(group);
            }
            times.end();
            let meet = |(first, length): &(i64, i64)| *first <= own.0 + own.1 + 1 && own.0 <= first + length + 1;
            prop_assert_eq!(times.are_at_the_time(&groups(&[own])[0]), spans.iter().any(meet));
        }
    }
}
