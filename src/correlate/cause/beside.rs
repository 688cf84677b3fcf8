//! Groups of the same writer about the same cluster, and what they tell of one of them.
//!
//! One file with the lines of many pods has thousands of groups about a cluster, and each that failed is asked about the
//! others. So what they tell together is put together once, and no group is held against each other one.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::net::SocketAddr;

use rustc_hash::FxHashMap;

use super::silent::names_all;
use super::unanswered::is_plain_end;
use super::{Asked, denied, is_failure, pattern, reset};
use crate::logs::{Group, GroupIndex, PodName, PodOf, Reporter, SourceId};

/// So few groups are put together each time they are asked: what they tell is not worth its place.
const FEW: usize = 8;

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

type Place<'a> = (Writer<'a>, Reporter, Option<&'a str>, Option<&'a str>);

fn place(group: &Group) -> Option<Place<'_>> {
    Some((Writer::of(group)?, group.reporter, group.upstream_cluster.as_deref(), super::called(group)))
}

/// Groups by who wrote them and the cluster that they are about.
#[derive(Default)]
pub(super) struct Beside<'a>(FxHashMap<Place<'a>, Neighbours<'a>>);

#[derive(Default)]
struct Neighbours<'a> {
    groups: Vec<&'a Group>,
    told: OnceCell<Box<Told>>,
}

impl<'a> Beside<'a> {
    pub(super) fn new(groups: &'a [Group]) -> Self {
        let mut beside = Self::default();
        for (place, group) in groups.iter().filter_map(|group| Some((place(group)?, group))) {
            beside.0.entry(place).or_default().groups.push(group);
        }
        beside
    }

    /// What the groups beside one tell, that one among them: who asks names it.
    fn ask<T: Default>(&self, group: &Group, question: impl FnOnce(&Told) -> T) -> T {
        let Some(known) = place(group).and_then(|place| self.0.get(&place)) else { return T::default() };
        if known.groups.len() <= FEW {
            return question(&Told::by(&known.groups));
        }
        question(known.told.get_or_init(|| Box::new(Told::by(&known.groups))))
    }
}

/// The largest value and the largest of any other key: enough to know the largest without those of one key.
#[derive(Debug, Clone, Copy)]
struct Best<K, V>([Option<(K, V)>; 2]);

impl<K, V> Default for Best<K, V> {
    fn default() -> Self {
        Self([None, None])
    }
}

impl<K: PartialEq, V: Ord + Copy> Best<K, V> {
    fn add(&mut self, key: K, value: V) {
        let [first, second] = &mut self.0;
        match (&mut *first, &mut *second) {
            (Some(known), _) | (_, Some(known)) if known.0 == key => known.1 = known.1.max(value),
            (_, Some(known)) if known.1 >= value => {}
            (_, second) => *second = Some((key, value)),
        }
        if first.as_ref().map(|known| known.1) < second.as_ref().map(|known| known.1) {
            std::mem::swap(first, second);
        }
    }

    /// The largest of all keys but one.
    fn besides(&self, key: &K) -> Option<V> {
        self.0.iter().flatten().find(|known| known.0 != *key).map(|known| known.1)
    }
}

type Any = Best<GroupIndex, ()>;
type Earliest = Best<GroupIndex, Reverse<i64>>;
type Latest<K = GroupIndex> = Best<K, i64>;

/// What groups tell together, in such a way that any one of them can be left out.
#[derive(Debug, Default)]
struct Told {
    /// When connections were first refused, in order.
    refused: Vec<(i64, GroupIndex)>,
    /// Bursts that end before an address refuses.
    bursts: Any,
    /// Lines that went well, and were not refused by the application either.
    well: (Earliest, Latest),
    /// Lines that did not fail. Those without a time may be the last of all.
    sound: Earliest,
    last_sound: Latest,
    last_sound_of_code: Latest<Option<u16>>,
    /// Answers from 500 on.
    bad: Earliest,
    /// Lines in which plain HTTP was taken.
    plain_taken: Any,
    /// Plaintext that a policy let in.
    let_in: Latest,
    /// TCP that was answered, and what of that does not name all endpoints.
    answering: Any,
    unnamed: Any,
    answered_by: FxHashMap<SocketAddr, Any>,
    /// The endpoints that answered on TCP, each once.
    answered: Vec<(SocketAddr, u64)>,
}

