//! `AuthorizationPolicy`: who may call a workload. Only what tells which policies are in force for a workload, and
//! whether a rule can be met without an identity: rules are not evaluated.

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

/// What a rule asks of those it matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessRule {
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
    /// Whether it is for gateways and services that it names (`targetRef`, `targetRefs`), and no selector counts.
    pub has_targets: bool,
    /// `action`; absent is ALLOW.
    pub action: Action,
    /// Whether it is only tried (`istio.io/dry-run`), and refuses nothing (O8).
    pub is_dry_run: bool,
    /// Its rules; an ALLOW policy without any lets nobody in (O7).
    pub rules: Vec<AccessRule>,
}
