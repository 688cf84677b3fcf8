//! One value a question: what the screen draws and the pipe prints, so that the two cannot disagree.
//!
//! The shapes are a contract with other programs: keys may be added, none is renamed or changes its meaning.

pub mod authz;
pub mod causes;
pub mod check;
pub mod common;
pub mod explain;
pub mod joined;
pub mod legacy_tls_check;
pub mod log_lines;
pub mod logs;
pub mod read;
mod reason;
pub mod remedy;
pub mod resolve;
pub mod rules;
pub mod tls_check;
pub mod why;

pub use read::Read;
