//! Log files: lines out of blocks, and the pod that a path names.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Component, Path};
use std::sync::Arc;

use super::blocks::{Blocks, Handing, lines, lines_while};
use super::input::Input;
use super::{Bundle, Problem, beside};
use crate::logs::{
    Aggregate, Formats, PodName, SourceId, SourceName, Watch, is_access_line, is_of_other_layout,
    parse_message, parse_ztunnel,
};
use crate::model::{Kind, ObjectId, Origin, Snapshot};

/// What a text turns out to be when all of it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    Log,
    Objects,
    Neither,
}

/// Looks through a text whose beginning did not tell what it is.
pub(super) fn look_through(input: Input<'_>, formats: &Formats) -> Whole {
    let (mut log, mut objects) = (false, false);
    let read = lines_while(input.text, Handing::Full, |_, line| {
        log = is_access_line(line, formats)
            || is_of_other_layout(line)
            || parse_ztunnel(line).is_some()
            || parse_message(line).is_some();
        // Text that speaks of objects, such as a command with one in quotes, is none.
        let is_json = line.trim_ascii_start().first().is_some_and(|byte| b"{[\"".contains(byte));
        objects = objects
            || line.starts_with(b"apiVersion:")
            || is_json && memchr::memmem::find(line, b"\"apiVersion\"").is_some();
        // One line of a log is enough to make it one.
        !log
    });
    match (read, log, objects) {
        (Ok(_), true, _) => Whole::Log,
        (Ok(_), false, true) => Whole::Objects,
        (Ok(_), false, false) | (Err(_), _, _) => Whole::Neither,
    }
}

/// Folds a log into the bundle. False when not one line is an access-log line, in whatever layout.
pub(super) fn read_log(
    input: Input<'_>,
    pod: Option<PodName>,
    bundle: &mut Bundle,
    watch: Option<&Arc<dyn Watch>>,
) -> bool {
    let file = Arc::clone(&input.name);
    let pod = pod.or_else(|| pod_of_path(&file, &bundle.snapshot));
    let logs = &mut bundle.logs;
    let before = logs.lines().parsed;
    let lines_before = all_lines(logs);
    let messages = logs.message_count();
    let source = logs.add_source(SourceName { file: Arc::clone(&file), pod });
    let threads = beside::threads();
    let (last, read) = match watch {
        None if logs.looks_at_lines() => fold_one_by_one(input.text, Handing::Full, source, logs),
        None if threads > 1 => {
            beside::fold_lines(Blocks::new(input.text, Handing::Full), source, logs, threads)
        }
        None => fold_here(Blocks::new(input.text, Handing::Full), source, logs),
        Some(watch) => {
            let text = Watched { text: input.text, watch: Arc::clone(watch) };
            fold_one_by_one(text, Handing::Soon, source, logs)
        }
    };
    // Lines that were waiting for more are one that is whole, with the last of them.
    let parsed = logs.lines().parsed;
    logs.end_lines(source);
    let last = last.map(|(number, access)| (number, access || logs.lines().parsed > parsed));
    let any = logs.lines().parsed > before;
    // A log of messages alone tells something, too.
    let other = logs.unread(source) > 0 || logs.message_count() > messages;
    // A last line without its end that is whole all the same is one that is still to be ended.
    if let Some((number, false)) = last
        && any
    {
        logs.add_cut(source, number);
    }
    if let Err(error) = read {
        let origin = Origin { file, line: (all_lines(logs) - lines_before).max(1) };
        bundle.problems.push(Problem { origin, text: format!("cannot be read any further: {error}") });
    }
    any || other
}

/// The lines of files that were read, those among them that are parts of others.
fn all_lines(logs: &Aggregate) -> u64 {
    logs.lines().read + logs.lines().joined
}

/// Folds the lines on this thread. The number of the last line where it has no line feed, with whether it is one of
/// an access log.
fn fold_here(
    mut blocks: Blocks<impl Read>,
    source: SourceId,
    logs: &mut Aggregate,
) -> (Option<(u64, bool)>, std::io::Result<()>) {
    let reader = logs.block_reader(source);
    let (mut spent, mut number, mut unended) = (Vec::new(), 1, None);
    loop {
        let block = match blocks.next(spent) {
            Ok(Some(block)) => block,
            Ok(None) => return (unended.filter(|_| !blocks.is_skipping()), Ok(())),
            Err(error) => return (None, Err(error)),
        };
        let (lines, access) = logs.add_text(source, &reader, number, &block);
        number += lines;
        unended = (block.last() != Some(&b'\n')).then(|| (number.saturating_sub(1), access));
        spent = block;
    }
}

/// The same with somebody who looks at each line.
fn fold_one_by_one(
    text: impl Read,
    handing: Handing,
    source: SourceId,
    logs: &mut Aggregate,
) -> (Option<(u64, bool)>, std::io::Result<()>) {
    let mut access = false;
    let read = lines(text, handing, |number, line| {
        let before = logs.lines().parsed;
        logs.add_line(source, number, line);
        access = logs.lines().parsed > before;
    });
    match read {
        Ok(last) => (last.map(|number| (number, access)), Ok(())),
        Err(error) => (None, Err(error)),
    }
}

/// A text that ends as soon as nobody wants more of it.
struct Watched<'t> {
    text: Box<dyn Read + Send + 't>,
    watch: Arc<dyn Watch>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if !self.watch.goes_on() {
            return Ok(0);
        }
        self.text.read(buffer)
    }
}

