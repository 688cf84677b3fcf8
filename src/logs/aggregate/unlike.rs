//! Lines that are in none of the known layouts as they stand, and whose they are.

use std::sync::Arc;

use super::{Aggregate, PodName, SourceId, SourceName};
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
        let formats = Arc::clone(&self.custom);
        let outcome = reader.read(line_no, bytes, &formats, &mut |writer, first, line| {
            let source = writer.map_or(source, |writer| self.source_of(source, writer));
            self.add_access(source, first, line);
        });
        if outcome.ends_word {
            self.counts.lines.joined += 1;
        } else if !outcome.access {
            self.add_other();
            self.add_message(source, line_no, bytes);
        }
        self.counts.lines.read -= outcome.joined;
        self.counts.lines.other -= outcome.joined;
        self.counts.lines.joined += outcome.joined;
        if let Some(known) = self.sources.get_mut(source.0 as usize) {
            known.reader = Some(reader);
            known.unread = known.unread + u64::from(outcome.unread) - outcome.joined_unread;
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
