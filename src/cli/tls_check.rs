//! `tls-check`.

use clap::Args;

use super::source::Names;
use super::{Common, Outcome, source};
use crate::answer::tls_check::{self, Query};

/// Flags of `tls-check`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    names: Names,
    /// One row a client, not one a distinct answer
    #[arg(long)]
    each_client: bool,
}

pub(super) fn run(common: &Common, flags: &Flags) -> anyhow::Result<Outcome> {
    let read = source::read(common)?;
    let (client, service) = flags.names.of(&read);
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
