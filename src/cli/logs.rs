//! `logs`.

mod follow;
mod out;
mod target;

use std::sync::Arc;

use clap::Args;

use super::{Common, Outcome, Refusal, message, source};
use crate::answer::logs;
use crate::answer::logs::selection::{Asked, Records, Selection, Takes};
use crate::logs::{Field, Query, Watch, parse_millis, parse_time};
use crate::report::Format;
use crate::resolve::name::namespace_in;
use crate::settings;
use target::LogTarget;

/// Flags of `logs`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Only lines of these pods or workloads, or towards these services
    #[arg(value_name = "POD|SERVICE")]
    names: Vec<String>,
    /// Only lines for which this holds, such as "code>=500 and flags has UC and host~productpage and duration>1s".
    /// Fields are those of -o ndjson; signs are = != < <= > >= ~ (contains) !~ has; words are and, or, not, ( )
    #[arg(long = "where", value_name = "QUERY")]
    query: Option<String>,
    /// Only lines from this time on: 2026-01-31T12:00:00Z, or a time span before now such as 15m
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only lines up to this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Group by these fields, with commas between, such as code,flags,host
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    group_by: Vec<String>,
    /// Only the first groups; the lines of the others are counted
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    top: Option<u64>,
    /// Show the lines that are none of an access log, too
    #[arg(long)]
    other: bool,
    /// With -o ndjson: each line as it was written, too
    #[arg(long)]
    raw: bool,
    /// Go on with what is added to the logs, also when they are rotated, until ctrl-c. As a table: each line as it is
    /// written, and the table at the end
    #[arg(long)]
    follow: bool,
}

pub(super) fn run(common: &Common, flags: &Flags) -> anyhow::Result<Outcome> {
    let as_records = common.format()? == Format::Ndjson;
    refuse_unfit(flags, as_records)?;
    let asked = asked(flags)?;
    if flags.follow {
        return follow::run(common, flags, asked);
    }
    let narrows = !flags.names.is_empty() || !common.namespace.is_empty();
    let selects = narrows || asked.query.is_some() || asked.since.is_some() || asked.until.is_some();
    if as_records {
        return records(common, flags, asked);
    }
    let mut answer = if !selects && !asked.other && !asked.group_by.is_empty() {
        let (read, by) = source::read_grouped(common, asked.group_by.clone())?;
        let selection = Selection::new(Arc::clone(&read.mesh), asked, None);
        selection.takes_all(&read.logs, by);
        logs::report(&read, Some(&selection))
    } else if selects || asked.other {
        let (read, selection) = read(common, flags, asked, None)?;
        logs::report(&read, Some(&selection))
    } else {
        logs::report(&source::read(common)?, None)
    };
    write(common, flags, &mut answer)?;
    Ok(Outcome::Fine)
}

fn write(common: &Common, flags: &Flags, answer: &mut logs::LogReport) -> anyhow::Result<()> {
    if let Some(most) = flags.top {
        answer.other_groups += answer.groups.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    }
    common.write(answer)
}

/// Flags that would have no effect.
fn refuse_unfit(flags: &Flags, as_records: bool) -> anyhow::Result<()> {
    let text = if as_records && (flags.top.is_some() || !flags.group_by.is_empty()) {
        "-o ndjson writes lines and has no groups: --group-by and --top go with the other formats"
    } else if !as_records && flags.raw {
        "--raw goes with -o ndjson"
    } else {
        return Ok(());
    };
    Err(Refusal::Usage(text.to_owned()).into())
}

