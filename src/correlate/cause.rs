//! Why lines failed: the cause, how sure it is, and what proves it.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::locate::{Located, Locator};
use super::passthrough::is_strict;
use crate::diagnose::Confidence;
use crate::diagnose::finding::LogEvidence;
use crate::logs::{
    Aggregate, Direction, FlagSet, Group, GroupIndex, JoinKind, Reporter, Sample, UpstreamCluster,
    format_time,
};
use crate::model::destination_rule::TlsMode;
use crate::model::pod::ProxyKind;
use crate::model::{Origin, Text};
use crate::resolve::client_tls::Sent;
use crate::resolve::{PairTls, Status};

/// A cause label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// The client sent plaintext to a server that accepts mutual TLS only.
    PlaintextToStrict,
    /// The client sent mutual TLS to a server that does not end it.
    MtlsToPlaintext,
    /// TLS that is not Istio's reached a server that wants Istio's.
    NonIstioTlsToPermissive,
    /// The application closed the connection.
    AppClosed,
    /// The application itself answered with an error.
    AppError,
    /// Not known.
    Unknown,
}

impl Label {
    /// The label as it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::PlaintextToStrict => "plaintext-to-strict",
            Self::MtlsToPlaintext => "mtls-to-plaintext",
            Self::NonIstioTlsToPermissive => "non-istio-tls-to-permissive",
            Self::AppClosed => "app-closed",
            Self::AppError => "app-error",
            Self::Unknown => "unknown",
        }
    }

    /// Whether client and server do not agree on TLS.
    pub fn is_mtls(self) -> bool {
        matches!(self, Self::PlaintextToStrict | Self::MtlsToPlaintext | Self::NonIstioTlsToPermissive)
    }
}

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
    /// The groups it explains.
    pub groups: Vec<GroupIndex>,
    /// The last line, in microseconds since the epoch.
    pub last: Option<i64>,
}

/// What leaves `503 UC` with nothing else on an outbound cluster, besides plaintext to STRICT.
const OTHER_RESETS: [&str; 5] =
    ["app-closed", "no-client-cert", "client-cert-untrusted", "client-cert-expired", "sidecar-killed"];

/// All of them, where nothing tells one from the other.
fn all_resets() -> Vec<&'static str> {
    OTHER_RESETS.into_iter().chain(["stale-connection", "plaintext-to-strict"]).collect()
}

/// The causes of everything that failed, most lines first.
pub fn causes(locator: &Locator<'_>, logs: &Aggregate) -> Vec<Cause> {
    let groups: Vec<_> = logs.groups().collect();
    let by_index: FxHashMap<GroupIndex, &Group> = groups.iter().map(|group| (group.index, group)).collect();
    let asked = Asked { locator, logs, by_index, successes: successes(&groups) };
    let mut found: BTreeMap<Key, Cause> = BTreeMap::new();
    for group in groups.iter().filter(|group| is_failure(group)) {
        for cause in asked.causes(group) {
            let key = key_of(&cause);
            match found.get_mut(&key) {
                Some(known) => known.absorb(cause),
                None => drop(found.insert(key, cause)),
            }
        }
    }
    let mut causes: Vec<_> = found.into_values().collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
    causes
}

type Key = (Label, Confidence, Option<usize>, Option<usize>, Option<Text>, Option<u16>, Vec<&'static str>);

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
    )
}

impl Cause {
    fn absorb(&mut self, other: Self) {
        self.count += other.count;
        self.last = self.last.max(other.last);
        self.server_proof |= other.server_proof;
        self.groups.extend(other.groups);
        for lines in other.evidence {
            match self.evidence.iter_mut().find(|known| known.text == lines.text) {
                Some(known) => {
                    known.count += lines.count;
                    known.first = known.first.take().into_iter().chain(lines.first).min();
                    known.last = known.last.take().max(lines.last);
                    known.samples.extend(lines.samples);
                    known.samples.truncate(3);
                }
                None => self.evidence.push(lines),
            }
        }
    }
}

/// Whether the lines of a group failed, as far as the proxy is concerned. What the application itself answered below
/// 500 is its own affair. On TCP older proxies write no flag for a connection that the server refused (`0 -`), so
/// there the server's line tells.
pub fn is_failure(group: &Group) -> bool {
    !group.flags.is_empty()
        || group.response_code.is_some_and(|code| code >= 500)
        || group.response_code == Some(0)
            && group.evidence.links.iter().any(|link| link.kind != JoinKind::ServerFailure)
}

