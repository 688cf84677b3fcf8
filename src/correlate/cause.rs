//! Why lines failed: the cause, how sure it is, and what proves it.
//!
//! Which side's line decides is told here; what one line says stands in the tables of `sign`, and what takes the
//! configuration, both sides or the time stands in a file each.

use rustc_hash::FxHashMap;

use super::locate::{Located, Locator, origins};
use crate::diagnose::Confidence;
use crate::diagnose::finding::{LogEvidence, Recorded};
use crate::logs::{
    Aggregate, Direction, FlagSet, Group, GroupIndex, JoinKind, Link, Reporter, UpstreamCluster, format_time,
};
use crate::model::pod::ProxyKind;
use crate::resolve::PairTls;

mod beside;
mod by_objects;
mod client;
mod denied;
mod endpoints;
mod handshake;
mod label;
mod merged;
mod messages;
mod origination;
mod pattern;
mod proof;
mod reset;
mod server;
mod sign;
mod silent;
mod supports;
mod unanswered;
mod ztunnel;

use beside::Beside;
pub use denied::{Denial, NoneMatched, denial_of};
pub use label::{Family, Label};
pub(super) use merged::merged;
use pattern::Elsewhere;
pub use proof::{Proof, Proved};
use sign::Sign;
use supports::Supports;

/// Samples of a group's part, as many as a group has.
const MOST_SAMPLES: usize = 3;

/// A cause and the lines it explains.
#[derive(Debug, Clone)]
pub struct Cause {
    /// The label.
    pub label: Label,
    /// How sure.
    pub confidence: Confidence,
    /// How many lines.
    pub count: u64,
    /// The pair, as far as it is known.
    pub place: Located,
    /// The lines, of either side.
    pub evidence: Vec<LogEvidence>,
    /// What else leaves the same traces.
    pub alternatives: Vec<&'static str>,
    /// Whether the server's own log proves it.
    pub server_proof: bool,
    /// The policy that a denial names.
    pub denial: Option<Denial>,
    /// The objects that prove it, and what its lines show together.
    pub proof: Proof,
    /// The groups it explains.
    pub groups: Vec<GroupIndex>,
    /// How many lines of each group of a proxy's lines, where it is told.
    pub parts: Vec<Part>,
    /// The last line, in microseconds since the epoch.
    pub last: Option<i64>,
}

/// Lines of a group that a cause explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The group.
    pub group: GroupIndex,
    /// How many of its lines.
    pub count: u64,
    /// The group of the other side with whose lines they are joined, where that is what explains them.
    pub other: Option<GroupIndex>,
}

/// The causes of everything that failed, most lines first, and behind them what proxies say of themselves.
pub fn causes(locator: &Locator<'_>, logs: &Aggregate) -> Vec<Cause> {
    // What can be read in several ways is no sign of anything else: neither of what went well nor of who is alike.
    let mut groups = Vec::with_capacity(logs.group_count());
    let mut doubtful = Vec::new();
    for group in logs.groups() {
        if group.ambiguous { &mut doubtful } else { &mut groups }.push(group);
    }
    let by_index: FxHashMap<GroupIndex, &Group> =
        groups.iter().chain(&doubtful).map(|group| (group.index, group)).collect();
    let asked = Asked {
        locator,
        logs,
        by_index,
        successes: successes(&groups),
        beside: Beside::new(&groups),
        elsewhere: Elsewhere::new(locator, &groups),
        allowing: denied::Known::default(),
    };
    let told = groups.iter().filter(|group| asked.is_told(group));
    let told = told.flat_map(|group| asked.causes(group));
    let doubtful = doubtful.iter().filter(|group| asked.is_told(group)).flat_map(|group| asked.causes(group));
    let doubtful = doubtful.map(Cause::in_doubt);
    let mut causes = merged(told.chain(doubtful).chain(ztunnel::causes(locator, logs)));
    let supports = Supports::new(&asked, &groups, &causes);
    for cause in &mut causes {
        cause.proof.patterns = asked.supports(&supports, cause);
    }
    // What failed comes before what proxies say of themselves, however often they say it.
    causes.extend(messages::causes(locator, logs));
    causes
}

impl Cause {
    /// The same of lines in which a caller may have written what they say (data fact 17): no proof of anything.
    fn in_doubt(self) -> Self {
        let mut evidence = self.evidence;
        for lines in &mut evidence {
            lines.text.push_str(", by lines that can be read in more than one way");
        }
        Self {
            confidence: Confidence::Possible,
            evidence,
            server_proof: false,
            denial: None,
            proof: Proof::default(),
            ..self
        }
    }
}

