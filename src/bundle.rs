//! A saved state: Kubernetes objects and access logs out of files, folders and standard input.
//!
//! Every input is recognised by what is in it. Objects are read item by item straight into the types that are kept,
//! logs line by line into counts, so neither a list of fifty thousand pods nor a log of any size stands in memory.
//! One broken document among good ones costs that document only, and is said.

mod batch;
mod error;
mod input;
mod item;
mod json;
mod log;
mod log_formats;
mod yaml;

use std::fs::File;
use std::io::{BufReader, Read};
use std::sync::Arc;

use crate::logs::{Aggregate, Formats, OwnFormat, PodName, Watch};
use crate::model::{Kind, Origin, Snapshot};

pub use error::Error;
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
    logs: Vec<(&'a Path, Input)>,
}

/// Reads the objects that the request names. A format may be given for the lines that are of no other.
///
/// # Errors
///
/// As [`read`].
pub fn objects(request: &Request, log_format: Option<OwnFormat>) -> Result<Objects<'_>, Error> {
    let mut bundle = Bundle::default();
    let mut reader = ItemReader::default();
    let mut logs = Vec::new();
    for path in &request.paths {
        let found = input::inputs(path, &mut bundle)?;
        let mut any = false;
        for input in found {
            match input.content {
                Content::Objects => any |= read_objects(input, &mut reader, &mut bundle),
                Content::Log | Content::Unknown => logs.push((path, input)),
                Content::Binary => bundle.problems.push(input.problem("is a binary file: it was not read")),
                Content::Unmarked(encoding) => {
                    let text = format!(
                        "is {encoding}, and it was not read: iconv -f {encoding} -t UTF-8 makes it readable"
                    );
                    bundle.problems.push(input.problem(&text));
                }
            }
        }
        let waits_for_logs = logs.iter().any(|(of, _)| std::ptr::eq(*of, path));
        if !any && !waits_for_logs {
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
    let logs = only_logs(logs, &formats, &mut reader, &mut bundle)?;
    Ok(Objects { request, bundle, logs })
}

/// Looks through the inputs that may be logs, and reads those that turn out to be objects.
fn only_logs<'a>(
    inputs: Vec<(&'a Path, Input)>,
    formats: &Formats,
    reader: &mut ItemReader,
    bundle: &mut Bundle,
) -> Result<Vec<(&'a Path, Input)>, Error> {
    let mut logs = Vec::new();
    for (path, input) in inputs {
        let name = Arc::clone(&input.name);
        // What cannot be looked at twice (a pipe) is taken for a log.
        let again = if input.content == Content::Unknown { input.again() } else { None };
        let read = match again.map_or(Whole::Log, |again| log::look_through(again, formats)) {
            Whole::Log => {
                logs.push((path, input));
                true
            }
            Whole::Objects => read_objects(input, reader, bundle),
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

    /// Reads the logs, and has their lines looked at on the way.
    ///
    /// # Errors
    ///
    /// As [`read`].
    pub fn logs(self, watch: Option<&Arc<dyn Watch>>) -> Result<Bundle, Error> {
        let Self { request, mut bundle, logs } = self;
        bundle.logs.set_watch(watch.cloned());
        for (path, pod) in &request.logs {
            let input = input::log_file(path)?;
            log::read_log(input, Some(pod.clone()), &mut bundle, watch);
        }
        for (path, input) in logs {
            let name = Arc::clone(&input.name);
            if !log::read_log(input, None, &mut bundle, watch) && watch.is_none_or(|watch| watch.goes_on()) {
                left_out(path, name, &mut bundle)?;
            }
        }
        bundle.logs.set_watch(None);
        Ok(bundle)
    }
}

/// Whether anything was read as an object.
fn read_objects(input: Input, reader: &mut ItemReader, bundle: &mut Bundle) -> bool {
    let before = reader.objects_read();
    reader.begin(Arc::clone(&input.name));
    let text = BufReader::with_capacity(BLOCK, input.text);
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
