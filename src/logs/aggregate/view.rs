//! Groups as others read them: text instead of bytes, nothing borrowed.

use std::net::SocketAddr;

use super::evidence::{JoinKind, StoredLink};
use super::table::{PodKind, Stored};
use super::tls_messages::StoredMessages;
use super::{Durations, PodName, Sample};
use crate::logs::access_line::Sni;
use crate::logs::proxy_message::TlsFault;
use crate::logs::response_flags::FlagSet;
use crate::logs::upstream_cluster::Reporter;

/// The number of a group in its [`super::Aggregate`]; it never changes, and ztunnel's groups have numbers of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupIndex(pub(super) u32);

impl GroupIndex {
    /// That of a group of ztunnel's lines, at that place.
    pub(super) fn of_ztunnel(place: usize) -> Self {
        Self(u32::try_from(place).unwrap_or(u32::MAX) | 1 << 31)
    }

    /// That place.
    pub(super) fn place_of_ztunnel(self) -> u32 {
        self.0 & !(1 << 31)
    }
}

/// Whose line it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PodOf {
    /// The pod that the source belongs to.
    Named(PodName),
    /// The address of the reporter, without port.
    Address(String),
    /// Neither the source nor the line tells.
    Unknown,
}

/// One group of lines. A text is `None` where the lines have no value for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub index: GroupIndex,
    /// The side of the proxy that wrote the lines.
    pub reporter: Reporter,
    /// The pod of that proxy.
    pub pod: PodOf,
    /// Envoy's upstream cluster.
    pub upstream_cluster: Option<String>,
    /// The response code; 0 is a value.
    pub response_code: Option<u16>,
    /// The response flags.
    pub flags: FlagSet,
    /// The response code details.
    pub response_code_details: Option<String>,
    /// The connection termination details; for TCP, this is where a denial by policy is told.
    pub connection_termination_details: Option<String>,
    /// The transport failure reason.
    pub upstream_transport_failure_reason: Option<String>,
    /// The caller's address without port, for connections that no filter chain wanted; the address and port called, for
    /// those that were passed through.
    pub peer: Option<String>,
    /// The reporter's own port, for connections that no filter chain wanted.
    pub own_port: Option<u16>,
    /// A caller's text makes more than one reading of the lines possible: what they say proves nothing.
    pub ambiguous: bool,
    /// How many lines.
    pub count: u64,
    /// Lines that the other side answered: with bytes on TCP, with anything of its own on HTTP.
    pub answered: u64,
    /// The earliest start, in microseconds since the epoch.
    pub first: Option<i64>,
    /// The latest start, in microseconds since the epoch.
    pub last: Option<i64>,
    /// Quantiles of the durations, in milliseconds.
    pub duration_ms: Option<Durations>,
    /// Up to three of the lines.
    pub samples: Vec<Sample>,
    /// Lines that had an SNI field with no value: on the server's side, plaintext.
    pub sni_none: u64,
    /// Lines whose SNI was Istio's (`outbound_.…`).
    pub sni_istio: u64,
    /// Lines with any other SNI.
    pub sni_other: u64,
    /// What the lines of the other side say.
    pub evidence: Evidence,
}

/// What the lines of the other side of a group's requests say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// One entry for each kind and group of the other side.
    pub links: Vec<Link>,
    /// What messages of either side's proxy say of the TLS handshakes.
    pub messages: Vec<MessageLink>,
    /// The endpoints that failed lines of a client name, each with their number. Some lines may name none, and of many
    /// endpoints not all are kept: then the numbers are less than the lines.
    pub hosts: Vec<(SocketAddr, u64)>,
    /// TCP lines of a client that name an endpoint and on which nothing was sent to it.
    pub silent: u64,
    /// How many of those lines were answered, by the endpoint; without those of which none was.
    pub answered: Vec<(SocketAddr, u64)>,
}

/// Lines of a group for which there is a message about their TLS handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageLink {
    /// What it says.
    pub fault: TlsFault,
    /// Whether the server's proxy wrote it, found by both ends of the connection; otherwise the client's own did, of the
    /// same server at that moment.
    pub by_server: bool,
    /// The messages.
    pub joined: Joined,
}

