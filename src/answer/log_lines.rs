//! The log view: the last lines that a query takes, each with the cause that it belongs to, and all causes.

mod told;
mod values;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashSet;
use serde::Serialize;

use super::Read;
use super::logs::{Cause, cause_of};
use crate::correlate::{self, Locator};
use crate::logs::{
    AnyLine, Field, FieldValue, GroupIndex, Limits, PodOf, Query, RecentLine, Seen, SourceName, Watch,
    parse_time,
};
use crate::model::Text;
use crate::resolve::Mesh;
use told::{Known, Line, RequestKey, Requests, Told, request_of};
use values::Values;

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
    /// The latest time of all that were looked at, in microseconds since the epoch.
    pub newest: Option<i64>,
    /// Why lines failed, most first: of all lines, since a cause rests on those of both sides.
    pub causes: Vec<Cause>,
    /// The causes that lines alike have where they have several, by their places among those of the view.
    pub several: Vec<Vec<usize>>,
    /// The values that fields have in any of the lines, of fields that have few.
    #[serde(skip)]
    pub values: BTreeMap<Field, Vec<Text>>,
}

/// A line. Its texts are shared with those of other lines, since there may be many that say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogRow {
    /// When it began, in microseconds since the epoch.
    pub time: Option<i64>,
    /// `client`, `server` or `unknown`.
    pub side: Text,
    /// The response code.
    pub code: Option<u64>,
    /// The response flags, as written; ztunnel's error.
    pub flags: Option<Text>,
    /// The details.
    pub details: Option<Text>,
    /// Milliseconds.
    pub duration: Option<u64>,
    /// `namespace/name` of the pod that wrote it.
    pub pod: Option<Text>,
    /// The caller: its pod, else its address.
    pub caller: Option<Text>,
    /// The host called.
    pub host: Option<Text>,
    /// Its port.
    pub port: Option<u16>,
    /// The path.
    pub path: Option<Text>,
    /// The cause, by its place among those of the view.
    pub cause: Option<usize>,
    /// Where lines like it have several causes and nothing tells which one is its own: these, by their place among
    /// [`LogView::several`].
    pub among: Option<usize>,
    /// Where it stands.
    pub file: Text,
    /// Its number there.
    pub line: u64,
    /// Its number among all access lines that were read: lines of a file that was rotated can have the same place, time
    /// and text.
    pub serial: u64,
    /// The line.
    pub raw: Arc<[u8]>,
    /// Whether the end of the line is missing, because it is too long to be kept.
    pub is_cut: bool,
}

impl LogView {
    /// The causes that lines like it have, where nothing tells which one is its own.
    pub fn several_of(&self, row: &LogRow) -> Vec<&Cause> {
        let places = row.among.and_then(|at| self.several.get(at)).into_iter().flatten();
        places.filter_map(|at| self.causes.get(*at)).collect()
    }
}

impl LogRow {
    /// Whether the line tells of a failure: a cause, a code, a flag of the proxy's (but for a WebSocket that its caller
    /// closed), or ztunnel's error.
    pub fn failed(&self) -> bool {
        let flags = self.flags.as_deref().filter(|flags| *flags != "-");
        let ended = flags == Some("DC") && matches!(self.code, Some(101 | 200));
        self.cause.is_some()
            || self.among.is_some()
            || self.code.is_some_and(|code| code >= 500)
            || flags.is_some() && !ended
    }

    /// The line as text; what is no UTF-8 in it is replaced.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.raw)
    }
}

