//! One cause for all groups that are alike.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::{Cause, Denial, Label};
use crate::diagnose::Confidence;
use crate::diagnose::finding::LogEvidence;
use crate::logs::PodName;
use crate::model::Text;

/// One cause for all that are alike, most events first, of as many the surer one.
pub(in crate::correlate) fn merged(causes: impl Iterator<Item = Cause>) -> Vec<Cause> {
    let mut found: BTreeMap<Key, Merged> = BTreeMap::new();
    for cause in causes {
        let key = key_of(&cause);
        match found.get_mut(&key) {
            Some(known) => known.absorb(cause),
            None => drop(found.insert(key, Merged { cause, texts: FxHashMap::default() })),
        }
    }
    let mut causes: Vec<_> = found.into_values().map(|merged| merged.cause).collect();
    causes.sort_by_key(|cause| Reverse((cause.count, cause.confidence)));
    causes
}

type Key = (
    Label,
    Confidence,
    Option<usize>,
    Option<usize>,
    Option<Text>,
    Option<u16>,
    Vec<&'static str>,
    Option<Denial>,
    [Option<PodName>; 2],
);

fn key_of(cause: &Cause) -> Key {
    let place = &cause.place;
    let server = place.server.filter(|_| place.client.is_none());
    (
        cause.label,
        cause.confidence,
        place.client,
        server,
        place.host.clone(),
        place.port,
        cause.alternatives.clone(),
        cause.denial.clone(),
        [place.client_pod.clone(), place.server_pod.clone()],
    )
}

/// From so many texts on they are looked up.
const MANY: usize = 16;

/// A cause, and where what its lines show stands among its evidence: errors can be as many as their groups.
struct Merged {
    cause: Cause,
    /// Empty as long as there are few.
    texts: FxHashMap<String, usize>,
}

impl Merged {
    fn absorb(&mut self, other: Cause) {
        let cause = &mut self.cause;
        cause.count += other.count;
        cause.last = cause.last.max(other.last);
        cause.server_proof |= other.server_proof;
        cause.groups.extend(other.groups);
        cause.parts.extend(other.parts);
        cause.proof.absorb(other.proof);
        for lines in other.evidence {
            self.add(lines);
        }
    }

    fn add(&mut self, lines: LogEvidence) {
        let known = self.known(&lines.text);
        match known.and_then(|at| self.cause.evidence.get_mut(at)) {
            // A message that decides for both sides is one message.
            Some(known) if *known == lines => {}
            Some(known) => known.absorb(&lines),
            None => self.cause.evidence.push(lines),
        }
    }

    /// Where the first evidence with that text stands.
    fn known(&mut self, text: &str) -> Option<usize> {
        let evidence = &self.cause.evidence;
        if evidence.len() < MANY {
            return evidence.iter().position(|known| known.text == text);
        }
        if self.texts.is_empty() {
            for (at, known) in evidence.iter().enumerate() {
                self.texts.entry(known.text.clone()).or_insert(at);
            }
        }
        match self.texts.entry(text.to_owned()) {
            Entry::Occupied(known) => Some(*known.get()),
            // It is the next one.
            Entry::Vacant(place) => {
                place.insert(evidence.len());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::locate::Locator;
    use crate::logs::{Aggregate, SourceName};
    use crate::model::Snapshot;
    use crate::resolve::{Mesh, Options};

    /// Each error once, with all its lines, however many errors there are.
    #[test]
    fn many_errors_are_found_again() {
        let mut logs = Aggregate::new();
        let source = logs.add_source(SourceName { file: "a".into(), pod: None });
        for (port, at) in
            [8080_u16, 8081].into_iter().flat_map(|port| (0..3 * MANY).map(move |at| (port, at)))
        {
            let line = format!(
                "2026-03-02T09:00:00.000000Z\terror\taccess\tconnection complete\tsrc.addr=10.1.0.1:4000 \
                 src.workload=\"a\" src.namespace=\"web\" dst.addr=10.1.0.9:{port} dst.service=\"c.shop.svc.cluster.local\" \
                 direction=\"outbound\" bytes_sent=0 bytes_recv=0 duration=\"1ms\" error=\"strange {at}\""
            );
            logs.add_line(source, u64::from(port), line.as_bytes());
        }
        assert_eq!(logs.ztunnel_groups().len(), 6 * MANY);
        let mesh = Mesh::new(&Snapshot::default(), &Options::default());
        let causes = crate::correlate::causes(&Locator::new(&mesh), &logs);
        let [cause] = causes.as_slice() else { panic!("{}", causes.len()) };
        assert_eq!(cause.evidence.len(), 3 * MANY);
        assert!(cause.evidence.iter().all(|lines| lines.count == 2 && lines.samples.len() == 2));
    }
}
