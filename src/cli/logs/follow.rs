//! `logs --follow`.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use super::super::{Common, Outcome, message, source};
use super::target::LogTarget;
use super::{Flags, out, takes, tell_others};
use crate::answer::logs::selection::{Asked, Selection};
use crate::answer::{Read, logs};
use crate::bundle::{Followed, Stream};
use crate::logs::Watch;
use crate::report::Format;
use crate::runtime;
use crate::settings;

/// Between two looks at the files.
const PERIOD: Duration = Duration::from_millis(250);
/// So much is read at a look, so that ctrl-c is heard in between.
const AT_ONCE: usize = 16 * 1024 * 1024;
/// Lines that began so long ago no longer wait for those of the other side, in microseconds.
const OLD: i64 = 300_000_000;
/// After so many looks old lines are forgotten.
const LOOKS: u32 = 240;

/// What ends the wait for the next look.
enum Event {
    /// The user or the system ends the program.
    End,
    /// Something came through standard input.
    Piped(Vec<u8>),
    /// Standard input has ended.
    PipeEnded,
}

pub(super) fn run(common: &Common, flags: &Flags, mut asked: Asked) -> anyhow::Result<Outcome> {
    let format = common.format()?;
    // Signals are waited for before anything is read, so that ctrl-c ends the reading, too.
    let (sender, events) = sync_channel(4);
    let ends = sender.clone();
    std::thread::spawn(move || {
        if runtime::wait_for_end().is_ok() {
            drop(ends.send(Event::End));
        }
    });
    let out = out::Out::default();
    let mut made = None;
    let following = source::follow(common, |read| {
        let targets;
        (asked.takes, targets) = takes(common, flags, read)?;
        for text in targets.iter().filter_map(LogTarget::awaited) {
            message(&text);
        }
        let selection = match format {
            Format::Ndjson => Selection::new(Arc::clone(&read.mesh), asked, Some(out.records())),
            Format::Table | Format::Wide => {
                Selection::showing_lines(Arc::clone(&read.mesh), asked, out.records())
            }
            Format::Json | Format::Yaml | Format::Name => Selection::new(Arc::clone(&read.mesh), asked, None),
        };
        let selection = Arc::new(selection);
        made = Some(Arc::clone(&selection));
        let watch: Arc<dyn Watch> = selection;
        Ok(Some(watch))
    })?;
    let selection = made.ok_or_else(|| anyhow::anyhow!("no line was looked at"))?;
    let source::Following { mut read, mut followed, stream, messages } = following;
    for text in messages.into_iter().chain(source::messages(&followed.bundle)) {
        message(&text);
    }
    let is_piped = stream.is_some();
    if let Some(stream) = stream {
        pipe(stream, sender.clone());
    }
    follow(&mut followed, &*selection, &events, is_piped);
    // As long as it is there the wait for the next look is one.
    drop(sender);
    followed.end();
    out.end()?;
    read.logs = Arc::new(followed.bundle.logs);
    finish(common, flags, format, &read, &selection)?;
    Ok(Outcome::Fine)
}

/// Hands on what comes through standard input. It ends with the program: nothing can end a wait for it.
fn pipe(mut stream: Stream, events: SyncSender<Event>) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let event = match stream.read(&mut buffer) {
                Ok(read) if read > 0 => Event::Piped(buffer.get(..read).unwrap_or_default().to_vec()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Ok(_) | Err(_) => Event::PipeEnded,
            };
            let is_last = matches!(event, Event::PipeEnded);
            if events.send(event).is_err() || is_last {
                return;
            }
        }
    });
}

/// Looks at the logs until nobody wants more of them, or there is nothing more to follow.
fn follow(followed: &mut Followed, watch: &dyn Watch, events: &Receiver<Event>, mut is_piped: bool) {
    let mut looks = 0_u32;
    loop {
        let looked = followed.look(AT_ONCE);
        for text in looked.messages {
            message(&text);
        }
        looks += 1;
        if looks.is_multiple_of(LOOKS) {
            followed.bundle.logs.forget_joins_before(settings::now_micros() - OLD);
        }
        let is_over = !looked.more && !is_piped && followed.tails.is_empty();
        if !watch.goes_on() || is_over {
            return;
        }
        let event = if looked.more {
            events.try_recv().map_err(|error| match error {
                TryRecvError::Empty => RecvTimeoutError::Timeout,
                TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            })
        } else {
            events.recv_timeout(PERIOD)
        };
        match event {
            Ok(Event::End) => return,
            Ok(Event::Piped(bytes)) => followed.add(&bytes),
            Ok(Event::PipeEnded) => is_piped = false,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

/// What is written when it is over.
fn finish(
    common: &Common,
    flags: &Flags,
    format: Format,
    read: &Read,
    selection: &Selection,
) -> anyhow::Result<()> {
    if format == Format::Ndjson {
        tell_others(read, selection);
        return Ok(());
    }
    super::write(common, flags, &mut logs::report(read, Some(selection)))
}