impl Told {
    fn by(groups: &[&Group]) -> Self {
        let mut told = Self::default();
        for group in groups {
            told.add(group);
        }
        told.refused.sort_unstable();
        for group in groups.iter().filter(|group| reset::is_reset(group)) {
            if told.is_burst(group) {
                told.bursts.add(group.index, ());
            }
        }
        told.answered.sort_unstable();
        told.answered.dedup_by_key(|(host, _)| *host);
        told
    }

    fn add(&mut self, group: &Group) {
        let (index, code) = (group.index, group.response_code);
        let last = group.last.unwrap_or(i64::MAX);
        if let Some(first) = group.first.filter(|_| pattern::is_refused_connection(group)) {
            self.refused.push((first, index));
        }
        if let Some(first) = group.first.filter(|_| is_bad(group)) {
            self.bad.add(index, Reverse(first));
        }
        if is_plain_end(group) {
            self.add_answered(group);
        }
        if is_failure(group) {
            return;
        }
        if let Some(first) = group.first {
            self.sound.add(index, Reverse(first));
        }
        self.last_sound.add(index, last);
        self.last_sound_of_code.add(code, last);
        if code.is_none_or(|code| code < 400) {
            if let Some(first) = group.first {
                self.well.0.add(index, Reverse(first));
            }
            if let Some(last) = group.last {
                self.well.1.add(index, last);
            }
        }
        if code.is_some_and(|code| code > 0 && code != 400) {
            self.plain_taken.add(index, ());
        }
        if group.sni_none > 0 && !denied::is_denial(group) {
            self.let_in.add(index, last);
        }
    }

    fn add_answered(&mut self, group: &Group) {
        self.answered.extend(group.evidence.answered.iter().copied());
        if group.answered == 0 {
            return;
        }
        self.answering.add(group.index, ());
        if !names_all(group) {
            self.unnamed.add(group.index, ());
        }
        for (host, _) in &group.evidence.answered {
            self.answered_by.entry(*host).or_default().add(group.index, ());
        }
    }

    /// Several requests under way that ended together, and then an address that refuses: whatever was there is gone.
    /// What is under way at one moment began within the longest of its durations; what is refused one by one did not.
    fn is_burst(&self, group: &Group) -> bool {
        let (Some(first), Some(last), Some(durations)) = (group.first, group.last, group.duration_ms) else {
            return false;
        };
        let longest = i64::try_from(durations.p99).unwrap_or(i64::MAX).saturating_mul(1000);
        if group.count < 2 || durations.p50 == 0 || last - first > longest {
            return false;
        }
        let until = last.saturating_add(pattern::AFTERMATH.saturating_add(longest));
        let after = self.refused.partition_point(|(time, _)| *time < last);
        let after = self.refused.iter().skip(after).take_while(|(time, _)| *time <= until);
        after.into_iter().any(|(_, other)| *other != group.index)
    }
}

/// Answers for which outlier detection ejects an endpoint.
fn is_bad(group: &Group) -> bool {
    group.response_code.is_some_and(|code| code >= 500) && !group.flags.has("UH")
}

