//! A request against the policies in force: the decision that Envoy or ztunnel makes, and the steps to it.
//!
//! Everything here follows the rules of authorization: S, O, C, P, I, H, J, T, Z and L with their numbers. What is not
//! known of a request stays unknown, so a decision that depends on it is unknown too.

pub mod address;
pub mod attach;
pub mod claims;
pub mod clause;
pub mod decision;
pub mod envoy;
pub mod evaluator;
pub mod identity;
pub mod in_mesh;
pub mod path;
pub mod pattern;
pub mod request;
pub mod rule;
pub mod template;
pub mod token;
pub mod truth;
pub mod ztunnel;
