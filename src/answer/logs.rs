//! `logs`: access logs in short, and the causes of what failed.

pub mod selection;

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::Read;
use super::common::{API_VERSION, LogLines, ObjectRef, WorkloadRef};
use crate::correlate::{self, Locator};
use crate::logs;
use crate::model::Origin;
use selection::Selection;

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogReport {
    /// [`super::common::API_VERSION`].
    pub api_version: &'static str,
    /// `LogReport`.
    pub kind: &'static str,
    /// How many lines.
    pub lines: Lines,
    /// Lines by format.
    pub formats: BTreeMap<String, u64>,
    /// The fields by which the groups were asked for (`--group-by`), by their names in records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_by: Option<Vec<&'static str>>,
    /// Lines alike, most first.
    pub groups: Groups,
    /// Lines that found no place in the groups.
    pub other_groups: u64,
    /// What failed and why, most first. Where lines were selected, those causes that a selected line belongs to, with
    /// all their lines: a cause rests on the lines of both sides.
    pub causes: Vec<Cause>,
    /// Lines that are none of an access log, where they are asked for: the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_lines: Option<Vec<OtherLine>>,
    /// How many more of them there are. Absent where all are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_lines_left: Option<u64>,
}

/// The groups of a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Groups {
    /// Lines alike in all that tells them apart.
    Alike(Vec<Box<Group>>),
    /// Lines alike in the fields asked for.
    ByFields(Vec<FieldGroup>),
}

impl Groups {
    /// Leaves the first so many; the number of lines in the others.
    pub fn truncate(&mut self, most: usize) -> u64 {
        match self {
            Self::Alike(groups) => groups.drain(most.min(groups.len())..).map(|group| group.count).sum(),
            Self::ByFields(groups) => groups.drain(most.min(groups.len())..).map(|group| group.count).sum(),
        }
    }
}

/// Lines alike in the fields asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldGroup {
    /// The values by the names of the fields in records; null where the lines have none.
    pub by: serde_json::Map<String, serde_json::Value>,
    /// How many.
    pub count: u64,
    /// The first, RFC 3339.
    pub first: Option<String>,
    /// The last.
    pub last: Option<String>,
    /// Durations in milliseconds.
    pub duration_ms: Option<Durations>,
}

/// A line that is none of an access log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherLine {
    /// The file.
    pub file: String,
    /// Its number.
    pub line: u64,
    /// The line.
    pub raw: String,
}

/// Numbers of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lines {
    /// Read.
    pub read: u64,
    /// Understood as access-log lines.
    pub parsed: u64,
    /// Not.
    pub other: u64,
    /// Further lines of files that are parts of one that was read: not among `read`.
    pub joined: u64,
    /// Of those parsed: they can be read in more than one way, because of what a caller wrote. Absent where none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ambiguous: Option<u64>,
    /// Of those parsed: asked for. Absent where all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected: Option<u64>,
    /// Of those parsed: not selected because they have no time, where times are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_time: Option<u64>,
}

/// Lines alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// `client`, `server` or `unknown`.
    pub reporter: String,
    /// `namespace/name` of the pod that wrote them, where it is known.
    pub pod: Option<String>,
    /// Envoy's upstream cluster.
    pub upstream_cluster: Option<String>,
    /// The response code, 0 for TCP.
    pub response_code: Option<u16>,
    /// The response flags.
    pub response_flags: Vec<String>,
    /// `response_code_details`.
    pub details: Option<String>,
    /// `upstream_transport_failure_reason`.
    pub reason: Option<String>,
    /// How many.
    pub count: u64,
    /// The first, RFC 3339.
    pub first: Option<String>,
    /// The last.
    pub last: Option<String>,
    /// Durations in milliseconds.
    pub duration_ms: Option<Durations>,
    /// Both ends, where ztunnel wrote the lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ztunnel: Option<Box<Ztunnel>>,
}

/// What only ztunnel's lines tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ztunnel {
    /// The client.
    pub source: ZtunnelEnd,
    /// The server.
    pub destination: ZtunnelEnd,
    /// The service called.
    pub service: Option<String>,
    /// The port called.
    pub port: Option<u16>,
    /// Whether the connection is mutual TLS (on the client's side: is meant to be); null where the line cannot tell.
    pub mtls: Option<bool>,
}

/// One end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ZtunnelEnd {
    /// `namespace/name` of the pod.
    pub workload: Option<String>,
    /// Its identity.
    pub identity: Option<String>,
    /// Its address, where the pod is not known.
    pub address: Option<String>,
}

/// Durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Durations {
    /// Half of the lines took at most so long.
    pub p50: u64,
    /// 99 of 100 did.
    pub p99: u64,
}

/// A cause.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cause {
    /// Its label, or `unknown`.
    pub cause: String,
    /// `certain`, `likely`, `possible`.
    pub confidence: String,
    /// How many lines.
    pub count: u64,
    /// Where lines were selected, and not all of its lines are among them: a cause rests on all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected: Option<SelectedLines>,
    /// The client, as far as it is known.
    pub client: WorkloadRef,
    /// The host called.
    pub host: Option<String>,
    /// The service port.
    pub port: Option<u16>,
    /// The server's pod, or the one that the cause is about, where no host is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<WorkloadRef>,
    /// The lines that say so, on either side.
    pub evidence: Vec<LogLines>,
    /// What else it could be.
    pub alternatives: Vec<String>,
    /// The objects that prove it, each by a field. Absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<CauseObject>,
}

/// How many of the lines that a cause explains were selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SelectedLines {
    /// So many.
    pub count: u64,
    /// Of so many.
    pub of: u64,
}

/// An object that proves a cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CauseObject {
    /// The object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// The field that counts.
    pub field: String,
    /// How it counted.
    pub counted: String,
    /// Where it was read.
    pub origin: Origin,
}

/// The logs in short; with a selection, the lines that it took.
pub fn report(read: &Read, selection: Option<&Selection>) -> LogReport {
    let locator = Locator::new(&read.mesh);
    let counts = read.logs.lines();
    let formats = read.logs.formats().map(|(format, count)| (format.name().to_owned(), count));
    let ztunnel = Some((logs::ztunnel::FORMAT.to_owned(), read.logs.ztunnel_lines()));
    let causes = correlate::causes(&locator, &read.logs);
    let mut report = LogReport {
        api_version: API_VERSION,
        kind: "LogReport",
        lines: Lines {
            read: counts.read,
            parsed: counts.parsed,
            other: counts.other,
            joined: counts.joined,
            ambiguous: (counts.ambiguous > 0).then_some(counts.ambiguous),
            selected: None,
            without_time: None,
        },
        formats: formats.chain(ztunnel.filter(|(_, count)| *count > 0)).collect(),
        group_by: None,
        groups: Groups::Alike(Vec::new()),
        other_groups: 0,
        causes: Vec::new(),
        other_lines: None,
        other_lines_left: None,
    };
    let Some(selection) = selection else {
        report.groups = Groups::Alike(groups_of(&locator, &read.logs));
        report.other_groups = read.logs.other_groups();
        report.causes = causes.iter().map(|cause| cause_of(&locator, cause)).collect();
        return report;
    };
    let asked = selection.asked();
    let state = selection.state();
    report.lines.selected = Some(state.selected);
    report.lines.without_time =
        (asked.since.is_some() || asked.until.is_some()).then_some(state.without_time);
    if let Some(by) = &state.by {
        report.group_by = Some(asked.group_by.iter().map(|field| field.name()).collect());
        report.groups = Groups::ByFields(by.groups().into_iter().map(field_group_of).collect());
        report.other_groups = by.other_groups();
    } else {
        report.groups = Groups::Alike(groups_of(&locator, &state.chosen));
        report.other_groups = state.chosen.other_groups();
    }
    let is_taken = |group: &logs::GroupIndex| state.taken.contains_key(group);
    let taken = causes.iter().filter(|cause| cause.groups.iter().any(is_taken));
    let mut counts: FxHashMap<_, _> = read.logs.groups().map(|group| (group.index, group.count)).collect();
    counts.extend(read.logs.ztunnel_groups().into_iter().map(|group| (group.index, group.count)));
    report.causes = taken
        .map(|cause| {
            let sum = |counts: &FxHashMap<logs::GroupIndex, u64>| {
                cause.groups.iter().filter_map(|group| counts.get(group)).sum()
            };
            let selected = SelectedLines { count: sum(&state.taken), of: sum(&counts) };
            let selected = Some(selected).filter(|selected| selected.count < selected.of);
            Cause { selected, ..cause_of(&locator, cause) }
        })
        .collect();
    let other = |line: &selection::OtherLine| OtherLine {
        file: line.file.to_string(),
        line: line.line,
        raw: line.raw.clone(),
    };
    report.other_lines = asked.other.then(|| state.others.iter().map(other).collect());
    report.other_lines_left = Some(state.others_left).filter(|left| asked.other && *left > 0);
    report
}