/// The lines that a query takes.
pub fn lines(read: &Read, query: Option<Query>) -> LogView {
    let (recent, all) = read.recent.lines();
    let locator = Locator::new(&read.mesh);
    let causes = correlate::causes(&locator, &read.logs);
    let told = Told::new(&causes, &read.logs);
    let all_wanted = query.is_none();
    let taken = Arc::new(Taken { mesh: Arc::clone(&read.mesh), query, hand: Mutex::default() });
    let mut logs = read.logs.empty_like(Limits { joins: 0, ..Limits::default() });
    let watch: Arc<dyn Watch> = Arc::<Taken>::clone(&taken);
    logs.set_watch(Some(watch));
    let mut sources: HashMap<SourceName, _> = HashMap::new();
    let mut rows: Vec<LogRow> = Vec::new();
    let mut requests = Requests::default();
    for RecentLine { source, number, serial, raw, is_cut, group } in &recent {
        let id = *sources.entry(source.clone()).or_insert_with(|| logs.add_source(source.clone()));
        let known = group.map_or(Known::Not, |group| told.of(group));
        taken.hand().is_told = known != Known::Not;
        if !is_cut {
            logs.add_line(id, *number, raw);
        }
        let (row, request, time) = {
            let mut hand = taken.hand();
            (hand.row.take(), std::mem::take(&mut hand.request), hand.time)
        };
        for (request, is_client) in request {
            let place = row.is_some().then_some(rows.len());
            requests.add(request, is_client, Line { place, group: *group, time });
        }
        // What cannot be read again by itself, such as the last piece of a line that was broken, is shown as it is.
        let row = row.or_else(|| (all_wanted).then(|| LogRow::unread(&source.file, *number)));
        let (cause, among) = match known {
            Known::Not => (None, None),
            Known::One(at) => (Some(at), None),
            Known::OneOf(at) => (None, Some(at)),
        };
        let (serial, raw, is_cut) = (*serial, Arc::clone(raw), *is_cut);
        rows.extend(row.map(|row| LogRow { cause, among, serial, raw, is_cut, ..row }));
    }
    for (at, cause) in requests.told(&told) {
        if let Some(row) = rows.get_mut(at) {
            (row.cause, row.among) = (Some(cause), None);
        }
    }
    rows.sort_by_key(|row| row.time);
    rows.reverse();
    let mut hand = taken.hand();
    LogView {
        rows,
        held: recent.len() as u64,
        read: all,
        newest: hand.newest,
        causes: causes.iter().map(|cause| cause_of(&locator, cause)).collect(),
        several: told.several(),
        values: hand.values.take(),
    }
}

impl LogRow {
    fn unread(file: &Text, line: u64) -> Self {
        Self {
            time: None,
            side: Text::from("unknown"),
            code: None,
            flags: None,
            details: None,
            duration: None,
            pod: None,
            caller: None,
            host: None,
            port: None,
            path: None,
            cause: None,
            among: None,
            file: Arc::clone(file),
            line,
            serial: 0,
            raw: Arc::default(),
            is_cut: false,
        }
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
    time: Option<i64>,
    newest: Option<i64>,
    /// Whether lines like it have a cause.
    is_told: bool,
    /// What tells its request, where it may have failed, and whether the client wrote it.
    request: Vec<(RequestKey, bool)>,
    known: FxHashSet<Text>,
    values: Values,
}

impl Hand {
    /// The text, shared with the lines that have the same.
    fn shared(&mut self, text: String) -> Text {
        if let Some(known) = self.known.get(text.as_str()) {
            return Arc::clone(known);
        }
        let text = Text::from(text);
        self.known.insert(Arc::clone(&text));
        text
    }
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
        let written = text(&seen, Field::StartTime).or_else(|| text(&seen, Field::Time));
        let time = written.and_then(|time| parse_time(time.as_bytes())).or_else(|| seen.time());
        hand.time = time;
        hand.newest = hand.newest.max(time);
        hand.values.add(&seen);
        let code = number(&seen, Field::ResponseCode);
        let flags = text(&seen, Field::ResponseFlags);
        let side = text(&seen, Field::Reporter).unwrap_or_else(|| "unknown".to_owned());
        let side = hand.shared(side);
        let may_have_failed =
            hand.is_told || flags.is_some() || code.is_none_or(|code| code == 0 || code >= 400);
        hand.request = if may_have_failed { request_of(&seen, &side) } else { Vec::new() };
        if self.query.as_ref().is_some_and(|query| !query.takes(&seen)) {
            return;
        }
        let caller = self.caller(&seen, &side);
        let mut shared = |text: Option<String>| text.map(|text| hand.shared(text));
        let row = LogRow {
            time,
            code,
            flags: shared(flags.or_else(|| text(&seen, Field::Error))),
            details: shared(text(&seen, Field::ResponseCodeDetails)),
            duration: number(&seen, Field::Duration),
            caller: shared(caller),
            host: shared(text(&seen, Field::Host)),
            port: number(&seen, Field::Port).and_then(|port| u16::try_from(port).ok()),
            path: shared(text(&seen, Field::Path)),
            side,
            pod: seen.pod.map(|pod| hand.shared(pod.to_owned())),
            cause: None,
            among: None,
            line: hand.number,
            serial: 0,
            file: Arc::clone(&file),
            raw: Arc::default(),
            is_cut: false,
        };
        hand.row = Some(row);
    }

    fn other(&self) {}

    fn goes_on(&self) -> bool {
        true
    }
}
