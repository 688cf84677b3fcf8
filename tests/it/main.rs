//! The one integration binary: the real program on real input.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed, and its settings come from the environment"
)]

mod ambient;
mod answer_key;
mod archives;
mod authz;
mod authz_explain;
mod bad_input;
mod cases;
mod causes;
mod ci_formats;
mod counters;
mod flags;
#[cfg(unix)]
mod follow;
mod incremental;
mod interception;
mod joined;
mod layers;
mod legacy_format;
mod limits;
mod line_mutations;
mod log_formats;
mod log_lines;
mod map;
mod mutations;
mod networks;
mod odd_values;
mod outside;
#[cfg(unix)]
mod pty;
mod readme;
mod refused;
mod remedies;
mod revisions;
mod routes;
mod scenarios;
mod screens;
mod shapes;
mod support;
mod terminal;
mod unread;
mod versions;
mod wrapped_logs;
