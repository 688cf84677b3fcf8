//! `PeerAuthentication`: which TLS a workload demands of its callers.

use serde_json::Value;

use super::labels::Labels;

/// A mode of mutual TLS.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MtlsMode {
    /// Not set: the parent's mode counts (MT-1.4).
    Unset,
    /// Plaintext only.
    Disable,
    /// Both.
    Permissive,
    /// Mutual TLS only.
    Strict,
    /// A value this program does not know. What depends on it is unknown.
    Other(String),
}

impl MtlsMode {
    /// The mode of an `mtls` block; absent, null and empty are [`MtlsMode::Unset`].
    pub fn from_block(block: Option<&Value>) -> Self {
        match block.and_then(|block| block.get("mode")).and_then(Value::as_str) {
            None | Some("UNSET") => Self::Unset,
            Some("DISABLE") => Self::Disable,
            Some("PERMISSIVE") => Self::Permissive,
            Some("STRICT") => Self::Strict,
            Some(other) => Self::Other(other.to_owned()),
        }
    }

    /// The word as Istio writes it.
    pub fn word(&self) -> &str {
        match self {
            Self::Unset => "UNSET",
            Self::Disable => "DISABLE",
            Self::Permissive => "PERMISSIVE",
            Self::Strict => "STRICT",
            Self::Other(other) => other,
        }
    }
}

/// A `PeerAuthentication`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAuthentication {
    /// `selector.matchLabels`; an absent selector and one without labels are the same (MT-1.1).
    pub selector: Labels,
    /// Whether `selector` is there at all, with labels or without: ambient mode tells the two apart (MT-6.6).
    pub has_selector: bool,
    /// `mtls.mode`.
    pub mode: MtlsMode,
    /// `portLevelMtls`, by the workload's port (MT-1.6).
    pub ports: Vec<(u16, MtlsMode)>,
}
