//! What the lines of one side of a request say about the lines of the other.
//!
//! Two joins, in whichever order the lines arrive:
//!
//! - **by connection**: a connection that the server's proxy refused has no request id, but its two ends are in both
//!   logs: the client's `upstream_local_address` and `upstream_host` are the server's `downstream_remote_address`
//!   and `downstream_local_address`;
//! - **by request**: `request_id` is the same on both sides. Since it is the same along a whole chain of calls, the
//!   address of the server (`upstream_host`, `downstream_local_address`) has to be the same as well.
//!
//! Lines that could be read in more than one way are no evidence and are not joined.

use indexmap::IndexMap;
use indexmap::map::Entry;
use rustc_hash::FxBuildHasher;

use super::counts::is_answered;
use super::table::Table;
use super::{FirstSamples, Limits, Sample, TimeRange};
use crate::logs::access_line::{AccessLine, Sni, value};
use crate::logs::response_flags::FlagSet;
use crate::logs::upstream_cluster::Reporter;

pub(super) mod key;

use super::tls_messages::{StoredMessages, TlsMessages};
use key::{ConnectionKey, Endpoint, RequestKey};

/// What a join proves about the lines of the client's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JoinKind {
    /// The server's proxy refused the connection because it was plaintext: `NR filter_chain_not_found`, SNI `-`.
    RefusedPlaintext,
    /// The server's proxy refused TLS that is not Istio's: the same with the SNI of a plain host.
    RefusedTls,
    /// The server's proxy refused Istio's TLS: the same with an SNI `outbound_.…`.
    RefusedIstioTls,
    /// The server's proxy took the request and it failed there.
    ServerFailure,
}

/// The links of one group, as they are kept.
#[derive(Debug, Clone, Default)]
pub(super) struct EvidenceStore {
    pub(super) links: Vec<StoredLink>,
    /// What messages of proxies say of the handshakes.
    pub(super) messages: Vec<StoredMessages>,
    /// The endpoints that lines of a client name, with their number.
    pub(super) hosts: Vec<NamedHost>,
    /// TCP lines of a client on which it sent nothing.
    pub(super) silent: u64,
}

/// An endpoint, and how many lines name it.
#[derive(Debug, Clone)]
pub(super) struct NamedHost {
    pub(super) host: Endpoint,
    pub(super) count: u32,
    /// Those of them that were answered.
    pub(super) answered: u32,
}

#[derive(Debug, Clone)]
pub(super) struct StoredLink {
    pub(super) kind: JoinKind,
    pub(super) other: u32,
    pub(super) count: u64,
    pub(super) times: TimeRange,
    pub(super) samples: FirstSamples,
}

/// A group seldom has lines of more than a few others on the other side; more links than this are not kept.
pub(super) const LINKS: usize = 16;

/// Endpoints kept for a group; failures of more of them are not of one endpoint.
const HOSTS: usize = 16;

/// Endpoints kept for all groups.
const ALL_HOSTS: usize = 32_768;

/// Lines that are joined together.
const AT_ONCE: usize = 64;

/// From so many waiting lines on the table is made as large as it may become.
const LEAST_GROWN: usize = 3_584;

/// Lines that wait for the other side.
#[derive(Debug, Clone, Default)]
pub(super) struct Joins {
    connections: IndexMap<ConnectionKey, Pair, FxBuildHasher>,
    requests: IndexMap<RequestKey, Pair, FxBuildHasher>,
    /// Lines of clients and messages about handshakes.
    pub(super) messages: TlsMessages,
    /// Lines that could not be kept, or whose link could not.
    pub(super) dropped: u64,
    /// Endpoints kept.
    hosts: usize,
    /// Lines that are to be joined.
    pending: Vec<Pending>,
}

/// Both sides of one connection or request, as far as they have been seen.
#[derive(Debug, Clone, Default)]
struct Pair {
    client: Option<Side>,
    server: Option<Side>,
    kind: Option<JoinKind>,
}

