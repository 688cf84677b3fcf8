//! Folds lines into groups, in memory that does not grow with the input.
//!
//! Lines that say the same about the same pair (reporter, upstream cluster, code, flags, details) are one group with
//! a count, a time span, duration quantiles and a few samples. The lines of both sides of a failed request find each
//! other (see [`JoinKind`]), in whichever order they arrive. The numbers of groups, of waiting lines and of bytes
//! for durations are bounded by [`Limits`]; what no longer fits is counted.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::access_line::{AccessLine, Format, value};
use super::format::Formats;
use super::reading::Reader;
use super::upstream_cluster::{Reporter, reporter_of};

mod address;
mod block;
mod by_fields;
mod by_groups;
mod counts;
mod evidence;
mod keys;
mod messages;
mod nearby;
mod quantiles;
mod slots;
mod table;
mod tls_messages;
mod unlike;
mod view;
mod watch;
mod ztunnel_groups;

pub use block::{Block, BlockReader};
pub use by_fields::{ByFields, FieldGroup};
pub use by_groups::NamesPods;
pub use evidence::JoinKind;
pub use messages::{MessageGroup, MessageKind};
pub use quantiles::Durations;
pub use view::{Evidence, Group, GroupIndex, Joined, Link, MessageLink, PodOf};
pub use watch::Watch;
pub use ztunnel_groups::{End, Through, ZtunnelGroup, ZtunnelKey, ZtunnelLink};

use address::{port_of, without_port};
use by_groups::ByGroups;
use counts::{Clock, Counts, Facts};
use evidence::{Failed, Joins, may_join};
use messages::Messages;
use table::{Fixed, Key, PodKind, Table};
use ztunnel_groups::ZtunnelGroups;

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodName {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// Where lines come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceName {
    /// The file, or what stands for it.
    pub file: Arc<str>,
    /// The pod whose proxy wrote it, if it is known.
    pub pod: Option<PodName>,
}

/// A source of one [`Aggregate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(u32);

/// One line, by where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sample {
    /// The source.
    pub source: SourceId,
    /// The number of the line, as given to [`Aggregate::add_line`].
    pub line: u64,
}

/// Samples kept for a group and for a link.
const SAMPLES: usize = 3;

/// The first few samples; sources and lines apart, because together they would be half as large again.
#[derive(Debug, Clone, Copy, Default)]
struct FirstSamples {
    lines: [u64; SAMPLES],
    sources: [u32; SAMPLES],
    count: u8,
}

impl FirstSamples {
    #[inline]
    fn add(&mut self, sample: Sample) {
        let at = usize::from(self.count);
        if let (Some(line), Some(source)) = (self.lines.get_mut(at), self.sources.get_mut(at)) {
            (*line, *source) = (sample.line, sample.source.0);
            self.count += 1;
        }
    }

    fn to_vec(self) -> Vec<Sample> {
        let pairs = self.sources.into_iter().zip(self.lines).take(usize::from(self.count));
        pairs.map(|(source, line)| Sample { source: SourceId(source), line }).collect()
    }
}

/// The earliest and the latest time seen, in microseconds since the epoch.
#[derive(Debug, Clone, Copy)]
struct TimeRange {
    first: i64,
    last: i64,
}

impl Default for TimeRange {
    fn default() -> Self {
        Self { first: i64::MAX, last: i64::MIN }
    }
}

impl TimeRange {
    #[inline]
    fn add(&mut self, time: Option<i64>) {
        if let Some(time) = time {
            self.first = self.first.min(time);
            self.last = self.last.max(time);
        }
    }

    fn first(self) -> Option<i64> {
        (self.first <= self.last).then_some(self.first)
    }

    fn last(self) -> Option<i64> {
        (self.first <= self.last).then_some(self.last)
    }
}

/// How much is kept. With the defaults an [`Aggregate`] stays within 64 MB, the text of group keys not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Groups; lines of further groups are only counted.
    pub groups: usize,
    /// Lines that wait for the other side, for each of the two joins.
    pub joins: usize,
    /// Bytes for the histograms of durations; without, quantiles are those of a sample.
    pub duration_bytes: usize,
    /// How far apart in time two lines may be and still be joined, in microseconds.
    pub join_window_micros: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { groups: 100_000, joins: 57_344, duration_bytes: 8 << 20, join_window_micros: 60_000_000 }
    }
}

/// How many lines were given, and what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// All lines.
    pub read: u64,
    /// Access-log lines, read whole.
    pub parsed: u64,
    /// All others.
    pub other: u64,
    /// Further lines of files that are parts of one that was read: not among `read`.
    pub joined: u64,
    /// Of those parsed: lines that could be read in more than one way.
    pub ambiguous: u64,
}

#[derive(Debug, Clone)]
struct Source {
    name: SourceName,
    /// `NAMESPACE/NAME` of the pod.
    pod: Option<Arc<str>>,
    /// Reads what is wrapped, once there is such a line.
    reader: Option<Box<Reader>>,
    /// Lines of an access log in layouts that are not read.
    unread: u64,
}

