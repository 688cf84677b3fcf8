//! What the paths name: files found, and what is in each by a look at its beginning.

use std::collections::HashSet;
use std::fmt;
use std::io::{Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;

use super::archive::{self, Again, Archive};
use super::packed::{Broken, Kind, Packing, Unpacked, Wrapped, wrapped};
use super::{Bundle, Error, Problem, open};
use crate::counters;
use crate::logs::{Formats, PodName, is_access_line, parse_message, parse_ztunnel};
use crate::model::Origin;

/// How much of an input is looked at to tell what it is.
const LOOK: usize = 64 * 1024;
/// So many lines of it.
const LOOK_LINES: usize = 200;
/// A text that was packed is packed so often at most.
const MOST_PACKED: usize = 4;

/// What to read.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Files, folders, standard input.
    pub paths: Vec<Path>,
    /// Log files whose pod is given.
    pub logs: Vec<(PathBuf, PodName)>,
}

/// A path as it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// Standard input (`-`).
    Standard,
    /// A file or a folder.
    File(PathBuf),
    /// A text that the program carries itself, with the name it is shown under.
    Embedded(&'static str, &'static str),
}

impl Path {
    /// Reads `-` as standard input.
    pub fn named(text: &str) -> Self {
        if text == "-" { Self::Standard } else { Self::File(PathBuf::from(text)) }
    }

    pub(super) fn names_a_folder(&self) -> bool {
        matches!(self, Self::File(path) if path.is_dir())
    }

    pub(super) fn holds(&self, file: &str) -> bool {
        let (file, in_archive) = file.split_once('!').unwrap_or((file, ""));
        match self {
            Self::Standard => file == "-",
            // A name may have that sign, too.
            Self::File(path) => {
                std::path::Path::new(file).starts_with(path)
                    || std::path::Path::new(&format!("{file}!{in_archive}")).starts_with(path)
            }
            Self::Embedded(name, _) => file == *name,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard => f.write_str("standard input"),
            Self::File(path) => path.display().fmt(f),
            Self::Embedded(name, _) => f.write_str(name),
        }
    }
}

/// What an input holds, by its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Objects,
    Log,
    /// Counters of a proxy.
    Counters,
    Binary,
    /// Many files in one.
    Archive(Kind),
    /// Packed in a way that is not read: its name, and what unpacks it.
    Foreign(&'static str, &'static str),
    /// Text in an encoding that a byte order mark would tell, without one: its name.
    Unmarked(&'static str),
    /// Text of neither kind so far: read as a log, and as objects if no line of it is one.
    Unknown,
}

/// One input that was opened and looked at.
pub(super) struct Input<'t> {
    pub(super) name: Arc<str>,
    pub(super) content: Content,
    pub(super) starts_like_json: bool,
    /// Whether its text is another one than the file's bytes.
    pub(super) packed: bool,
    pub(super) text: Box<dyn Read + Send + 't>,
    path: Option<PathBuf>,
}

impl Input<'_> {
    pub(super) fn problem(&self, text: &str) -> Problem {
        Problem { origin: Origin { file: Arc::clone(&self.name), line: 1 }, text: text.to_owned() }
    }

    /// Why it was not read, where it is nothing that is.
    pub(super) fn refusal(&self) -> Option<String> {
        match self.content {
            Content::Objects | Content::Counters | Content::Log | Content::Unknown | Content::Archive(_) => {
                None
            }
            Content::Binary => Some("is a binary file: it was not read".to_owned()),
            Content::Foreign(packing, command) => {
                Some(format!("is packed as {packing}, and it was not read: {command} unpacks it"))
            }
            Content::Unmarked(encoding) => Some(format!(
                "is {encoding}, and it was not read: iconv -f {encoding} -t UTF-8 makes it readable"
            )),
        }
    }
}

impl Input<'_> {
    /// The path of the file whose bytes it is, as they are.
    pub(super) fn own_path(&self) -> Option<&PathBuf> {
        self.path.as_ref().filter(|_| !self.packed)
    }
}

