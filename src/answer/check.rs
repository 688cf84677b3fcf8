//! `check`: everything that is wrong.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::common::{LogLines, MissingRef, ObjectRef, WorkloadRef};
use crate::model::Origin;

/// At most so many edges of a finding are listed.
pub const MOST_EDGES: usize = 100;

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// [`super::common::API_VERSION`].
    pub api_version: &'static str,
    /// `CheckReport`.
    pub kind: &'static str,
    /// The version whose rules were applied.
    pub istio_version: VersionRef,
    /// How much was looked at.
    pub scanned: Scanned,
    /// Findings by severity, and checks that could not tell.
    pub summary: Summary,
    /// The findings, worst first.
    pub findings: Vec<Finding>,
    /// What was taken for granted.
    pub assumed: Vec<String>,
    /// What is missing for the checks that could not tell.
    pub missing: Vec<MissingRef>,
}

/// A version and where it is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionRef {
    /// The version.
    pub value: String,
    /// `istiod`, `flag` or `default`.
    pub from: String,
}

/// How much was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Scanned {
    /// Objects by kind.
    pub objects: BTreeMap<String, usize>,
    /// Pairs of client workload and service port that were judged.
    pub pairs: u64,
    /// Access-log lines that were read.
    pub log_lines: u64,
}

/// Findings by severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
pub struct Summary {
    /// Errors.
    pub error: usize,
    /// Warnings.
    pub warning: usize,
    /// Infos.
    pub info: usize,
    /// Checks that could not tell.
    pub unknown: u64,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Its identity, the same as long as the root is.
    pub id: String,
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// `error`, `warning`, `info`.
    pub severity: String,
    /// `certain`, `likely`, `possible`.
    pub confidence: String,
    /// One sentence that names the objects.
    pub message: String,
    /// Reasons that have codes of their own.
    pub because: Vec<ReasonRef>,
    /// The objects, the cause first.
    pub objects: Vec<InvolvedRef>,
    /// The pairs, those seen in logs first; at most [`MOST_EDGES`].
    pub edges: Vec<EdgeRef>,
    /// How many pairs there are.
    pub edge_count: usize,
    /// The proof.
    pub evidence: Vec<EvidenceRef>,
    /// Who owns the root object, where its labels tell.
    pub owner: Option<OwnerRef>,
    /// What would end it.
    pub remedies: Vec<RemedyRef>,
}

/// A reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReasonRef {
    /// Its code.
    pub code: String,
    /// The sentence.
    pub text: String,
}

/// An object and its part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InvolvedRef {
    /// The object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// `cause`, `partner`, `affected`.
    pub role: String,
    /// The fields that count.
    pub fields: Vec<String>,
    /// Where it was read.
    pub origin: Option<Origin>,
}

/// A pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EdgeRef {
    /// The client.
    pub client: WorkloadRef,
    /// `service` or `passthrough`.
    pub via: &'static str,
    /// The host.
    pub host: String,
    /// The service port.
    pub port: u16,
    /// The subset.
    pub subset: Option<String>,
    /// Log lines of this pair that show the failure.
    pub seen: u64,
}

/// A piece of proof.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EvidenceRef {
    /// A field.
    Field(FieldEvidence),
    /// Log lines.
    Log(LogLines),
}

/// A field and how it counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldEvidence {
    /// Always `field`.
    pub kind: &'static str,
    /// The object.
    pub object: ObjectRef,
    /// The field's path.
    pub field: String,
    /// Its value, `null` where it is absent.
    pub value: Value,
    /// How it counted.
    pub counted: String,
}

/// Who owns an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnerRef {
    /// The label that says so, `key=value`.
    pub label: Option<String>,
    /// The field manager.
    pub manager: Option<String>,
}

/// A change that ends a finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RemedyRef {
    /// What it does and what differs.
    pub title: String,
    /// The object to change.
    pub object: ObjectRef,
    /// A merge patch (RFC 7386) with complete lists.
    pub patch: Option<Value>,
    /// The command that applies it.
    pub command: Option<String>,
    /// A whole object, where one is to be made.
    pub manifest: Option<Value>,
    /// Whether it would last.
    pub survives: Survives,
}

/// Whether a change would last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Survives {
    /// `yes`, `no`, `unknown`.
    pub answer: String,
    /// Who would undo it.
    pub by: Option<String>,
}
