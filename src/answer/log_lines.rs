//! The log view: the last lines that a query takes, each with the cause that it belongs to, and all causes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::Read;
use super::logs::{Cause, cause_of};
use crate::correlate::{self, Locator};
use crate::logs::{
    AnyLine, Field, FieldValue, GroupIndex, Limits, PodOf, Query, RecentLine, Seen, SourceName, Watch,
    format_time, parse_time,
};
use crate::resolve::Mesh;

/// The lines taken, the newest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogView {
    /// The lines.
    pub rows: Vec<LogRow>,
    /// How many lines were looked at.
    pub held: u64,
    /// How many there were in all.
    pub read: u64,
    /// Why lines failed, most first: of all lines, since a cause rests on those of both sides.
    pub causes: Vec<Cause>,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogRow {
    /// When it began, as written.
    pub time: Option<String>,
    /// `client`, `server` or `unknown`.
    pub side: String,
    /// The response code.
    pub code: Option<u64>,
    /// The response flags, as written; ztunnel's error.
    pub flags: Option<String>,
    /// The details.
    pub details: Option<String>,
    /// Milliseconds.
    pub duration: Option<u64>,
    /// `namespace/name` of the pod that wrote it.
    pub pod: Option<String>,
    /// The caller: its pod, else its address.
    pub caller: Option<String>,
    /// The host called.
    pub host: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// The path.
    pub path: Option<String>,
    /// The cause and how sure it is.
    pub cause: Option<(String, String)>,
    /// Where it stands.
    pub file: String,
    /// Its number there.
    pub line: u64,
    /// The line.
    pub raw: String,
}

/// The lines that a query takes.
pub fn lines(read: &Read, query: Option<Query>) -> LogView {
    let (recent, all) = read.recent.lines();
    let locator = Locator::new(&read.mesh);
    let causes = correlate::causes(&locator, &read.logs);
    let mut by_group: HashMap<GroupIndex, (String, String)> = HashMap::new();
    for cause in &causes {
        for group in &cause.groups {
            let told = (cause.label.word().to_owned(), cause.confidence.word().to_owned());
            by_group.entry(*group).or_insert(told);
        }
    }
    let taken = Arc::new(Taken { mesh: Arc::clone(&read.mesh), query, hand: Mutex::default() });
    let mut logs = read.logs.empty_like(Limits { joins: 0, ..Limits::default() });
    let watch: Arc<dyn Watch> = Arc::<Taken>::clone(&taken);
    logs.set_watch(Some(watch));
    let mut sources: HashMap<SourceName, _> = HashMap::new();
    let mut rows = Vec::new();
    for RecentLine { source, number, raw, group } in &recent {
        let id = *sources.entry(source.clone()).or_insert_with(|| logs.add_source(source.clone()));
        logs.add_line(id, *number, raw);
        let row = taken.hand().row.take();
        rows.extend(row.map(|row| LogRow {
            cause: group.and_then(|group| by_group.get(&group).cloned()),
            raw: String::from_utf8_lossy(raw).into_owned(),
            ..row
        }));
    }
    rows.sort_by(|one, other| one.time.cmp(&other.time));
    rows.reverse();
    LogView {
        rows,
        held: recent.len() as u64,
        read: all,
        causes: causes.iter().map(|cause| cause_of(&locator, cause)).collect(),
    }
}

/// Makes a row of the line in hand, where the query takes it.
#[derive(Debug)]
struct Taken {
    mesh: Arc<Mesh>,
    query: Option<Query>,
    hand: Mutex<Hand>,
}

/// The line in hand, and the row that it is.
#[derive(Debug, Default)]
struct Hand {
    file: Arc<str>,
    number: u64,
    row: Option<LogRow>,
}

impl Taken {
    fn hand(&self) -> MutexGuard<'_, Hand> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pod_at(&self, address: &str) -> Option<String> {
        let workload = self.mesh.workloads.get(self.mesh.workloads.by_address(address)?)?;
        Some(format!("{}/{}", workload.namespace, workload.pod.as_ref()?))
    }

    /// The pod that called, where the addresses tell it; else the address.
    fn caller(&self, seen: &Seen<'_>, side: &str) -> Option<String> {
        if side == "client" && seen.pod.is_some() {
            return seen.pod.map(str::to_owned);
        }
        if let Some(pod) = text(seen, Field::SrcWorkload) {
            return Some(
                text(seen, Field::SrcNamespace).map_or_else(|| pod.clone(), |of| format!("{of}/{pod}")),
            );
        }
        let address = text(seen, Field::DownstreamRemoteAddress).or_else(|| text(seen, Field::SrcAddr))?;
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(self.pod_at(host).unwrap_or_else(|| host.to_owned()))
    }
}

fn text(seen: &Seen<'_>, field: Field) -> Option<String> {
    match seen.value(field) {
        FieldValue::Absent | FieldValue::Empty => None,
        FieldValue::Text(text) => Some(String::from_utf8_lossy(&text).into_owned()),
        FieldValue::Number(number) => Some(number.to_string()),
        FieldValue::Flags(flags) => Some(String::from_utf8_lossy(flags).into_owned()),
    }
}

fn number(seen: &Seen<'_>, field: Field) -> Option<u64> {
    text(seen, field)?.parse().ok()
}

impl Watch for Taken {
    fn line(&self, source: &SourceName, number: u64, _: &[u8]) {
        let mut hand = self.hand();
        if *hand.file != *source.file {
            hand.file = Arc::clone(&source.file);
        }
        hand.number = number;
    }

    fn access(&self, line: AnyLine<'_>, pod: &PodOf, _: Option<GroupIndex>) {
        let pod = match pod {
            PodOf::Named(pod) => Some(format!("{}/{}", pod.namespace, pod.name)),
            PodOf::Address(address) => self.pod_at(address),
            PodOf::Unknown => None,
        };
        let mut hand = self.hand();
        let file = Arc::clone(&hand.file);
        let seen = Seen { line, pod: pod.as_deref(), file: &file, number: hand.number };
        if self.query.as_ref().is_some_and(|query| !query.takes(&seen)) {
            return;
        }
        let side = text(&seen, Field::Reporter).unwrap_or_else(|| "unknown".to_owned());
        let row = LogRow {
            time: text(&seen, Field::StartTime)
                .or_else(|| text(&seen, Field::Time))
                .filter(|time| parse_time(time.as_bytes()).is_some())
                .or_else(|| seen.time().map(format_time)),
            code: number(&seen, Field::ResponseCode),
            flags: text(&seen, Field::ResponseFlags).or_else(|| text(&seen, Field::Error)),
            details: text(&seen, Field::ResponseCodeDetails),
            duration: number(&seen, Field::Duration),
            caller: self.caller(&seen, &side),
            host: text(&seen, Field::Host),
            port: number(&seen, Field::Port).and_then(|port| u16::try_from(port).ok()),
            path: text(&seen, Field::Path),
            side,
            pod: seen.pod.map(str::to_owned),
            cause: None,
            file: file.to_string(),
            line: hand.number,
            raw: String::new(),
        };
        hand.row = Some(row);
    }

    fn other(&self) {}

    fn goes_on(&self) -> bool {
        true
    }
}
