//! `tls-check`.

use clap::Args;

use super::source::Names;
use super::{Common, Outcome, Refusal, message, source};
use crate::answer::legacy_tls_check::{self, LegacyTlsCheck, Release};
use crate::answer::tls_check::{self, Query};
use crate::model::pod::ProxyKind;
use crate::resolve::name::namespace_in;

/// Flags of `tls-check`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    names: Names,
    /// One row a client, not one a distinct answer
    #[arg(long)]
    each_client: bool,
    /// Print the rows for CLIENT as istioctl X.Y (1.0 to 1.5) did, by the rules of that version
    #[arg(long, value_name = "X.Y", value_parser = release, conflicts_with = "each_client")]
    legacy_format: Option<Release>,
}

/// The value of `--legacy-format`.
fn release(text: &str) -> Result<Release, String> {
    let known = Release::named(text);
    known.ok_or_else(|| {
        "istioctl had such rows from 1.0 to 1.5; for other versions leave the flag out".to_owned()
    })
}

pub(super) fn run(common: &Common, flags: &Flags) -> anyhow::Result<Outcome> {
    if let Some(release) = flags.legacy_format {
        return legacy(common, flags, release);
    }
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
        let client = row.client.iter().any(|one| common.shows(one.namespace.as_deref()));
        client
            || row.clients.namespaces.iter().any(|one| common.shows(Some(one)))
            || common.shows(namespace_in(&row.host))
    });
    common.write(&answer)?;
    let conflict = answer.rows.iter().any(|row| row.status == "CONFLICT");
    Ok(if conflict { Outcome::Faulty } else { Outcome::Fine })
}

fn legacy(common: &Common, flags: &Flags, release: Release) -> anyhow::Result<Outcome> {
    let mut common = common.clone();
    common.istio_version.get_or_insert_with(|| release.version());
    let read = source::read(&common)?;
    let refused = |text: String| anyhow::Error::from(Refusal::Usage(text));
    let (client, service) = flags.names.of(&read);
    let Some(client) = client else {
        return Err(refused("--legacy-format needs a CLIENT, as istioctl needed a pod".to_owned()));
    };
    let host = match service.map(|service| source::service(&read, service)).transpose()? {
        Some((_, Some(_))) => {
            return Err(refused("--legacy-format takes a SERVICE without port, as istioctl did".to_owned()));
        }
        Some((host, None)) => Some(host),
        None => None,
    };
    let mut answer: Option<LegacyTlsCheck> = None;
    for pod in source::client(&read, client)?.into_iter().filter_map(|at| read.mesh.workloads.get(at)) {
        if !matches!(pod.proxy, ProxyKind::Sidecar | ProxyKind::Gateway) {
            let text =
                format!("{} has no sidecar and is no gateway; istioctl answered for those", pod.path());
            return Err(refused(text));
        }
        let mut own = legacy_tls_check::check(&read.mesh, pod, release, host.as_deref());
        own.rows.retain(|row| common.shows(Some(&pod.namespace)) || common.shows(namespace_in(&row.host)));
        if answer.as_ref().is_some_and(|answer| answer.rows != own.rows) {
            return Err(refused(format!("the pods of {client} have different rows; name one of them")));
        }
        answer = Some(own);
    }
    let Some(answer) = answer else { return Ok(Outcome::Fine) };
    for doubt in &answer.doubts {
        message(doubt);
    }
    common.write(&answer)?;
    let conflict = answer.rows.iter().any(|row| row.status == "CONFLICT");
    Ok(if conflict { Outcome::Faulty } else { Outcome::Fine })
}
