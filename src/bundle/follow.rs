//! Logs that grow: what was added to them since they were last looked at.
//!
//! A log is known by its path, as for `tail -F`: where another file takes its place (it was rotated), that one is read
//! from its beginning, and the old one for a while longer, since its writer may still hold it. One that became shorter
//! was emptied and is read from its beginning. One that is gone is waited for. A line is handed on when its end is
//! there. One that was emptied and grew past its old length between two looks is told by the bytes before the place
//! that was reached: they are others then. Files that appear in a folder are taken up, but not packed ones: they hold what was read before.

use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
#[cfg(unix)]
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::BLOCK;
use super::input::{self, Content};
use super::lines::Splitter;
use super::log::{self, Whole};
use crate::logs::{Formats, PodName, SourceName};
use crate::model::Snapshot;

/// A file that another one replaced is looked at so often again.
const LOOKS_BEHIND: u32 = 20;
/// So many bytes before the place that was reached tell whether they are still the same.
const BEFORE: usize = 256;
/// Folders are gone through each so many times only.
const FOLDERS_EACH: u32 = 4;

/// Takes a line up: its source, its number, its bytes.
pub(super) type Each<'e> = dyn FnMut(&SourceName, u64, &[u8]) + 'e;

/// What came of a look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// Whether there is more to read at once.
    pub more: bool,
    /// What became of files.
    pub messages: Vec<String>,
}

/// The logs that are followed.
#[derive(Debug, Default)]
pub struct Tails {
    logs: Vec<Tail>,
    /// Files that others replaced, and how often they will still be looked at.
    behind: Vec<(Tail, u32)>,
    folders: Vec<PathBuf>,
    /// Files of the folders that were looked at and not taken up, with their size then.
    others: HashMap<PathBuf, u64>,
    /// Files that were read, under whatever name they are now.
    read: HashSet<Identity>,
    formats: Formats,
    pods: log::KnownPods,
    looks: u32,
}

/// What tells a file from others, whatever its name: device and number.
type Identity = (u64, u64);

