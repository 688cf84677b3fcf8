//! The checks, one a file: the function, and its examples beside it.

pub mod ambient_ports;
pub mod authorization;
pub mod conflicts;
pub mod host_matches_nothing;
pub mod not_readable;
pub mod not_understood;
pub mod peer_policies;
pub mod probes;
pub mod reasons;
pub mod rule_never_used;
pub mod rules_lost;
pub mod subsets;
pub mod tls_origination;
pub mod two_origins;

mod dropped_tls;
#[cfg(test)]
pub(crate) mod examples;
pub mod root;

use crate::model::{Body, Kind};
use crate::resolve::Mesh;

/// Whether an object of these kinds is there and could not be read: it may say anything.
fn unreadable(mesh: &Mesh, kinds: &[Kind]) -> bool {
    let mut objects = kinds.iter().flat_map(|kind| mesh.snapshot.of_kind(kind));
    objects.any(|object| object.body == Body::Unreadable)
}