/// Lines of a group that have a partner in one group of the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What the join proves.
    pub kind: JoinKind,
    /// The group on the other side.
    pub other: GroupIndex,
    /// The lines.
    pub joined: Joined,
}

/// Joined lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joined {
    /// How many lines of this group have a partner.
    pub count: u64,
    /// The earliest start of a partner, in microseconds since the epoch.
    pub first: Option<i64>,
    /// The latest start of a partner (of several partners of one line, the first counts).
    pub last: Option<i64>,
    /// Up to three of the partners.
    pub samples: Vec<Sample>,
}

impl Evidence {
    /// Lines whose connection the server refused because it was plaintext (on the server's group: refusals that
    /// have a client's line).
    pub fn joined_refused_plaintext(&self) -> u64 {
        self.count(JoinKind::RefusedPlaintext)
    }

    /// The same for TLS that is not Istio's.
    pub fn joined_refused_tls(&self) -> u64 {
        self.count(JoinKind::RefusedTls)
    }

    /// Lines whose request reached the server's proxy and failed there.
    pub fn joined_server_failure(&self) -> u64 {
        self.count(JoinKind::ServerFailure)
    }

    /// How many lines have a partner of that kind.
    pub fn count(&self, kind: JoinKind) -> u64 {
        self.of(kind).map(|link| link.joined.count).sum()
    }

    /// The links of that kind.
    pub fn of(&self, kind: JoinKind) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| link.kind == kind)
    }
}

pub(super) fn group(index: GroupIndex, stored: &Stored) -> Group {
    let [pod, cluster, details, termination, reason, peer] = stored.parts();
    let hosts = || stored.evidence.iter().flat_map(|evidence| &evidence.hosts);
    let sni = |kind| stored.sni.get(super::counts::sni_index(kind)).copied().unwrap_or_default();
    Group {
        index,
        reporter: stored.fixed.reporter,
        pod: pod_of(stored.fixed.pod, pod),
        upstream_cluster: text(cluster),
        response_code: stored.fixed.response_code,
        flags: stored.fixed.flags,
        response_code_details: text(details),
        connection_termination_details: text(termination),
        upstream_transport_failure_reason: text(reason),
        peer: text(peer),
        own_port: Some(stored.fixed.own_port).filter(|port| *port != 0),
        ambiguous: stored.fixed.ambiguous,
        count: stored.count,
        answered: stored.answered,
        first: stored.times.first(),
        last: stored.times.last(),
        duration_ms: stored.durations.quantiles(),
        samples: stored.samples.to_vec(),
        sni_none: sni(Sni::None),
        sni_istio: sni(Sni::Istio),
        sni_other: sni(Sni::Other),
        evidence: Evidence {
            links: stored.evidence.iter().flat_map(|evidence| &evidence.links).map(link).collect(),
            messages: stored.evidence.iter().flat_map(|evidence| &evidence.messages).map(message).collect(),
            hosts: hosts().map(|named| (named.host.into(), u64::from(named.count))).collect(),
            answered: hosts()
                .filter(|named| named.answered > 0)
                .map(|named| (named.host.into(), u64::from(named.answered)))
                .collect(),
            silent: stored.evidence.as_ref().map_or(0, |evidence| evidence.silent),
        },
    }
}

fn link(stored: &StoredLink) -> Link {
    Link {
        kind: stored.kind,
        other: GroupIndex(stored.other),
        joined: Joined {
            count: stored.count,
            first: stored.times.first(),
            last: stored.times.last(),
            samples: stored.samples.to_vec(),
        },
    }
}

fn message(stored: &StoredMessages) -> MessageLink {
    MessageLink {
        fault: stored.fault,
        by_server: stored.by_server,
        joined: Joined {
            count: stored.count,
            first: stored.times.first(),
            last: stored.times.last(),
            samples: stored.samples.to_vec(),
        },
    }
}

pub(super) fn pod_of(kind: PodKind, bytes: &[u8]) -> PodOf {
    let text = String::from_utf8_lossy(bytes);
    match kind {
        PodKind::Named => {
            let (namespace, name) = text.split_once('/').unwrap_or(("", &text));
            PodOf::Named(PodName { namespace: namespace.into(), name: name.into() })
        }
        PodKind::Address => PodOf::Address(text.into_owned()),
        PodKind::Unknown => PodOf::Unknown,
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned())
}
