//! The lines that `logs` was asked for, taken while all lines are folded.
//!
//! All lines are counted as ever, because a cause rests on the lines of both sides: a query that takes only those of
//! one side must not make it another cause. What is selected is counted besides, or written out line by line, so
//! memory does not grow with the input.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::logs::{
    Aggregate, AnyLine, ByFields, Field, GroupIndex, Limits, PodName, PodOf, Query, Seen, SourceId,
    SourceName, UpstreamCluster, Watch, value, write_other, write_record,
};
use crate::resolve::Mesh;

/// Whether lines of that pod (`namespace/name`) that go to that host are wanted.
pub type Takes = Box<dyn Fn(Option<&str>, Option<&str>) -> bool + Send + Sync>;

/// Takes what is written while lines are read, and says whether more is wanted.
pub type Records = Box<dyn FnMut(Shown<'_>) -> bool + Send>;

/// What is written while lines are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown<'s> {
    /// A line as a record (`-o ndjson`).
    Record(&'s str),
    /// A line as it was written.
    Line {
        /// The pod that wrote it.
        pod: Option<&'s str>,
        /// The file in which it stands.
        file: &'s str,
        /// The line.
        raw: &'s [u8],
    },
    /// All that was read so far was handed on, and more is waited for.
    Waiting,
}

/// Lines that are none of an access log are kept up to this number, and up to so many bytes each.
const OTHERS: usize = 1000;
const OTHER_BYTES: usize = 4096;

/// What is asked for.
#[derive(Default)]
pub struct Asked {
    /// `--where`.
    pub query: Option<Query>,
    /// `--since`, in microseconds since the epoch.
    pub since: Option<i64>,
    /// `--until`.
    pub until: Option<i64>,
    /// `--group-by`.
    pub group_by: Vec<Field>,
    /// `--other`.
    pub other: bool,
    /// `--raw`.
    pub raw: bool,
    /// Pods, services and namespaces.
    pub takes: Option<Takes>,
}

/// A line that is none of an access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherLine {
    /// The file.
    pub file: Arc<str>,
    /// Its number.
    pub line: u64,
    /// The line.
    pub raw: String,
}

/// What was selected so far.
pub struct Selection {
    mesh: Arc<Mesh>,
    asked: Asked,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    source: Option<SourceName>,
    /// The sources of the file in hand, by the pod.
    source_ids: FxHashMap<Option<PodName>, SourceId>,
    source_pod: Option<String>,
    number: u64,
    raw: Vec<u8>,
    /// The groups of the lines selected.
    pub(super) chosen: Aggregate,
    /// The same by the fields asked for.
    pub(super) by: Option<ByFields>,
    /// How many lines of each group of all lines were selected.
    pub(super) taken: FxHashMap<GroupIndex, u64>,
    pub(super) selected: u64,
    /// Lines without time, where times are asked for: they are not selected.
    pub(super) without_time: u64,
    pub(super) others: Vec<OtherLine>,
    /// How many more there were.
    pub(super) others_left: u64,
    records: Option<Records>,
    /// Whether lines are handed on as they were written, and kept in groups besides.
    shows_lines: bool,
    stopped: bool,
    text: String,
}

impl fmt::Debug for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selection").field("query", &self.asked.query).finish_non_exhaustive()
    }
}

impl Selection {
    /// A selection of lines of a mesh; with `records`, each line is handed on as a record and kept in no group.
    pub fn new(mesh: Arc<Mesh>, asked: Asked, records: Option<Records>) -> Self {
        let limits = Limits { joins: 0, ..Limits::default() };
        let by = (!asked.group_by.is_empty()).then(|| ByFields::new(asked.group_by.clone(), limits));
        let state = State { chosen: Aggregate::with_limits(limits), by, records, ..State::default() };
        Self { mesh, asked, state: Mutex::new(state) }
    }

