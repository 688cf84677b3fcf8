//! `why`.

use clap::Args;

use super::{Common, Outcome, Refusal, source};
use crate::answer::why::{self, Query};

/// Flags of `why`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The service: HOST, NAME.NS, svc/NAME, each with an optional :PORT
    #[arg(value_name = "SERVICE[:PORT]")]
    service: String,
    /// One client only: POD.NS, NS/POD, deploy/NAME, …
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
}

pub(super) fn run(common: &Common, flags: &Flags) -> anyhow::Result<Outcome> {
    let read = source::read(common)?;
    let (host, port) = source::service(&read, &flags.service)?;
    let client = match &flags.client {
        None => None,
        Some(name) => {
            let pods = source::client(&read, name)?;
            let first = pods.first().and_then(|at| read.mesh.workloads.get(*at));
            let one_pod = if pods.len() == 1 { first.and_then(|pod| pod.pod.clone()) } else { None };
            first.map(|pod| {
                (pod.namespace.to_string(), one_pod.unwrap_or_else(|| pod.name.clone()).to_string())
            })
        }
    };
    let Some(answer) = why::why(&read, &Query { host, port, client }) else {
        return Err(Refusal::Usage(format!("no service is called {}", flags.service)).into());
    };
    common.write(&answer)?;
    let conflict = answer.pairs.iter().any(|pair| pair.status == "CONFLICT");
    Ok(if conflict { Outcome::Faulty } else { Outcome::Fine })
}