type Success = (u64, Option<i64>);

/// Lines that went well, by writer and cluster: how many, and the last.
fn successes(groups: &[Group]) -> FxHashMap<(crate::logs::PodOf, Option<String>), Success> {
    let mut found: FxHashMap<_, Success> = FxHashMap::default();
    for group in groups.iter().filter(|group| !is_failure(group)) {
        let entry = found.entry((group.pod.clone(), group.upstream_cluster.clone())).or_default();
        entry.0 += group.count;
        entry.1 = entry.1.max(group.last);
    }
    found
}

struct Asked<'a> {
    locator: &'a Locator<'a>,
    logs: &'a Aggregate,
    by_index: FxHashMap<GroupIndex, &'a Group>,
    successes: FxHashMap<(crate::logs::PodOf, Option<String>), Success>,
}

impl Asked<'_> {
    fn causes(&self, group: &Group) -> Vec<Cause> {
        let cluster = group.upstream_cluster.as_deref().map(|name| UpstreamCluster::parse(name.as_bytes()));
        match (group.reporter, cluster.map(|cluster| cluster.direction)) {
            (Reporter::Client, _) => self.at_client(group),
            (_, Some(Direction::Inbound)) => self.left_at_server(group).into_iter().collect(),
            (_, None) if is_refusal(group) => self.refused(group).into_iter().collect(),
            _ if group.flags.contains(FlagSet::UC) && is_reset_without_reason(group) => {
                vec![self.unknown(group, all_resets())]
            }
            _ => vec![self.unknown(group, Vec::new())],
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
            groups: vec![group.index],
            last: group.last,
        }
    }

    fn unknown(&self, group: &Group, alternatives: Vec<&'static str>) -> Cause {
        let side = match group.reporter {
            Reporter::Client => " at the client",
            Reporter::Server => " at the server",
            Reporter::Unknown => "",
        };
        let mut cause =
            self.base(group, Label::Unknown, Confidence::Possible, &format!("{}{side}", in_short(group)));
        cause.alternatives = alternatives;
        cause
    }

    /// Lines that a line of the server explains count for that; the others are judged by themselves.
    fn at_client(&self, group: &Group) -> Vec<Cause> {
        let refusals = [
            (JoinKind::RefusedPlaintext, Label::PlaintextToStrict),
            (JoinKind::RefusedTls, Label::NonIstioTlsToPermissive),
            (JoinKind::RefusedIstioTls, Label::MtlsToPlaintext),
        ];
        let mut causes = Vec::new();
        let mut left = group.count;
        for (kind, label) in refusals {
            let joined = group.evidence.count(kind).min(left);
            if joined > 0 {
                left -= joined;
                causes.push(self.proved_refusal(&part_of(group, joined), label, kind));
            }
        }
        let joined = group.evidence.joined_server_failure().min(left);
        if joined > 0 {
            left -= joined;
            causes.push(self.failed_at_server(&part_of(group, joined)));
        }
        if left > 0 {
            causes.push(self.alone_at_client(&part_of(group, left)));
        }
        causes
    }

    fn alone_at_client(&self, group: &Group) -> Cause {
        if group.flags.contains(FlagSet::UC) && is_reset_without_reason(group) {
            return self.reset(group);
        }
        let reason = group.upstream_transport_failure_reason.as_deref().unwrap_or_default();
        if reason.contains("WRONG_VERSION_NUMBER") || reason.contains("UNEXPECTED_MESSAGE") {
            return self.answered_without_tls(group);
        }
        if group.flags.is_empty() && group.response_code_details.as_deref() == Some("via_upstream") {
            let mut cause = self.base(
                group,
                Label::AppError,
                Confidence::Possible,
                &format!("{} at the client: the server's side answered", in_short(group)),
            );
            cause.alternatives = vec!["app-closed", "app-down"];
            return cause;
        }
        self.unknown(group, Vec::new())
    }

    /// The server's own log says that it refused these connections.
    fn proved_refusal(&self, group: &Group, label: Label, kind: JoinKind) -> Cause {
        let mut cause =
            self.base(group, label, Confidence::Certain, &format!("{} at the client", in_short(group)));
        cause.server_proof = true;
        let sni = match kind {
            JoinKind::RefusedIstioTls => "an SNI of Istio's mutual TLS",
            JoinKind::RefusedTls => "an SNI that is not Istio's",
            JoinKind::RefusedPlaintext | JoinKind::ServerFailure => "SNI -",
        };
        for link in group.evidence.of(kind) {
            let other = self.by_index.get(&link.other);
            cause.place.server = other.and_then(|other| self.locator.locate(other).server);
            cause.evidence.push(LogEvidence {
                count: link.joined.count,
                first: link.joined.first.map(format_time),
                last: link.joined.last.map(format_time),
                text: format!("0 NR filter_chain_not_found with {sni} at the server, joined by address"),
                samples: self.origins(&link.joined.samples),
            });
        }
        cause
    }

    /// The request reached the server's proxy, and what went wrong stands in its log.
    fn failed_at_server(&self, group: &Group) -> Cause {
        let link = group.evidence.of(JoinKind::ServerFailure).next();
        let Some((link, server)) = link.and_then(|link| Some((link, self.by_index.get(&link.other)?))) else {
            return self.unknown(group, Vec::new());
        };
        let mut cause = self.at_server(server);
        cause.count = group.count;
        cause.groups = vec![group.index];
        cause.last = group.last;
        cause.place = Located { server: cause.place.server, ..self.locator.locate(group) };
        cause.server_proof = true;
        let joined = LogEvidence {
            count: link.joined.count,
            first: link.joined.first.map(format_time),
            last: link.joined.last.map(format_time),
            text: format!("{} at the server, joined by request id", in_short(server)),
            samples: self.origins(&link.joined.samples),
        };
        cause.evidence = vec![self.lines(group, &format!("{} at the client", in_short(group))), joined];
        cause
    }

    /// `503 UC` with no reason: at least six causes look like this on one line (Envoy's behaviour), so the
    /// configuration decides, and where it is sound, nothing does.
    fn reset(&self, group: &Group) -> Cause {
        let text = format!("{} at the client", in_short(group));
        let place = self.locator.locate(group);
        let Some(pair) = self.pair(&place) else {
            // Past every service the proxy passes on what the application sends: HTTP that it could read is plaintext.
            let server = self.locator.workload(place.server).zip(place.direct.as_ref());
            let strict =
                server.is_some_and(|(server, (_, port))| is_strict(self.locator.mesh(), server, *port));
            if strict && group.response_code == Some(503) && !self.succeeds_later(group) {
                return self.base(group, Label::PlaintextToStrict, Confidence::Certain, &text);
            }
            let mut cause = self.base(group, Label::PlaintextToStrict, Confidence::Possible, &text);
            cause.alternatives = OTHER_RESETS.to_vec();
            return cause;
        };
        let plaintext = pair.failing().any(|endpoint| endpoint.sent == Sent::Plaintext);
        match pair.status {
            Status::Conflict if plaintext && !self.succeeds_later(group) => {
                let all = pair.endpoints.iter().filter(|endpoint| endpoint.ready);
                let all = all.into_iter().all(|endpoint| endpoint.result == Status::Conflict);
                let confidence = if all { Confidence::Certain } else { Confidence::Likely };
                let mut cause = self.base(group, Label::PlaintextToStrict, confidence, &text);
                if !all {
                    cause.alternatives = OTHER_RESETS.to_vec();
                }
                cause
            }
            // It sends TLS that the server refuses: plaintext is not what failed.
            Status::Conflict if !plaintext => {
                let mut alternatives = vec!["no-client-cert", "client-cert-untrusted", "client-cert-expired"];
                alternatives.extend(["app-closed", "sidecar-killed"]);
                self.unknown(group, alternatives)
            }
            Status::Conflict | Status::Unknown => {
                let mut cause = self.base(group, Label::PlaintextToStrict, Confidence::Possible, &text);
                cause.alternatives = OTHER_RESETS.to_vec();
                cause
            }
            Status::Ok | Status::Warn | Status::Cond => {
                let bare = pair.endpoints.iter().all(|endpoint| self.has_no_proxy(endpoint.workload));
                if bare && !pair.endpoints.is_empty() {
                    let mut cause = self.base(group, Label::AppClosed, Confidence::Likely, &text);
                    cause.alternatives = vec!["stale-connection"];
                    return cause;
                }
                self.unknown(group, all_resets())
            }
        }
    }

    /// The server answered a TLS greeting with something that is no TLS. Whose TLS it was, the rule in force tells.
    fn answered_without_tls(&self, group: &Group) -> Cause {
        let text = format!("{} with an answer that is no TLS at the client", in_short(group));
        let pair = self.pair(&self.locator.locate(group));
        let sends = |sent: Sent| pair.as_ref().is_some_and(|pair| pair.failing().any(|one| one.sent == sent));
        let own_tls = pair.as_ref().and_then(|pair| pair.cluster.declared.as_ref());
        let own_tls = own_tls.is_some_and(|mode| matches!(mode, TlsMode::Simple | TlsMode::Mutual));
        let (label, confidence, other) = if sends(Sent::IstioMutual) {
            return self.base(group, Label::MtlsToPlaintext, Confidence::Certain, &text);
        } else if own_tls {
            (Label::NonIstioTlsToPermissive, Confidence::Likely, "mtls-to-plaintext")
        } else {
            (Label::MtlsToPlaintext, Confidence::Likely, "non-istio-tls-to-permissive")
        };
        let mut cause = self.base(group, label, confidence, &text);
        cause.alternatives = vec![other];
        cause
    }

    /// Failures at the server that no client's line was joined to; the joined ones are counted there.
    fn left_at_server(&self, group: &Group) -> Option<Cause> {
        let left =
            group.count.checked_sub(group.evidence.joined_server_failure()).filter(|left| *left > 0)?;
        let mut cause = self.at_server(group);
        cause.count = left;
        Some(cause)
    }

    /// The server's proxy had taken the request: TLS was not the trouble.
    fn at_server(&self, group: &Group) -> Cause {
        if !(group.flags.contains(FlagSet::UC) && is_reset_without_reason(group)) {
            return self.unknown(group, Vec::new());
        }
        let text = format!("{} on the inbound cluster at the server", in_short(group));
        let also_well = self.successes.contains_key(&(group.pod.clone(), group.upstream_cluster.clone()));
        let confidence = if also_well { Confidence::Likely } else { Confidence::Certain };
        let mut cause = self.base(group, Label::AppClosed, confidence, &text);
        cause.server_proof = true;
        if also_well {
            // A connection that was closed while it lay idle, and used once more, leaves the same line.
            cause.alternatives = vec!["stale-connection"];
        }
        cause
    }

    /// Refusals at the server that no client's line was joined to; the joined ones are counted there.
    fn refused(&self, group: &Group) -> Option<Cause> {
        let joined: u64 = group.evidence.links.iter().map(|link| link.joined.count).sum();
        let left = group.count.checked_sub(joined).filter(|left| *left > 0)?;
        let place = self.locator.locate(group);
        let known_peer = place.client.is_some();
        let (label, confidence, sni) = if group.sni_none >= group.count {
            let confidence = if known_peer { Confidence::Certain } else { Confidence::Likely };
            (Label::PlaintextToStrict, confidence, "SNI -")
        } else if group.sni_other >= group.count {
            (Label::NonIstioTlsToPermissive, Confidence::Likely, "an SNI that is not Istio's")
        } else {
            return Some(self.unknown(group, Vec::new()));
        };
        let text = format!("0 NR filter_chain_not_found with {sni} at the server");
        let mut cause = self.base(group, label, confidence, &text);
        cause.count = left;
        cause.server_proof = true;
        Some(cause)
    }

    /// The answer for a place, where client and service are known.
    fn pair(&self, place: &Located) -> Option<PairTls> {
        let mesh = self.locator.mesh();
        let client = self.locator.workload(place.client)?;
        mesh.pair(client, place.host.as_deref()?, place.port?, place.subset.as_deref())
    }

    fn has_no_proxy(&self, workload: Option<usize>) -> bool {
        self.locator.workload(workload).is_none_or(|workload| workload.proxy == ProxyKind::None)
    }

    fn succeeds_later(&self, group: &Group) -> bool {
        let success = self.successes.get(&(group.pod.clone(), group.upstream_cluster.clone()));
        success.is_some_and(|(_, last)| *last > group.last)
    }

    fn lines(&self, group: &Group, text: &str) -> LogEvidence {
        LogEvidence {
            count: group.count,
            first: group.first.map(format_time),
            last: group.last.map(format_time),
            text: text.to_owned(),
            samples: self.origins(&group.samples),
        }
    }

    fn origins(&self, samples: &[Sample]) -> Vec<Origin> {
        let known = samples.iter().filter_map(|sample| Some((self.logs.source(sample.source)?, sample.line)));
        known.map(|(source, line)| Origin { file: source.file.clone(), line }).collect()
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

#[cfg(test)]
mod tests;
