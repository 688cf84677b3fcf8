//! Where a line leads when it is opened.

use crate::answer::common::ObjectRef;

/// A client and what it calls, as a why page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairKey {
    /// The client, `NAMESPACE/NAME`; any where there is none.
    pub client: Option<String>,
    /// The host, or the service as the user named it.
    pub service: String,
    /// The service port; any where there is none.
    pub port: Option<u16>,
    /// The subset.
    pub subset: Option<String>,
}

/// Where a line leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To the page of pairs, the first one in front.
    Why {
        /// The pairs, never empty.
        pairs: Vec<PairKey>,
        /// The finding they belong to.
        finding: Option<String>,
    },
    /// To an object, at a field.
    Object {
        /// The object.
        object: ObjectRef,
        /// The field that counts.
        field: Option<String>,
    },
    /// To what a code, flag or outcome means.
    Explain(String),
    /// To what would end a finding.
    Fix(String),
}
