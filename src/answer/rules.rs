//! The table of `DestinationRules`: for how many clients each wins.

use serde::Serialize;

use super::common::ObjectRef;
use crate::model::Origin;

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleTable {
    /// [`super::common::API_VERSION`].
    pub api_version: &'static str,
    /// `RuleTable`.
    pub kind: &'static str,
    /// One row a rule.
    pub rows: Vec<RuleRow>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleRow {
    /// The rule.
    pub rule: ObjectRef,
    /// Its host as written.
    pub host: String,
    /// `tls.mode` of its traffic policy, `-` without one.
    pub tls: String,
    /// Pairs of client namespace and service for which it is in force.
    pub wins: u64,
    /// Those whose host it matches and for which it is not.
    pub lost: u64,
    /// What is remarkable about it, in one sentence.
    pub note: Option<String>,
    /// Where it was read.
    pub origin: Origin,
}
