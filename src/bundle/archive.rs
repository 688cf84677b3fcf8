//! The files in an archive, one after another, as if they lay in a folder.
//!
//! An archive is gone through once for each thing that is wanted of it (its objects, its logs) and never held: only
//! one that cannot be opened again, because it came through a pipe, or that stands in another one and is read from its
//! end (zip), is held packed, up to a limit. The names of its files are shown and compared, and nothing is ever
//! written under them.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::PathBuf;
use std::sync::Arc;

use super::Problem;
use super::input::{Content, Input, look};
use super::packed::{Kind, has_its_sum};
use crate::model::Origin;

/// Archives in archives are opened so deep.
const DEEPEST: usize = 4;
/// More files than any archive of logs has; a hostile one has any number of empty ones.
const MOST_FILES: usize = 100_000;
/// So much of a packed archive is held where it cannot be opened again.
const MOST_HELD: u64 = 256 * 1024 * 1024;
/// The longest name that is taken up.
const LONGEST_NAME: u64 = 64 * 1024;

/// Where an input can be read again from its beginning.
#[derive(Debug, Clone)]
pub(super) enum Again {
    File(PathBuf),
    Held(Arc<[u8]>),
}

impl Again {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::File(path) => Box::new(File::open(path)?),
            Self::Held(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
        })
    }
}

/// Takes up an archive that comes through a pipe.
pub(super) fn hold(text: impl Read) -> io::Result<Again> {
    held(text).map(|bytes| Again::Held(bytes.into()))
}

fn held(text: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    text.take(MOST_HELD + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_HELD {
        let text = format!("an archive of more than {} MB is read only out of a file", MOST_HELD >> 20);
        return Err(io::Error::other(text));
    }
    Ok(bytes)
}

/// An archive, and what is known of its files so far.
pub(super) struct Archive {
    pub(super) name: Arc<str>,
    again: Again,
    /// What the files are, by their number.
    pub(super) files: Vec<FileIs>,
    /// The files of which was said that they cannot be read.
    pub(super) said: HashSet<Arc<str>>,
}

/// What a file of an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileIs {
    Log,
    /// Not told by its beginning.
    Unknown,
    /// Objects that only all of it told.
    LateObjects,
    /// Read, or nothing that is read.
    Done,
}

/// Takes a file of an archive up, with its number.
pub(super) type Each<'e> = dyn FnMut(usize, Input<'_>) + 'e;

impl Archive {
    pub(super) fn new(name: Arc<str>, again: Again) -> Self {
        Self { name, again, files: Vec::new(), said: HashSet::new() }
    }

    /// Whether any file of it is a log, or may be one.
    pub(super) fn has_logs(&self) -> bool {
        self.has(FileIs::Log) || self.has(FileIs::Unknown)
    }

    /// Whether any file of it is of that sort.
    pub(super) fn has(&self, wanted: FileIs) -> bool {
        self.files.contains(&wanted)
    }

    /// Hands on each file. What could not be read is returned, and what stands before it was handed on.
    pub(super) fn visit(&self, each: &mut Each<'_>) -> Vec<Problem> {
        let mut visit = Visit { files: 0, problems: Vec::new(), each };
        let opened = self.again.open().and_then(|text| look(Arc::clone(&self.name), text));
        match opened {
            Ok(Input { content: Content::Archive(Kind::Zip), packed: false, .. }) => {
                self.visit_zip(&mut visit);
            }
            Ok(input) => visit.archive(input, 0),
            Err(error) => visit.problem(&self.name, &format!("cannot be read: {error}")),
        }
        visit.problems
    }

    /// A zip has its table at the end: it is read in place.
    fn visit_zip(&self, visit: &mut Visit<'_, '_>) {
        match &self.again {
            Again::Held(bytes) => visit.zip(&self.name, Cursor::new(bytes), 0),
            Again::File(path) => match File::open(path) {
                Ok(file) => visit.zip(&self.name, BufReader::new(file), 0),
                Err(error) => visit.problem(&self.name, &format!("cannot be read: {error}")),
            },
        }
    }
}

