//! Groups of ztunnel's lines. They stand beside those of Envoy's, because what tells lines apart differs: there is no
//! code, flag or upstream cluster, but both ends and their identities.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::evidence::LINKS;
use super::nearby::{Met, Nearby, Side};
use super::quantiles::Quantiles;
use super::view::Joined;
use super::{Aggregate, Durations, FirstSamples, GroupIndex, Limits, PodOf, Sample, SourceId, TimeRange};
use crate::logs::fields::AnyLine;
use crate::logs::time::parse_time;
use crate::logs::upstream_cluster::Reporter;
use crate::logs::ztunnel::ZtunnelLine;

/// One end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct End {
    /// `namespace/name` of the pod, where ztunnel knew it.
    pub workload: Option<String>,
    /// Its identity: there exactly with HBONE.
    pub identity: Option<String>,
    /// Its address without port, where ztunnel did not know the pod.
    pub address: Option<String>,
}

/// What a tunnel leads to that does not end at the pod called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Through {
    /// A waypoint: the target inside the tunnel is the address of the service.
    Waypoint,
    /// The gateway of another network: the target is a host name.
    Gateway,
}

/// What makes two lines one group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ZtunnelKey {
    /// The side.
    pub reporter: Reporter,
    /// The pod for which the line was written.
    pub pod: PodOf,
    /// `connection complete`, `connection failed`, `connection opened`.
    pub message: String,
    /// The client.
    pub source: End,
    /// The server.
    pub destination: End,
    /// The service called.
    pub service: Option<String>,
    /// The port called: that inside the tunnel, where there is one.
    pub port: Option<u16>,
    /// Where the tunnel leads, if not to the pod called.
    pub through: Option<Through>,
    /// Whether the connection is, or on the client's side is meant to be, mutual TLS; `None` where the line cannot
    /// tell, because the connection failed before that was decided.
    pub mtls: Option<bool>,
    /// Why it failed, with `*` for times that differ from line to line.
    pub error: Option<String>,
}

/// Lines of a group that have a partner in one group of the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZtunnelLink {
    /// The place of the group on the other side among [`Aggregate::ztunnel_groups`].
    pub other: usize,
    /// The lines.
    pub joined: Joined,
}

/// Lines alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZtunnelGroup {
    /// Its number, which is none of Envoy's groups.
    pub index: GroupIndex,
    /// In what they are alike.
    pub key: ZtunnelKey,
    /// How many.
    pub count: u64,
    /// The earliest, in microseconds since the epoch.
    pub first: Option<i64>,
    /// The latest.
    pub last: Option<i64>,
    /// Quantiles of the durations.
    pub duration_ms: Option<Durations>,
    /// Up to three of the lines.
    pub samples: Vec<Sample>,
    /// Lines of connections on which the client sent something and the server's side nothing.
    pub unanswered: u64,
    /// Lines of connections without an error on which something came back.
    pub answered: u64,
    /// When the last of those began, in microseconds since the epoch: a line is written where a connection ends.
    pub last_answered: Option<i64>,
    /// The same of those on which nothing came back.
    pub last_unanswered: Option<i64>,
    /// What the lines of the other side say of connections that failed.
    pub links: Vec<ZtunnelLink>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct ZtunnelGroups {
    groups: FxHashMap<ZtunnelKey, Stored>,
    /// The links of groups, by their order.
    links: Vec<Vec<StoredLink>>,
    /// Lines of tunnels that failed, by the client's and the server's end of the tunnel without the client's port, which
    /// is another one on each side.
    joins: Nearby<(String, String), Waiting>,
    pub(super) lines: u64,
    /// Lines and links for which there was no room.
    pub(super) dropped: u64,
}

/// A line that waits for that of the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Waiting {
    group: usize,
    sample: Sample,
    time: i64,
    target: Option<String>,
    bytes: Option<(u64, u64)>,
}

impl Waiting {
    /// Whether two lines can be of one connection: the same target inside the tunnel and bytes that mirror each other,
    /// where both have them.
    fn fits(&self, other: &Self) -> bool {
        let same = self.target.as_ref().zip(other.target.as_ref()).is_none_or(|(one, other)| one == other);
        let mirrored = self.bytes.zip(other.bytes);
        same && mirrored.is_none_or(|((sent, received), other)| (received, sent) == other)
    }
}

#[derive(Debug, Clone)]
struct StoredLink {
    other: usize,
    count: u64,
    times: TimeRange,
    samples: FirstSamples,
}

/// So far apart in time both sides may write of one connection, in microseconds.
const APART: i64 = 1_000_000;

/// Where tunnels end.
const TUNNEL_PORT: u16 = 15008;

#[derive(Debug, Clone, Default)]
struct Stored {
    count: u64,
    times: TimeRange,
    durations: Quantiles,
    samples: FirstSamples,
    unanswered: u64,
    answered: u64,
    answered_times: TimeRange,
    unanswered_times: TimeRange,
    /// Its place among all, by the first line.
    order: usize,
}

