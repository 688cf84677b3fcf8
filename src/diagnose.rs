//! What is wrong with the configuration, and why: findings with their proof.
//!
//! A check answers *holds*, *does not hold* or *cannot tell*; the third is counted and never dropped. What logs say
//! about a finding is joined in `correlate`, what would end it is found in `remedy`.

pub mod catalog;
pub mod checks;
pub mod finding;
pub mod judge;
pub mod uses;

pub use catalog::{Code, Severity};
pub use finding::{ClientName, Confidence, Edge, Edges, Evidence, Finding, Involved, Reason, Role};
pub use judge::{Diagnosis, diagnose};