/// Whether the lines of a group failed, as far as the proxy is concerned. What the application itself answered below
/// 500 is its own affair. On TCP older proxies write no flag for a connection that the server refused (`0 -`), so
/// there the server's line tells. A connection that was made a WebSocket ends when the caller closes it.
pub fn is_failure(group: &Group) -> bool {
    let ended = group.response_code == Some(101) && group.flags == FlagSet::parse(b"DC");
    !group.flags.is_empty() && !ended
        || group.response_code.is_some_and(|code| code >= 500)
        || group.response_code == Some(0)
            && group.evidence.links.iter().any(|link| link.kind != JoinKind::ServerFailure)
}

type Success = (u64, Option<i64>);

/// Who wrote lines and what they are about: a cluster, and where that is of all addresses past every service, the one
/// that was called.
type About = (crate::logs::PodOf, Option<String>, Option<String>);

fn about(group: &Group) -> About {
    let called = called(group).map(str::to_owned);
    (group.pod.clone(), group.upstream_cluster.clone(), called)
}

/// What was called past every service. What answers at one address says nothing of another one.
fn called(group: &Group) -> Option<&str> {
    group.peer.as_deref().filter(|_| group.upstream_cluster.is_some())
}

/// Lines that went well, by what they are about: how many, and the last.
fn successes(groups: &[Group]) -> FxHashMap<About, Success> {
    let mut found: FxHashMap<_, Success> = FxHashMap::default();
    for group in groups.iter().filter(|group| !is_failure(group)) {
        let entry = found.entry(about(group)).or_default();
        entry.0 += group.count;
        entry.1 = entry.1.max(group.last);
    }
    found
}

struct Asked<'a> {
    locator: &'a Locator<'a>,
    logs: &'a Aggregate,
    by_index: FxHashMap<GroupIndex, &'a Group>,
    successes: FxHashMap<About, Success>,
    beside: Beside<'a>,
    elsewhere: Elsewhere<'a>,
    allowing: denied::Known,
}

impl Asked<'_> {
    /// Whether a cause is looked for. Besides failures these are refusals, for which the proxy sets no flag, and on
    /// the client's side what a refusal at the server explains.
    fn is_told(&self, group: &Group) -> bool {
        let by_server = || {
            let mut links = group.evidence.of(JoinKind::ServerFailure);
            group.reporter == Reporter::Client
                && links.any(|link| self.by_index.get(&link.other).is_some_and(|other| explains(other)))
        };
        is_failure(group)
            || refuses(group)
            || denied::is_denial(group)
            || self.without_origination(group).is_some()
            || self.is_unanswered(group)
            || self.silent_part(group).is_some()
            || by_server()
    }

    fn causes(&self, group: &Group) -> Vec<Cause> {
        let mut causes = self.causes_of(group);
        for cause in &mut causes {
            if let [part] = cause.parts.as_mut_slice() {
                part.count = cause.count;
            }
        }
        causes
    }

    fn causes_of(&self, group: &Group) -> Vec<Cause> {
        let cluster = group.upstream_cluster.as_deref().map(|name| UpstreamCluster::parse(name.as_bytes()));
        match (group.reporter, cluster.map(|cluster| cluster.direction)) {
            (Reporter::Client, _) => self.at_client(group),
            (_, Some(Direction::Inbound | Direction::InboundVip | Direction::InboundPassthrough)) => {
                self.left_at_server(group).into_iter().collect()
            }
            (_, None) if is_refusal(group) => self.refused(group).into_iter().collect(),
            _ if group.flags.contains(FlagSet::UC) && is_reset_without_reason(group) => {
                vec![self.unknown(group, reset::all())]
            }
            _ => vec![self.without_cluster(group)],
        }
    }

    fn base(&self, group: &Group, label: Label, confidence: Confidence, text: &str) -> Cause {
        Cause {
            label,
            confidence,
            count: group.count,
            place: self.locator.locate(group),
            evidence: vec![self.lines(group, text)],
            alternatives: Vec::new(),
            server_proof: false,
            denial: None,
            proof: Proof::default(),
            groups: vec![group.index],
            parts: vec![Part { group: group.index, count: group.count, other: None }],
            last: group.last,
        }
    }

    fn unknown(&self, group: &Group, alternatives: Vec<&'static str>) -> Cause {
        let mut cause = self.base(group, Label::Unknown, Confidence::Possible, &at_side(group));
        cause.alternatives = alternatives;
        cause
    }

    /// What a sign says of a group.
    fn by_sign(&self, group: &Group, sign: &Sign) -> Cause {
        let text = format!("{}: {}", at_side(group), sign.says);
        let mut cause = self.base(group, sign.label, sign.confidence, &text);
        cause.alternatives = sign.alternatives.to_vec();
        cause
    }

    /// Lines without a cluster, or with one that is not Istio's: of either side.
    fn without_cluster(&self, group: &Group) -> Cause {
        if let Some(cause) = self.denied(group) {
            return cause;
        }
        if group.flags.has("UH") {
            return self.no_endpoint(group);
        }
        match sign::of(group) {
            Some(sign) if self.is_tls_greeting(group, sign) => {
                let mut cause = self.by_sign(group, sign);
                cause.label = Label::MtlsToPlaintext;
                cause.alternatives = vec!["bad-request", "non-istio-tls-to-permissive"];
                cause
            }
            Some(sign) => self.by_sign(group, sign),
            None => self.unknown(group, Vec::new()),
        }
    }

    /// The answer for a place, where client and service are known.
    fn whole_pair(&self, place: &Located) -> Option<PairTls> {
        let mesh = self.locator.mesh();
        let client = self.locator.workload(place.client)?;
        mesh.pair(client, place.host.as_deref()?, place.port?, place.subset.as_deref())
    }

    fn has_no_proxy(&self, workload: Option<usize>) -> bool {
        self.locator.workload(workload).is_none_or(|workload| workload.proxy == ProxyKind::None)
    }

    /// Lines of a group that joins told, with their own times and samples: the other side's links lead back to them.
    fn joined_part<'l>(&self, group: &Group, count: u64, links: impl Iterator<Item = &'l Link>) -> Group {
        let mut part = part_of(group, count);
        let back = links.map(|link| {
            let mut back = self.by_index.get(&link.other)?.evidence.of(link.kind);
            back.find(|back| back.other == group.index).map(|back| &back.joined)
        });
        if let Some(back) = back.collect::<Option<Vec<_>>>().filter(|back| !back.is_empty()) {
            part.first = back.iter().filter_map(|joined| joined.first).min();
            part.last = back.iter().filter_map(|joined| joined.last).max();
            part.samples = back.iter().flat_map(|joined| joined.samples.iter().copied()).collect();
            part.samples.truncate(MOST_SAMPLES);
        }
        part
    }

    /// The lines of a group, or of a part of it. Which lines those of a part are is told by a join alone: where it does
    /// not tell, times and samples are of the whole, and are left out.
    fn lines(&self, group: &Group, text: &str) -> LogEvidence {
        let is_told = self.by_index.get(&group.index).is_none_or(|whole| {
            whole.count == group.count
                || (&whole.samples, whole.first, whole.last) != (&group.samples, group.first, group.last)
        });
        let samples = if is_told { group.samples.as_slice() } else { &[] };
        LogEvidence {
            by: Recorded::Lines,
            count: group.count,
            first: group.first.filter(|_| is_told).map(format_time),
            last: group.last.filter(|_| is_told).map(format_time),
            text: text.to_owned(),
            samples: origins(self.logs, samples),
        }
    }
}