struct Visit<'v, 'e> {
    files: usize,
    problems: Vec<Problem>,
    each: &'v mut Each<'e>,
}

impl Visit<'_, '_> {
    fn problem(&mut self, name: &str, text: &str) {
        self.problems.push(Problem { origin: Origin { file: name.into(), line: 1 }, text: text.to_owned() });
    }

    /// Goes through an archive that is read from its beginning.
    fn archive(&mut self, input: Input<'_>, depth: usize) {
        if depth >= DEEPEST {
            return self.problem(&input.name, "is an archive in too many others: it was not read");
        }
        match input.content {
            Content::Archive(Kind::Tar) => self.tar(&input.name, input.text, depth),
            Content::Archive(Kind::Zip) => match held(input.text) {
                Ok(bytes) => self.zip(&input.name, Cursor::new(bytes), depth),
                Err(error) => self.problem(&input.name, &format!("cannot be read: {error}")),
            },
            Content::Objects
            | Content::Log
            | Content::Counters
            | Content::Binary
            | Content::Unmarked(_)
            | Content::Foreign(..)
            | Content::Unknown => self.file(input, depth),
        }
    }

    /// Hands on one file. False when there are too many.
    fn file(&mut self, input: Input<'_>, depth: usize) {
        if matches!(input.content, Content::Archive(_)) {
            return self.archive(input, depth + 1);
        }
        (self.each)(self.files, input);
        self.files += 1;
    }

    fn has_enough(&mut self, name: &str) -> bool {
        let enough = self.files >= MOST_FILES;
        if enough {
            self.problem(name, &format!("has more than {MOST_FILES} files: the others were not read"));
        }
        enough
    }

    fn tar(&mut self, name: &str, mut text: Box<dyn Read + Send + '_>, depth: usize) {
        let mut before = String::new();
        let mut own_name = OwnName::default();
        loop {
            if self.has_enough(name) {
                return;
            }
            let mut header = tar::Header::new_old();
            match read_block(&mut text, header.as_mut_bytes()) {
                Ok(true) if header.as_bytes().iter().all(|byte| *byte == 0) => return,
                Ok(true) if has_its_sum(&header) => {}
                Ok(true) => return self.problem(name, &behind(&before, "the archive is damaged")),
                // Some programs leave out the empty blocks at the end.
                Ok(false) => return,
                Err(error) => return self.problem(name, &behind(&before, &error.to_string())),
            }
            let size = own_name.size.take().map_or_else(|| header.entry_size(), Ok);
            let Ok(size) = size else {
                return self.problem(name, &behind(&before, "the archive is damaged"));
            };
            let kind = header.entry_type();
            let mut rest = Rest::new(&mut text, size);
            if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
                if let Err(error) = own_name.read(&mut rest, kind.is_gnu_longname()) {
                    return self.problem(name, &behind(&before, &error.to_string()));
                }
            } else {
                let path = own_name.path.take().unwrap_or_else(|| header.path_bytes().into_owned());
                before = shown(&path);
                let file: Arc<str> = format!("{name}!{before}").into();
                if kind.is_gnu_sparse() {
                    self.problem(&file, "is stored with holes, and was not read");
                } else if (kind.is_file() || kind.is_contiguous()) && !is_hidden(&before) {
                    match look(Arc::clone(&file), Box::new(&mut rest)) {
                        Ok(input) => self.file(input, depth),
                        Err(error) => self.problem(&file, &format!("cannot be read: {error}")),
                    }
                }
            }
            if let Err(error) = rest.skip() {
                return self
                    .problem(&format!("{name}!{before}"), &format!("the archive ends within it: {error}"));
            }
        }
    }

    fn zip(&mut self, name: &str, text: impl Read + Seek + Send, depth: usize) {
        let mut archive = match zip::ZipArchive::new(text) {
            Ok(archive) => archive,
            Err(error) => return self.problem(name, &format!("cannot be read as zip: {error}")),
        };
        for at in 0..archive.len() {
            if self.has_enough(name) {
                return;
            }
            let unpacked = match archive.by_index(at) {
                Ok(file) => file,
                Err(error) => {
                    self.problem(name, &format!("file {} of it cannot be read: {error}", at + 1));
                    continue;
                }
            };
            let path = shown(unpacked.name_raw());
            if unpacked.is_dir() || unpacked.is_symlink() || is_hidden(&path) {
                continue;
            }
            let file: Arc<str> = format!("{name}!{path}").into();
            match look(Arc::clone(&file), Box::new(unpacked)) {
                Ok(input) => self.file(input, depth),
                Err(error) => self.problem(&file, &format!("cannot be read: {error}")),
            }
        }
    }
}

