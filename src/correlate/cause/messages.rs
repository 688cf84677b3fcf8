//! What proxies say of themselves, where no line of an access log says it: that they cannot hear the control plane, that
//! they refuse what it sends, that they have no certificate; and why ztunnel cut what was open.

use rustc_hash::FxHashMap;

use super::{Cause, Label, Proof, handshake};
use crate::correlate::locate::origins;
use crate::correlate::locate::{Located, Locator};
use crate::diagnose::Confidence;
use crate::diagnose::finding::{LogEvidence, Recorded};
use crate::logs::{Aggregate, MessageGroup, MessageKind, PodOf, SourceId, ZtunnelGroup, format_time};

/// A single failure is what every start and every restart of the control plane leaves.
const SEVERAL: u64 = 2;

/// Messages about further things are counted and not shown.
const SHOWN: usize = 8;

/// The causes that messages tell by themselves, in the order of their first message.
pub(super) fn causes(locator: &Locator<'_>, logs: &Aggregate) -> Vec<Cause> {
    let messages = logs.messages();
    let by_source = BySource::new(&messages);
    let mut causes: Vec<Cause> = Vec::new();
    let mut places: FxHashMap<(SourceId, Label, Option<&str>), usize> = FxHashMap::default();
    for group in &messages {
        let Some((label, confidence, says)) = by_source.tells(group) else { continue };
        let about = group.subject.as_deref().map(|subject| format!(": {subject}")).unwrap_or_default();
        let lines = lines(logs, group, format!("{says}{about}"));
        // Messages of one writer about many identities are one cause; those about several peers are not.
        let peer = group.subject.as_deref().filter(|_| matches!(group.kind, MessageKind::Tls(_)));
        if let Some(known) = places.get(&(group.source, label, peer)).and_then(|at| causes.get_mut(*at)) {
            known.count += group.count;
            known.last = known.last.max(group.last);
            known.confidence = known.confidence.max(confidence);
            if known.evidence.len() < SHOWN {
                known.evidence.push(lines);
            }
            continue;
        }
        places.insert((group.source, label, peer), causes.len());
        let mut place = place(locator, logs, group.source);
        let mut other = None;
        if let MessageKind::Tls(fault) = group.kind {
            other = handshake::alone(fault).and_then(|(_, _, other)| other);
            // Its own end is the server's, so far as it is known.
            let peer = || locator.caller(group.subject.as_deref()?);
            (place.server, place.client) = (place.reporter, peer());
        }
        causes.push(Cause {
            label,
            confidence,
            count: group.count,
            place,
            evidence: vec![lines],
            alternatives: other.map(Label::word).into_iter().collect(),
            server_proof: confidence == Confidence::Certain && label.is_mtls(),
            denial: None,
            proof: Proof::default(),
            groups: Vec::new(),
            parts: Vec::new(),
            last: group.last,
        });
    }
    causes
}

/// What a message is about, where it is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum About<'a> {
    This(&'a str),
    Nothing,
    Whatever,
}

/// When each writer last said that all is well again, and with what: one ztunnel has the certificates of many identities.
struct BySource<'a>(FxHashMap<(SourceId, MessageKind, About<'a>), i64>);

impl<'a> BySource<'a> {
    fn new(messages: &'a [MessageGroup]) -> Self {
        let mut last = FxHashMap::default();
        for group in messages {
            let Some(time) = group.last else { continue };
            for about in [group.subject.as_deref().map_or(About::Nothing, About::This), About::Whatever] {
                let known = last.entry((group.source, group.kind, about)).or_insert(time);
                *known = time.max(*known);
            }
        }
        Self(last)
    }

    /// Where one of the two messages does not say what it is about, both may be about the same.
    fn is_over(&self, group: &MessageGroup, well: MessageKind) -> bool {
        let subject = group.subject.as_deref();
        let of = subject.map_or([About::Whatever; 2], |subject| [About::This(subject), About::Nothing]);
        let again = of.iter().filter_map(|about| self.0.get(&(group.source, well, *about))).max();
        again.zip(group.last).is_some_and(|(again, last)| *again >= last)
    }