/// The lines of one side. There is one, except for retries.
#[derive(Debug, Clone, Copy)]
struct Side {
    group: u32,
    lines: u32,
    sample: Sample,
    time: Option<i64>,
}

/// The two ends of a client's connection, as far as its line tells them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) own: Option<Endpoint>,
    pub(super) server: Option<Endpoint>,
}

/// A line that has been counted in its group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    pub(super) group: u32,
    pub(super) sample: Sample,
    pub(super) time: Option<i64>,
    pub(super) reporter: Reporter,
}

/// What the joins look at in a line that [`may_join`]: its texts, or where they stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed<T> {
    pub(super) flags: FlagSet,
    pub(super) response_code: Option<u16>,
    pub(super) duration: Option<u64>,
    pub(super) reason: Option<T>,
    request_id: Option<T>,
    upstream_host: Option<T>,
    upstream_local_address: Option<T>,
    downstream_local_address: Option<T>,
    downstream_remote_address: Option<T>,
    bytes_received: Option<u64>,
    bytes_sent: Option<u64>,
    answered: bool,
    kind: JoinKind,
}

impl<T: Copy> Failed<T> {
    /// The same with other texts; `None` where there is none for one of them.
    #[inline]
    pub(super) fn with<U>(&self, text: impl Fn(T) -> Option<U>) -> Option<Failed<U>> {
        let with = |field: Option<T>| match field {
            Some(field) => text(field).map(Some),
            None => Some(None),
        };
        Some(Failed {
            flags: self.flags,
            response_code: self.response_code,
            duration: self.duration,
            reason: with(self.reason)?,
            request_id: with(self.request_id)?,
            upstream_host: with(self.upstream_host)?,
            upstream_local_address: with(self.upstream_local_address)?,
            downstream_local_address: with(self.downstream_local_address)?,
            downstream_remote_address: with(self.downstream_remote_address)?,
            bytes_received: self.bytes_received,
            bytes_sent: self.bytes_sent,
            answered: self.answered,
            kind: self.kind,
        })
    }
}

impl<'a> Failed<&'a [u8]> {
    #[inline(always)]
    pub(super) fn of(line: &AccessLine<'a>) -> Self {
        Self {
            flags: line.flags,
            response_code: line.response_code,
            duration: line.duration,
            reason: line.upstream_transport_failure_reason,
            request_id: line.request_id,
            upstream_host: line.upstream_host,
            upstream_local_address: line.upstream_local_address,
            downstream_local_address: line.downstream_local_address,
            downstream_remote_address: line.downstream_remote_address,
            bytes_received: line.bytes_received,
            bytes_sent: line.bytes_sent,
            answered: is_answered(line),
            kind: kind_of_server_line(line),
        }
    }

    /// A client's line whose connection the server's proxy may have refused: Envoy set a flag, or (TCP, which older
    /// versions leave without) nothing came back.
    fn may_have_been_refused(&self) -> bool {
        !self.flags.is_empty() || (self.response_code == Some(0) && self.bytes_sent == Some(0))
    }
}

/// A line that is to be joined, by its keys. `kind` is given for lines of the server.
#[derive(Debug, Clone, Copy)]
struct Pending {
    connection: Option<ConnectionKey>,
    request: Option<RequestKey>,
    kind: Option<JoinKind>,
    line: Counted,
}

impl Joins {
    /// Joins a line that [`may_join`] with those of the other side, or keeps it for them. It may wait until
    /// [`Joins::settle`].
    #[inline(never)]
    pub(super) fn add(
        &mut self,
        line: &Failed<&[u8]>,
        counted: Counted,
        groups: &mut Table,
        limits: &Limits,
    ) {
        let by_request = value(line.request_id);
        let (connection, server, kind) = if counted.reporter == Reporter::Client {
            let ends = Ends {
                own: Endpoint::parse(line.upstream_local_address),
                server: Endpoint::parse(line.upstream_host),
            };
            self.note_host(line, ends.server, counted.group, groups);
            self.messages.add_line(line, ends, counted, groups, limits);
            let connection =
                ConnectionKey::new(ends.own, ends.server).filter(|_| line.may_have_been_refused());
            (connection, ends.server, None)
        } else {
            let own = Endpoint::parse(line.downstream_local_address);
            // Connections have no request id: those that no filter chain wanted, and all of TCP.
            let connection = match by_request {
                None => ConnectionKey::new(Endpoint::parse(line.downstream_remote_address), own),
                Some(_) => None,
            };
            (connection, own, Some(line.kind))
        };
        let request = by_request.and_then(|id| RequestKey::new(id, server));
        self.pending.push(Pending { connection, request, kind, line: counted });
        if self.pending.len() >= AT_ONCE {
            self.settle(groups, limits);
        }
    }