impl Input<'static> {
    /// The same input from its beginning, where it is a file.
    pub(super) fn again(&self) -> Option<Self> {
        let input = look(Arc::clone(&self.name), open(self.path.as_ref()?).ok()?).ok()?;
        Some(Self { path: self.path.clone(), ..input })
    }

    /// The archive that it is.
    pub(super) fn archive(self) -> Result<Archive, Problem> {
        let again = match self.path {
            Some(path) => Ok(Again::File(path)),
            None => archive::hold(self.text),
        };
        let again = again.map_err(|error| Problem {
            origin: Origin { file: Arc::clone(&self.name), line: 1 },
            text: format!("cannot be read: {error}"),
        })?;
        Ok(Archive::new(self.name, again))
    }
}

/// The inputs under a path, in the order of their names.
pub(super) fn inputs(path: &Path, bundle: &mut Bundle) -> Result<Vec<Input<'static>>, Error> {
    let (name, text): (_, Box<dyn Read + Send>) = match path {
        Path::Standard => return standard(),
        Path::Embedded(name, text) => (*name, Box::new(Cursor::new(*text))),
        Path::File(path) if path.is_dir() => {
            let mut found = Vec::new();
            walk(path, &mut HashSet::new(), bundle, &mut found)?;
            return Ok(found);
        }
        Path::File(path) => return file(path).map(|input| vec![input]),
    };
    look(name.into(), text)
        .map(|input| vec![input])
        .map_err(|source| Error::Open { path: path.to_string(), source })
}

/// Standard input. What comes slowly is not waited for longer than it takes to tell what it is.
fn standard() -> Result<Vec<Input<'static>>, Error> {
    look_as_it_comes("-".into(), Box::new(std::io::stdin()))
        .map(|input| vec![input])
        .map_err(|source| Error::Open { path: Path::Standard.to_string(), source })
}

/// The input that a log file is, whatever it looks like, unless it has the counters of that pod.
pub(super) fn log_file(path: &std::path::Path) -> Result<Input<'static>, Error> {
    let mut input = file(path)?;
    if !matches!(input.content, Content::Archive(_) | Content::Counters) {
        input.content = Content::Log;
    }
    Ok(input)
}

pub(super) fn file(path: &std::path::Path) -> Result<Input<'static>, Error> {
    let shown = path.strip_prefix(".").unwrap_or(path);
    let name = shown.to_string_lossy().into();
    let text = open(path)?;
    // What is no plain file, such as a pipe that a shell made, can be read once only.
    let (looked, path_again) = if path.is_file() {
        (look(name, text), Some(path.to_owned()))
    } else {
        (look_as_it_comes(name, text), None)
    };
    let input = looked.map_err(|source| Error::Open { path: path.display().to_string(), source })?;
    Ok(Input { path: path_again, ..input })
}

