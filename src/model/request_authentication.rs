//! `RequestAuthentication`: which tokens of callers a workload takes. What its rules say about keys is not kept: whether a
//! signature fits is told by whoever asks.

use super::authorization_policy::TargetRef;
use super::labels::Labels;

/// An entry of `jwtRules`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JwtRule {
    /// `issuer`.
    pub issuer: String,
    /// `audiences`; none takes all.
    pub audiences: Vec<String>,
    /// `spaceDelimitedClaims`: claims that are lists written as one text, besides `scope` and `permission` (J2).
    pub space_delimited_claims: Vec<String>,
    /// `forwardOriginalToken`: whether the header stays in the request (H9).
    pub forwards_token: bool,
    /// Whether the token is looked for anywhere else than in the header `Authorization`.
    pub is_elsewhere: bool,
}

/// A `RequestAuthentication`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestAuthentication {
    /// `selector.matchLabels`; empty selects all.
    pub selector: Labels,
    /// The gateways and services that it is for by name.
    pub targets: Vec<TargetRef>,
    /// `jwtRules`.
    pub rules: Vec<JwtRule>,
}
