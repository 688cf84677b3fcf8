//! `logs`: access logs in short, and the causes of what failed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Read;
use super::common::{API_VERSION, LogLines, WorkloadRef};
use crate::correlate::{self, Locator};
use crate::logs;

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
    /// Lines alike in all that tells them apart, most first.
    pub groups: Vec<Group>,
    /// Lines that found no place in the groups.
    pub other_groups: u64,
    /// What failed and why, most first.
    pub causes: Vec<Cause>,
}

/// Numbers of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Lines {
    /// Read.
    pub read: u64,
    /// Understood as access-log lines.
    pub parsed: u64,
    /// Not.
    pub other: u64,
    /// Further lines of files that are parts of one that was read: not among `read`.
    pub joined: u64,
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
    /// The client, as far as it is known.
    pub client: WorkloadRef,
    /// The host called.
    pub host: Option<String>,
    /// The service port.
    pub port: Option<u16>,
    /// The lines that say so, on either side.
    pub evidence: Vec<LogLines>,
    /// What else it could be.
    pub alternatives: Vec<String>,
}

/// The logs in short.
pub fn report(read: &Read) -> LogReport {
    let locator = Locator::new(&read.mesh);
    let counts = read.logs.lines();
    let mut groups: Vec<_> = read.logs.groups().collect();
    groups.sort_by_key(|group| (std::cmp::Reverse(group.count), group.index));
    LogReport {
        api_version: API_VERSION,
        kind: "LogReport",
        lines: Lines { read: counts.read, parsed: counts.parsed, other: counts.other, joined: counts.joined },
        formats: read.logs.formats().map(|(format, count)| (format.name().to_owned(), count)).collect(),
        groups: groups.iter().map(|group| group_of(&locator, group)).collect(),
        other_groups: read.logs.other_groups(),
        causes: correlate::causes(&locator, &read.logs)
            .iter()
            .map(|cause| cause_of(&locator, cause))
            .collect(),
    }
}

/// A group as it is reported.
pub(super) fn group_of(locator: &Locator<'_>, group: &logs::Group) -> Group {
    Group {
        reporter: group.reporter.name().to_owned(),
        pod: locator.pod_path(group),
        upstream_cluster: group.upstream_cluster.clone(),
        response_code: group.response_code,
        response_flags: group.flags.iter().map(|flag| flag.short.to_owned()).collect(),
        details: group.response_code_details.clone(),
        reason: group.upstream_transport_failure_reason.clone(),
        count: group.count,
        first: group.first.map(logs::format_time),
        last: group.last.map(logs::format_time),
        duration_ms: group.duration_ms.map(|durations| Durations { p50: durations.p50, p99: durations.p99 }),
    }
}

/// A cause as it is reported.
pub(super) fn cause_of(locator: &Locator<'_>, cause: &correlate::Cause) -> Cause {
    let unknown = WorkloadRef { namespace: None, name: None, kind: None, pod: None };
    Cause {
        cause: cause.label.word().to_owned(),
        confidence: cause.confidence.word().to_owned(),
        count: cause.count,
        client: locator.workload(cause.place.client).map_or(unknown, WorkloadRef::pod),
        host: cause.place.host.as_deref().map(str::to_owned),
        port: cause.place.port,
        evidence: cause.evidence.iter().map(LogLines::from).collect(),
        alternatives: cause.alternatives.iter().map(|label| (*label).to_owned()).collect(),
    }
}
