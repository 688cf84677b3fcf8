//! What was read, ready to be asked: the mesh, the logs, and what could not be read.

use std::sync::Arc;

use crate::counters::Counters;
use crate::diagnose::Diagnosis;
use crate::diagnose::judge::Unread;
use crate::logs::{Aggregate, Recent};
use crate::model::Snapshot;
use crate::resolve::{Mesh, Options};

/// Everything that answers are made from.
#[derive(Debug, Clone)]
pub struct Read {
    /// The mesh.
    pub mesh: Arc<Mesh>,
    /// What its configuration alone says.
    pub diagnosis: Arc<Diagnosis>,
    /// The logs.
    pub logs: Arc<Aggregate>,
    /// The counters of proxies.
    pub counters: Arc<Counters>,
    /// The last lines of them, where somebody wants to see them again.
    pub recent: Arc<Recent>,
}

impl Read {
    /// Prepares what was read. `unread` are texts of which not even the object is known.
    pub fn new(snapshot: &Snapshot, logs: Aggregate, unread: &[Unread], options: &Options) -> Self {
        let mesh = Mesh::new(snapshot, options);
        let diagnosis = Arc::new(crate::diagnose::diagnose(&mesh, unread));
        Self { mesh, diagnosis, logs: Arc::new(logs), counters: Arc::default(), recent: Arc::default() }
    }

    /// Adds the counters that were read.
    #[must_use]
    pub fn with_counters(mut self, counters: Counters) -> Self {
        self.counters = Arc::new(counters);
        self
    }
}
