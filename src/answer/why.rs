//! `why`: everything about one service's pairs on one page.

use serde::Serialize;

use super::common::{Clients, ObjectRef, WorkloadRef};
use super::logs::{Cause, Group};
use super::resolve::Resolution;
use super::tls_check::Row;

/// At most so many pairs are listed.
pub const MOST_PAIRS: usize = 20;

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// [`super::common::API_VERSION`].
    pub api_version: &'static str,
    /// `Why`.
    pub kind: &'static str,
    /// The service.
    pub service: ServiceRef,
    /// The pairs, faults first, then those seen in logs.
    pub pairs: Vec<Pair>,
    /// How many pairs there are.
    pub pair_count: usize,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceRef {
    /// Its host.
    pub host: String,
    /// The namespace that owns it.
    pub namespace: String,
}

/// A pair.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// The client; `null` where the pair stands for several.
    pub client: Option<WorkloadRef>,
    /// Whom it stands for.
    pub clients: Clients,
    /// The service port.
    pub port: u16,
    /// The subset.
    pub subset: Option<String>,
    /// As in `tls-check`.
    pub status: String,
    /// Which rule, and why the others are not it.
    pub resolution: Resolution,
    /// What is sent and what is demanded.
    pub tls: Row,
    /// The policies that decide, the deciding one first.
    pub policies: Vec<PolicyRef>,
    /// What the logs say of it.
    pub logs: PairLogs,
    /// The cause of what failed, where something did.
    pub cause: Option<Cause>,
    /// Identities of the findings that hold for it.
    pub findings: Vec<String>,
    /// What to look at next.
    pub next: Vec<String>,
    /// What the two proxies say themselves: only where they were asked.
    pub proxies: Option<()>,
}

/// A policy and what it sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyRef {
    /// The policy.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// `mesh`, `namespace`, `workload`, `port`.
    pub level: String,
    /// The mode it sets.
    pub mode: String,
    /// The field that sets it.
    pub field: String,
    /// Where it was read.
    pub origin: Option<crate::model::Origin>,
}

/// What the logs say of a pair.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct PairLogs {
    /// The groups of lines.
    pub groups: Vec<Group>,
}
