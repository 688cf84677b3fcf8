//! What was read, and the logs of it that are still followed.

use std::io::Read;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::follow::{Looked, Tails};
use super::input::{self, Content, Path};
use super::lines::Splitter;
use super::{Bundle, Error, Objects, Waiting, archived, log};
use crate::logs::{SourceId, SourceName, Watch};

/// A log that comes through a pipe: only its reader can wait for more of it.
pub type Stream = Box<dyn Read + Send>;

/// A bundle into which what is added to its logs is folded.
pub struct Followed {
    /// What was read so far.
    pub bundle: Bundle,
    /// The logs that grow.
    pub tails: Tails,
    ids: FxHashMap<SourceName, SourceId>,
    piped: Splitter,
}

impl std::fmt::Debug for Followed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Followed").field("tails", &self.tails).finish_non_exhaustive()
    }
}

impl Objects<'_> {
    /// Follows the logs. What cannot grow is read at once; what can is read by [`Followed::look`], and what comes
    /// through standard input is handed back, for whoever can wait for it, and given to [`Followed::add`].
    ///
    /// # Errors
    ///
    /// As [`super::read`].
    pub fn follow(self, watch: Option<&Arc<dyn Watch>>) -> Result<(Followed, Option<Stream>), Error> {
        let Self { request, mut bundle, logs, formats } = self;
        let mut tails = Tails::new(formats, &bundle.snapshot);
        let mut stream = None;
        bundle.logs.set_watch(watch.cloned());
        for (path, pod) in &request.logs {
            let input = input::log_file(path)?;
            let name = Arc::clone(&input.name);
            match input.own_path().filter(|_| input.content == Content::Log) {
                Some(path) => tails.add(path.clone(), name, Some(pod.clone())),
                None => super::read_log_of(input, pod, &mut bundle, watch),
            }
        }
        for (path, waiting) in logs {
            match waiting {
                Waiting::One(input) => {
                    let name = Arc::clone(&input.name);
                    if let Some(path) = input.own_path() {
                        tails.add(path.clone(), name, None);
                    } else if *path == Path::Standard {
                        stream = Some(input.text);
                    } else {
                        log::read_log(input, None, &mut bundle, watch);
                    }
                }
                Waiting::Many(archive) => {
                    archived::read_logs(&archive, None, &mut bundle, watch);
                }
            }
        }
        for path in &request.paths {
            if let Path::File(path) = path
                && path.is_dir()
            {
                tails.add_folder(path.clone());
            }
        }
        Ok((Followed { bundle, tails, ids: FxHashMap::default(), piped: Splitter::default() }, stream))
    }
}

impl Followed {
    /// Folds in what was added to the logs, up to about so many bytes.
    pub fn look(&mut self, bytes: usize) -> Looked {
        let Self { bundle, tails, ids, piped: _ } = self;
        tails.look(bytes, &mut |source, number, line| {
            fold(bundle, ids, source, number, line);
        })
    }

    /// Folds in what came through standard input.
    pub fn add(&mut self, bytes: &[u8]) {
        let Self { bundle, tails: _, ids, piped } = self;
        piped.add(bytes, &mut |number, line| {
            fold(bundle, ids, &standard(), number, line);
        });
    }

    /// Folds in the last lines, which have no end so far, as those of files that are read once are.
    pub fn end(&mut self) {
        let Self { bundle, tails, ids, piped } = self;
        piped.end(&mut |number, line| fold_last(bundle, ids, &standard(), number, line));
        tails.end(&mut |source, number, line| fold_last(bundle, ids, source, number, line));
        let mut sources: Vec<_> = ids.values().copied().collect();
        sources.sort_unstable();
        for source in sources {
            bundle.logs.end_lines(source);
        }
        self.bundle.logs.set_watch(None);
    }
}

fn standard() -> SourceName {
    SourceName { file: "-".into(), pod: None }
}

fn fold(
    bundle: &mut Bundle,
    ids: &mut FxHashMap<SourceName, SourceId>,
    source: &SourceName,
    number: u64,
    line: &[u8],
) -> SourceId {
    let id = match ids.get(source) {
        Some(id) => *id,
        None => *ids.entry(source.clone()).or_insert_with_key(|name| bundle.logs.add_source(name.clone())),
    };
    bundle.logs.add_line(id, number, line);
    id
}

/// One that is whole all the same is still to be ended; any other is cut off.
fn fold_last(
    bundle: &mut Bundle,
    ids: &mut FxHashMap<SourceName, SourceId>,
    source: &SourceName,
    number: u64,
    line: &[u8],
) {
    let before = bundle.logs.lines().parsed;
    let id = fold(bundle, ids, source, number, line);
    if bundle.logs.lines().parsed == before && before > 0 {
        bundle.logs.add_cut(id, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{self, Request};

    const LINE: &str = "[2026-03-02T09:00:00.101Z] \"GET / HTTP/1.1\" 200 - 0 91 12 - \"-\" \"curl\" \"id\" \"cart\" \
                        \"10.8.1.8:80\"";

    /// A bundle that is followed says of its logs what one that is read says.
    #[test]
    fn a_log_that_is_followed_to_its_end_is_as_one_that_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.log");
        for (text, cut) in [
            (format!("{LINE}\n{LINE}\n"), 0),
            (format!("{LINE}\n{LINE}"), 0),
            (format!("{LINE}\n{}", LINE.get(..40).unwrap()), 1),
            (format!("ready\n{LINE}\nready\n"), 0),
        ] {
            std::fs::write(&file, &text).unwrap();
            let request = Request { paths: vec![Path::File(file.clone())], logs: Vec::new() };
            let read = bundle::read(&request).unwrap();
            let (mut followed, stream) = bundle::objects(&request, None).unwrap().follow(None).unwrap();
            assert!(stream.is_none());
            while followed.look(usize::MAX).more {}
            followed.end();
            assert_eq!(followed.bundle.logs.lines(), read.logs.lines(), "{text}");
            let cuts = [&followed.bundle.logs, &read.logs].map(|logs| logs.cut().count());
            assert_eq!(cuts, [cut, cut], "{text}");
        }
    }
}