/// The groups of many lines from many sources.
#[derive(Debug, Clone)]
pub struct Aggregate {
    limits: Limits,
    sources: Vec<Source>,
    /// Formats besides the default layouts.
    custom: Arc<Formats>,
    counts: Counts,
    clock: Clock,
    ztunnel: ZtunnelGroups,
    messages: Messages,
    joins: Joins,
    /// Sources that end within a line, with its number.
    cut: Vec<(SourceId, u64)>,
    /// Pods by their name; nothing where several namespaces have one.
    pods: FxHashMap<Arc<str>, Option<PodName>>,
    /// The source that stands for a pod whose name is in front of the lines of another one.
    writers: FxHashMap<(SourceId, String), SourceId>,
    watch: Option<Arc<dyn Watch>>,
    /// Groups by fields, where they are asked for.
    by_groups: Option<Box<ByGroups>>,
}

impl Default for Aggregate {
    fn default() -> Self {
        Self::with_limits(Limits::default())
    }
}

impl Aggregate {
    /// With the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// With other limits.
    pub fn with_limits(limits: Limits) -> Self {
        Self {
            limits,
            sources: Vec::new(),
            custom: Arc::default(),
            counts: Counts {
                lines: LineCounts::default(),
                formats: [0; Format::ALL.len()],
                groups: Table::default(),
                other_groups: 0,
                duration_budget: limits.duration_bytes,
            },
            clock: Clock::default(),
            ztunnel: ZtunnelGroups::default(),
            messages: Messages::default(),
            joins: Joins::default(),
            cut: Vec::new(),
            pods: FxHashMap::default(),
            writers: FxHashMap::default(),
            watch: None,
            by_groups: None,
        }
    }

    /// Has lines read in these formats too.
    pub fn use_formats(&mut self, formats: Formats) {
        self.custom = Arc::new(formats);
    }

    /// Those formats, where there are any.
    #[inline]
    fn own_formats(&self) -> Option<Arc<Formats>> {
        (!self.custom.is_empty()).then(|| Arc::clone(&self.custom))
    }

    /// Notes that a source ends within a line that could not be read.
    pub fn add_cut(&mut self, source: SourceId, line: u64) {
        self.cut.push((source, line));
    }

    /// The sources with lines of layouts that are not read, with their number.
    pub fn other_layouts(&self) -> impl Iterator<Item = (&SourceName, u64)> {
        let unread = self.sources.iter().filter(|source| source.unread > 0);
        unread.map(|source| (&source.name, source.unread))
    }

    /// How many lines of a source are of an access log in a layout that is not read.
    pub fn unread(&self, source: SourceId) -> u64 {
        self.sources.get(source.0 as usize).map_or(0, |source| source.unread)
    }

    /// The sources that end within a line, with its number.
    pub fn cut(&self) -> impl Iterator<Item = (&SourceName, u64)> {
        self.cut.iter().filter_map(|(source, line)| Some((self.source(*source)?, *line)))
    }

    /// Adds a source of lines.
    pub fn add_source(&mut self, name: SourceName) -> SourceId {
        let id = SourceId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        let pod = name.pod.as_ref().map(|pod| Arc::from(format!("{}/{}", pod.namespace, pod.name)));
        self.sources.push(Source { name, pod, reader: None, unread: 0 });
        id
    }

    /// The name of a source.
    pub fn source(&self, id: SourceId) -> Option<&SourceName> {
        self.sources.get(id.0 as usize).map(|source| &source.name)
    }

    /// The sources in the order in which they were added.
    pub fn sources(&self) -> impl Iterator<Item = (SourceId, &SourceName)> {
        (0..).map(SourceId).zip(self.sources.iter().map(|source| &source.name))
    }

    /// Reads one line (without its line feed) of a source and counts it. `line_no` is kept with samples.
    #[inline]
    pub fn add_line(&mut self, source: SourceId, line_no: u64, bytes: &[u8]) {
        if self.watch.is_some() {
            self.show_line(source, line_no, bytes);
        }
        if self.sources.len() <= source.0 as usize {
            return self.add_other();
        }
        let custom = self.own_formats();
        let plain = block::with_plain(custom.as_deref(), bytes, |line| {
            if self.ends_broken(source, line.format) {
                self.end_broken(source, line_no, bytes);
            }
            self.add_access(source, line_no, line);
        });
        if plain.is_none() {
            self.add_unlike(source, line_no, bytes);
        }
    }

    /// Counts a line that another reader found to be none of the access log.
    pub fn add_other(&mut self) {
        self.count_other();
        if let Some(watch) = &self.watch {
            watch.other();
        }
    }

    /// The same of one that may still become a part of a line: nobody is shown it so far.
    fn count_other(&mut self) {
        self.counts.lines.read += 1;
        self.counts.lines.other += 1;
    }

    /// Whether a line in that layout ends one that was broken before it. One in JSON does: it is no part of it. Whoever
    /// watches lines or groups them by fields gets all in their order.
    #[inline]
    fn ends_broken(&self, source: SourceId, format: Format) -> bool {
        (format == Format::IstioJson || self.watch.is_some() || self.by_groups.is_some())
            && self.sources.get(source.0 as usize).is_some_and(|source| source.reader.is_some())
    }

