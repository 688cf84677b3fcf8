//! `tls-check`: for each client and service port, do client and server agree on TLS.

use serde::Serialize;

use super::common::{Clients, MissingRef, ObjectRef, WorkloadRef};

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsCheck {
    /// [`super::common::API_VERSION`].
    pub api_version: &'static str,
    /// `TlsCheck`.
    pub kind: &'static str,
    /// One row a client (or class of clients), service port and subset.
    pub rows: Vec<Row>,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The client; `null` where the row stands for several.
    pub client: Option<WorkloadRef>,
    /// Whom it stands for.
    pub clients: Clients,
    /// The kind of the client's proxy.
    pub proxy: String,
    /// The host.
    pub host: String,
    /// The service port.
    pub port: u16,
    /// The subset.
    pub subset: Option<String>,
    /// `OK`, `WARN`, `CONFLICT`, `COND`, `UNKNOWN`.
    pub status: String,
    /// What the server demands.
    pub server: ServerTls,
    /// What the client sends.
    pub client_tls: ClientTls,
    /// The rule in force.
    pub destination_rule: Option<RuleRef>,
    /// The endpoints.
    pub endpoints: Vec<EndpointRef>,
    /// The symptom to expect, for a conflict (`X1` …).
    pub symptom: Option<String>,
    /// Why, in one sentence.
    pub reason: String,
    /// What was taken for granted.
    pub assumed: Vec<String>,
    /// What is missing.
    pub missing: Vec<MissingRef>,
}

/// What the server demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerTls {
    /// `STRICT`, `PERMISSIVE`, `DISABLE`, `NONE`, `MIXED`, `UNKNOWN`.
    pub mode: String,
    /// The policy that says so, where it is one.
    pub policy: Option<ObjectRef>,
    /// `mesh`, `namespace`, `workload`, `port`; `null` where no policy says anything.
    pub level: Option<String>,
}

/// What the client sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientTls {
    /// As declared; `UNSET` without a `tls` block.
    pub mode: String,
    /// What is sent; `mixed` where endpoints differ.
    pub effective: String,
    /// Where it comes from.
    pub source: String,
    /// SNI, where Istio's mutual TLS is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// Accepted names of the server, where Istio's mutual TLS is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_alt_names: Option<Vec<String>>,
}

/// A rule and the pool it was found in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleRef {
    /// The rule.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// `client`, `service`, `root`.
    pub level: String,
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointRef {
    /// `namespace/name` of the pod, where there is one.
    pub pod: Option<String>,
    /// Address and port.
    pub address: String,
    /// The port at the workload.
    pub target_port: u16,
    /// `istio` or `disabled`, as its label claims.
    pub tls_mode: String,
    /// What it demands.
    pub server_mode: String,
    /// What is sent to it.
    pub sent: String,
    /// How the two agree.
    pub result: String,
    /// Only there, and false, where it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
}
