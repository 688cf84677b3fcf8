//! Where logs and configuration meet: which pair a line belongs to, why it failed, and which finding that is.
//!
//! Confidence is earned here: *certain* only where no other cause leaves the same traces, or where the lines of the
//! other side, or the configuration, prove it.

mod age;
pub mod cause;
pub mod contradiction;
pub mod counted;
mod denials;
pub mod incomplete;
pub mod line_request;
pub mod locate;
pub mod merge;
mod message;
mod named;
mod passthrough;
pub mod rule_hits;
#[cfg(test)]
mod tests;

pub use cause::{Cause, Denial, Family, Label, NoneMatched, Part, Proof, Proved, causes, denial_of};
pub use locate::{Located, Locator};
pub use merge::{EdgeLogs, Traffic, findings};
pub use named::Named;
