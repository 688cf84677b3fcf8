//! `authz`: what policies make of requests, in the shapes of the command line.

pub mod cases;
pub mod check;
pub mod decision;
pub mod diff;
pub mod explain;
pub mod hits;
pub mod list;
pub mod requests;
pub mod workloads;

pub use decision::{AuthzDecision, AuthzDecisions};