/// The groups of Envoy's and of ztunnel's lines, most lines first.
#[expect(clippy::vec_box, reason = "groups are large, and are sorted")]
fn groups_of(locator: &Locator<'_>, logs: &logs::Aggregate) -> Vec<Box<Group>> {
    let mut groups: Vec<_> = logs.groups().map(|group| Box::new(group_of(locator, group))).collect();
    let of_ztunnel = logs.ztunnel_groups().into_iter();
    groups.extend(of_ztunnel.map(|group| Box::new(ztunnel_group_of(locator, group))));
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

fn field_group_of(group: logs::FieldGroup) -> FieldGroup {
    FieldGroup {
        by: group.values.into_iter().map(|(field, value)| (field.name().to_owned(), value)).collect(),
        count: group.count,
        first: group.first.map(logs::format_time),
        last: group.last.map(logs::format_time),
        duration_ms: durations_of(group.duration_ms),
    }
}

fn durations_of(durations: Option<logs::Durations>) -> Option<Durations> {
    durations.map(|durations| Durations { p50: durations.p50, p99: durations.p99 })
}

/// A group of ztunnel's lines: it has no code, flags and upstream cluster.
fn ztunnel_group_of(locator: &Locator<'_>, group: logs::ZtunnelGroup) -> Group {
    let end =
        |end: logs::End| ZtunnelEnd { workload: end.workload, identity: end.identity, address: end.address };
    let key = group.key;
    Group {
        reporter: key.reporter.name().to_owned(),
        pod: locator.path_of(&key.pod),
        upstream_cluster: None,
        response_code: None,
        response_flags: Vec::new(),
        details: Some(key.message),
        reason: key.error,
        count: group.count,
        first: group.first.map(logs::format_time),
        last: group.last.map(logs::format_time),
        duration_ms: durations_of(group.duration_ms),
        ztunnel: Some(Box::new(Ztunnel {
            source: end(key.source),
            destination: end(key.destination),
            service: key.service,
            port: key.port,
            mtls: key.mtls,
        })),
    }
}

/// A group as it is reported.
pub(super) fn group_of(locator: &Locator<'_>, group: logs::Group) -> Group {
    Group {
        reporter: group.reporter.name().to_owned(),
        pod: locator.pod_path(&group),
        upstream_cluster: group.upstream_cluster,
        response_code: group.response_code,
        response_flags: group.flags.iter().map(|flag| flag.short.to_owned()).collect(),
        details: group.response_code_details,
        reason: group.upstream_transport_failure_reason,
        count: group.count,
        first: group.first.map(logs::format_time),
        last: group.last.map(logs::format_time),
        duration_ms: durations_of(group.duration_ms),
        ztunnel: None,
    }
}

/// A cause as it is reported.
pub(super) fn cause_of(locator: &Locator<'_>, cause: &correlate::Cause) -> Cause {
    let nobody = || WorkloadRef { namespace: None, name: None, kind: None, pod: None };
    let unknown = || cause.place.client_pod.as_ref().map_or_else(nobody, WorkloadRef::named);
    // Where no service is known, the pod that was called, or that speaks of itself.
    let place = &cause.place;
    let server = || {
        let known = locator.workload(place.server.or(place.reporter.filter(|_| place.client.is_none())));
        known.map(WorkloadRef::pod).or_else(|| place.server_pod.as_ref().map(WorkloadRef::named))
    };
    Cause {
        cause: cause.label.word().to_owned(),
        confidence: cause.confidence.word().to_owned(),
        count: cause.count,
        selected: None,
        client: locator.workload(cause.place.client).map_or_else(unknown, WorkloadRef::pod),
        host: cause.place.host.as_deref().map(str::to_owned),
        port: cause.place.port,
        server: if place.host.is_none() { server() } else { None },
        evidence: cause.evidence.iter().chain(&cause.proof.patterns).map(LogLines::from).collect(),
        alternatives: cause.alternatives.iter().map(|label| (*label).to_owned()).collect(),
        objects: cause.proof.objects.iter().map(object_of).collect(),
    }
}

fn object_of(proved: &correlate::Proved) -> CauseObject {
    CauseObject {
        object: ObjectRef::of(&proved.object.id),
        field: proved.field.clone(),
        counted: proved.counted.clone(),
        origin: proved.object.origin.clone(),
    }
}
