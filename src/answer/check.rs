//! `check`: everything that is wrong.

pub mod choice;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;

use super::Read;
use super::common::{API_VERSION, LogLines, MissingRef, ObjectRef, WorkloadRef};
use super::joined::Joined;
pub use super::remedy::{RemedyRef, Survives};
use crate::diagnose::{self, Edge};
use crate::model::Origin;
use crate::remedy::Remedies;
use crate::resolve::Mesh;

use choice::LeftOut;

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
    /// Findings that hold and do not count.
    pub left_out: LeftOut,
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
    /// Samples of proxies' counters that were read.
    pub counters: u64,
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
    /// Namespaces of the clients of all pairs, also of those that are not listed; `None` where they are too many.
    #[serde(skip)]
    pub client_namespaces: Option<BTreeSet<String>>,
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
    /// Log lines, or a counter.
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

/// Everything that is wrong with what was read.
pub fn check(read: &Read) -> CheckReport {
    let joined = Joined::new(read);
    let remedies = Remedies::new(&read.mesh);
    // Each remedy is tried on a mesh of its own, so that all processors can take part.
    let findings = joined.findings.par_iter().map(|finding| of(&read.mesh, finding, &joined, &remedies));
    let findings: Vec<_> = findings.collect();
    report(read, findings)
}

fn report(read: &Read, findings: Vec<Finding>) -> CheckReport {
    let version = &read.mesh.config.version;
    let count = |severity: &str| findings.iter().filter(|finding| finding.severity == severity).count();
    CheckReport {
        api_version: API_VERSION,
        kind: "CheckReport",
        istio_version: VersionRef { value: version.value.clone(), from: version.from.to_owned() },
        scanned: Scanned {
            objects: read.mesh.snapshot.counts(),
            pairs: read.diagnosis.pairs,
            log_lines: read.logs.lines().read,
            counters: read.counters.samples(),
        },
        summary: Summary {
            error: count("error"),
            warning: count("warning"),
            info: count("info"),
            unknown: read.diagnosis.unknown,
        },
        findings,
        left_out: LeftOut::default(),
        assumed: read.diagnosis.assumed.iter().map(|text| (*text).to_owned()).collect(),
        missing: read.diagnosis.missing.iter().map(MissingRef::from).collect(),
    }
}

fn of(mesh: &Mesh, finding: &diagnose::Finding, joined: &Joined, remedies: &Remedies<'_>) -> Finding {
    let seen = |edge: &Edge| joined.seen.get(edge).copied().unwrap_or(0);
    // Those seen in logs first; the others only as far as they are listed.
    let mut edges: Vec<_> = joined.seen.keys().filter(|edge| finding.edges.contains(edge)).cloned().collect();
    edges.sort_by_key(|edge| std::cmp::Reverse(seen(edge)));
    let others = finding.edges.iter().filter(|edge| seen(edge) == 0);
    edges.extend(others.take(MOST_EDGES.saturating_sub(edges.len())));
    let reason = |reason: &diagnose::Reason| ReasonRef {
        code: reason.code().to_owned(),
        text: reason.text().to_owned(),
    };
    Finding {
        id: finding.id(),
        code: finding.code.code().to_owned(),
        name: finding.code.name().to_owned(),
        severity: finding.severity.word().to_owned(),
        confidence: finding.confidence.word().to_owned(),
        message: finding.message.clone(),
        because: finding.because.iter().map(reason).collect(),
        objects: finding.objects.iter().map(involved).collect(),
        edge_count: finding.edges.len(),
        client_namespaces: finding
            .edges
            .client_namespaces()
            .map(|names| names.into_iter().map(str::to_owned).collect()),
        edges: edges.iter().take(MOST_EDGES).map(|edge| edge_ref(finding, edge, seen(edge))).collect(),
        evidence: finding.evidence.iter().map(evidence).collect(),
        owner: None,
        remedies: remedies.of(finding).into_iter().map(|remedy| RemedyRef::of(mesh, remedy)).collect(),
    }
}

fn involved(involved: &diagnose::Involved) -> InvolvedRef {
    InvolvedRef {
        object: ObjectRef::of(&involved.id),
        role: involved.role.word().to_owned(),
        fields: involved.fields.clone(),
        origin: involved.origin.clone(),
    }
}

fn edge_ref(finding: &diagnose::Finding, edge: &Edge, seen: u64) -> EdgeRef {
    let (namespace, name, kind) = &edge.client;
    EdgeRef {
        client: WorkloadRef {
            namespace: Some(namespace.to_string()),
            name: Some(name.to_string()),
            kind: Some(kind.to_string()),
            pod: (**kind == *"Pod").then(|| name.to_string()),
        },
        via: if finding.edges.is_direct(edge) { "passthrough" } else { "service" },
        host: edge.host.to_string(),
        port: edge.port,
        subset: edge.subset.as_deref().map(str::to_owned),
        seen,
    }
}

fn evidence(evidence: &diagnose::Evidence) -> EvidenceRef {
    match evidence {
        diagnose::Evidence::Log(lines) => EvidenceRef::Log(LogLines::from(lines)),
        diagnose::Evidence::Field { object, field, value, counted } => EvidenceRef::Field(FieldEvidence {
            kind: "field",
            object: ObjectRef::of(object),
            field: field.clone(),
            value: value.clone(),
            counted: counted.clone(),
        }),
    }
}