/// Where it is not known, a file that was replaced is noticed when it is shorter.
#[allow(clippy::unnecessary_wraps, reason = "systems besides Unix have none")]
fn identity(metadata: &Metadata) -> Option<Identity> {
    #[cfg(unix)]
    return Some((metadata.dev(), metadata.ino()));
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

/// One log.
#[derive(Debug)]
struct Tail {
    path: PathBuf,
    source: SourceName,
    file: Option<File>,
    identity: Option<Identity>,
    /// How many bytes were read.
    at: u64,
    lines: Splitter,
    is_gone: bool,
    /// The last bytes that were read.
    before: Vec<u8>,
    /// When the file was changed last, as far as it was looked at.
    changed: Option<SystemTime>,
    /// What keeps it from being read, if it was said.
    fault: Option<ErrorKind>,
}

/// What became of a log's path.
enum Turn {
    Same,
    Emptied,
    Replaced,
    Gone,
}

impl Tail {
    fn new(path: PathBuf, source: SourceName) -> Self {
        let mut tail = Self {
            path,
            source,
            file: None,
            identity: None,
            at: 0,
            lines: Splitter::default(),
            is_gone: false,
            before: Vec::new(),
            changed: None,
            fault: None,
        };
        tail.open();
        tail
    }

    fn open(&mut self) {
        self.file = File::open(&self.path).ok();
        self.identity = self.file.as_ref().and_then(|file| identity(&file.metadata().ok()?));
        self.at = 0;
        self.before.clear();
    }

    /// Whether the text up to the place that was reached is another one now. It is looked at where the file was changed.
    fn is_other_text(&mut self) -> std::io::Result<bool> {
        let Some(file) = &mut self.file else { return Ok(false) };
        let metadata = file.metadata()?;
        // The clock of a file system may be slower than those who write.
        let changed = metadata.modified().ok();
        let is_as_before = metadata.len() == self.at && changed.is_some() && changed == self.changed;
        if self.before.is_empty() || metadata.len() < self.at || is_as_before {
            return Ok(false);
        }
        self.changed = changed;
        let mut now = vec![0; self.before.len()];
        file.seek(SeekFrom::Start(self.at - self.before.len() as u64))?;
        let read = file.read_exact(&mut now);
        file.seek(SeekFrom::Start(self.at))?;
        Ok(read.is_ok() && now != self.before)
    }

    /// Begins anew with a file that was emptied.
    fn begin_again(&mut self, each: &mut Each<'_>, looked: &mut Looked) {
        self.end(each);
        self.lines = Splitter::default();
        if self.file.as_mut().is_none_or(|file| file.seek(SeekFrom::Start(0)).is_err()) {
            self.open();
        }
        self.at = 0;
        self.before.clear();
        let name = &self.source.file;
        looked.messages.push(format!("{name} was emptied; it is read from its beginning"));
        looked.more = true;
    }

    /// Reads what there is, up to a number of bytes. Whether there is more.
    fn read(&mut self, budget: &mut usize, each: &mut Each<'_>, messages: &mut Vec<String>) -> bool {
        let Some(file) = &mut self.file else { return false };
        let mut buffer = vec![0; BLOCK];
        loop {
            if *budget == 0 {
                return true;
            }
            let most = buffer.len().min(*budget);
            match file.read(buffer.get_mut(..most).unwrap_or_default()) {
                Ok(0) => return false,
                Ok(read) => {
                    self.at += read as u64;
                    *budget -= read;
                    let source = &self.source;
                    let new = buffer.get(..read).unwrap_or_default();
                    self.fault = None;
                    self.before.extend_from_slice(new.get(read.saturating_sub(BEFORE)..).unwrap_or_default());
                    self.before.drain(..self.before.len().saturating_sub(BEFORE));
                    self.lines.add(new, &mut |number, line| each(source, number, line));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    if self.fault.replace(error.kind()) != Some(error.kind()) {
                        let name = &self.source.file;
                        messages.push(format!("{name}: cannot be read any further: {error}"));
                    }
                    return false;
                }
            }
        }
    }

    /// Hands on what has no end and will get none.
    fn end(&mut self, each: &mut Each<'_>) {
        let source = &self.source;
        self.lines.end(&mut |number, line| each(source, number, line));
    }

    fn turn(&self) -> Turn {
        match std::fs::metadata(&self.path) {
            Ok(now) if self.file.is_none() || identity(&now) != self.identity => Turn::Replaced,
            Ok(now) if now.len() < self.at => Turn::Emptied,
            Ok(_) => Turn::Same,
            Err(_) => Turn::Gone,
        }
    }

    /// Follows the path where it leads now. The file that it led to before, where another one took its place.
    fn take_turn(&mut self, each: &mut Each<'_>, looked: &mut Looked) -> Option<Self> {
        let name = Arc::clone(&self.source.file);
        match self.turn() {
            Turn::Same => self.is_gone = false,
            Turn::Gone if self.is_gone => {}
            Turn::Gone => {
                self.is_gone = true;
                looked.messages.push(format!("{name} is gone; it is followed again when it is back"));
            }
            Turn::Emptied => self.begin_again(each, looked),
            Turn::Replaced => {
                let next = Self::new(self.path.clone(), self.source.clone());
                // Who may not read it now may do so later.
                next.file.as_ref()?;
                looked.messages.push(format!("{name} is another file now; it is read from its beginning"));
                return Some(std::mem::replace(self, next)).filter(|before| before.file.is_some());
            }
        }
        None
    }
}

impl Tails {
    pub(super) fn new(formats: Formats, snapshot: &Snapshot) -> Self {
        Self { formats, pods: log::KnownPods::of(snapshot), ..Self::default() }
    }

    pub(super) fn add(&mut self, path: PathBuf, name: Arc<str>, pod: Option<PodName>) {
        let pod = pod.or_else(|| log::pod_of_path(&name, &self.pods));
        let tail = Tail::new(path, SourceName { file: name, pod });
        self.read.extend(tail.identity);
        self.logs.push(tail);
    }

    pub(super) fn add_folder(&mut self, path: PathBuf) {
        self.folders.push(path);
    }

    /// Whether there is anything to follow.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty() && self.folders.is_empty()
    }

    /// How many logs are followed.
    pub fn count(&self) -> usize {
        self.logs.len()
    }

    /// Hands on the lines that were added, up to about so many bytes.
    pub(super) fn look(&mut self, bytes: usize, each: &mut Each<'_>) -> Looked {
        let mut looked = Looked::default();
        let mut budget = bytes;
        for (tail, _) in &mut self.behind {
            looked.more |= tail.read(&mut budget, each, &mut looked.messages);
        }
        for tail in &mut self.logs {
            // What cannot be looked at cannot be read either, which is said there.
            if tail.is_other_text().unwrap_or(false) {
                tail.begin_again(each, &mut looked);
            }
            let more = tail.read(&mut budget, each, &mut looked.messages);
            looked.more |= more;
            if more {
                continue;
            }
            let before = tail.take_turn(each, &mut looked);
            self.read.extend(tail.identity);
            if let Some(before) = before {
                self.behind.push((before, LOOKS_BEHIND));
                looked.more = true;
            }
        }
        if self.looks.is_multiple_of(FOLDERS_EACH) && !self.folders.is_empty() {
            looked.more |= self.look_into_folders(&mut looked.messages);
        }
        self.looks = self.looks.wrapping_add(1);
        if !looked.more {
            self.behind.iter_mut().for_each(|(_, looks)| *looks = looks.saturating_sub(1));
            let over = self.behind.extract_if(.., |(_, looks)| *looks == 0);
            over.for_each(|(mut tail, _)| tail.end(each));
        }
        looked
    }

    /// The lines that were added, up to about so many bytes.
    pub fn lines(&mut self, bytes: usize) -> Vec<(SourceName, u64, Vec<u8>)> {
        let mut lines = Vec::new();
        self.look(bytes, &mut |source, number, line| lines.push((source.clone(), number, line.to_vec())));
        lines
    }

    /// Hands on the last lines that have no end.
    pub(super) fn end(&mut self, each: &mut Each<'_>) {
        for tail in self.behind.iter_mut().map(|(tail, _)| tail).chain(&mut self.logs) {
            tail.end(each);
        }
    }

    /// Takes up the logs that are new in the folders. Whether there are any.
    fn look_into_folders(&mut self, messages: &mut Vec<String>) -> bool {
        let (mut paths, mut seen) = (Vec::new(), HashSet::new());
        for folder in &self.folders {
            input::walk_paths(folder, &mut HashSet::new(), &mut paths);
        }
        let known: HashSet<_> = self.logs.iter().map(|tail| tail.path.clone()).collect();
        let mut any = false;
        for path in paths {
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            let identity = identity(&metadata);
            seen.extend(identity);
            let was_read = identity.is_some_and(|identity| self.read.contains(&identity));
            let is_as_before = self.others.get(&path) == Some(&metadata.len());
            if known.contains(&path) || was_read || is_as_before || metadata.len() == 0 {
                continue;
            }
            if let Some(name) = log_at(&path, &self.formats) {
                if self.looks > 0 {
                    messages.push(format!("{name} is new; it is followed, too"));
                }
                self.add(path, name, None);
                any = true;
            } else {
                self.others.insert(path, metadata.len());
            }
        }
        // A number is given to another file when its own is no more.
        let held = self.logs.iter().chain(self.behind.iter().map(|(tail, _)| tail));
        let held: HashSet<_> = held.filter_map(|tail| tail.identity).collect();
        self.read.retain(|identity| seen.contains(identity) || held.contains(identity));
        any
    }
}