impl Asked<'_> {
    /// Whether a group is a burst of requests that broke off, after which their address refused.
    pub(super) fn is_burst_before_refusal(&self, group: &Group) -> bool {
        self.beside.ask(group, |told| told.is_burst(group))
    }

    /// Whether such a burst came before a group of refused connections.
    pub(super) fn kills_before(&self, group: &Group) -> bool {
        pattern::is_refused_connection(group)
            && self.beside.ask(group, |told| told.bursts.besides(&group.index).is_some())
    }

    /// Whether lines go well before and after some of a group, so that nothing is wrong with all of them.
    pub(super) fn is_among_successes(&self, group: &Group) -> bool {
        let Some((first, last)) = group.first.zip(group.last) else { return false };
        self.beside.ask(group, |told| {
            let before = told.well.0.besides(&group.index).is_some_and(|Reverse(well)| well < last);
            before && told.well.1.besides(&group.index).is_some_and(|well| well > first)
        })
    }

    /// Whether lines failed, and whether lines did not, that began before a group's.
    pub(super) fn before(&self, group: &Group) -> (bool, bool) {
        let Some(own) = group.first else { return (false, false) };
        let is_before = |of: &Earliest| of.besides(&group.index).is_some_and(|Reverse(first)| first < own);
        self.beside.ask(group, |told| (is_before(&told.bad), is_before(&told.sound)))
    }

    /// Whether lines with another code did not fail after the first of a group; without times any counts. On TCP all have
    /// the same code.
    pub(super) fn went_well_since(&self, group: &Group) -> bool {
        let last = self.beside.ask(group, |told| match group.response_code {
            Some(0) => told.last_sound.besides(&group.index),
            code => told.last_sound_of_code.besides(&code),
        });
        last.is_some_and(|last| group.first.is_none_or(|first| last >= first))
    }

    /// Whether plain HTTP was taken by what answers a group's cluster.
    pub(super) fn takes_plaintext(&self, group: &Group) -> bool {
        self.beside.ask(group, |told| told.plain_taken.besides(&group.index).is_some())
    }

    /// Whether policies let plaintext in after the first of a group; without times any counts.
    pub(super) fn lets_plaintext_in(&self, group: &Group) -> bool {
        let last = self.beside.ask(group, |told| told.let_in.besides(&group.index));
        last.is_some_and(|last| group.first.is_none_or(|first| last >= first))
    }

    /// Whether other TCP connections were answered, and whether all lines of those name their endpoint.
    pub(super) fn others_answer(&self, group: &Group) -> (bool, bool) {
        self.beside.ask(group, |told| {
            let unnamed = told.unnamed.besides(&group.index).is_some();
            (told.answering.besides(&group.index).is_some(), !unnamed)
        })
    }

    /// Those of a group's endpoints that answer no other TCP connections.
    pub(super) fn answering_no_other(&self, group: &Group) -> Vec<(SocketAddr, u64)> {
        self.beside.ask(group, |told| {
            let answers = |host| told.answered_by.get(host).and_then(|by| by.besides(&group.index)).is_some();
            group.evidence.hosts.iter().filter(|(host, _)| !answers(host)).copied().collect()
        })
    }

    /// The endpoints that answered TCP connections of a group or beside it, where they are at most so many.
    pub(super) fn answering_endpoints(&self, group: &Group, most: usize) -> Option<Vec<(SocketAddr, u64)>> {
        self.beside.ask(group, |told| (told.answered.len() <= most).then(|| told.answered.clone()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    use crate::correlate::locate::Locator;
    use crate::correlate::tests::{UC, client};
    use crate::logs::{Aggregate, SourceName};
    use crate::model::Snapshot;
    use crate::resolve::{Mesh, Options};

    const KINDS: [&str; 7] = [
        UC,
        "503 UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_111}",
        "200 - via_upstream",
        "404 - via_upstream",
        "500 - via_upstream",
        "0 - -",
        "0 UR -",
    ];

    /// Lines of clients in one file: second, kind, client and endpoint, bytes that came back.
    fn read(lines: &[(u32, usize, (u8, u8), u8)]) -> Aggregate {
        let mut logs = Aggregate::new();
        let source = logs.add_source(SourceName { file: "a".into(), pod: None });
        for (number, (second, kind, (own, host), back)) in (1..).zip(lines) {
            let line = client(*second, KINDS[*kind], "-")
                .replace("10.8.1.8", &format!("10.8.1.{own}"))
                .replace("10.8.2.0:", &format!("10.8.2.{host}:"))
                .replacen(" 0 95 3 ", &format!(" 0 {back} 9000 "), 1);
            logs.add_line(source, number, line.trim_end().as_bytes());
        }
        logs
    }

    /// Whether what is put together says the same as a look at each other group.
    fn is_the_same(asked: &Asked<'_>, groups: &[Group], group: &Group) -> Result<(), TestCaseError> {
        let others = || groups.iter().filter(|other| other.index != group.index);
        let any = |holds: &dyn Fn(&Group) -> bool| others().any(holds);
        let is_burst = |of: &Group| {
            let (first, last, durations) = (of.first.unwrap(), of.last.unwrap(), of.duration_ms.unwrap());
            let longest = i64::try_from(durations.p99).unwrap() * 1000;
            let after = |time: i64| time >= last && time - last <= pattern::AFTERMATH + longest;
            let others = groups.iter().filter(|other| other.index != of.index);
            let mut refused = others.filter(|other| pattern::is_refused_connection(other));
            of.count >= 2 && last - first <= longest && refused.any(|other| after(other.first.unwrap()))
        };
        prop_assert_eq!(asked.is_burst_before_refusal(group), is_burst(group));
        let kills =
            pattern::is_refused_connection(group) && any(&|other| reset::is_reset(other) && is_burst(other));
        prop_assert_eq!(asked.kills_before(group), kills);
        let well = |other: &Group| !is_failure(other) && other.response_code.unwrap() < 400;
        let among = any(&|other| well(other) && other.first < group.last)
            && any(&|other| well(other) && group.first < other.last);
        prop_assert_eq!(asked.is_among_successes(group), among);
        let before = |other: &Group| other.first < group.first;
        let failed = any(&|other| before(other) && other.response_code.unwrap() >= 500);
        let answered = any(&|other| before(other) && !is_failure(other));
        prop_assert_eq!(asked.before(group), (failed, answered));
        let since = |other: &Group| {
            let is_other = other.response_code != group.response_code || group.response_code == Some(0);
            is_other && other.last >= group.first && !is_failure(other)
        };
        prop_assert_eq!(asked.went_well_since(group), any(&since));
        let taken = |other: &Group| !is_failure(other) && ![0, 400].contains(&other.response_code.unwrap());
        prop_assert_eq!(asked.takes_plaintext(group), any(&taken));
        let answering = |other: &Group| is_plain_end(other) && other.answered > 0;
        prop_assert_eq!(asked.others_answer(group).0, any(&answering));
        let answers = |host: &SocketAddr| {
            any(&|other| answering(other) && other.evidence.answered.iter().any(|(known, _)| known == host))
        };
        let silent = group.evidence.hosts.iter().filter(|(host, _)| !answers(host)).copied();
        prop_assert_eq!(asked.answering_no_other(group), silent.collect::<Vec<_>>());
        Ok(())
    }

    proptest! {
        /// Few groups are put together each time, many once.
        #[test]
        fn what_groups_tell_together_is_what_each_tells(
            lines in prop::collection::vec((0_u32..60, 0..KINDS.len(), (0_u8..4, 0_u8..3), 0_u8..2), 1..40)
        ) {
            let logs = read(&lines);
            let groups: Vec<_> = logs.groups().collect();
            let mesh = Mesh::new(&Snapshot::default(), &Options::default());
            let locator = Locator::new(&mesh);
            let asked = Asked {
                locator: &locator,
                logs: &logs,
                by_index: FxHashMap::default(),
                successes: FxHashMap::default(),
                beside: Beside::new(&groups),
                elsewhere: pattern::Elsewhere::default(),
                allowing: denied::Known::default(),
            };
            for group in &groups {
                is_the_same(&asked, &groups, group)?;
            }
        }

        /// Held against a look at all of them.
        #[test]
        fn the_best_without_one_is_known(values in prop::collection::vec((0_u8..5, 0_i64..9), 0..12), without in 0_u8..6) {
            let mut best = Best::default();
            for (key, value) in &values {
                best.add(*key, *value);
            }
            let others = values.iter().filter(|(key, _)| *key != without).map(|(_, value)| *value);
            prop_assert_eq!(best.besides(&without), others.max(), "{:?}", values);
        }
    }
}
