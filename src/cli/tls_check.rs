//! `tls-check`.

use clap::Args;

use super::{Common, Outcome, Refusal, source};
use crate::answer::tls_check::{self, Query};

/// Flags of `tls-check`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The client, and behind it the service: POD.NS, NS/POD, deploy/NAME, …; HOST, NAME.NS, svc/NAME, each with :PORT
    #[arg(value_name = "CLIENT] [SERVICE[:PORT]", num_args = 0..=2)]
    names: Vec<String>,
    /// One row a client, not one a distinct answer
    #[arg(long)]
    each_client: bool,
}

pub(super) fn run(common: &Common, flags: &Flags) -> anyhow::Result<Outcome> {
    let read = source::read(common)?;
    let (client, service) = match flags.names.as_slice() {
        [] => (None, None),
        [one] if is_service(&read, one) => (None, Some(one)),
        [one] => (Some(one), None),
        [client, service] => (Some(client), Some(service)),
        _ => return Err(Refusal::Usage("at most a client and a service can be named".to_owned()).into()),
    };
    let mut query = Query { each_client: flags.each_client, ..Query::default() };
    if let Some(client) = client {
        query.clients = Some(source::client(&read, client)?);
    }
    if let Some(service) = service {
        let (host, port) = source::service(&read, service)?;
        (query.host, query.port) = (Some(host), port);
    }
    let mut answer = tls_check::check(&read.mesh, &query);
    answer.rows.retain(|row| {
        let client =
            row.client.iter().chain(&row.clients.examples).any(|one| common.shows(one.namespace.as_deref()));
        client || common.shows(row.host.split('.').nth(1))
    });
    common.write(&answer)?;
    let conflict = answer.rows.iter().any(|row| row.status == "CONFLICT");
    Ok(if conflict { Outcome::Faulty } else { Outcome::Fine })
}

/// A single name is the service when it is a full host, `svc/…` or has a port, else the client, as istioctl had it.
fn is_service(read: &crate::answer::Read, name: &str) -> bool {
    let port = name.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty());
    name.starts_with("svc/")
        || name.starts_with("service/")
        || port
        || read.mesh.registry.by_host(name).is_some()
        || name.ends_with(".svc.cluster.local")
}
