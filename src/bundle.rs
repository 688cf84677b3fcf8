//! A saved state: Kubernetes objects, access logs and counters out of files, folders and standard input.
//!
//! Every input is recognised by what is in it. Objects are read item by item straight into the types that are kept,
//! logs line by line into counts, so neither a list of fifty thousand pods nor a log of any size stands in memory.
//! One broken document among good ones costs that document only, and is said.

mod archive;
mod archived;
mod batch;
mod beside;
mod blocks;
mod counters;
mod error;
mod follow;
mod followed;
mod input;
mod item;
mod json;
mod lines;
mod log;
mod log_formats;
mod packed;
mod yaml;

use std::fs::File;
use std::io::{BufReader, Read};
use std::sync::Arc;

use crate::counters::Counters;
use crate::logs::{Aggregate, Field, Formats, NamesPods, OwnFormat, PodName, Watch};
use crate::model::{Kind, Origin, Snapshot};

use archive::Archive;
pub use error::Error;
pub use follow::{Looked, Tails};
pub use followed::{Followed, Stream};
use input::{Content, Input};
pub use input::{Path, Request};
use item::ItemReader;
use log::Whole;

/// How much is read at once.
const BLOCK: usize = 256 * 1024;

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct Bundle {
    /// The objects.
    pub snapshot: Snapshot,
    /// The access logs, folded into counts.
    pub logs: Aggregate,
    /// The counters of proxies.
    pub counters: Counters,
    /// What could not be read, in the order it was met.
    pub problems: Vec<Problem>,
    /// Files in which nothing was recognised.
    pub left_out: Vec<Arc<str>>,
}

/// Something that could not be read, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// What is the matter.
    pub text: String,
}

/// Reads everything that the request names: all objects first, then the logs, because a line's pod is known by the
/// objects.
///
/// # Errors
///
/// When a path that was named cannot be read at all, or nothing in it could be read as what it claims to be.
pub fn read(request: &Request) -> Result<Bundle, Error> {
    objects(request, None)?.logs(None)
}

/// The objects of a request, and its logs still to be read.
pub struct Objects<'a> {
    request: &'a Request,
    bundle: Bundle,
    logs: Vec<(&'a Path, Waiting)>,
    formats: Formats,
}

/// What may be a log, or have some.
enum Waiting {
    One(Input<'static>),
    Many(Archive),
}

/// Reads the objects that the request names. A format may be given for the lines that are of no other.
///
/// # Errors
///
/// As [`read`].
pub fn objects(request: &Request, log_format: Option<OwnFormat>) -> Result<Objects<'_>, Error> {
    read_request(request, log_format, false)
}

/// The same where logs are to be followed: a file or a folder that is named may have no line yet.
///
/// # Errors
///
/// As [`read`].
pub fn objects_to_follow(request: &Request, log_format: Option<OwnFormat>) -> Result<Objects<'_>, Error> {
    read_request(request, log_format, true)
}

fn read_request(
    request: &Request,
    log_format: Option<OwnFormat>,
    to_follow: bool,
) -> Result<Objects<'_>, Error> {
    let mut bundle = Bundle::default();
    let mut reader = ItemReader::default();
    let mut logs = Vec::new();
    for path in &request.paths {
        let found = input::inputs(path, &mut bundle).map_err(|error| error.of_content(path))?;
        let mut any = false;
        for input in found {
            match input.content {
                Content::Objects => any |= read_objects(input, &mut reader, &mut bundle),
                Content::Log | Content::Counters | Content::Unknown => logs.push((path, Waiting::One(input))),
                Content::Archive(_) => match input.archive() {
                    Ok(mut archive) => {
                        any |= archived::read_first(&mut archive, &mut reader, &mut bundle);
                        if archive.has_logs() {
                            logs.push((path, Waiting::Many(archive)));
                        }
                    }
                    Err(problem) => bundle.problems.push(problem),
                },
                Content::Binary | Content::Unmarked(_) | Content::Foreign(..) => {
                    let text = input.refusal();
                    bundle.problems.extend(text.map(|text| input.problem(&text)));
                }
            }
        }
        let waits_for_logs = logs.iter().any(|(of, _)| std::ptr::eq(*of, path));
        let may_come = to_follow && path.names_a_folder();
        if !any && !waits_for_logs && !may_come {
            return Err(Error::nothing_read(path, &bundle.problems));
        }
    }
    if !logs.is_empty() || !request.logs.is_empty() {
        let pods = bundle.snapshot.of_kind(&Kind::Pod).map(|pod| &pod.id);
        let pods = pods.map(|id| PodName { namespace: id.namespace.clone(), name: id.name.clone() });
        bundle.logs.know_pods(pods);
    }
    let formats = log_formats::of_objects(&bundle.snapshot, log_format);
    bundle.logs.use_formats(formats.clone());
    let logs = only_logs(logs, &formats, &mut reader, &mut bundle, to_follow)?;
    Ok(Objects { request, bundle, logs, formats })
}

