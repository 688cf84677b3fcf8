//! What the paths name: files found, and what is in each by a look at its beginning.

use std::collections::HashSet;
use std::fmt;
use std::io::{Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;

use super::{Bundle, Error, Problem, open};
use crate::logs::{Formats, PodName, is_access_line, parse_ztunnel};
use crate::model::Origin;

/// How much of an input is looked at to tell what it is.
const LOOK: usize = 64 * 1024;

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
        match self {
            Self::Standard => file == "-",
            Self::File(path) => std::path::Path::new(file).starts_with(path),
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
    Binary,
    /// Text in an encoding that a byte order mark would tell, without one: its name.
    Unmarked(&'static str),
    /// Text of neither kind so far: read as a log, and as objects if no line of it is one.
    Unknown,
}

/// One input that was opened and looked at.
pub(super) struct Input {
    pub(super) name: Arc<str>,
    pub(super) content: Content,
    pub(super) starts_like_json: bool,
    pub(super) text: Box<dyn Read + Send>,
    path: Option<PathBuf>,
}

impl Input {
    pub(super) fn problem(&self, text: &str) -> Problem {
        Problem { origin: Origin { file: Arc::clone(&self.name), line: 1 }, text: text.to_owned() }
    }

    /// The same input from its beginning, where it is a file.
    pub(super) fn again(&self) -> Option<Self> {
        look(Arc::clone(&self.name), open(self.path.as_ref()?).ok()?, self.path.clone()).ok()
    }
}

/// The inputs under a path, in the order of their names.
pub(super) fn inputs(path: &Path, bundle: &mut Bundle) -> Result<Vec<Input>, Error> {
    let (name, text): (_, Box<dyn Read + Send>) = match path {
        Path::Standard => ("-", Box::new(std::io::stdin())),
        Path::Embedded(name, text) => (*name, Box::new(Cursor::new(*text))),
        Path::File(path) if path.is_dir() => {
            let mut found = Vec::new();
            walk(path, &mut HashSet::new(), bundle, &mut found)?;
            return Ok(found);
        }
        Path::File(path) => return file(path).map(|input| vec![input]),
    };
    look(name.into(), text, None)
        .map(|input| vec![input])
        .map_err(|source| Error::Open { path: path.to_string(), source })
}

/// The input that a log file is, whatever it looks like.
pub(super) fn log_file(path: &std::path::Path) -> Result<Input, Error> {
    let mut input = file(path)?;
    input.content = Content::Log;
    Ok(input)
}

fn file(path: &std::path::Path) -> Result<Input, Error> {
    let shown = path.strip_prefix(".").unwrap_or(path);
    let name = shown.to_string_lossy().into();
    look(name, open(path)?, Some(path.to_owned()))
        .map_err(|source| Error::Open { path: path.display().to_string(), source })
}

/// Files below a folder. Hidden ones are left alone, and a link back to a folder above is not followed twice.
fn walk(
    folder: &std::path::Path,
    seen: &mut HashSet<PathBuf>,
    bundle: &mut Bundle,
    found: &mut Vec<Input>,
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
        } else {
            file(&path).map(|input| found.push(input))
        };
        if let Err(Error::Open { path, source }) = read {
            let origin = Origin { file: path.as_str().into(), line: 1 };
            bundle.problems.push(Problem { origin, text: format!("cannot be read: {source}") });
        }
    }
    Ok(())
}

fn look(name: Arc<str>, mut text: Box<dyn Read + Send>, path: Option<PathBuf>) -> std::io::Result<Input> {
    let mut beginning = Vec::with_capacity(LOOK);
    text.by_ref().take(LOOK as u64).read_to_end(&mut beginning)?;
    // PowerShell writes files so; the mark is lost on the way, and what follows is read like any other text.
    if is_utf_16(&beginning) {
        let text = encoding_rs_io::DecodeReaderBytes::new(Cursor::new(beginning).chain(text));
        return look(name, Box::new(text), path);
    }
    if beginning.starts_with(&[0xef, 0xbb, 0xbf]) {
        beginning.drain(..3);
    }
    let first = beginning.iter().find(|byte| !byte.is_ascii_whitespace());
    let content = content_of(&beginning);
    let starts_like_json = content == Content::Objects && matches!(first, Some(b'{' | b'['));
    Ok(Input { name, content, starts_like_json, text: Box::new(Cursor::new(beginning).chain(text)), path })
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
        return wide_encoding(beginning).map_or(Content::Binary, Content::Unmarked);
    }
    for line in beginning.split(|byte| *byte == b'\n').take(200) {
        let line = line.trim_ascii_end();
        if line.starts_with(b"apiVersion:")
            || line.starts_with(b"kind:")
            || line.starts_with(b"- apiVersion:")
        {
            return Content::Objects;
        }
        if is_access_line(line, &Formats::default()) || parse_ztunnel(line).is_some() {
            return Content::Log;
        }
    }
    let has = |word: &[u8]| memchr::memmem::find(beginning, word).is_some();
    let starts = beginning.iter().find(|byte| !byte.is_ascii_whitespace());
    let json = matches!(starts, Some(b'{' | b'['));
    if json && (has(b"\"apiVersion\"") || has(b"\"kind\"")) || has(b"\napiVersion:") || has(b"\nkind:") {
        return Content::Objects;
    }
    Content::Unknown
}