    /// Joins the lines that wait for it. Many together wait less for memory: what is looked for lies anywhere in it,
    /// and none of the first searches waits for another.
    pub(super) fn settle(&mut self, groups: &mut Table, limits: &Limits) {
        let found = self.pending.iter().map(|pending| {
            let connection = pending.connection.and_then(|key| self.connections.get_index_of(&key));
            let request = pending.request.and_then(|key| self.requests.get_index_of(&key));
            connection.unwrap_or(0) ^ request.unwrap_or(0)
        });
        std::hint::black_box(found.fold(0, |all, one| all ^ one));
        for Pending { connection, request, kind, line } in self.pending.drain(..) {
            if let Some(key) = connection {
                let dropped = add_side(&mut self.connections, key, kind, line, groups, limits);
                self.dropped += u64::from(dropped);
            }
            if let Some(key) = request {
                let dropped = add_side(&mut self.requests, key, kind, line, groups, limits);
                self.dropped += u64::from(dropped);
            }
        }
    }

    /// Notes the endpoint that a line names, as long as there is room: whoever asks compares the numbers of lines. And whether
    /// anything was sent to it on TCP.
    fn note_host(&mut self, line: &Failed<&[u8]>, host: Option<Endpoint>, group: u32, groups: &mut Table) {
        let Some(host) = host else { return };
        let Some(stored) = groups.get_mut(group) else { return };
        let evidence = stored.evidence.get_or_insert_default();
        evidence.silent += u64::from(line.response_code == Some(0) && line.bytes_received == Some(0));
        let hosts = &mut evidence.hosts;
        let answered = u32::from(line.answered);
        if let Some(known) = hosts.iter_mut().find(|known| known.host == host) {
            known.count = known.count.saturating_add(1);
            known.answered = known.answered.saturating_add(answered);
        } else if hosts.len() < HOSTS && self.hosts < ALL_HOSTS {
            self.hosts += 1;
            hosts.push(NamedHost { host, count: 1, answered });
        }
    }

    /// Forgets all lines that wait.
    pub(super) fn end(&mut self) {
        *self = Self { dropped: self.dropped, hosts: self.hosts, ..Self::default() };
    }

    /// Forgets lines before that time that still wait for the other side.
    pub(super) fn forget_before(&mut self, micros: i64) {
        let keep =
            |pair: &Pair| [pair.client, pair.server].iter().flatten().any(|side| side.time >= Some(micros));
        self.connections.retain(|_, pair| keep(pair));
        self.requests.retain(|_, pair| keep(pair));
        self.messages.forget_before(micros);
    }
}

/// Whether a line is joined with those of the other side.
#[inline(always)]
pub(super) fn may_join(line: &AccessLine<'_>, reporter: Reporter) -> bool {
    reporter != Reporter::Unknown && !line.ambiguous && may_have_failed(line)
}

/// The line, or what it belongs to, can have failed. gRPC answers with status 200 whatever happened, so an answer
/// without a body to a `POST` over HTTP/2 counts.
#[inline(always)]
fn may_have_failed(line: &AccessLine<'_>) -> bool {
    !line.flags.is_empty()
        || !matches!(line.response_code, Some(1..400))
        || (line.bytes_sent == Some(0) && line.method == Some(b"POST") && line.protocol == Some(b"HTTP/2"))
}