/// Files below a folder. Hidden ones are left alone, and a link back to a folder above is not followed twice.
fn walk(
    folder: &std::path::Path,
    seen: &mut HashSet<PathBuf>,
    bundle: &mut Bundle,
    found: &mut Vec<Input<'static>>,
) -> Result<(), Error> {
    let named = |source| Error::Open { path: folder.display().to_string(), source };
    if !seen.insert(folder.canonicalize().map_err(named)?) {
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(named)? {
        entries.push(entry.map_err(named)?.path());
    }
    entries.sort();
    for path in entries {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        let read = if path.is_dir() {
            walk(&path, seen, bundle, found)
        } else if path.is_file() {
            file(&path).map(|input| found.push(input))
        } else {
            // Nobody may ever write into a pipe that lies there.
            let source = std::io::Error::other("it is no file");
            Err(Error::Open { path: path.display().to_string(), source })
        };
        if let Err(Error::Open { path, source }) = read {
            let origin = Origin { file: path.as_str().into(), line: 1 };
            bundle.problems.push(Problem { origin, text: format!("cannot be read: {source}") });
        }
    }
    Ok(())
}

/// The files below a folder that can be listed, and are not hidden.
pub(super) fn walk_paths(folder: &std::path::Path, seen: &mut HashSet<PathBuf>, found: &mut Vec<PathBuf>) {
    let is_new = folder.canonicalize().is_ok_and(|path| seen.insert(path));
    let Some(entries) = std::fs::read_dir(folder).ok().filter(|_| is_new) else { return };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        if path.is_dir() {
            walk_paths(&path, seen, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

/// Looks at the beginning of a text, and unpacks it.
pub(super) fn look<'t>(name: Arc<str>, text: Box<dyn Read + Send + 't>) -> std::io::Result<Input<'t>> {
    look_into(name, text, beginning_of, 0)
}

fn look_as_it_comes(name: Arc<str>, text: Box<dyn Read + Send>) -> std::io::Result<Input<'static>> {
    look_into(name, text, first_lines_of, 0)
}

/// Reads the beginning of a text; with the error with which it breaks off, if it does.
type Begin = fn(&mut dyn Read) -> (Vec<u8>, Option<std::io::Error>);

fn look_into<'t>(
    name: Arc<str>,
    mut text: Box<dyn Read + Send + 't>,
    begin: Begin,
    unpacked: usize,
) -> std::io::Result<Input<'t>> {
    let (mut beginning, broken) = begin(&mut text);
    if let Some(error) = broken {
        if beginning.is_empty() {
            return Err(error);
        }
        text = Box::new(Broken(Some(error)));
    }
    let around = wrapped(&beginning);
    if let Some(Wrapped::Packed(packing)) = around.filter(|_| unpacked < MOST_PACKED) {
        let text = unpack(packing, Cursor::new(beginning).chain(text))?;
        return look_into(name, text, begin, unpacked + 1);
    }
    // PowerShell writes files so; the mark is lost on the way, and what follows is read like any other text.
    if is_utf_16(&beginning) {
        let text = encoding_rs_io::DecodeReaderBytes::new(Cursor::new(beginning).chain(text));
        return look_into(name, Box::new(text), begin, unpacked).map(|input| Input { packed: true, ..input });
    }
    if beginning.starts_with(&[0xef, 0xbb, 0xbf]) {
        beginning.drain(..3);
    }
    let first = beginning.iter().find(|byte| !byte.is_ascii_whitespace());
    let content = match around {
        Some(Wrapped::Archive(kind)) => Content::Archive(kind),
        Some(Wrapped::Foreign(packing, command)) => Content::Foreign(packing, command),
        Some(Wrapped::Packed(_)) => Content::Binary,
        None => content_of(&beginning),
    };
    let starts_like_json = content == Content::Objects && matches!(first, Some(b'{' | b'['));
    let text = Box::new(Cursor::new(beginning).chain(text));
    Ok(Input { name, content, starts_like_json, packed: unpacked > 0, text, path: None })
}

fn unpack<'t>(packing: Packing, text: impl Read + Send + 't) -> std::io::Result<Box<dyn Read + Send + 't>> {
    Ok(Box::new(Unpacked::new(packing, text)?))
}

fn beginning_of(text: &mut dyn Read) -> (Vec<u8>, Option<std::io::Error>) {
    let mut beginning = Vec::with_capacity(LOOK);
    let read = text.take(LOOK as u64).read_to_end(&mut beginning);
    (beginning, read.err())
}

/// The beginning as far as it is needed: somebody may be typing it, and a proxy without traffic writes no line.
fn first_lines_of(text: &mut dyn Read) -> (Vec<u8>, Option<std::io::Error>) {
    let mut beginning = vec![0; LOOK];
    let (mut filled, mut looked_at, mut lines) = (0, 0, 0);
    let broken = loop {
        match text.read(beginning.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => break None,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => break Some(error),
        }
        let seen = beginning.get(looked_at..filled).unwrap_or_default();
        let whole = memchr::memrchr(b'\n', seen).map_or(0, |at| at + 1);
        let mut new = seen.get(..whole).unwrap_or_default().split_inclusive(|byte| *byte == b'\n');
        looked_at += whole;
        if lines < LOOK_LINES
            && new.any(|line| {
                lines += 1;
                let line = line.trim_ascii_end();
                content_of_line(line).is_some() || is_no_part_of_objects(line)
            })
        {
            break None;
        }
    };
    beginning.truncate(filled);
    (beginning, broken)
}

