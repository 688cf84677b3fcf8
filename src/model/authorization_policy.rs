//! `AuthorizationPolicy`: who may call a workload. Its rules are here as they are written, with what can be told of them
//! by their form; `resolve::authorize` holds requests against them.

use super::id::Text;
use super::labels::Labels;

/// What a policy does with what its rules match.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Lets it in, and keeps out what no rule of such a policy matches.
    Allow,
    /// Keeps it out.
    Deny,
    /// Marks it.
    Audit,
    /// Asks an external authorizer.
    Custom,
    /// A value this program does not know.
    Other(String),
}

/// Whether a rule asks for an identity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AsksIdentity {
    /// Nowhere: an identity changes nothing.
    #[default]
    Never,
    /// One of its sources does, and another one can be met without.
    Sometimes,
    /// Nobody can meet it without: each of its sources has a positive field of identities, or one of its conditions is
    /// such a field (I1 of the rules for authorization).
    Always,
}

/// Whom a rule does not match because of the identity that they have, as a rule that denies is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Spares {
    /// Nobody: what it matches of plaintext it matches of mutual TLS as well.
    #[default]
    Nobody,
    /// Some identities, or on some of its ways only.
    Some,
    /// Whoever has any: each of its sources, or one of its conditions, has a negative field with `*` (Z5).
    Everybody,
}

/// What a rule asks besides identities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Besides {
    /// Nothing: identities decide about it in every engine.
    #[default]
    Nothing,
    /// Ports, addresses, requests, or something that an engine leaves out (Z1 to Z5). It is not evaluated.
    More,
}

/// Whom a rule names by identity. Each may have a `*` at its beginning or end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// `TRUSTDOMAIN/ns/NAMESPACE/sa/ACCOUNT`.
    Principal(String),
    /// A namespace.
    Namespace(String),
    /// `NAMESPACE/ACCOUNT`, or an account in the namespace of the policy.
    ServiceAccount(String),
}

/// Fields of sources and operations that are HTTP's (section 8 of the rules for authorization).
pub const HTTP_FIELDS: [&str; 8] = [
    "requestPrincipals",
    "notRequestPrincipals",
    "hosts",
    "notHosts",
    "methods",
    "notMethods",
    "paths",
    "notPaths",
];

/// A list of a `source` or an `operation` with something in it: the field, as it is written, and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    /// The field, such as `notPaths`.
    pub field: Text,
    /// What is in its list.
    pub values: Vec<Text>,
}

/// A condition: an entry of `when`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// `key`.
    pub key: String,
    /// `values`.
    pub values: Vec<Text>,
    /// `notValues`.
    pub not_values: Vec<Text>,
}

/// A rule as it is written. A list that is empty is as none (C4), and is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The fields of each `source` of `from`; one without any field is kept.
    pub from: Vec<Vec<Values>>,
    /// The fields of each `operation` of `to`; one without any field is kept.
    pub to: Vec<Vec<Values>>,
    /// The conditions of `when`.
    pub when: Vec<Condition>,
}

/// An object that a policy is for by its name: an entry of `targetRefs`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetRef {
    /// `group`; empty and `core` are the same.
    pub group: String,
    /// `kind`.
    pub kind: String,
    /// `name`.
    pub name: String,
    /// `namespace`, which an API server refuses to be given.
    pub namespace: String,
}

/// What a rule asks of those it matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessRule {
    /// The rule as it is written.
    pub written: Written,
    /// Whether it asks for an identity.
    pub identity: AsksIdentity,
    /// Whom it spares for their identity.
    pub spares: Spares,
    /// What it asks besides identities.
    pub besides: Besides,
    /// Those whom it matches by their identity alone, whatever else they send; empty where it asks for anything else.
    pub peers: Vec<Peer>,
    /// Whether those are all whom it matches: each of its sources and conditions names by identity, and nothing else.
    pub peers_are_all: bool,
    /// Whether it asks for nothing, and so matches everything.
    pub is_for_all: bool,
    /// Whether any part of it can be told of HTTP only: then it is dropped on a TCP port (T1).
    pub is_for_http: bool,
}

/// An `AuthorizationPolicy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationPolicy {
    /// `selector.matchLabels`; empty selects all.
    pub selector: Labels,
    /// Whether there is a selector at all: an empty one is not as none for ztunnel (S7).
    pub has_selector: bool,
    /// The gateways and services that it is for by name: `targetRefs`, or else `targetRef`. With any of them, no
    /// selector counts.
    pub targets: Vec<TargetRef>,
    /// `action`; absent is ALLOW.
    pub action: Action,
    /// `provider.name`: the external authorizer that a CUSTOM policy asks.
    pub provider: Option<String>,
    /// Whether it is only tried (`istio.io/dry-run`), and refuses nothing (O8).
    pub is_dry_run: bool,
    /// Its rules; an ALLOW policy without any lets nobody in (O7).
    pub rules: Vec<AccessRule>,
}

impl Action {
    /// The word of it, as it stands in an object.
    pub fn word(&self) -> &str {
        match self {
            Self::Allow => "ALLOW",
            Self::Deny => "DENY",
            Self::Audit => "AUDIT",
            Self::Custom => "CUSTOM",
            Self::Other(word) => word,
        }
    }
}
