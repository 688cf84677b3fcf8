//! Messages of proxies, counted by who wrote them, what they tell and what they are about.

use rustc_hash::FxHashMap;

use super::evidence::key::Endpoint;
use super::tls_messages::Handshake;
use super::{Aggregate, FirstSamples, Sample, SourceId, TimeRange};
use crate::logs::proxy_message::{ProxyMessage, TlsFault, Told, parse_message};
use crate::logs::wrapping::peel;

/// So many kinds of messages are kept apart; of further ones nothing is known.
const MOST: usize = 4096;

/// How long before a pod's end ztunnel may have said why, in microseconds.
const BEFORE_END: i64 = 30_000_000;

/// What messages tell that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageKind {
    /// A connection to the control plane failed.
    ControlPlaneLost,
    /// There is one.
    ControlPlaneHeard,
    /// Something that the control plane sent was refused.
    ConfigRefused,
    /// A certificate was not obtained.
    CertificateFailed,
    /// One was.
    CertificateObtained,
    /// ztunnel shut down, and with it what it did for the pod that is the subject.
    ZtunnelStopped,
    /// The pod that is the subject was taken out of ztunnel.
    PodRemoved,
    /// Why a TLS handshake with the address that is the subject failed.
    Tls(TlsFault),
}

/// Messages alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageGroup {
    /// Who wrote them.
    pub source: SourceId,
    /// What they tell.
    pub kind: MessageKind,
    /// What they are about.
    pub subject: Option<String>,
    /// How many.
    pub count: u64,
    /// The earliest, in microseconds since the epoch.
    pub first: Option<i64>,
    /// The latest.
    pub last: Option<i64>,
    /// Up to three of them.
    pub samples: Vec<Sample>,
    /// How many of them are about a line of an access log.
    pub joined: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Messages {
    groups: FxHashMap<(SourceId, MessageKind, Option<String>), Stored>,
    /// When a source last said that it shuts down, and that a pod is taken out.
    ends: FxHashMap<SourceId, [Option<i64>; 2]>,
    count: u64,
}

#[derive(Debug, Clone, Default)]
struct Stored {
    count: u64,
    times: TimeRange,
    samples: FirstSamples,
    order: usize,
}

impl Messages {
    /// Counts a message; its group's place, where it has one.
    fn add(&mut self, source: SourceId, line: u64, mut message: ProxyMessage) -> Option<usize> {
        self.count += 1;
        let kind = self.kind(source, &message)?;
        if let (MessageKind::Tls(_), Some(address)) = (kind, &mut message.subject) {
            *address = String::from_utf8_lossy(super::without_port(address.as_bytes())).into_owned();
        }
        let order = self.groups.len();
        let mut key = (source, kind, message.subject);
        if order >= MOST && !self.groups.contains_key(&key) {
            // Whose certificate was obtained is forgotten, and not that one was: it ends what is told of a failure.
            key.2 = None;
            if kind != MessageKind::CertificateObtained {
                return None;
            }
        }
        let group = self.groups.entry(key).or_insert_with(|| Stored { order, ..Stored::default() });
        group.count += 1;
        group.times.add(message.time);
        group.samples.add(Sample { source, line });
        Some(group.order)
    }

    /// Why a pod's part of ztunnel ended stands in the messages before.
    fn kind(&mut self, source: SourceId, message: &ProxyMessage) -> Option<MessageKind> {
        Some(match message.told {
            Told::ControlPlaneLost => MessageKind::ControlPlaneLost,
            Told::ControlPlaneHeard => MessageKind::ControlPlaneHeard,
            Told::ConfigRefused => MessageKind::ConfigRefused,
            Told::CertificateFailed => MessageKind::CertificateFailed,
            Told::CertificateObtained => MessageKind::CertificateObtained,
            Told::Tls(fault) => MessageKind::Tls(fault),
            Told::ShutdownBegins => {
                self.ends.insert(source, [message.time, None]);
                return None;
            }
            Told::PodTaken => {
                let [_, taken] = self.ends.entry(source).or_default();
                *taken = message.time;
                return None;
            }
            Told::PodStopped => {
                let [shutdown, taken] = self.ends.get(&source).copied().unwrap_or_default();
                let is_near = |before: Option<i64>| {
                    before.zip(message.time).is_some_and(|(before, end)| end - before <= BEFORE_END)
                };
                if is_near(shutdown) {
                    MessageKind::ZtunnelStopped
                } else if is_near(taken) {
                    MessageKind::PodRemoved
                } else {
                    return None;
                }
            }
        })
    }
}

impl Aggregate {
    /// Takes up a line that is none of an access log, where it is a message that tells something.
    pub(super) fn add_message(&mut self, source: SourceId, line_no: u64, bytes: &[u8]) {
        let Some(message) = parse_message(bytes) else { return };
        let mut of = source;
        peel(bytes, &|_| false, &mut |found, _| {
            if let Some(writer) = found.writer {
                of = self.source_of(source, writer);
            }
        });
        let (told, time) = (message.told, message.time);
        let peer = message.subject.as_ref().and_then(|peer| Endpoint::parse(Some(peer.as_bytes())));
        let group = self.messages.add(of, line_no, message);
        if let (Told::Tls(fault), Some(peer), Some(time), Some(group)) = (told, peer, time, group) {
            let sample = Sample { source: of, line: line_no };
            let handshake = Handshake { fault, peer, time, group, sample };
            self.joins.messages.add_message(handshake, &mut self.counts.groups, &self.limits);
        }
    }

    /// The messages of proxies that tell something, in the order in which their kinds were first seen.
    pub fn messages(&self) -> Vec<MessageGroup> {
        let mut groups: Vec<_> = self.messages.groups.iter().collect();
        groups.sort_by_key(|(_, stored)| stored.order);
        let group =
            |((source, kind, subject), stored): (&(SourceId, MessageKind, Option<String>), &Stored)| {
                MessageGroup {
                    source: *source,
                    kind: *kind,
                    subject: subject.clone(),
                    count: stored.count,
                    first: stored.times.first(),
                    last: stored.times.last(),
                    samples: stored.samples.to_vec(),
                    joined: self.joins.messages.joined(stored.order),
                }
            };
        groups.into_iter().map(group).collect()
    }

    /// How many messages of proxies told something.
    pub fn message_count(&self) -> u64 {
        self.messages.count
    }
}
