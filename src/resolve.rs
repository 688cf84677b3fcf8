//! What is in force: which rule a client uses, what it sends, what the server demands, and whether they agree.
//!
//! A [`Mesh`] is made from a snapshot once and then asked. Rules are indexed by pool and host, policies by namespace,
//! pods by address, so an answer costs a few look-ups and no loop over all rules; clients that no rule tells apart
//! share one answer ([`clients`]). Nothing here judges whether an answer is bad: that is `diagnose`.

pub mod ambient;
pub mod answers;
pub mod authorization;
pub mod authorize;
pub mod candidates;
pub mod client_tls;
pub mod clients;
pub mod config;
pub mod conflict;
pub mod flags;
pub mod gaps;
pub mod interception;
pub mod legacy;
pub mod mesh;
pub mod name;
pub mod networks;
pub mod pair;
pub mod registry;
pub mod revisions;
pub mod routes;
pub mod rules;
pub mod scope;
pub mod server_mtls;
pub mod table;
mod template;
pub mod traffic_policy;
pub mod unread;
mod unsettled;
pub mod workload;

pub use answers::Answers;
pub use clients::{ClientClass, Group};
pub use config::{Config, IstioVersion, Options};
pub use flags::{Flag, Flags};
pub use gaps::Missing;
pub use mesh::{Mesh, Target};
pub(crate) use pair::overall;
pub use pair::{EndpointTls, PairTls, Status};
pub use registry::{Endpoint, Service};
pub use rules::{Choice, Level, RuleId};
pub use table::Table;
pub use workload::Workload;