    /// A selection that keeps lines in groups and hands on each as it was written.
    pub fn showing_lines(mesh: Arc<Mesh>, asked: Asked, lines: Records) -> Self {
        let selection = Self::new(mesh, asked, Some(lines));
        selection.state().shows_lines = true;
        selection
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is asked for.
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// All lines were taken, and counted by fields while they were read.
    pub fn takes_all(&self, logs: &Aggregate, by: Option<ByFields>) {
        let mut state = self.state();
        state.by = by;
        state.selected = logs.lines().parsed;
        state.taken = logs.lines_of_groups().collect();
    }

    fn pod_path(&self, pod: &PodOf) -> Option<String> {
        pod_path(&self.mesh, pod)
    }

    /// Whether a line is wanted; and whether only its time is missing.
    fn is_wanted(&self, seen: &Seen<'_>) -> (bool, bool) {
        let Asked { query, since, until, takes, .. } = &self.asked;
        // A name is looked for in all lines: those that a query leaves out have it too.
        let wanted = takes.as_ref().is_none_or(|takes| takes(seen.pod, host_of(&seen.line).as_deref()))
            && query.as_ref().is_none_or(|query| query.takes(seen));
        if !wanted || since.is_none() && until.is_none() {
            return (wanted, false);
        }
        let Some(time) = seen.time() else { return (false, true) };
        (since.is_none_or(|since| time >= since) && until.is_none_or(|until| time <= until), false)
    }
}

/// `namespace/name` of a pod, by the objects where only its address is known.
pub fn pod_path(mesh: &Mesh, pod: &PodOf) -> Option<String> {
    match pod {
        PodOf::Named(pod) => Some(format!("{}/{}", pod.namespace, pod.name)),
        PodOf::Address(address) => {
            let workload = mesh.workloads.get(mesh.workloads.by_address(address)?)?;
            Some(format!("{}/{}", workload.namespace, workload.pod.as_ref()?))
        }
        PodOf::Unknown => None,
    }
}

/// The service's host: of the upstream cluster, or as ztunnel names it.
fn host_of(line: &AnyLine<'_>) -> Option<String> {
    match line {
        AnyLine::Envoy(line) => {
            let host = UpstreamCluster::parse(value(line.upstream_cluster)?).host?;
            Some(String::from_utf8_lossy(host).into_owned())
        }
        AnyLine::Ztunnel(line) => line.dst_service.as_deref().map(str::to_owned),
    }
}

impl State {
    /// Hands on the record in `text`.
    fn hand_on(&mut self) {
        if let Some(records) = &mut self.records {
            self.stopped |= !records(Shown::Record(&self.text));
        }
    }

    /// Hands on the line as it was written.
    fn hand_on_raw(&mut self, pod: Option<&str>, file: &str) {
        if let Some(records) = &mut self.records {
            self.stopped |= !records(Shown::Line { pod, file, raw: &self.raw });
        }
    }

    fn count(&mut self, seen: &Seen<'_>, pod: &PodOf, group: Option<GroupIndex>) {
        if let Some(group) = group {
            *self.taken.entry(group).or_default() += 1;
        }
        if let Some(by) = &mut self.by {
            by.add(seen);
            return;
        }
        let Some(name) = &self.source else { return };
        // A prefix may say of a line that it is another pod's than its file is.
        let pod = match pod {
            PodOf::Named(pod) => Some(pod),
            PodOf::Address(_) | PodOf::Unknown => None,
        };
        let (file, chosen) = (&name.file, &mut self.chosen);
        let source = |pod: &Option<PodName>| SourceName { file: Arc::clone(file), pod: pod.clone() };
        let pod = pod.cloned();
        let id = match self.source_ids.get(&pod) {
            Some(id) => *id,
            None => *self.source_ids.entry(pod).or_insert_with_key(|pod| chosen.add_source(source(pod))),
        };
        match seen.line {
            AnyLine::Envoy(line) => self.chosen.add_access(id, seen.number, line),
            AnyLine::Ztunnel(line) => self.chosen.add_ztunnel(id, seen.number, line),
        }
    }
}

impl Watch for Selection {
    fn line(&self, source: &SourceName, number: u64, bytes: &[u8]) {
        let mut state = self.state();
        if state.source.as_ref() != Some(source) {
            state.source = Some(source.clone());
            state.source_ids.clear();
            let pod = source.pod.clone().map(PodOf::Named);
            state.source_pod = pod.and_then(|pod| self.pod_path(&pod));
        }
        state.number = number;
        if self.asked.raw || self.asked.other || state.shows_lines {
            state.raw.clear();
            state.raw.extend_from_slice(bytes.trim_ascii_end());
        }
    }

