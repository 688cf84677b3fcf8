//! Joins lines of clients with what proxies say of their TLS handshakes. A message names only the other end:
//!
//! - the server's proxy names the client's address and port, which is the `upstream_local_address` of one line;
//! - the client's own names the server's, which is the `upstream_host` of the lines that it wrote itself. Several may be
//!   under way at once, so the nearest in time counts.

use rustc_hash::FxHashMap;

use super::evidence::key::Endpoint;
use super::evidence::{Counted, Ends, Failed, LINKS};
use super::nearby::{Met, Nearby, Side};
use super::table::Table;
use super::{FirstSamples, Limits, Sample, TimeRange};
use crate::logs::access_line::value;
use crate::logs::proxy_message::TlsFault;
use crate::logs::response_flags::FlagSet;

/// How far a server's message and the end of a client's line may be apart, in microseconds: clocks differ.
const BY_ENDS: i64 = 5_000_000;
/// The same for a client's own message.
const BY_SERVER: i64 = 250_000;

/// Of the lines that may wait, this part may wait for messages, which few logs have.
const PART: usize = 4;

/// One message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handshake {
    pub(super) fault: TlsFault,
    pub(super) peer: Endpoint,
    pub(super) time: i64,
    /// The place of its group among the messages.
    pub(super) group: usize,
    pub(super) sample: Sample,
}

/// What messages say of lines of one group.
#[derive(Debug, Clone)]
pub(super) struct StoredMessages {
    pub(super) fault: TlsFault,
    pub(super) by_server: bool,
    pub(super) count: u64,
    pub(super) times: TimeRange,
    pub(super) samples: FirstSamples,
}

/// A line, by its group, or a message.
#[derive(Debug, Clone, Copy)]
enum Waiting {
    Line(u32),
    Message(Handshake),
}

/// Lines and messages that wait for each other.
#[derive(Debug, Clone, Default)]
pub(super) struct TlsMessages {
    /// By the client's end of the connection.
    by_ends: Nearby<Endpoint, Waiting>,
    /// By who wrote both, and the server's end.
    by_server: Nearby<(u32, Endpoint), Waiting>,
    joined: FxHashMap<usize, u64>,
}

/// Whether a line of a client may have failed over a handshake: it was closed without a reason, or the reason is the
/// client's own judgement, which its messages repeat.
fn may_be_of_handshake(line: &Failed<&[u8]>) -> bool {
    let closed = line.flags.contains(FlagSet::UC) || line.flags.contains(FlagSet::UF);
    let reason = value(line.reason);
    (closed || line.response_code == Some(0))
        && reason.is_none_or(|reason| memchr::memmem::find(reason, b"VERIFY_FAILED").is_some())
}

impl TlsMessages {
    /// Takes up a line of a client that may have failed. Where no connection was made, there was no handshake either.
    pub(super) fn add_line(
        &mut self,
        line: &Failed<&[u8]>,
        ends: Ends,
        counted: Counted,
        groups: &mut Table,
        limits: &Limits,
    ) {
        let Some(start) = counted.time.filter(|_| may_be_of_handshake(line)) else { return };
        // The time of a line is that of its beginning; the handshake failed at its end.
        let millis = line.duration.and_then(|millis| i64::try_from(millis).ok()).unwrap_or(0);
        let time = start.saturating_add(millis.saturating_mul(1000));
        let own = Waiting::Line(counted.group);
        let most = limits.joins / PART;
        if let Some(client) = ends.own {
            let met = self.by_ends.meet((Side::Client, client, time), own, (BY_ENDS, most), |_| true);
            self.met(met, counted.group, true, groups);
        }
        if let Some(server) = ends.server {
            let key = (counted.sample.source.0, server);
            let met = self.by_server.meet((Side::Client, key, time), own, (BY_SERVER, most), |_| true);
            self.met(met, counted.group, false, groups);
        }
    }

    fn met(&mut self, met: Met<Waiting>, group: u32, by_server: bool, groups: &mut Table) {
        if let Met::Other(Waiting::Message(message)) = met {
            self.link(group, &message, by_server, groups);
        }
    }

    /// Takes up a message. Which side wrote it is not known before a line is found.
    pub(super) fn add_message(&mut self, message: Handshake, groups: &mut Table, limits: &Limits) {
        let own = Waiting::Message(message);
        let most = limits.joins / PART;
        let at = (Side::Server, message.peer, message.time);
        if let Met::Other(Waiting::Line(group)) = self.by_ends.meet(at, own, (BY_ENDS, most), |_| true) {
            return self.link(group, &message, true, groups);
        }
        let at = (Side::Server, (message.sample.source.0, message.peer), message.time);
        if let Met::Other(Waiting::Line(group)) = self.by_server.meet(at, own, (BY_SERVER, most), |_| true) {
            self.link(group, &message, false, groups);
        }
    }

    fn link(&mut self, group: u32, message: &Handshake, by_server: bool, groups: &mut Table) {
        *self.joined.entry(message.group).or_default() += 1;
        let Some(stored) = groups.get_mut(group) else { return };
        let messages = &mut stored.evidence.get_or_insert_default().messages;
        let is = |one: &StoredMessages| one.fault == message.fault && one.by_server == by_server;
        let known = messages.iter().position(is);
        if known.is_none() {
            if messages.len() >= LINKS {
                return;
            }
            messages.push(StoredMessages {
                fault: message.fault,
                by_server,
                count: 0,
                times: TimeRange::default(),
                samples: FirstSamples::default(),
            });
        }
        let at = known.unwrap_or(messages.len().saturating_sub(1));
        if let Some(found) = messages.get_mut(at) {
            found.count += 1;
            found.times.add(Some(message.time));
            found.samples.add(message.sample);
        }
    }

    /// How many messages of a group are about a line.
    pub(super) fn joined(&self, group: usize) -> u64 {
        self.joined.get(&group).copied().unwrap_or_default()
    }

    /// Forgets what waits since before that time.
    pub(super) fn forget_before(&mut self, micros: i64) {
        self.by_ends.forget_before(micros);
        self.by_server.forget_before(micros);
    }
}
