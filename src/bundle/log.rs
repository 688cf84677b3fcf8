//! Log files: lines out of blocks, and the pod that a path names.

use std::io::Read;
use std::path::{Component, Path};
use std::sync::Arc;

use super::input::Input;
use super::{BLOCK, Bundle, Problem};
use crate::logs::{Formats, PodName, SourceName, Watch, is_access_line, is_of_other_layout, parse_ztunnel};
use crate::model::{Kind, ObjectId, Origin, Snapshot};

/// A line longer than this is read up to here and its rest skipped: no proxy writes one.
const LONGEST: usize = 4 * 1024 * 1024;

/// What a text turns out to be when all of it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    Log,
    Objects,
    Neither,
}

/// Looks through a text whose beginning did not tell what it is.
pub(super) fn look_through(input: Input, formats: &Formats) -> Whole {
    let (mut log, mut objects) = (false, false);
    let read = lines(input.text, |_, line| {
        log =
            log || is_access_line(line, formats) || is_of_other_layout(line) || parse_ztunnel(line).is_some();
        // Text that speaks of objects, such as a command with one in quotes, is none.
        let is_json = line.trim_ascii_start().first().is_some_and(|byte| b"{[\"".contains(byte));
        objects = objects
            || line.starts_with(b"apiVersion:")
            || is_json && memchr::memmem::find(line, b"\"apiVersion\"").is_some();
    });
    match (read, log, objects) {
        (Ok(_), true, _) => Whole::Log,
        (Ok(_), false, true) => Whole::Objects,
        (Ok(_), false, false) | (Err(_), _, _) => Whole::Neither,
    }
}

/// Folds a log into the bundle. False when not one line is an access-log line, in whatever layout.
pub(super) fn read_log(
    input: Input,
    pod: Option<PodName>,
    bundle: &mut Bundle,
    watch: Option<&Arc<dyn Watch>>,
) -> bool {
    let file = Arc::clone(&input.name);
    let pod = pod.or_else(|| pod_of_path(&file, &bundle.snapshot));
    let logs = &mut bundle.logs;
    let before = logs.lines().parsed;
    let source = logs.add_source(SourceName { file: Arc::clone(&file), pod });
    let mut before_last = before;
    let text = Watched { text: input.text, watch: watch.cloned() };
    let read = lines(text, |number, line| {
        before_last = logs.lines().parsed;
        logs.add_line(source, number, line);
    });
    let parsed = logs.lines().parsed;
    let any = parsed > before;
    let other = logs.unread(source) > 0;
    match read {
        // A last line without its end that is whole all the same is one that is still to be ended.
        Ok(Some(number)) if any && parsed == before_last => logs.add_cut(source, number),
        Ok(_) => {}
        Err(error) => {
            let origin = Origin { file, line: 1 };
            bundle.problems.push(Problem { origin, text: format!("cannot be read to its end: {error}") });
        }
    }
    any || other
}

/// A text that ends as soon as nobody wants more of it.
struct Watched {
    text: Box<dyn Read + Send>,
    watch: Option<Arc<dyn Watch>>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.watch.as_ref().is_some_and(|watch| !watch.goes_on()) {
            return Ok(0);
        }
        self.text.read(buffer)
    }
}

/// Hands on each line with its number, from 1, without its line end. The number of the last is returned where it has
/// no line end.
pub(super) fn lines(mut text: impl Read, mut each: impl FnMut(u64, &[u8])) -> std::io::Result<Option<u64>> {
    let mut buffer = vec![0; BLOCK];
    let mut filled = 0;
    let mut number = 0;
    let mut skipping = false;
    loop {
        let read = match text.read(buffer.get_mut(filled..).unwrap_or_default()) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = filled + read;
        let mut begin = 0;
        let seen = buffer.get(..end).unwrap_or_default();
        for newline in memchr::memchr_iter(b'\n', seen.get(filled..).unwrap_or_default()) {
            let newline = filled + newline;
            if !std::mem::take(&mut skipping) {
                number += 1;
                each(number, seen.get(begin..newline).unwrap_or_default());
            }
            begin = newline + 1;
        }
        if read == 0 {
            let unfinished = (begin < end && !skipping).then_some(number + 1);
            if let Some(number) = unfinished {
                each(number, seen.get(begin..).unwrap_or_default());
            }
            return Ok(unfinished);
        }
        buffer.copy_within(begin..end, 0);
        filled = end - begin;
        if filled == buffer.len() && filled < LONGEST {
            buffer.resize(filled * 2, 0);
        } else if filled >= LONGEST {
            if !skipping {
                number += 1;
                each(number, buffer.get(..filled).unwrap_or_default());
            }
            skipping = true;
            filled = 0;
        }
    }
}

/// The pod that a path names: `NS_POD_UID/CONTAINER/…`, `POD_NS_CONTAINER-ID.log`, `POD.NS.log`, `NS/POD.log`,
/// `NS/POD/CONTAINER….log`.
///
/// Any two folders look like a namespace and a pod, so a reading counts only if the objects know such a pod; where no
/// pod was read at all, if the name looks like one that a controller gave.
fn pod_of_path(file: &str, snapshot: &Snapshot) -> Option<PodName> {
    let any_pod = snapshot.of_kind(&Kind::Pod).next().is_some();
    candidates(Path::new(file))
        .into_iter()
        .find(|(namespace, pod, sure)| {
            if any_pod {
                snapshot.get(&ObjectId::new(Kind::Pod, namespace.as_str(), pod.as_str())).is_some()
            } else {
                *sure || generated(pod)
            }
        })
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
    !base.is_empty() && (random || !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_digit()))
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

    #[test]
    fn lines_are_whole_whatever_the_blocks() {
        let text = format!("a\r\n{}\n\nlast", "x".repeat(BLOCK * 3));
        let mut seen = Vec::new();
        lines(text.as_bytes(), |number, line| seen.push((number, line.len()))).unwrap();
        assert_eq!(seen, [(1, 2), (2, BLOCK * 3), (3, 0), (4, 4)]);
    }

    #[test]
    fn a_line_without_end_costs_bounded_memory_and_one_number() {
        let text = [vec![b'x'; LONGEST * 2 + 5], b"\nnext\n".to_vec()].concat();
        let mut seen = Vec::new();
        lines(text.as_slice(), |number, line| seen.push((number, line.len()))).unwrap();
        assert_eq!(seen, [(1, LONGEST), (2, 4)]);
    }
}