/// Looks through the inputs that may be logs, and reads those that turn out to be objects.
fn only_logs<'a>(
    inputs: Vec<(&'a Path, Waiting)>,
    formats: &Formats,
    reader: &mut ItemReader,
    bundle: &mut Bundle,
    to_follow: bool,
) -> Result<Vec<(&'a Path, Waiting)>, Error> {
    let mut logs = Vec::new();
    for (path, waiting) in inputs {
        let input = match waiting {
            Waiting::One(input) => input,
            Waiting::Many(mut archive) => {
                let name = Arc::clone(&archive.name);
                if !archived::tell_unknown(&mut archive, formats, reader, bundle) {
                    left_out(path, name, bundle)?;
                }
                logs.push((path, Waiting::Many(archive)));
                continue;
            }
        };
        let name = Arc::clone(&input.name);
        // What cannot be looked at twice (a pipe) is taken for a log.
        let again = if input.content == Content::Unknown { input.again() } else { None };
        let read = match again.map_or(Whole::Log, |again| log::look_through(again, formats)) {
            Whole::Log => {
                logs.push((path, Waiting::One(input)));
                true
            }
            Whole::Objects => read_objects(input, reader, bundle),
            // One that was named will be a log; those of a folder are looked at again.
            Whole::Neither if to_follow && input.own_path().is_some() => {
                if !path.names_a_folder() {
                    logs.push((path, Waiting::One(input)));
                }
                true
            }
            Whole::Neither => false,
        };
        if !read {
            left_out(path, name, bundle)?;
        }
    }
    Ok(logs)
}

/// A file of a folder may be anything; one that was named may not.
fn left_out(path: &Path, name: Arc<str>, bundle: &mut Bundle) -> Result<(), Error> {
    if path.names_a_folder() {
        bundle.left_out.push(name);
        return Ok(());
    }
    Err(Error::nothing_read(path, &bundle.problems))
}

impl Objects<'_> {
    /// What was read.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Has the lines of the logs counted by these fields, too.
    pub fn count_by(&mut self, fields: Vec<Field>, names_pods: NamesPods) {
        self.bundle.logs.count_by(fields, names_pods);
    }

    /// Reads the logs, and has their lines looked at on the way.
    ///
    /// # Errors
    ///
    /// As [`read`].
    pub fn logs(self, watch: Option<&Arc<dyn Watch>>) -> Result<Bundle, Error> {
        let Self { request, mut bundle, logs, formats: _ } = self;
        bundle.logs.set_watch(watch.cloned());
        for (path, pod) in &request.logs {
            read_log_of(input::log_file(path)?, pod, &mut bundle, watch);
        }
        for (path, waiting) in logs {
            let (name, any) = match waiting {
                Waiting::One(input) if input.content == Content::Counters => {
                    counters::read(input, None, &mut bundle);
                    continue;
                }
                Waiting::One(input) => {
                    (Arc::clone(&input.name), log::read_log(input, None, &mut bundle, watch))
                }
                Waiting::Many(archive) => {
                    // What is no log in it was said when it was looked through.
                    archived::read_logs(&archive, None, &mut bundle, watch);
                    continue;
                }
            };
            if !any && watch.is_none_or(|watch| watch.goes_on()) {
                left_out(path, name, &mut bundle)?;
            }
        }
        bundle.logs.set_watch(None);
        Ok(bundle)
    }
}

/// Reads a log of a pod, or all that are in an archive.
fn read_log_of(input: Input<'static>, pod: &PodName, bundle: &mut Bundle, watch: Option<&Arc<dyn Watch>>) {
    if input.content == Content::Counters {
        return counters::read(input, Some(pod.clone()), bundle);
    }
    if !matches!(input.content, Content::Archive(_)) {
        log::read_log(input, Some(pod.clone()), bundle, watch);
        return;
    }
    match input.archive() {
        Ok(mut archive) => {
            archived::take_all_for_logs(&mut archive, bundle);
            archived::read_logs(&archive, Some(pod), bundle, watch);
        }
        Err(problem) => bundle.problems.push(problem),
    }
}

/// Whether anything was read as an object.
fn read_objects(input: Input<'_>, reader: &mut ItemReader, bundle: &mut Bundle) -> bool {
    let before = reader.objects_read();
    reader.begin(Arc::clone(&input.name));
    let left = if input.packed || input.name.contains('!') { packed::MOST_OBJECTS } else { u64::MAX };
    let text = BufReader::with_capacity(BLOCK, packed::Bounded { text: input.text, left });
    let read = if input.starts_like_json {
        json::read(text, reader, bundle)
    } else {
        yaml::read(text, reader, bundle)
    };
    if let Err(error) = read {
        bundle
            .problems
            .push(Problem { origin: Origin { file: input.name, line: 1 }, text: error.to_string() });
    }
    reader.objects_read() > before
}

fn open(path: &std::path::Path) -> Result<Box<dyn Read + Send>, Error> {
    let file = File::open(path).map_err(|source| Error::Open { path: path.display().to_string(), source })?;
    Ok(Box::new(file))
}
