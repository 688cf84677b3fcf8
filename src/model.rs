//! The vocabulary everything else speaks: kinds, objects, policies, workloads, and the snapshot that holds them.
//!
//! Nothing here decides anything. Objects are decoded into the fields that can change an answer, what was not
//! understood becomes a note beside the object, and a snapshot is what was read at one moment.

pub mod access_log;
pub mod authorization_policy;
pub mod decode;
pub mod destination_rule;
pub mod endpoints;
pub mod id;
pub mod interner;
pub mod labels;
pub mod mesh;
pub mod networks;
pub mod object;
pub mod peer_authentication;
pub mod pod;
pub mod request_authentication;
pub mod schema;
pub mod service;
pub mod service_entry;
pub mod sidecar;
pub mod snapshot;
pub mod time;
pub mod virtual_service;
pub mod workload;

pub use id::{Kind, ObjectId, Text};
pub use labels::Labels;
pub use object::{Body, Metadata, Note, Object, Origin};
pub use snapshot::{Change, Delta, Snapshot};