    /// Counts a line that another reader has read.
    #[inline]
    pub fn add_access(&mut self, source: SourceId, line_no: u64, line: &AccessLine<'_>) {
        let pod = self.sources.get(source.0 as usize).and_then(|source| source.pod.as_deref());
        let key = key_of(line, pod);
        let sample = Sample { source, line: line_no };
        let facts = Facts::of(line, &mut self.clock);
        let group = self.counts.group_of(&key, key.hash(), &self.limits);
        let counted = self.counts.count(sample, group, key.fixed.reporter, facts);
        if let Some(by) = &mut self.by_groups {
            let group = counted.map(|counted| counted.group);
            by.count((&self.sources, sample), (&key, &facts), group, |look| look(line));
        }
        if let Some(watch) = &self.watch {
            watch::show_access(&**watch, line, &key, counted.map(|counted| counted.group));
        }
        if let Some(counted) = counted
            && may_join(line, key.fixed.reporter)
        {
            self.joins.add(&Failed::of(line), counted, &mut self.counts.groups, &self.limits);
            self.settle_joins();
        }
    }

    fn settle_joins(&mut self) {
        self.joins.settle(&mut self.counts.groups, &self.limits);
    }

    /// How many lines were given.
    pub fn lines(&self) -> LineCounts {
        self.counts.lines
    }

    /// The formats seen and how many lines had each.
    pub fn formats(&self) -> impl Iterator<Item = (Format, u64)> {
        Format::ALL.into_iter().zip(self.counts.formats).filter(|(_, count)| *count > 0)
    }

    /// The groups, in the order in which they were first seen.
    pub fn groups(&self) -> impl Iterator<Item = Group> {
        (0..)
            .map(GroupIndex)
            .zip(self.counts.groups.groups())
            .map(|(index, stored)| view::group(index, stored))
    }

    /// One group.
    pub fn group(&self, index: GroupIndex) -> Option<Group> {
        self.counts.groups.groups().get(index.0 as usize).map(|stored| view::group(index, stored))
    }

    /// How many groups there are.
    pub fn group_count(&self) -> usize {
        self.counts.groups.groups().len()
    }

    /// Lines whose group did not fit into the limit.
    pub fn other_groups(&self) -> u64 {
        self.counts.other_groups
    }

    /// Lines and links that did not fit into the limits of the joins: evidence that may be missing.
    pub fn joins_dropped(&self) -> u64 {
        self.joins.dropped + self.ztunnel.dropped
    }

    /// Forgets all lines that wait for the other side: there will be no more.
    pub fn end_joins(&mut self) {
        self.joins.end();
    }

    /// Forgets lines that began before that time (microseconds since the epoch) and still wait for the other side.
    /// A reader that follows logs calls it now and then, so that old lines do not keep the place of new ones.
    pub fn forget_joins_before(&mut self, micros: i64) {
        self.joins.forget_before(micros);
        self.ztunnel.forget_before(micros);
    }
}

/// The key of a line's group. The pod is that of the source; where it is not known, the address that must be the
/// reporter's own: its end of the upstream connection on the client's side, the address called on the server's.
#[inline(always)]
fn key_of<'a>(line: &AccessLine<'a>, pod: Option<&'a str>) -> Key<'a> {
    let cluster = value(line.upstream_cluster);
    let reporter = reporter_of(line);
    let (kind, pod) = match pod {
        Some(pod) => (PodKind::Named, pod.as_bytes()),
        None => match own_address(line, reporter) {
            Some(address) => (PodKind::Address, without_port(address)),
            None => (PodKind::Unknown, &b""[..]),
        },
    };
    // Nothing else tells the callers of refused connections apart, nor what those call that no cluster is for.
    let refused = cluster.is_none() && line.is_filter_chain_not_found();
    let peer = match cluster {
        None if refused => value(line.downstream_remote_address).map(without_port),
        Some(b"PassthroughCluster") => value(line.upstream_host),
        _ => None,
    };
    let own_port = value(line.downstream_local_address).filter(|_| refused).and_then(port_of).unwrap_or(0);
    let text = |field| value(field).unwrap_or_default();
    Key {
        fixed: Fixed {
            reporter,
            pod: kind,
            response_code: line.response_code,
            flags: line.flags,
            own_port,
            ambiguous: line.ambiguous,
        },
        parts: [
            pod,
            cluster.unwrap_or_default(),
            text(line.response_code_details),
            text(line.connection_termination_details),
            text(line.upstream_transport_failure_reason),
            peer.unwrap_or_default(),
        ],
    }
}

/// The address that must be the reporter's own.
#[inline(always)]
fn own_address<'a>(line: &AccessLine<'a>, reporter: Reporter) -> Option<&'a [u8]> {
    match reporter {
        Reporter::Client => match value(line.upstream_local_address) {
            None => value(line.downstream_remote_address),
            own => own,
        },
        Reporter::Server => value(line.downstream_local_address),
        Reporter::Unknown => None,
    }
}

#[cfg(test)]
mod tests;