impl ZtunnelGroups {
    /// Counts a line. `None` where its group does not fit into the limit.
    pub(super) fn add(
        &mut self,
        line: &ZtunnelLine<'_>,
        sample: Sample,
        time: Option<i64>,
        limits: &Limits,
        budget: &mut usize,
    ) -> Option<GroupIndex> {
        self.lines += 1;
        let key = key_of(line);
        let order = self.groups.len();
        if order >= limits.groups && !self.groups.contains_key(&key) {
            return None;
        }
        let group = self.groups.entry(key).or_insert_with(|| Stored { order, ..Stored::default() });
        group.count += 1;
        group.times.add(time);
        group.samples.add(sample);
        if let Some(millis) = line.duration_ms {
            group.durations.add(millis, budget);
        }
        let length = || line.duration_ms.and_then(|millis| i64::try_from(millis).ok()?.checked_mul(1000));
        let began = || time.zip(length()).and_then(|(end, length)| end.checked_sub(length));
        if is_answered(line) {
            group.answered += 1;
            group.answered_times.add(began());
        } else if is_unanswered(line) {
            group.unanswered += 1;
            group.unanswered_times.add(began());
        }
        let order = group.order;
        self.join(line, sample, time, order, limits);
        Some(GroupIndex::of_ztunnel(order))
    }

    /// Joins a line of a tunnel that failed with that of the other side, or keeps it. What never became a tunnel (no
    /// service, no endpoint) is in one log only.
    fn join(
        &mut self,
        line: &ZtunnelLine<'_>,
        sample: Sample,
        time: Option<i64>,
        group: usize,
        limits: &Limits,
    ) {
        let side = match line.reporter {
            Reporter::Client => Side::Client,
            Reporter::Server => Side::Server,
            Reporter::Unknown => return,
        };
        let is_tunnel = super::port_of(line.dst_addr.as_bytes()) == Some(TUNNEL_PORT);
        let (Some(time), Some(_)) = (time, &line.error) else { return };
        if !is_tunnel || side == Side::Client && !line.is_mtls() {
            return;
        }
        let own = Waiting {
            group,
            sample,
            time,
            target: line.dst_hbone_addr.as_deref().map(str::to_owned),
            bytes: line.bytes_sent.zip(line.bytes_recv),
        };
        let key = (address_of(&line.src_addr), line.dst_addr.clone().into_owned());
        match self.joins.meet((side, key, time), own.clone(), (APART, limits.joins), |other| own.fits(other))
        {
            Met::Other(other) => {
                self.link(group, &other);
                self.link(other.group, &own);
            }
            Met::Waits => {}
            Met::Dropped => self.dropped += 1,
        }
    }

    /// Notes at a group that one more of its lines has a partner.
    fn link(&mut self, group: usize, other: &Waiting) {
        if self.links.len() <= group {
            self.links.resize_with(group + 1, Vec::new);
        }
        let Some(links) = self.links.get_mut(group) else { return };
        let known = links.iter().position(|link| link.other == other.group);
        if known.is_none() {
            if links.len() >= LINKS {
                self.dropped += 1;
                return;
            }
            let (times, samples) = (TimeRange::default(), FirstSamples::default());
            links.push(StoredLink { other: other.group, count: 0, times, samples });
        }
        let at = known.unwrap_or(links.len().saturating_sub(1));
        if let Some(link) = links.get_mut(at) {
            link.count += 1;
            link.times.add(Some(other.time));
            link.samples.add(other.sample);
        }
    }

    /// Forgets lines before that time that still wait for the other side.
    pub(super) fn forget_before(&mut self, micros: i64) {
        self.joins.forget_before(micros);
    }

    /// How many lines each group has.
    pub(super) fn lines_of_groups(&self) -> impl Iterator<Item = (GroupIndex, u64)> {
        self.groups.values().map(|stored| (GroupIndex::of_ztunnel(stored.order), stored.count))
    }

    fn links_of(&self, order: usize) -> Vec<ZtunnelLink> {
        let link = |stored: &StoredLink| ZtunnelLink {
            other: stored.other,
            joined: Joined {
                count: stored.count,
                first: stored.times.first(),
                last: stored.times.last(),
                samples: stored.samples.to_vec(),
            },
        };
        self.links.get(order).into_iter().flatten().map(link).collect()
    }

    /// The groups in the order in which they were first seen.
    pub(super) fn groups(&self) -> Vec<ZtunnelGroup> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(_, stored)| stored.order);
        let group = |(key, stored): (&ZtunnelKey, &Stored)| ZtunnelGroup {
            index: GroupIndex::of_ztunnel(stored.order),
            key: key.clone(),
            count: stored.count,
            first: stored.times.first(),
            last: stored.times.last(),
            duration_ms: stored.durations.quantiles(),
            samples: stored.samples.to_vec(),
            unanswered: stored.unanswered,
            answered: stored.answered,
            last_answered: stored.answered_times.last(),
            last_unanswered: stored.unanswered_times.last(),
            links: self.links_of(stored.order),
        };
        groups.into_iter().map(group).collect()
    }
}

