//! What is read of the files in an archive: objects as the archive is first gone through, logs when all objects are
//! known.

use std::collections::HashSet;
use std::sync::Arc;

use super::archive::{Archive, FileIs};
use super::input::{Content, Input};
use super::item::ItemReader;
use super::log::{self, Whole};
use super::{Bundle, counters, read_objects};
use crate::logs::{Formats, PodName, Watch};

/// Reads the objects, and notes which files are logs. Whether any object was read.
pub(super) fn read_first(archive: &mut Archive, reader: &mut ItemReader, bundle: &mut Bundle) -> bool {
    let mut files = Vec::new();
    let mut faulty = HashSet::new();
    let mut any = false;
    let mut problems = archive.visit(&mut |_, input| {
        let (is, read) = match input.content {
            Content::Objects => {
                let (name, before) = (Arc::clone(&input.name), bundle.problems.len());
                let read = read_objects(input, reader, bundle);
                if bundle.problems.len() > before {
                    faulty.insert(name);
                }
                (FileIs::Done, read)
            }
            Content::Log | Content::Counters => (FileIs::Log, false),
            Content::Unknown => (FileIs::Unknown, false),
            Content::Binary | Content::Unmarked(_) | Content::Foreign(..) | Content::Archive(_) => {
                if let Some(text) = input.refusal() {
                    bundle.problems.push(input.problem(&text));
                }
                (FileIs::Done, false)
            }
        };
        files.push(is);
        any |= read;
    });
    archive.files = files;
    // Objects that break off were said when they were read.
    problems.retain(|problem| !faulty.contains(&problem.origin.file));
    archive.said = problems.iter().map(|problem| Arc::clone(&problem.origin.file)).collect();
    bundle.problems.extend(problems);
    any
}

/// Takes all texts in an archive for logs.
pub(super) fn take_all_for_logs(archive: &mut Archive, bundle: &mut Bundle) {
    let mut files = Vec::new();
    let problems = archive.visit(&mut |_, input| {
        files.push(if input.refusal().is_none() { FileIs::Log } else { FileIs::Done });
    });
    archive.files = files;
    archive.said = problems.iter().map(|problem| Arc::clone(&problem.origin.file)).collect();
    bundle.problems.extend(problems);
}

/// Looks through the files whose beginning does not tell what they are. Whether any is a log or was read as objects.
pub(super) fn tell_unknown(
    archive: &mut Archive,
    formats: &Formats,
    reader: &mut ItemReader,
    bundle: &mut Bundle,
) -> bool {
    if archive.has(FileIs::Unknown) {
        let mut files = archive.files.clone();
        drop(archive.visit(&mut |at, input| {
            let Some(file) = files.get_mut(at).filter(|is| **is == FileIs::Unknown) else { return };
            let name = Arc::clone(&input.name);
            *file = match log::look_through(input, formats) {
                Whole::Log => FileIs::Log,
                Whole::Objects => FileIs::LateObjects,
                Whole::Neither => {
                    bundle.left_out.push(name);
                    FileIs::Done
                }
            };
        }));
        archive.files = files;
    }
    let mut any = archive.has(FileIs::Log);
    if archive.has(FileIs::LateObjects) {
        drop(archive.visit(&mut |at, input| {
            if archive.files.get(at) == Some(&FileIs::LateObjects) {
                any |= read_objects(input, reader, bundle);
            }
        }));
    }
    any
}

/// Folds the logs into the bundle. False when not one line of any is an access-log line.
pub(super) fn read_logs(
    archive: &Archive,
    pod: Option<&PodName>,
    bundle: &mut Bundle,
    watch: Option<&Arc<dyn Watch>>,
) -> bool {
    let mut any = false;
    let mut left_out = Vec::new();
    drop(archive.visit(&mut |at, input: Input<'_>| {
        if archive.files.get(at) != Some(&FileIs::Log) {
            return;
        }
        let name = Arc::clone(&input.name);
        let problems = bundle.problems.len();
        if input.content == Content::Counters {
            counters::read(input, pod.cloned(), bundle);
            any = true;
        } else if log::read_log(input, pod.cloned(), bundle, watch) {
            any = true;
        } else {
            left_out.push(Arc::clone(&name));
        }
        // Where the archive ends within a file was said when it was first gone through.
        if archive.said.contains(&name) {
            bundle.problems.truncate(problems);
        }
    }));
    bundle.left_out.append(&mut left_out);
    any
}