fn asked(flags: &Flags) -> anyhow::Result<Asked> {
    let usage = |text: String| Refusal::Usage(text);
    let query = flags.query.as_deref().map(Query::parse).transpose();
    let query = query.map_err(|mistake| usage(format!("--where: {mistake}")))?;
    let mut group_by = Vec::new();
    for name in &flags.group_by {
        let Some(field) = Field::named(&name.trim().to_ascii_lowercase()) else {
            let names: Vec<_> = Field::ALL.iter().map(|field| field.name()).collect();
            let text = format!("--group-by: no field is called {name}; there are {}", names.join(", "));
            return Err(usage(text).into());
        };
        if !group_by.contains(&field) {
            group_by.push(field);
        }
    }
    let (since, until) = (time("--since", flags.since.as_ref())?, time("--until", flags.until.as_ref())?);
    if since.zip(until).is_some_and(|(since, until)| since > until) {
        return Err(usage("--since is later than --until".to_owned()).into());
    }
    Ok(Asked { query, since, until, group_by, other: flags.other, raw: flags.raw, takes: None })
}

/// A time stamp, or a time span before now; in microseconds since the epoch.
fn time(flag: &str, text: Option<&String>) -> anyhow::Result<Option<i64>> {
    let Some(text) = text else { return Ok(None) };
    let span = || {
        // A bare number could be seconds or milliseconds.
        let span = parse_millis(text).filter(|_| !text.bytes().all(|byte| byte.is_ascii_digit()))?;
        settings::now_micros().checked_sub(i64::try_from(span).ok()?.checked_mul(1000)?)
    };
    let time = parse_time(text.as_bytes()).or_else(span);
    let usage =
        || format!("{flag} {text}: expected a time such as 2026-01-31T12:00:00Z or a span such as 15m");
    Ok(Some(time.ok_or_else(|| Refusal::Usage(usage()))?))
}

/// Reads everything, with the selection made on the way.
fn read(
    common: &Common,
    flags: &Flags,
    mut asked: Asked,
    records: Option<Records>,
) -> anyhow::Result<(crate::answer::Read, Arc<Selection>)> {
    let (mut made, mut targets) = (None, Arc::default());
    let read = source::read_watched(common, |read| {
        (asked.takes, targets) = takes(common, flags, read)?;
        let selection = Arc::new(Selection::new(Arc::clone(&read.mesh), asked, records));
        made = Some(Arc::clone(&selection));
        let watch: Arc<dyn Watch> = selection;
        Ok(watch)
    })?;
    let selection = made.ok_or_else(|| anyhow::anyhow!("no line was looked at"))?;
    targets.iter().try_for_each(LogTarget::refuse_unseen)?;
    Ok((read, selection))
}

/// Lines of the pods, services and namespaces asked for, and what the names mean.
fn takes(
    common: &Common,
    flags: &Flags,
    read: &crate::answer::Read,
) -> anyhow::Result<(Option<Takes>, Arc<Vec<LogTarget>>)> {
    let targets: Result<Vec<_>, _> = flags.names.iter().map(|name| target::target(read, name)).collect();
    let targets = Arc::new(targets?);
    if targets.is_empty() && common.namespace.is_empty() {
        return Ok((None, targets));
    }
    let (common, asked) = (common.clone(), Arc::clone(&targets));
    let takes: Takes = Box::new(move |pod, host| {
        // Each is asked, so that each knows whether a line has its name.
        let taken = asked.iter().filter(|target| target.takes(pod, host)).count();
        (asked.is_empty() || taken > 0) && shows(&common, pod, host)
    });
    Ok((Some(takes), targets))
}

/// Whether the namespace of the pod or of the host is to be shown.
fn shows(common: &Common, pod: Option<&str>, host: Option<&str>) -> bool {
    let of_pod = pod.and_then(|path| path.split('/').next());
    common.shows(of_pod) || common.shows(host.and_then(namespace_in))
}

/// `-o ndjson`: each line as it is read.
fn records(common: &Common, flags: &Flags, asked: Asked) -> anyhow::Result<Outcome> {
    let out = out::Out::default();
    let (read, selection) = read(common, flags, asked, Some(out.records()))?;
    out.end()?;
    tell_others(&read, &selection);
    Ok(Outcome::Fine)
}

/// Says how many lines no record was written for.
fn tell_others(read: &crate::answer::Read, selection: &Selection) {
    let left = read.logs.lines().other;
    if left > 0 && !selection.asked().other {
        message(&format!("lines that are none of an access log: {left} (--other shows them)"));
    }
}
