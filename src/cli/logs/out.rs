//! What `logs` writes while it reads.

use std::io::{self, BufWriter, Stdout, Write as _};
use std::sync::{Arc, Mutex};

use crate::answer::logs::selection::{Records, Shown};
use crate::text::{visible, visible_json};

/// Standard output, and what went wrong with it.
#[derive(Clone)]
pub(super) struct Out(Arc<Mutex<(BufWriter<Stdout>, Option<io::Error>)>>);

impl Default for Out {
    fn default() -> Self {
        Self(Arc::new(Mutex::new((BufWriter::new(io::stdout()), None))))
    }
}

impl Out {
    /// Writes what is shown. Nothing is held back where more input is waited for: somebody may look at it.
    pub(super) fn records(&self) -> Records {
        let sink = self.clone();
        Box::new(move |shown| {
            let Ok(mut sink) = sink.0.lock() else { return false };
            let (out, failed) = &mut *sink;
            let written = match shown {
                Shown::Record(record) => writeln!(out, "{}", visible_json(record)),
                Shown::Line { pod, file, raw } => {
                    let raw = String::from_utf8_lossy(raw);
                    writeln!(out, "{}: {}", visible(pod.unwrap_or(file)), visible(&raw))
                }
                Shown::Waiting => out.flush(),
            };
            if let Err(error) = written {
                *failed = Some(error);
            }
            failed.is_none()
        })
    }

    /// Writes what was held back, or says why it could not be written.
    pub(super) fn end(&self) -> anyhow::Result<()> {
        let mut out = self.0.lock().map_err(|_poisoned| anyhow::anyhow!("the lines could not be written"))?;
        let (out, failed) = &mut *out;
        match failed.take() {
            Some(error) => Err(error.into()),
            None => Ok(out.flush()?),
        }
    }
}