/// Whether a line of the server explains one of the client that has no sign of its own: a denial, or TLS on a port
/// whose filter chain reads no names, broken off without a flag.
fn explains(server: &Group) -> bool {
    denied::is_denial(server) || is_broken_off_tls(server)
}

/// TCP lines without flag, of TLS that is not Istio's, on which nothing came back: what is answered was passed on as it
/// came, and broken off by nobody.
fn is_broken_off_tls(group: &Group) -> bool {
    unanswered::is_plain_end(group) && group.answered == 0 && group.sni_other >= group.count
}

/// Answers without a flag by which a proxy refuses, and which an application gives as well.
fn refuses(group: &Group) -> bool {
    let details = group.response_code_details.as_deref().unwrap_or_default();
    match group.response_code {
        Some(403 | 429) => group.flags.is_empty() && details == "via_upstream",
        Some(400 | 426) => sign::of(group).is_some_and(|sign| sign.label == Label::BadRequest),
        _ => false,
    }
}

fn is_refusal(group: &Group) -> bool {
    group.flags.contains(FlagSet::NR)
        && group.response_code == Some(0)
        && group.response_code_details.as_deref().is_none_or(|details| details == "filter_chain_not_found")
}

/// A reset that nobody explains: details that say no more than that the connection ended, and no transport reason.
fn is_reset_without_reason(group: &Group) -> bool {
    let details = group.response_code_details.as_deref();
    let plain = details.is_none_or(|details| {
        details == "upstream_reset_before_response_started{connection_termination}" || details == "-"
    });
    plain && group.upstream_transport_failure_reason.is_none()
}

/// Some of a group's lines: alike in everything but how many they are.
fn part_of(group: &Group, count: u64) -> Group {
    Group { count, ..group.clone() }
}

/// Code and flags as they are written.
pub fn in_short(group: &Group) -> String {
    let code = group.response_code.unwrap_or(0);
    if group.flags.is_empty() { format!("{code} -") } else { format!("{code} {}", group.flags) }
}

/// The same with the side that wrote it.
fn at_side(group: &Group) -> String {
    let side = match group.reporter {
        Reporter::Client => " at the client",
        Reporter::Server => " at the server",
        Reporter::Unknown => "",
    };
    format!("{}{side}", in_short(group))
}

#[cfg(test)]
mod tests;
