//! A remedy as other programs read it, with every pair whose answer it makes another.

use serde::Serialize;
use serde_json::{Map, Value};

use super::common::{Clients, ObjectRef, WorkloadRef};
use crate::remedy::{self, PairChange};
use crate::resolve::Mesh;
use crate::resolve::client_tls::Sent;

/// At most so many changes are listed; how many there are is counted.
pub const MOST_CHANGES: usize = 100;

/// A change that ends a finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RemedyRef {
    /// What it does and what differs.
    pub title: String,
    /// The object to change.
    pub object: ObjectRef,
    /// A merge patch (RFC 7386) with complete lists.
    pub patch: Option<Value>,
    /// The command that applies it.
    pub command: Option<String>,
    /// A whole object, where one is to be made.
    pub manifest: Option<Value>,
    /// Whether it would last.
    pub survives: Survives,
    /// What becomes of the pairs that it touches; at most [`MOST_CHANGES`].
    pub changes: Vec<ChangeRef>,
    /// How many pairs (client workload, service port, subset) get another answer.
    pub change_count: u64,
}

/// Whether a change would last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Survives {
    /// `yes`, `no`, `unknown`.
    pub answer: String,
    /// Who would undo it.
    pub by: Option<String>,
}

/// Pairs that get another answer, and the same one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeRef {
    /// The client; `null` where it stands for several.
    pub client: Option<WorkloadRef>,
    /// Whom it stands for.
    pub clients: Clients,
    /// The host.
    pub host: String,
    /// The service port.
    pub port: u16,
    /// The subset.
    pub subset: Option<String>,
    /// As it is.
    pub before: SideRef,
    /// As it would be.
    pub after: SideRef,
}

/// One side of a change.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SideRef {
    /// `OK`, `WARN`, `CONFLICT`, `COND`, `UNKNOWN`.
    pub status: String,
    /// The rule in force.
    pub destination_rule: Option<ObjectRef>,
    /// What is sent; `mixed` where endpoints differ.
    pub effective: String,
    /// What the server demands.
    pub server_mode: String,
    /// The traffic policy in force.
    pub traffic_policy: Map<String, Value>,
}

impl RemedyRef {
    /// A remedy of a mesh.
    pub(super) fn of(mesh: &Mesh, remedy: remedy::Remedy) -> Self {
        Self {
            title: remedy.title,
            object: ObjectRef::of(&remedy.object),
            patch: remedy.patch,
            command: remedy.command,
            manifest: remedy.manifest,
            survives: Survives { answer: "unknown".to_owned(), by: None },
            change_count: remedy.changes.iter().map(|change| change.workloads).sum(),
            changes: remedy
                .changes
                .iter()
                .take(MOST_CHANGES)
                .map(|change| change_ref(mesh, change))
                .collect(),
        }
    }
}

fn change_ref(mesh: &Mesh, change: &PairChange) -> ChangeRef {
    let (client, clients) = super::tls_check::clients_of(mesh, &change.pods);
    // Remedies are about workloads: which of its pods stands for one does not matter.
    let client = client.map(|client| {
        if client.kind.as_deref() == Some("Pod") { client } else { WorkloadRef { pod: None, ..client } }
    });
    ChangeRef {
        client,
        clients,
        host: change.host.to_string(),
        port: change.port,
        subset: change.subset.as_deref().map(str::to_owned),
        before: side(&change.before),
        after: side(&change.after),
    }
}

fn side(side: &remedy::Side) -> SideRef {
    SideRef {
        status: side.status.word().to_owned(),
        destination_rule: side.rule.as_ref().map(ObjectRef::of),
        effective: side.sent.map_or("mixed", Sent::word).to_owned(),
        server_mode: side.server.clone(),
        traffic_policy: side.policy.clone(),
    }
}

impl ChangeRef {
    /// In one line: who, towards what, and what differs.
    pub fn in_words(&self) -> String {
        let who = match &self.client {
            Some(client) => client.path(),
            None => format!("{} clients", self.clients.count),
        };
        let subset = self.subset.as_ref().map(|subset| format!("|{subset}")).unwrap_or_default();
        format!("{who} → {}:{}{subset}: {}", self.host, self.port, self.difference())
    }

    /// What differs, in words.
    pub fn difference(&self) -> String {
        let (before, after) = (&self.before, &self.after);
        let mut parts = Vec::new();
        let mut differs = |what: &str, one: &str, other: &str| {
            if one != other {
                parts.push(format!("{what}{one} becomes {other}"));
            }
        };
        differs("", &before.status, &after.status);
        differs("", &before.effective, &after.effective);
        differs("server ", &before.server_mode, &after.server_mode);
        let names: std::collections::BTreeSet<_> =
            before.traffic_policy.keys().chain(after.traffic_policy.keys()).collect();
        for name in names {
            match (before.traffic_policy.get(name), after.traffic_policy.get(name)) {
                (None, Some(block)) => parts.push(format!("{name} is set to {block}")),
                (Some(block), None) => parts.push(format!("{name} {block} is gone")),
                (Some(one), Some(other)) if one != other => {
                    parts.push(format!("{name} {one} becomes {other}"));
                }
                (_, _) => {}
            }
        }
        parts.join(", ")
    }
}