/// Whether a line is none that YAML or JSON of objects can have where they begin.
fn is_no_part_of_objects(line: &[u8]) -> bool {
    match line {
        [] => false,
        [b'{', .., b'}'] => !has_key(line, b"\"apiVersion\"") && !has_key(line, b"\"kind\""),
        [b'[', second, ..] => second.is_ascii_digit(),
        [first, ..] => first.is_ascii_digit(),
    }
}

fn has_key(text: &[u8], key: &[u8]) -> bool {
    memchr::memmem::find(text, key).is_some()
}

/// Whether a text begins with the byte order mark of UTF-16; UTF-32 has the same with two zeros behind it.
fn is_utf_16(beginning: &[u8]) -> bool {
    beginning.starts_with(&[0xfe, 0xff])
        || beginning.starts_with(&[0xff, 0xfe]) && !beginning.starts_with(&[0xff, 0xfe, 0, 0])
}

/// The encoding of a text whose zeros stand where those of plain letters do.
fn wide_encoding(beginning: &[u8]) -> Option<&'static str> {
    let sample = beginning.get(..beginning.len().min(512) / 4 * 4)?;
    let zeros = |place: usize| sample.chunks_exact(4).filter(|chunk| chunk.get(place) == Some(&0)).count();
    let zeros = [0, 1, 2, 3].map(|place| zeros(place) * 10 > sample.len() / 4 * 9);
    match zeros {
        [false, true, false, true] => Some("UTF-16LE"),
        [true, false, true, false] => Some("UTF-16BE"),
        [false, true, true, true] => Some("UTF-32LE"),
        [true, true, true, false] => Some("UTF-32BE"),
        _ => None,
    }
}

fn content_of(beginning: &[u8]) -> Content {
    if memchr::memchr(0, beginning).is_some() {
        if let Some(encoding) = wide_encoding(beginning) {
            return Content::Unmarked(encoding);
        }
        // A log that was emptied while its writer went on has zeros where the lines were.
        let lines = beginning.split(|byte| *byte == b'\n').filter(|line| !line.contains(&0));
        let mut contents = lines.take(LOOK_LINES).map(<[u8]>::trim_ascii_end).map(content_of_line);
        let is_log = contents.any(|content| content == Some(Content::Log));
        return if is_log { Content::Log } else { Content::Binary };
    }
    if counters::tells(beginning) {
        return Content::Counters;
    }
    let lines = beginning.split(|byte| *byte == b'\n').take(LOOK_LINES);
    if let Some(content) = lines.map(<[u8]>::trim_ascii_end).find_map(content_of_line) {
        return content;
    }
    let has = |word: &[u8]| has_key(beginning, word);
    let starts = beginning.iter().find(|byte| !byte.is_ascii_whitespace());
    let json = matches!(starts, Some(b'{' | b'['));
    if json && (has(b"\"apiVersion\"") || has(b"\"kind\"")) || has(b"\napiVersion:") || has(b"\nkind:") {
        return Content::Objects;
    }
    Content::Unknown
}

/// What a text is by one of its lines.
fn content_of_line(line: &[u8]) -> Option<Content> {
    if line.starts_with(b"apiVersion:") || line.starts_with(b"kind:") || line.starts_with(b"- apiVersion:") {
        return Some(Content::Objects);
    }
    (is_access_line(line, &Formats::default())
        || parse_ztunnel(line).is_some()
        || parse_message(line).is_some())
    .then_some(Content::Log)
}
