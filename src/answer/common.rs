//! Pieces that several answers share.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::diagnose::finding::LogEvidence;
use crate::logs::PodName;
use crate::model::{Object, ObjectId, Origin, Text};
use crate::resolve::{Missing, Workload};

/// The version of all shapes.
pub const API_VERSION: &str = "meshscope/v1";

/// A reference to an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: String,
    /// Its namespace, `null` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectRef {
    /// The reference to an object.
    pub fn of(id: &ObjectId) -> Self {
        Self {
            kind: id.kind.name().to_owned(),
            namespace: (!id.namespace.is_empty()).then(|| id.namespace.to_string()),
            name: id.name.to_string(),
        }
    }

    /// `namespace/name`.
    pub fn path(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }
}

impl From<&Object> for ObjectRef {
    fn from(object: &Object) -> Self {
        Self::of(&object.id)
    }
}

/// A workload, or one pod of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct WorkloadRef {
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its kind.
    pub kind: Option<String>,
    /// The pod, where one is meant.
    pub pod: Option<String>,
}

impl WorkloadRef {
    /// The pod itself.
    pub fn pod(workload: &Workload) -> Self {
        Self { pod: workload.pod.as_deref().map(str::to_owned), ..Self::workload(workload) }
    }

    /// A pod of which only the name is known.
    pub fn named(pod: &PodName) -> Self {
        let (namespace, name) = (Some(pod.namespace.to_string()), Some(pod.name.to_string()));
        Self { namespace, name: None, kind: None, pod: name }
    }

    /// The workload that the pod belongs to; a pod without controller is its own.
    pub fn workload(workload: &Workload) -> Self {
        let own = *workload.kind == *"Pod";
        Self {
            namespace: Some(workload.namespace.to_string()),
            name: Some(workload.name.to_string()),
            kind: Some(workload.kind.to_string()),
            pod: workload.pod.as_deref().filter(|_| own).map(str::to_owned),
        }
    }

    /// `namespace/name`, `?` for what is not known; a pod of which nothing else is known by its own name.
    pub fn path(&self) -> String {
        let text = |part: Option<&String>| part.cloned().unwrap_or_else(|| "?".to_owned());
        format!("{}/{}", text(self.namespace.as_ref()), text(self.name.as_ref().or(self.pod.as_ref())))
    }
}

/// What is missing for an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingRef {
    /// The kind.
    pub kind: String,
    /// `forbidden`, `absent`, `not-synced` or `not-collected`.
    pub state: String,
    /// What would be needed.
    pub need: String,
}

impl From<&Missing> for MissingRef {
    fn from(missing: &Missing) -> Self {
        Self { kind: missing.kind.clone(), state: missing.state.to_owned(), need: missing.need.clone() }
    }
}

/// How many clients an answer stands for, and some of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Clients {
    /// How many workloads.
    pub count: u64,
    /// Up to five of them.
    pub examples: Vec<WorkloadRef>,
    /// The namespaces of all.
    #[serde(skip)]
    pub namespaces: BTreeSet<Text>,
}

/// Log lines as evidence, or what a counter counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogLines {
    /// `log` or `counter`.
    pub kind: &'static str,
    /// How many lines.
    pub count: u64,
    /// The first, RFC 3339.
    pub first: Option<String>,
    /// The last.
    pub last: Option<String>,
    /// What they show.
    pub text: String,
    /// Up to three of them.
    pub samples: Vec<Origin>,
}

impl From<&LogEvidence> for LogLines {
    fn from(lines: &LogEvidence) -> Self {
        Self {
            kind: lines.by.word(),
            count: lines.count,
            first: lines.first.clone(),
            last: lines.last.clone(),
            text: lines.text.clone(),
            samples: lines.samples.iter().take(3).cloned().collect(),
        }
    }
}
