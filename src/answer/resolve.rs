//! `resolve`: which `DestinationRule` a client uses for a service, and why every other one is not it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::common::{MissingRef, ObjectRef, WorkloadRef};
use crate::model::Origin;

/// The answer for one client and service.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolution {
    /// [`super::common::API_VERSION`].
    pub api_version: &'static str,
    /// `Resolution`.
    pub kind: &'static str,
    /// The client.
    pub client: WorkloadRef,
    /// The host.
    pub host: String,
    /// The namespace that owns the service; `null` where it is out of scope.
    pub service_namespace: Option<String>,
    /// The rule in force.
    pub rule: Option<ObjectRef>,
    /// `client`, `service`, `root`.
    pub level: Option<String>,
    /// All rules merged into it, the primary first.
    pub contributors: Vec<Contributor>,
    /// Names of its subsets, in order.
    pub subsets: Vec<String>,
    /// Each port without subset and with each.
    pub ports: Vec<Port>,
    /// Every rule that could be it, and what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<Vec<Candidate>>,
    /// What was taken for granted.
    pub assumed: Vec<String>,
    /// What is missing; the answer is `UNKNOWN` then.
    pub missing: Vec<MissingRef>,
}

/// A list of answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolutionList {
    /// [`super::common::API_VERSION`].
    pub api_version: &'static str,
    /// `ResolutionList`.
    pub kind: &'static str,
    /// The answers.
    pub items: Vec<Resolution>,
}

/// A rule that gave something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contributor {
    /// The rule.
    #[serde(flatten)]
    pub rule: ObjectRef,
    /// What is in force of it: `trafficPolicy`, `subset NAME`.
    pub parts: Vec<String>,
    /// What is not: subsets whose name was taken, a traffic policy that came too late.
    pub dropped: Vec<String>,
}

/// A port and subset.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// The service port.
    pub port: u16,
    /// The subset.
    pub subset: Option<String>,
    /// The blocks in force.
    pub traffic_policy: Map<String, Value>,
    /// The TLS of it.
    pub tls: PortTls,
}

/// TLS of a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PortTls {
    /// As declared; `UNSET` without a `tls` block.
    pub mode: String,
    /// Where it comes from.
    pub source: String,
}

/// A rule and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The rule.
    pub rule: ObjectRef,
    /// Its host as written.
    pub host: String,
    /// Its host made whole.
    pub normalised_host: String,
    /// What became of it.
    pub outcome: String,
    /// Why.
    pub reason: String,
    /// What would have to be otherwise.
    pub would_win_if: Option<String>,
    /// Where it was read.
    pub origin: Origin,
}
