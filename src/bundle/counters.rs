//! Files of counters: lines out of blocks, and the pod that a path names.

use std::path::Path;
use std::sync::Arc;

use super::blocks::{Handing, lines};
use super::input::Input;
use super::{Bundle, Problem, log};
use crate::logs::PodName;
use crate::model::{Origin, Snapshot};

/// Takes the counters of a file up. A file that was read already, under whatever flag, is no second reading.
pub(super) fn read(input: Input<'_>, pod: Option<PodName>, bundle: &mut Bundle) {
    let file = input.name;
    if bundle.counters.knows(&file) {
        return;
    }
    let pod = pod.or_else(|| pod_of_path(&file, &bundle.snapshot));
    let counters = &mut bundle.counters;
    counters.begin(Arc::clone(&file), pod);
    let read = lines(input.text, Handing::Full, |number, line| counters.line(number, line));
    counters.end(!matches!(read, Ok(None)));
    if let Err(error) = read {
        let origin = Origin { file, line: 1 };
        bundle.problems.push(Problem { origin, text: format!("cannot be read to its end: {error}") });
    }
}

/// The pod that a path names, as those of logs do. Endings are many (`.stats.txt`, `.prom`), so each is tried.
fn pod_of_path(file: &str, snapshot: &Snapshot) -> Option<PodName> {
    let path = Path::new(file);
    let mut name = path.file_name()?.to_str()?;
    loop {
        let tried = path.with_file_name(format!("{name}.log"));
        if let Some(pod) = log::pod_of_path(tried.to_str()?, snapshot) {
            return Some(pod);
        }
        name = name.rsplit_once('.')?.0;
    }
}
