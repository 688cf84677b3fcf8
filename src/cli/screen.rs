//! The screen, on files or on the demo.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::{Common, Outcome, Refusal, message, source};
use crate::answer::Read;
use crate::app::source::{Given, Source};
use crate::app::{LogLine, answering};
use crate::bundle::Tails;
use crate::demo::Traffic;
use crate::logs::{PodName, Recent, SourceName, Watch};
use crate::runtime::{self, FollowLogs, LiveLines, Start, WasRead};
use crate::settings;
use crate::ui::Theme;

/// Where the demo's traffic begins; any number would do, one is the same in every run.
const SEED: u64 = 7;
/// So much of logs that grow is taken up at once.
const AT_ONCE: usize = 1024 * 1024;

pub(super) fn run(common: &Common) -> anyhow::Result<Outcome> {
    let paths = common.filename.clone();
    let name = match paths.as_slice() {
        [] => common.log.first().cloned().unwrap_or_default(),
        [one] => one.clone(),
        [one, more @ ..] => format!("{one} and {} more", more.len()),
    };
    start(common, Source { name, given: Given::Paths(paths), flags: flags(common) }, None)
}

pub(super) fn demo(common: &Common) -> anyhow::Result<Outcome> {
    let source = Source { name: "demo".to_owned(), given: Given::Demo, flags: flags(common) };
    start(common, source, Some(Box::new(traffic)))
}

/// The flags besides `-f` that a command line needs to give the same answer. The namespace is what the screen shows.
fn flags(common: &Common) -> Vec<String> {
    let logs = common.log.iter().map(|log| ("--log", log));
    let root = common.istio_namespace.iter().map(|namespace| ("-i", namespace));
    let version = common.istio_version.iter().map(|version| ("--istio-version", version));
    let format = common.log_format.iter().map(|format| ("--log-format", format));
    let all = logs.chain(format).chain(root).chain(version);
    all.flat_map(|(flag, value)| [flag.to_owned(), value.clone()]).collect()
}

fn start(common: &Common, source: Source, live: Option<FollowLogs>) -> anyhow::Result<Outcome> {
    if !settings::is_interactive() {
        let text = "the screen needs a terminal; without one, name a command: `meshscope check -f PATH` (see --help)";
        return Err(Refusal::Usage(text.to_owned()).into());
    }
    if common.filename.is_empty() && common.log.is_empty() {
        // There is nothing to wait for: say so before the screen is up.
        source::bundle(common)?;
    }
    let theme = Theme::new(settings::colour_depth(common.color), settings::shows_unicode());
    let flags = common.clone();
    let tails: Arc<Mutex<Option<Tails>>> = Arc::default();
    let live = live.unwrap_or_else(|| growing(Arc::clone(&tails)));
    let read = move || {
        let recent = Arc::new(Recent::default());
        let watch: Arc<dyn Watch> = Arc::<Recent>::clone(&recent);
        let (bundle, growing) = source::bundle_with_tails(&flags, &watch)?;
        if let Ok(mut tails) = tails.lock() {
            *tails = Some(growing);
        }
        let (settings, mut messages) = source::settings();
        messages.extend(source::messages(&bundle));
        let read = Read { recent, ..source::prepare(&flags, &settings, bundle) };
        Ok(WasRead { read, messages })
    };
    // The screen shows one namespace or all; of several it shows all.
    let namespace = if let [one] = common.namespace.as_slice() { Some(one.clone()) } else { None };
    let messages = runtime::run_screen(Start {
        namespace,
        source,
        theme,
        read: Box::new(read),
        live: Some(live),
        answer: Arc::new(answering::answer),
    })?;
    for text in messages {
        message(&text);
    }
    Ok(Outcome::Fine)
}

/// The logs that were read, and what is added to them.
fn growing(tails: Arc<Mutex<Option<Tails>>>) -> FollowLogs {
    Box::new(move |_| {
        let mut tails = tails.lock().ok().and_then(|mut tails| tails.take()).unwrap_or_default();
        Box::new(move |_| {
            let line = |(source, number, text)| LogLine { source, number, text };
            tails.lines(AT_ONCE).into_iter().map(line).collect()
        })
    })
}

/// The demo's traffic as followed logs, one for each pod.
fn traffic(read: &Read) -> LiveLines {
    let mut traffic = Traffic::new(&read.mesh, SEED);
    let mut numbers: HashMap<PodName, u64> = HashMap::new();
    Box::new(move |now| {
        let lines = traffic.lines(now).into_iter().map(|line| {
            let number = numbers.entry(line.pod.clone()).or_default();
            *number += 1;
            let file = format!("live/{}/{}", line.pod.namespace, line.pod.name);
            let source = SourceName { file: file.into(), pod: Some(line.pod) };
            LogLine { source, number: *number, text: line.text.into_bytes() }
        });
        lines.collect()
    })
}