/// Whose line it is: ztunnel writes for the pods of its node.
pub(super) fn pod_of(line: &ZtunnelLine<'_>) -> PodOf {
    match line.own_pod() {
        Some((namespace, name)) => {
            PodOf::Named(super::PodName { namespace: namespace.into(), name: name.into() })
        }
        None => PodOf::Address(address_of(line.own_address())),
    }
}

fn address_of(address: &str) -> String {
    String::from_utf8_lossy(super::without_port(address.as_bytes())).into_owned()
}

fn key_of(line: &ZtunnelLine<'_>) -> ZtunnelKey {
    let end = |namespace: Option<&str>, name: Option<&str>, identity: Option<&str>, address: &str| {
        let workload = namespace.zip(name).map(|(namespace, name)| format!("{namespace}/{name}"));
        let address = if workload.is_none() { Some(address_of(address)) } else { None };
        End { workload, identity: identity.map(str::to_owned), address }
    };
    let target = line.dst_hbone_addr.as_deref().unwrap_or(&line.dst_addr);
    // A line of a connection that failed early has neither identity nor target, whatever was meant.
    let told = line.is_mtls() || line.message != "connection failed";
    ZtunnelKey {
        reporter: line.reporter,
        pod: pod_of(line),
        message: line.message.clone().into_owned(),
        source: end(
            line.src_namespace.as_deref(),
            line.src_workload.as_deref(),
            line.src_identity.as_deref(),
            &line.src_addr,
        ),
        destination: end(
            line.dst_namespace.as_deref(),
            line.dst_workload.as_deref(),
            line.dst_identity.as_deref(),
            &line.dst_addr,
        ),
        service: line.dst_service.as_deref().map(str::to_owned),
        port: super::port_of(target.as_bytes()),
        through: through(line),
        mtls: told.then(|| line.is_mtls()),
        error: line.error.as_deref().map(|error| without_times(error).into_owned()),
    }
}

/// Whether the client's side sent something and got nothing back. Outbound, what is sent goes to the server; inbound, to
/// the client.
fn is_unanswered(line: &ZtunnelLine<'_>) -> bool {
    let bytes = line.bytes_sent.zip(line.bytes_recv);
    bytes.is_some_and(|(sent, received)| match line.reporter {
        Reporter::Client => sent > 0 && received == 0,
        Reporter::Server => received > 0 && sent == 0,
        Reporter::Unknown => false,
    })
}

/// Whether something came back on a connection that ended without an error.
fn is_answered(line: &ZtunnelLine<'_>) -> bool {
    let back = if line.reporter == Reporter::Client { line.bytes_recv } else { line.bytes_sent };
    line.error.is_none() && back.is_some_and(|bytes| bytes > 0)
}

/// Where the tunnel leads: the target inside it is the called pod's own address, or not.
fn through(line: &ZtunnelLine<'_>) -> Option<Through> {
    let target = super::without_port(line.dst_hbone_addr.as_deref()?.as_bytes());
    if target == super::without_port(line.dst_addr.as_bytes()) {
        return None;
    }
    let is_address = std::str::from_utf8(target).is_ok_and(|text| text.parse::<std::net::IpAddr>().is_ok());
    Some(if is_address { Through::Waypoint } else { Through::Gateway })
}

/// An error without the moments that errors about the time of certificates name: each line would have a group of its
/// own.
fn without_times(error: &str) -> Cow<'_, str> {
    const SHORTEST: usize = 4;
    if has_no_times(error) {
        return error.into();
    }
    let mut text = String::with_capacity(error.len());
    let mut rest = error;
    while let Some(at) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let end = from.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(from.len());
        let (digits, after) = from.split_at_checked(end).unwrap_or((from, ""));
        text.push_str(before);
        text.push_str(if digits.len() >= SHORTEST { "*" } else { digits });
        rest = after;
    }
    text.push_str(rest);
    text.into()
}

/// Whether an error is one that groups have as it is.
pub(super) fn has_no_times(error: &str) -> bool {
    !["ertificate", "UnixTime("].iter().any(|word| error.contains(word))
}

impl Aggregate {
    /// Counts a line of ztunnel.
    pub fn add_ztunnel(&mut self, source: SourceId, line_no: u64, line: &ZtunnelLine<'_>) {
        self.counts.lines.read += 1;
        self.counts.lines.parsed += 1;
        let time = parse_time(line.time.as_bytes());
        let sample = Sample { source, line: line_no };
        let group = self.ztunnel.add(line, sample, time, &self.limits, &mut self.counts.duration_budget);
        self.counts.other_groups += u64::from(group.is_none());
        if let Some(by) = &mut self.by_groups {
            by.count_ztunnel((&self.sources, sample), line, time, group);
        }
        if let Some(watch) = &self.watch {
            watch.access(AnyLine::Ztunnel(line), &pod_of(line), group);
        }
    }

    /// The groups of ztunnel's lines, in the order in which they were first seen.
    pub fn ztunnel_groups(&self) -> Vec<ZtunnelGroup> {
        self.ztunnel.groups()
    }

    /// How many lines ztunnel wrote.
    pub fn ztunnel_lines(&self) -> u64 {
        self.ztunnel.lines
    }
}