    fn access(&self, line: AnyLine<'_>, of: &PodOf, group: Option<GroupIndex>) {
        let mut state = self.state();
        let file = state.source.as_ref().map(|source| Arc::clone(&source.file)).unwrap_or_default();
        let pod = self.pod_path(of);
        let seen = Seen { line, pod: pod.as_deref(), file: &file, number: state.number };
        let (wanted, timeless) = self.is_wanted(&seen);
        state.without_time += u64::from(timeless);
        if !wanted || state.stopped {
            return;
        }
        state.selected += 1;
        if state.shows_lines {
            state.hand_on_raw(pod.as_deref(), &file);
        }
        if state.records.is_none() || state.shows_lines {
            return state.count(&seen, of, group);
        }
        let mut text = std::mem::take(&mut state.text);
        text.clear();
        write_record(&mut text, &seen, self.asked.raw.then_some(&*state.raw));
        state.text = text;
        state.hand_on();
    }

    fn other(&self) {
        let mut state = self.state();
        if !self.asked.other || state.stopped {
            return;
        }
        if self.asked.takes.as_ref().is_some_and(|takes| !takes(state.source_pod.as_deref(), None)) {
            return;
        }
        let file = state.source.as_ref().map(|source| Arc::clone(&source.file)).unwrap_or_default();
        if state.shows_lines {
            let pod = state.source_pod.clone();
            state.hand_on_raw(pod.as_deref(), &file);
        } else if state.records.is_some() {
            let mut text = std::mem::take(&mut state.text);
            text.clear();
            write_other(&mut text, state.source_pod.as_deref(), &file, state.number, &state.raw);
            state.text = text;
            state.hand_on();
        } else if state.others.len() < OTHERS {
            let shown = state.raw.get(..OTHER_BYTES.min(state.raw.len())).unwrap_or_default();
            let raw = String::from_utf8_lossy(shown).into_owned();
            let line = state.number;
            state.others.push(OtherLine { file, line, raw });
        } else {
            state.others_left += 1;
        }
    }

    fn goes_on(&self) -> bool {
        let mut state = self.state();
        if let Some(records) = &mut state.records {
            let wanted = records(Shown::Waiting);
            state.stopped |= !wanted;
        }
        !state.stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Snapshot;
    use crate::resolve::Options;

    const LINE: &str = "[2026-03-02T09:00:00.101Z] \"GET / HTTP/1.1\" 200 - 0 91 12 - \"-\" \"curl\" \"id\" \"cart\" \
                        \"10.8.1.8:80\"";

    /// How many records are handed on of four lines, where so many are wanted; and whether more lines are.
    fn handed_on(wanted: usize, asked: Asked) -> (usize, bool) {
        let mesh = Mesh::new(&Snapshot::default(), &Options::default());
        let count = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&count);
        let records: Records = Box::new(move |shown| {
            let mut count = counter.lock().unwrap();
            *count += usize::from(shown != Shown::Waiting);
            *count < wanted
        });
        let selection = Arc::new(Selection::new(mesh, asked, Some(records)));
        let watch: Arc<dyn Watch> = Arc::<Selection>::clone(&selection);
        let mut logs = Aggregate::new();
        logs.set_watch(Some(watch));
        let source = logs.add_source(SourceName { file: "a.log".into(), pod: None });
        for (number, line) in (1..).zip([LINE, "ready", LINE, LINE]) {
            logs.add_line(source, number, line.as_bytes());
        }
        assert_eq!((logs.lines().parsed, logs.lines().other), (3, 1), "what is counted stays the same");
        let handed_on = *count.lock().unwrap();
        (handed_on, selection.goes_on())
    }

    #[test]
    fn a_reader_that_has_enough_gets_no_more() {
        assert_eq!(handed_on(9, Asked::default()), (3, true));
        assert_eq!(handed_on(2, Asked::default()), (2, false));
        assert_eq!(handed_on(9, Asked { other: true, ..Asked::default() }), (4, true));
        assert_eq!(handed_on(2, Asked { other: true, ..Asked::default() }), (2, false));
    }

    #[test]
    fn only_lines_that_are_wanted_are_handed_on() {
        let none = Query::parse("code = 404").ok();
        assert_eq!(handed_on(9, Asked { query: none, ..Asked::default() }), (0, true));
        let takes: Takes = Box::new(|pod, host| pod.is_some() || host.is_some());
        assert_eq!(handed_on(9, Asked { takes: Some(takes), other: true, ..Asked::default() }), (0, true));
    }
}