/// The name of the log that a file is, if it is one that can grow.
fn log_at(path: &Path, formats: &Formats) -> Option<Arc<str>> {
    let input = input::file(path).ok()?;
    let name = Arc::clone(&input.name);
    match input.content {
        Content::Log if input.own_path().is_some() => Some(name),
        Content::Unknown if input.own_path().is_some() => {
            (log::look_through(input, formats) == Whole::Log).then_some(name)
        }
        Content::Log
        | Content::Unknown
        | Content::Objects
        | Content::Counters
        | Content::Binary
        | Content::Archive(_)
        | Content::Foreign(..)
        | Content::Unmarked(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, OpenOptions};
    use std::io::Write as _;

    const LINE: &str = "[2026-03-02T09:00:00.101Z] \"GET / HTTP/1.1\" 200 - 0 91 12 - \"-\" \"curl\" \"id\" \"cart\" \
                        \"10.8.1.8:80\"\n";

    struct Followed {
        folder: tempfile::TempDir,
        tails: Tails,
    }

    impl Followed {
        fn new(texts: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut tails = Tails::new(Formats::default(), &Snapshot::default());
            for (name, text) in texts {
                let path = folder.path().join(name);
                fs::write(&path, text).unwrap();
                tails.add(path, (*name).into(), None);
            }
            Self { folder, tails }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn append(&self, name: &str, text: &str) {
            let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        /// The lines of as many looks as it takes, and the messages.
        fn look(&mut self) -> Vec<String> {
            let mut said = Vec::new();
            loop {
                let looked = self.tails.look(7, &mut |source, number, line| {
                    let file = source.file.rsplit('/').next().unwrap_or_default();
                    said.push(format!("{file}:{number} {}", String::from_utf8_lossy(line)));
                });
                let place = format!("{}/", self.folder.path().display());
                said.extend(looked.messages.iter().map(|text| text.replace(place.as_str(), "")));
                if !looked.more {
                    return said;
                }
            }
        }
    }

    #[test]
    fn lines_are_handed_on_when_their_end_is_there() {
        let mut logs = Followed::new(&[("a", "one\ntw"), ("b", "")]);
        assert_eq!(logs.look(), ["a:1 one"]);
        logs.append("a", "o\nthree");
        logs.append("b", "x\n");
        assert_eq!(logs.look(), ["a:2 two", "b:1 x"]);
        assert!(logs.look().is_empty());
        let mut last = Vec::new();
        logs.tails.end(&mut |_, number, line| last.push((number, line.to_vec())));
        assert_eq!(last, [(3, b"three".to_vec())]);
        // It is not counted twice.
        logs.append("a", " and more\nfour\n");
        assert_eq!(logs.look(), ["a:4 four"]);
    }

    #[test]
    fn a_log_that_is_rotated_is_read_to_its_end_and_the_new_one_from_its_beginning() {
        let mut logs = Followed::new(&[("a", "one\n")]);
        assert_eq!(logs.look(), ["a:1 one"]);
        fs::rename(logs.path("a"), logs.path("a.1")).unwrap();
        logs.append("a.1", "two\n");
        assert_eq!(logs.look(), ["a:2 two", "a is gone; it is followed again when it is back"]);
        logs.append("a", "new\n");
        logs.append("a.1", "three\n");
        let said = logs.look();
        assert_eq!(said, ["a:3 three", "a is another file now; it is read from its beginning", "a:1 new"]);
        // Its writer still has the old one.
        logs.append("a.1", "late\nunfinished");
        assert_eq!(logs.look(), ["a:4 late"]);
        for _ in 0..LOOKS_BEHIND {
            logs.append("a", "x\n");
            assert!(logs.look().iter().any(|said| said.ends_with(" x")));
        }
        logs.append("a.1", "too late\n");
        assert!(logs.look().is_empty(), "it is followed no more");
    }

    #[test]
    fn a_log_that_is_emptied_is_read_from_its_beginning() {
        let mut logs = Followed::new(&[("a", "one\ntwo\nhal")]);
        logs.look();
        fs::write(logs.path("a"), "new\n").unwrap();
        assert_eq!(logs.look(), ["a:3 hal", "a was emptied; it is read from its beginning", "a:1 new"]);
    }

    #[test]
    fn a_log_that_was_emptied_and_grew_past_its_old_length_is_read_from_its_beginning() {
        let mut logs = Followed::new(&[("a", "one\ntwo\n"), ("b", "one\n")]);
        logs.look();
        // As `copytruncate` does: the same file, with other text.
        let mut file = OpenOptions::new().write(true).truncate(true).open(logs.path("a")).unwrap();
        file.write_all(b"three\nfour\nfive\n").unwrap();
        logs.append("b", "two\n");
        let said = logs.look();
        let of_a: Vec<_> = said.iter().filter(|said| said.starts_with("a:")).collect();
        assert_eq!(of_a, ["a:1 three", "a:2 four", "a:3 five"]);
        assert!(said.contains(&"a was emptied; it is read from its beginning".to_owned()), "{said:?}");
        assert!(said.contains(&"b:2 two".to_owned()) && said.len() == 5, "{said:?}");
        assert!(logs.look().is_empty());
        logs.append("a", "six\n");
        assert_eq!(logs.look(), ["a:4 six"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_log_that_cannot_be_read_is_said_once() {
        let mut logs = Followed::new(&[("a", "one\n")]);
        logs.look();
        // A folder can be opened, and not read.
        fs::remove_file(logs.path("a")).unwrap();
        fs::create_dir(logs.path("a")).unwrap();
        let said = logs.look();
        assert!(said.iter().any(|said| said.starts_with("a: cannot be read any further: ")), "{said:?}");
        assert!(logs.look().is_empty(), "it is said once");
    }

    #[test]
    fn a_log_that_is_not_there_yet_is_waited_for() {
        let mut logs = Followed::new(&[("a", "one\n")]);
        fs::remove_file(logs.path("a")).unwrap();
        assert_eq!(logs.look(), ["a:1 one", "a is gone; it is followed again when it is back"]);
        assert!(logs.look().is_empty(), "it is said once");
        logs.append("a", "two\n");
        assert_eq!(logs.look(), ["a is another file now; it is read from its beginning", "a:1 two"]);
    }

    #[test]
    fn logs_that_appear_in_a_folder_are_followed_and_renamed_ones_are_not_read_again() {
        let mut logs = Followed::new(&[("a.log", LINE)]);
        let folder = logs.folder.path().to_owned();
        logs.tails.add_folder(folder);
        logs.look();
        fs::rename(logs.path("a.log"), logs.path("a.log.1")).unwrap();
        logs.append("a.log", LINE);
        logs.append("b.log", LINE);
        logs.append("notes.txt", "nothing\n");
        let packed = zstd::encode_all(LINE.as_bytes(), 1).unwrap();
        fs::write(logs.path("a.log.2.zst"), packed).unwrap();
        let mut said = Vec::new();
        for _ in 0..=FOLDERS_EACH {
            said.extend(logs.look());
        }
        let lines: Vec<_> = said.iter().filter(|said| said.contains("GET")).cloned().collect();
        let line = LINE.trim_end();
        assert_eq!(lines, [format!("a.log:1 {line}"), format!("b.log:1 {line}")], "{said:?}");
        assert!(said.contains(&"b.log is new; it is followed, too".to_owned()), "{said:?}");
        // What was no log may become one.
        logs.append("notes.txt", LINE);
        let said: Vec<_> = (0..=FOLDERS_EACH).flat_map(|_| logs.look()).collect();
        assert!(said.contains(&format!("notes.txt:2 {line}")), "{said:?}");
    }
}