#[inline(always)]
fn kind_of_server_line(line: &AccessLine<'_>) -> JoinKind {
    if !line.is_filter_chain_not_found() {
        return JoinKind::ServerFailure;
    }
    match line.sni() {
        Some(Sni::Istio) => JoinKind::RefusedIstioTls,
        Some(Sni::Other) => JoinKind::RefusedTls,
        Some(Sni::None) | None => JoinKind::RefusedPlaintext,
    }
}

/// Adds a line to its pair. `kind` is given for lines of the server. True if something had to be left out.
fn add_side<K: std::hash::Hash + Eq>(
    pairs: &mut IndexMap<K, Pair, FxBuildHasher>,
    key: K,
    kind: Option<JoinKind>,
    line: Counted,
    groups: &mut Table,
    limits: &Limits,
) -> bool {
    let full = pairs.len() >= limits.joins;
    // Many failed lines become more: the table then grows once, since each table that it outgrows stays in memory
    // for a while.
    if pairs.len() == pairs.capacity() && pairs.len() >= LEAST_GROWN {
        pairs.reserve(limits.joins.saturating_sub(pairs.len()));
    }
    let pair = match pairs.entry(key) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(_) if full => return true,
        Entry::Vacant(entry) => entry.insert(Pair::default()),
    };
    let (own, other) = match kind {
        None => (&mut pair.client, &pair.server),
        Some(_) if pair.kind.is_some_and(|known| Some(known) != kind) => return true,
        Some(_) => {
            pair.kind = kind;
            (&mut pair.server, &pair.client)
        }
    };
    let first = own.is_none();
    let side = own.get_or_insert(Side { group: line.group, lines: 0, sample: line.sample, time: line.time });
    if side.group != line.group {
        return true;
    }
    side.lines = side.lines.saturating_add(1);
    let (side, Some(other), Some(kind)) = (*side, *other, pair.kind) else { return false };
    if !near(side.time, other.time, limits.join_window_micros) {
        return false;
    }
    let mut dropped = link(groups, side.group, kind, &other, 1);
    // The other side's lines waited for this one: now they have a partner too.
    if first {
        dropped |= link(groups, other.group, kind, &side, u64::from(other.lines));
    }
    dropped
}

/// Lines far apart in time are not of the same connection: ports are used again. A line without time cannot tell.
fn near(a: Option<i64>, b: Option<i64>, window: i64) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.abs_diff(b) <= window.unsigned_abs(),
        _ => true,
    }
}

/// Notes at `group` that `count` more of its lines have a partner in `other`. True if there was no room for it.
fn link(groups: &mut Table, group: u32, kind: JoinKind, other: &Side, count: u64) -> bool {
    let Some(stored) = groups.get_mut(group) else { return true };
    let links = &mut stored.evidence.get_or_insert_default().links;
    let known = links.iter().position(|link| link.kind == kind && link.other == other.group);
    if known.is_none() {
        if links.len() >= LINKS {
            return true;
        }
        links.push(StoredLink {
            kind,
            other: other.group,
            count: 0,
            times: TimeRange::default(),
            samples: FirstSamples::default(),
        });
    }
    let at = known.unwrap_or(links.len().saturating_sub(1));
    if let Some(link) = links.get_mut(at) {
        link.count += count;
        link.times.add(other.time);
        link.samples.add(other.sample);
    }
    false
}

/// Bytes that the two joins take with that many entries each, and the links that they can make.
#[cfg(test)]
pub(super) fn bytes_of(joins: usize) -> usize {
    // The map of places is at most seven eighths full and has a byte of control and a number for each; each entry
    // has its hash besides.
    let places = (joins * 8).div_ceil(7).next_power_of_two();
    let entry = size_of::<(ConnectionKey, Pair, u64)>() + size_of::<(RequestKey, Pair, u64)>();
    let entries = places * 2 * (1 + size_of::<usize>()) + places / 8 * 7 * entry;
    entries + 2 * joins * size_of::<StoredLink>() + ALL_HOSTS * 2 * size_of::<NamedHost>()
}
