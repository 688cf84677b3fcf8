//! Lines that are in none of the known layouts as they stand, and whose they are.

use std::sync::Arc;

use super::{Aggregate, PodName, SourceId, SourceName};
use crate::logs::access_line::AccessLine;
use crate::logs::reading::{At, Outcome, Part, Reader, Take};
use crate::logs::wrapping::Writer;
use crate::logs::ztunnel::parse_ztunnel;

impl Aggregate {
    /// Makes pods known by their names: prefixes of lines name a pod without its namespace.
    pub fn know_pods(&mut self, pods: impl IntoIterator<Item = PodName>) {
        for pod in pods {
            let known = self.pods.entry(Arc::clone(&pod.name)).or_insert_with(|| Some(pod.clone()));
            if known.as_ref() != Some(&pod) {
                *known = None;
            }
        }
    }

    /// Reads a line in none of the known layouts: by the format that somebody named, as one of ztunnel, or as one that is
    /// wrapped.
    #[cold]
    pub(super) fn add_unlike(&mut self, source: SourceId, line_no: u64, bytes: &[u8]) {
        match &self.custom.read_given(bytes) {
            Some(line) => self.add_access(source, line_no, line),
            None => match parse_ztunnel(bytes) {
                Some(line) => self.add_ztunnel(source, line_no, &line),
                None => self.add_wrapped(source, line_no, bytes),
            },
        }
    }

    /// Reads a line that is no plain one.
    fn add_wrapped(&mut self, source: SourceId, line_no: u64, bytes: &[u8]) {
        let Some(known) = self.sources.get_mut(source.0 as usize) else { return self.add_other() };
        let mut reader = known.reader.take().unwrap_or_default();
        if self.watch.is_some() {
            reader.keep_rows();
        }
        let formats = Arc::clone(&self.custom);
        let outcome = reader.read(line_no, bytes, &formats, &mut |writer, at, line| {
            self.add_at(source, (line_no, bytes), writer, at, line);
        });
        self.show_given_up(source, line_no, bytes, &mut reader);
        match outcome.part {
            _ if outcome.access => {}
            Part::EndsWord => self.counts.lines.joined += 1,
            // It is shown when it is known what it is.
            Part::Waits => self.count_other(),
            Part::None => self.add_other(),
        }
        if !outcome.access && outcome.part != Part::EndsWord {
            self.add_message(source, line_no, bytes);
        }
        self.take_back(source, &outcome);
        if let Some(known) = self.sources.get_mut(source.0 as usize) {
            known.reader = Some(reader);
            known.unread += u64::from(outcome.unread);
        }
    }

    /// Takes lines that were counted as other for what they are: parts of one that is whole now.
    fn take_back(&mut self, source: SourceId, outcome: &Outcome) {
        let lines = &mut self.counts.lines;
        lines.read -= outcome.joined + outcome.ended;
        lines.other -= outcome.joined + outcome.ended;
        lines.joined += outcome.joined + outcome.ended.saturating_sub(1);
        if let Some(known) = self.sources.get_mut(source.0 as usize) {
            known.unread = known.unread.saturating_sub(outcome.joined_unread + outcome.ended_unread);
        }
    }

    /// Counts a line of the access log, and shows it as it stands.
    fn add_at(
        &mut self,
        source: SourceId,
        (number, bytes): (u64, &[u8]),
        writer: Option<Writer<'_>>,
        at: At<'_>,
        line: &AccessLine<'_>,
    ) {
        let owner = writer.map_or(source, |writer| self.source_of(source, writer));
        if self.watch.is_some() {
            match at.rows {
                [] => self.show_line(source, number, bytes),
                rows => {
                    let texts: Vec<_> = rows.iter().map(|(_, text)| text.as_slice()).collect();
                    self.show_line(source, at.first, &texts.join(&b'\n'));
                }
            }
        }
        self.add_access(owner, at.first, line);
    }

    /// Shows the lines that waited in vain, and then the one in hand again.
    fn show_given_up(&mut self, source: SourceId, number: u64, bytes: &[u8], reader: &mut Reader) {
        let Some(watch) = self.watch.clone() else { return };
        let rows = reader.take_given_up();
        for (number, text) in &rows {
            self.show_line(source, *number, text);
            watch.other();
        }
        self.show_line(source, number, bytes);
    }

    /// Nothing follows in a source: what waits for more is whole as it is, or none.
    pub fn end_lines(&mut self, source: SourceId) {
        self.end_waiting(source, (0, b""), Reader::end);
    }

    /// A line by itself ends what waits for the rest of a line.
    #[cold]
    pub(super) fn end_broken(&mut self, source: SourceId, number: u64, bytes: &[u8]) {
        self.end_waiting(source, (number, bytes), |reader, take| {
            let mut outcome = Outcome::default();
            reader.end_broken(&mut outcome, take);
            outcome
        });
    }

    fn end_waiting(
        &mut self,
        source: SourceId,
        line: (u64, &[u8]),
        end: impl FnOnce(&mut Reader, &mut Take<'_>) -> Outcome,
    ) {
        let known = self.sources.get_mut(source.0 as usize);
        let Some(mut reader) = known.and_then(|known| known.reader.take()) else { return };
        let outcome = end(&mut reader, &mut |writer, at, line| {
            self.add_at(source, (at.first, b""), writer, at, line);
        });
        self.show_given_up(source, line.0, line.1, &mut reader);
        self.take_back(source, &outcome);
        if let Some(known) = self.sources.get_mut(source.0 as usize) {
            known.reader = Some(reader);
        }
    }

    /// The source that stands for the lines of a pod in a source. What a line says of its pod counts before what its
    /// file does. A name without namespace is a pod only where there is one pod of that name.
    pub(super) fn source_of(&mut self, source: SourceId, writer: Writer<'_>) -> SourceId {
        let key = (source, format!("{}/{}", writer.namespace.unwrap_or_default(), writer.name));
        if let Some(known) = self.writers.get(&key) {
            return *known;
        }
        let Some(name) = self.source(source).cloned() else { return source };
        let same_name = name.pod.as_ref().filter(|pod| &*pod.name == writer.name);
        let pod = match writer.namespace {
            Some(namespace) => Some(PodName { namespace: namespace.into(), name: writer.name.into() }),
            None => same_name.or_else(|| self.pods.get(writer.name)?.as_ref()).cloned(),
        };
        let id = if pod == name.pod { source } else { self.add_source(SourceName { pod, ..name }) };
        self.writers.insert(key, id);
        id
    }
}