/// What stands before the header of a file and is said of it: its name, where that is long, and its size.
#[derive(Default)]
struct OwnName {
    path: Option<Vec<u8>>,
    size: Option<u64>,
}

impl OwnName {
    fn read(&mut self, text: &mut impl Read, is_name: bool) -> io::Result<()> {
        let mut bytes = Vec::new();
        text.take(LONGEST_NAME).read_to_end(&mut bytes)?;
        if is_name {
            bytes.truncate(memchr::memchr(0, &bytes).unwrap_or(bytes.len()));
            self.path = Some(bytes);
            return Ok(());
        }
        for record in tar::PaxExtensions::new(&bytes).flatten() {
            match record.key_bytes() {
                b"path" => self.path = Some(record.value_bytes().to_vec()),
                b"size" => self.size = record.value().ok().and_then(|size| size.parse().ok()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The bytes of one file in a tar, and what fills its last block.
struct Rest<'r> {
    text: &'r mut (dyn Read + Send + 'r),
    left: u64,
    filling: u64,
}

impl<'r> Rest<'r> {
    fn new(text: &'r mut (dyn Read + Send + 'r), size: u64) -> Self {
        Self { text, left: size, filling: (512 - size % 512) % 512 }
    }

    /// Leaves out what was not read of it.
    fn skip(mut self) -> io::Result<()> {
        self.left = self.left.saturating_add(std::mem::take(&mut self.filling));
        io::copy(&mut self, &mut io::sink()).map(drop)
    }
}

impl Read for Rest<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.text.read(buffer.get_mut(..most).unwrap_or_default())?;
        if read == 0 && most > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// Reads one block whole. False at the end of the text.
fn read_block(text: &mut dyn Read, block: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match text.read(rest) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off")),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// The path of a file in an archive, as far as it can be shown.
fn shown(path: &[u8]) -> String {
    let path = String::from_utf8_lossy(path).into_owned();
    path.strip_prefix("./").map(str::to_owned).unwrap_or(path)
}

/// Whether a file or a folder around it is hidden, or is what macOS puts beside files.
fn is_hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.') && !matches!(part, "." | "..") || part == "__MACOSX")
}

fn behind(before: &str, text: &str) -> String {
    if before.is_empty() { text.to_owned() } else { format!("behind {before}: {text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, name, *text).unwrap();
        }
        tar.into_inner().unwrap()
    }

    /// The files with their texts, then the problems.
    fn visited(bytes: &[u8]) -> Vec<String> {
        let archive = Archive::new("a.tar".into(), Again::Held(bytes.into()));
        let mut seen = Vec::new();
        let problems = archive.visit(&mut |at, mut input| {
            let mut text = String::new();
            let read = input.text.read_to_string(&mut text);
            let error = read.err().map(|error| format!(" {error}")).unwrap_or_default();
            seen.push(format!("{at} {} {text}{error}", input.name));
        });
        seen.extend(problems.iter().map(|problem| format!("{}: {}", problem.origin.file, problem.text)));
        seen
    }

    #[test]
    fn files_are_handed_on_with_their_names_and_texts() {
        let long = format!("{}/x.log", "a".repeat(150));
        let bytes = tar(&[("web/a.log", b"one"), (long.as_str(), b"two"), ("web/.hidden", b"no")]);
        assert_eq!(visited(&bytes), ["0 a.tar!web/a.log one".to_owned(), format!("1 a.tar!{long} two")]);
    }

    #[test]
    fn archives_and_packed_texts_in_archives_are_opened() {
        let packed = zstd::encode_all(&b"deep"[..], 1).unwrap();
        let inner = tar(&[("b.log.zst", &packed)]);
        let inner_packed = zstd::encode_all(inner.as_slice(), 1).unwrap();
        let outer = tar(&[("inner.tar.zst", &inner_packed), ("c.log", b"last")]);
        assert_eq!(visited(&outer), ["0 a.tar!inner.tar.zst!b.log.zst deep", "1 a.tar!c.log last"]);
        let mut deeper = outer;
        for _ in 0..9 {
            deeper = tar(&[("x.tar", &deeper)]);
        }
        let said = visited(&deeper);
        assert_eq!(said.len(), 1);
        assert!(said[0].ends_with("is an archive in too many others: it was not read"), "{said:?}");
    }

    #[test]
    fn an_archive_that_is_cut_off_anywhere_says_where_and_keeps_what_stands_before() {
        let whole = tar(&[("a.log", b"one"), ("b.log", &[b'x'; 2000]), ("c.log", b"three")]);
        for end in 515..whole.len() {
            let said = visited(&whole[..end]);
            assert!(said[0].starts_with("0 a.tar!a.log one"), "{end}: {said:?}");
            // Where a file ends nothing tells that another one was to come.
            if (1025..4096).contains(&end) && end != 3584 {
                assert!(
                    said.iter().any(|text| text.contains("b.log") || text.contains("cut off")),
                    "{end}: {said:?}"
                );
            }
        }
        // Nobody reads the file: the archive says it.
        let archive = Archive::new("a.tar".into(), Again::Held(whole[..2500].into()));
        let problems = archive.visit(&mut |_, _| {});
        let said: Vec<_> = problems.iter().map(|one| format!("{}: {}", one.origin.file, one.text)).collect();
        assert_eq!(said, ["a.tar!b.log: the archive ends within it: the archive is cut off"]);
    }

    #[test]
    fn a_damaged_archive_says_behind_which_file() {
        let mut bytes = tar(&[("a.log", b"one"), ("b.log", b"two")]);
        bytes[1024] ^= 0x40;
        assert_eq!(visited(&bytes), ["0 a.tar!a.log one", "a.tar: behind a.log: the archive is damaged"]);
    }

    #[test]
    fn names_that_lead_elsewhere_are_only_names() {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..11].copy_from_slice(b"../../x\x1b[2J");
        header.set_size(3);
        header.set_cksum();
        tar.append(&header, &b"one"[..]).unwrap();
        assert_eq!(visited(&tar.into_inner().unwrap()), ["0 a.tar!../../x\u{1b}[2J one"]);
    }

    #[test]
    fn sizes_that_cannot_be_and_endless_names_do_no_harm() {
        let mut header = tar::Header::new_gnu();
        header.set_path("a.log").unwrap();
        header.set_size(u64::MAX / 2);
        header.set_cksum();
        let said = visited(header.as_bytes());
        assert!(said.iter().any(|text| text.contains("cut off")), "{said:?}");
        let mut long = tar::Header::new_gnu();
        long.set_path("@LongLink").unwrap();
        long.set_entry_type(tar::EntryType::GNULongName);
        long.set_size(u64::MAX - 5);
        long.set_cksum();
        assert!(visited(long.as_bytes()).iter().any(|text| text.contains("cut off")));
    }
}
