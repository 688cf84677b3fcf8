//! `logs`.

use clap::Args;

use super::{Common, Outcome, Refusal, source};
use crate::answer::logs;
use crate::report::Format;

/// Flags of `logs`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Only lines of these pods or workloads, or towards these services
    #[arg(value_name = "POD|SERVICE")]
    names: Vec<String>,
}

pub(super) fn run(common: &Common, flags: &Flags) -> anyhow::Result<Outcome> {
    if common.format()? == Format::Ndjson {
        let text = "logs -o ndjson, one record a line, is not there yet: -o json has the groups";
        return Err(Refusal::Usage(text.to_owned()).into());
    }
    let read = source::read(common)?;
    let mut answer = logs::report(&read);
    let mut wanted = Vec::new();
    for name in &flags.names {
        wanted.push(source::log_target(&read, name)?);
    }
    if !wanted.is_empty() {
        answer.groups.retain(|group| wanted.iter().any(|target| target.takes_group(group)));
        answer.causes.retain(|cause| wanted.iter().any(|target| target.takes_cause(cause)));
    }
    let namespace = |path: &str| path.split('/').next().map(str::to_owned);
    answer.groups.retain(|group| {
        let pod = group.pod.as_deref().and_then(namespace);
        let host =
            group.upstream_cluster.as_deref().and_then(|name| name.split('|').nth(3)?.split('.').nth(1));
        common.shows(pod.as_deref()) || common.shows(host)
    });
    common.write(&answer)?;
    Ok(Outcome::Fine)
}
