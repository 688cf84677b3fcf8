//! `resolve`.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use clap::Args;

use super::{Common, Outcome, Refusal, source};
use crate::answer::common::API_VERSION;
use crate::answer::resolve::{self, ResolutionList};
use crate::report::Format;
use crate::resolve::candidates::Which;

/// Flags of `resolve`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The client, and behind it the service; without them every client with a proxy and every service
    #[arg(value_name = "CLIENT] [SERVICE[:PORT]", num_args = 0..=2)]
    names: Vec<String>,
    /// Show this subset only
    #[arg(long, value_name = "SUBSET")]
    subset: Option<String>,
    /// Explain every rule, not only those whose host is near
    #[arg(long)]
    all: bool,
}

pub(super) fn run(common: &Common, flags: &Flags) -> anyhow::Result<Outcome> {
    let read = source::read(common)?;
    let mesh = &read.mesh;
    let clients = flags.names.first().map(|name| source::client(&read, name)).transpose()?;
    let service = flags.names.get(1).map(|name| source::service(&read, name)).transpose()?;
    let near = if flags.all { Which::All } else { Which::Near };
    let only = |mut one: resolve::Resolution| -> anyhow::Result<resolve::Resolution> {
        if let Some(subset) = &flags.subset {
            if !one.subsets.contains(subset) {
                let text =
                    format!("the rule in force has no subset {subset}, only [{}]", one.subsets.join(", "));
                return Err(Refusal::Usage(text).into());
            }
            one.ports.retain(|port| port.subset.as_ref() == Some(subset));
        }
        Ok(one)
    };
    if let (Some(pods), Some((host, port))) = (&clients, &service) {
        let client = pods.first().and_then(|at| mesh.workloads.get(*at));
        let Some((client, target)) = client.and_then(|client| Some((client, mesh.target(client, host)?)))
        else {
            return Err(Refusal::Usage("no such pair".to_owned()).into());
        };
        common.write(&only(resolve::resolution(mesh, client, &target, *port, Some(near)))?)?;
        return Ok(Outcome::Fine);
    }
    let which = flags.all.then_some(near);
    if common.output == Format::Ndjson {
        return stream(common, &read, clients.as_deref(), which);
    }
    let mut items = Vec::new();
    resolve::list(mesh, clients.as_deref(), None, None, which, |one| {
        if common.shows(one.client.namespace.as_deref()) {
            items.push(one);
        }
        ControlFlow::Continue(())
    });
    common.write(&ResolutionList { api_version: API_VERSION, kind: "ResolutionList", items })?;
    Ok(Outcome::Fine)
}

/// One answer a line, each written as soon as it is known: the list of a large mesh never stands in memory.
fn stream(
    common: &Common,
    read: &crate::answer::Read,
    clients: Option<&[usize]>,
    which: Option<Which>,
) -> anyhow::Result<Outcome> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut written: io::Result<()> = Ok(());
    resolve::list(&read.mesh, clients, None, None, which, |one| {
        if !common.shows(one.client.namespace.as_deref()) {
            return ControlFlow::Continue(());
        }
        written = serde_json::to_writer(&mut out, &one).map_err(io::Error::from).and_then(|()| writeln!(out));
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    written?;
    out.flush()?;
    Ok(Outcome::Fine)
}