    /// The label of messages, how sure it is, and what they say; nothing where it is over, or may well be.
    fn tells(&self, group: &MessageGroup) -> Option<(Label, Confidence, &'static str)> {
        match group.kind {
            // Logs are often cut down to warnings, and then nothing says that the connection came back.
            MessageKind::ControlPlaneLost
                if group.count >= SEVERAL && !self.is_over(group, MessageKind::ControlPlaneHeard) =>
            {
                let says = "the proxy has no connection to the control plane, and says of none later";
                Some((Label::ControlPlaneUnreachable, Confidence::Likely, says))
            }
            MessageKind::ConfigRefused => {
                let says = "the proxy refused what the control plane sent";
                Some((Label::ControlPlaneMismatch, Confidence::Certain, says))
            }
            MessageKind::CertificateFailed if !self.is_over(group, MessageKind::CertificateObtained) => {
                // ztunnel tells success at the level debug only.
                let confidence =
                    if group.count >= SEVERAL { Confidence::Likely } else { Confidence::Possible };
                Some((Label::CertificateNotDelivered, confidence, "the proxy got no certificate"))
            }
            // Where lines are about it, they tell it; a try that was repeated has several messages a line.
            MessageKind::Tls(fault) if group.joined == 0 => {
                let (label, confidence, _) = handshake::alone(fault)?;
                Some((label, confidence, handshake::says(fault)))
            }
            MessageKind::ControlPlaneLost
            | MessageKind::ControlPlaneHeard
            | MessageKind::CertificateFailed
            | MessageKind::CertificateObtained
            | MessageKind::ZtunnelStopped
            | MessageKind::PodRemoved
            | MessageKind::Tls(_) => None,
        }
    }
}

/// The pod that wrote them; where it is not known, the file.
fn place(locator: &Locator<'_>, logs: &Aggregate, source: SourceId) -> Located {
    let Some(name) = logs.source(source) else { return Located::default() };
    let reporter = name.pod.as_ref().and_then(|pod| locator.workload_of(&PodOf::Named(pod.clone())));
    let server_pod = name.pod.clone().filter(|_| reporter.is_none());
    let log = name.pod.is_none().then(|| name.file.clone());
    Located { reporter, server_pod, log, ..Located::default() }
}

fn lines(logs: &Aggregate, group: &MessageGroup, text: String) -> LogEvidence {
    LogEvidence {
        by: Recorded::Lines,
        count: group.count,
        first: group.first.map(format_time),
        last: group.last.map(format_time),
        text,
        samples: origins(logs, &group.samples),
    }
}

/// Moments at which ztunnel gave up pods, by the pod.
pub(super) struct Ends(FxHashMap<String, Vec<MessageGroup>>);

/// Connections may break this long after ztunnel began to stop (5 s by default) and new ones be refused, in microseconds;
/// the clocks of two nodes differ.
const AFTER: i64 = 10_000_000;
const BEFORE: i64 = 1_000_000;

impl Ends {
    pub(super) fn new(logs: &Aggregate) -> Self {
        let mut ends: FxHashMap<String, Vec<MessageGroup>> = FxHashMap::default();
        for group in logs.messages() {
            if matches!(group.kind, MessageKind::ZtunnelStopped | MessageKind::PodRemoved)
                && let Some(pod) = group.subject.clone()
            {
                ends.entry(pod).or_default().push(group);
            }
        }
        Self(ends)
    }

    /// Makes a cause certain where one of the two ends was given up at that moment, as its own ztunnel says.
    pub(super) fn decide(&self, logs: &Aggregate, lines_of: &ZtunnelGroup, cause: &mut Cause) {
        let key = &lines_of.key;
        let ends = [&key.destination, &key.source].map(|end| end.workload.as_deref());
        let at = lines_of.first.zip(lines_of.last);
        let is_then = |end: &&MessageGroup| {
            let then = end.first.zip(end.last);
            at.zip(then).is_some_and(|((first, last), (from, until))| {
                first >= from.saturating_sub(BEFORE) && last <= until.saturating_add(AFTER)
            })
        };
        let of_pod = |pod: &str| self.0.get(pod).into_iter().flatten().find(is_then);
        let Some(end) = ends.into_iter().flatten().find_map(of_pod) else { return };
        let (label, says) = match end.kind {
            MessageKind::PodRemoved => (Label::PodRemoved, "ztunnel gave the pod up"),
            MessageKind::ZtunnelStopped
            | MessageKind::ControlPlaneLost
            | MessageKind::ControlPlaneHeard
            | MessageKind::ConfigRefused
            | MessageKind::CertificateFailed
            | MessageKind::CertificateObtained
            | MessageKind::Tls(_) => (Label::ZtunnelStopped, "the pod's ztunnel shut down"),
        };
        let pod = end.subject.as_deref().unwrap_or_default();
        cause.label = label;
        cause.confidence = Confidence::Certain;
        cause.alternatives.clear();
        cause.evidence.push(lines(logs, end, format!("{says} at that time: {pod}")));
    }
}

#[cfg(test)]
mod tests;