/// Who knows which pods there are.
pub(super) trait KnowsPods {
    /// Whether there is such a pod; `None` where no pod was read at all.
    fn has(&self, namespace: &str, pod: &str) -> Option<bool>;
}

impl KnowsPods for Snapshot {
    fn has(&self, namespace: &str, pod: &str) -> Option<bool> {
        self.of_kind(&Kind::Pod).next()?;
        Some(self.get(&ObjectId::new(Kind::Pod, namespace, pod)).is_some())
    }
}

/// The pods of a snapshot, without it.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownPods(HashSet<ObjectId>);

impl KnownPods {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        Self(snapshot.of_kind(&Kind::Pod).map(|pod| pod.id.clone()).collect())
    }
}

impl KnowsPods for KnownPods {
    fn has(&self, namespace: &str, pod: &str) -> Option<bool> {
        (!self.0.is_empty()).then(|| self.0.contains(&ObjectId::new(Kind::Pod, namespace, pod)))
    }
}

/// The pod that a path names: `NS_POD_UID/CONTAINER/…`, `POD_NS_CONTAINER-ID.log`, `POD.NS.log`, `NS/POD.log`,
/// `NS/POD/CONTAINER….log`.
///
/// Any two folders look like a namespace and a pod, so a reading counts only if the objects know such a pod; where no
/// pod was read at all, if the name looks like one that a controller gave.
pub(super) fn pod_of_path(file: &str, known: &impl KnowsPods) -> Option<PodName> {
    // In an archive the path in it names a pod sooner than the archive's own.
    let within = file.rsplit_once('!').map(|(_, within)| candidates(Path::new(within)));
    let mut candidates = within.into_iter().flatten().chain(candidates(Path::new(file)));
    candidates
        .find(|(namespace, pod, sure)| known.has(namespace, pod).unwrap_or_else(|| *sure || generated(pod)))
        .map(|(namespace, name, _)| PodName { namespace: namespace.into(), name: name.into() })
}

/// Namespace, pod, and whether the form alone says that it is one.
fn candidates(path: &Path) -> Vec<(String, String, bool)> {
    let parts: Vec<_> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => Some(part.to_string_lossy()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
        })
        .collect();
    let at = |back: usize| parts.len().checked_sub(back).and_then(|at| parts.get(at)).map(|part| &**part);
    let mut found = Vec::new();
    let Some(file) = at(1) else { return found };
    let stem = file.split(".log").next().unwrap_or(file);
    let stem = [".gz", ".zst"].iter().find_map(|end| stem.strip_suffix(end)).unwrap_or(stem);
    let mut add = |namespace: &str, pod: &str, sure| {
        if !namespace.is_empty() && !pod.is_empty() {
            found.push((namespace.to_owned(), pod.to_owned(), sure));
        }
    };
    for folder in [at(2), at(3)].into_iter().flatten() {
        let mut split = folder.splitn(3, '_');
        if let (Some(namespace), Some(pod), Some(uid)) = (split.next(), split.next(), split.next()) {
            add(namespace, pod, uid.len() >= 32);
        }
    }
    let mut split = stem.splitn(3, '_');
    if let (Some(pod), Some(namespace), Some(container)) = (split.next(), split.next(), split.next()) {
        add(namespace, pod, container.rsplit('-').next().is_some_and(|id| id.len() >= 64));
    }
    if let Some((pod, namespace)) = stem.rsplit_once('.') {
        add(namespace, pod, false);
    }
    if let Some(namespace) = at(2) {
        add(namespace, stem, false);
    }
    if let (Some(pod), Some(namespace)) = (at(2), at(3)) {
        add(namespace, pod, false);
    }
    found
}

/// Whether a name ends as controllers end the names of their pods: `-x7k2p` (Kubernetes leaves out vowels and the
/// digits that look like them), or `-0`.
fn generated(pod: &str) -> bool {
    let Some((base, suffix)) = pod.rsplit_once('-') else { return false };
    let random =
        suffix.len() == 5 && suffix.bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte));
    !base.is_empty()
        && (random || (1..=5).contains(&suffix.len()) && suffix.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods(path: &str) -> Vec<String> {
        candidates(Path::new(path))
            .into_iter()
            .map(|(namespace, pod, _)| format!("{namespace}/{pod}"))
            .collect()
    }

    #[test]
    fn every_form_of_path_names_its_pod() {
        assert!(
            pods("/var/log/pods/web_client-0_8a1f/istio-proxy/0.log").contains(&"web/client-0".to_owned())
        );
        assert!(pods("client-0_web_istio-proxy-0a1b.log").contains(&"web/client-0".to_owned()));
        assert!(pods("client-0.web.log").contains(&"web/client-0".to_owned()));
        assert!(pods("mesh/logs/web/client-0.log").contains(&"web/client-0".to_owned()));
        assert!(pods("web/client-0/istio-proxy.previous.log").contains(&"web/client-0".to_owned()));
    }

    #[test]
    fn two_folders_that_are_no_pod_name_none() {
        assert_eq!(pod_of_path("incident/access.log", &Snapshot::default()), None);
        assert!(pod_of_path("web/client-6b88d69f-xxfkn.log", &Snapshot::default()).is_some());
    }
}
