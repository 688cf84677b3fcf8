//! `resolve`.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use clap::Args;

use super::source::Names;
use super::{Common, Outcome, Refusal, source};
use crate::answer::Read;
use crate::answer::common::API_VERSION;
use crate::answer::resolve::{self, ResolutionList};
use crate::report::Format;
use crate::resolve::candidates::Which;
use crate::resolve::name::namespace_in;
use crate::text::visible_json;

/// Flags of `resolve`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    names: Names,
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
    let (client, service) = flags.names.of(&read);
    let clients = client.map(|name| source::client(&read, name)).transpose()?;
    let service = service.map(|name| source::service(&read, name)).transpose()?;
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
    let list = List {
        common,
        read: &read,
        clients: clients.as_deref(),
        service: service.as_ref().map(|(host, port)| (host.as_str(), *port)),
        subset: flags.subset.as_ref(),
        which: flags.all.then_some(near),
    };
    if common.format()? == Format::Ndjson {
        return list.stream();
    }
    let mut items = Vec::new();
    list.each(|one| {
        items.push(one);
        ControlFlow::Continue(())
    });
    common.write(&ResolutionList { api_version: API_VERSION, kind: "ResolutionList", items })?;
    Ok(Outcome::Fine)
}

/// What is asked where not one client and one service are named.
struct List<'a> {
    common: &'a Common,
    read: &'a Read,
    clients: Option<&'a [usize]>,
    service: Option<(&'a str, Option<u16>)>,
    subset: Option<&'a String>,
    which: Option<Which>,
}

impl List<'_> {
    /// Hands on each answer that is to be shown.
    fn each(&self, mut hand_on: impl FnMut(resolve::Resolution) -> ControlFlow<()>) {
        let (host, port) = self.service.map_or((None, None), |(host, port)| (Some(host), port));
        resolve::list(&self.read.mesh, self.clients, host, port, self.which, |mut one| {
            let shown = self.common.shows(one.client.namespace.as_deref())
                || self.common.shows(namespace_in(&one.host));
            if !shown || self.subset.is_some_and(|subset| !one.subsets.contains(subset)) {
                return ControlFlow::Continue(());
            }
            if let Some(subset) = self.subset {
                one.ports.retain(|port| port.subset.as_ref() == Some(subset));
            }
            hand_on(one)
        });
    }

    /// One answer a line, each written as soon as it is known: the list of a large mesh never stands in memory.
    fn stream(&self) -> anyhow::Result<Outcome> {
        let mut out = BufWriter::new(io::stdout().lock());
        let mut written: io::Result<()> = Ok(());
        self.each(|one| {
            written = serde_json::to_string(&one)
                .map_err(io::Error::from)
                .and_then(|one| writeln!(out, "{}", visible_json(&one)));
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        written?;
        out.flush()?;
        Ok(Outcome::Fine)
    }
}
