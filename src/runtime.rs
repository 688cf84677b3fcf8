//! Runs the screen: one task owns the application and performs its effects; reading, following and computing go on
//! beside it and report by messages.

#![allow(clippy::disallowed_methods, reason = "the loop is where time enters, as messages")]

mod clipboard;
mod keys;
mod live;
mod panic;
mod signals;
mod terminal;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use crossterm::event::{Event, EventStream};
use futures::StreamExt as _;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

use crate::answer::Read;
use crate::app::update::update;
use crate::app::{Answer, App, Effect, LogLine, Msg, Question, Source};
use crate::ui::{self, Theme};
pub use signals::wait_for_end;
use terminal::Terminal;

/// Messages of computations that may wait: there is one computation at a time, so this is never full for long.
const MOST_RESULTS: usize = 16;
/// Batches of log lines that may wait; a batch more is dropped and counted.
const MOST_BATCHES: usize = 64;
/// Between two pictures, so that there are at most thirty a second.
const BETWEEN_PICTURES: Duration = Duration::from_millis(33);
/// How long messages are taken in before the next picture.
const TAKING_IN: Duration = Duration::from_millis(4);
/// How long work that still runs may hold up the end of the program.
const FAREWELL: Duration = Duration::from_millis(50);

/// What reading the source gave.
#[derive(Debug)]
pub struct WasRead {
    /// What was read.
    pub read: Read,
    /// What is to be said of the parts that were not.
    pub messages: Vec<String>,
}

/// Reads the source: run once, on a thread of its own.
pub type ReadSource = Box<dyn FnOnce() -> anyhow::Result<WasRead> + Send>;
/// Gives the log lines of a time (milliseconds since the epoch): asked about every half second, once the source is read.
pub type LiveLines = Box<dyn FnMut(i64) -> Vec<LogLine> + Send>;
/// Makes [`LiveLines`] for what was read.
pub type FollowLogs = Box<dyn FnOnce(&Read) -> LiveLines + Send>;
/// Answers a question from what was read.
pub type AnswerQuestion = Arc<dyn Fn(&Read, &Question) -> Answer + Send + Sync>;

/// What the screen is started with.
pub struct Start {
    /// Where the mesh comes from: its name in the header, and how a command line names it.
    pub source: Source,
    /// The namespace that is shown at first; all where there is none.
    pub namespace: Option<String>,
    /// Colours and symbols that the terminal has.
    pub theme: Theme,
    /// Reads the source.
    pub read: ReadSource,
    /// Follows logs, where there are any to follow.
    pub live: Option<FollowLogs>,
    /// Answers questions.
    pub answer: AnswerQuestion,
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("source", &self.source)
            .field("theme", &self.theme)
            .finish_non_exhaustive()
    }
}

/// Shows the screen until the user leaves it or the system ends it. The terminal is as before afterwards, whatever
/// happened. Gives what was said of parts of the source, so that it can be said again where it stays.
///
/// # Errors
///
/// When there is no terminal, or the source cannot be read at all: the screen has shown why, and is left first.
pub fn run_screen(start: Start) -> anyhow::Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the screen")?;
    let hook = panic::Hook::install();
    let shown = runtime.block_on(async {
        let mut terminal = Terminal::open().context("cannot open the terminal")?;
        let shown = Loop::begin(start, &terminal)?.run(&mut terminal).await;
        terminal.close();
        shown
    });
    runtime.shutdown_timeout(FAREWELL);
    drop(hook);
    shown
}

/// The loop and what it holds.
struct Loop {
    app: App,
    theme: Theme,
    answer: AnswerQuestion,
    live: Option<FollowLogs>,
    results: (Sender<Msg>, Receiver<Msg>),
    batches: (Sender<Msg>, Receiver<Msg>),
    drawn: Option<Instant>,
    to_draw: bool,
    /// The terminal may have lost what was drawn.
    was_resized: bool,
    copied: Option<String>,
    outcome: oneshot::Receiver<anyhow::Result<Vec<String>>>,
}

/// What the loop does after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Go,
    Leave,
}

impl Loop {
    fn begin(start: Start, terminal: &Terminal) -> anyhow::Result<Self> {
        let (width, height) = terminal.size()?;
        let results = channel(MOST_RESULTS);
        let sender = results.0.clone();
        let (told, outcome) = oneshot::channel();
        tokio::spawn(read_source(start.read, sender, told));
        Ok(Self {
            app: App::new(start.source, width, height).in_namespace(start.namespace),
            theme: start.theme,
            answer: start.answer,
            live: start.live,
            results,
            batches: channel(MOST_BATCHES),
            drawn: None,
            to_draw: true,
            was_resized: false,
            copied: None,
            outcome,
        })
    }

    /// Goes on until it is left, and says how reading the source ended, as far as it did.
    async fn run(mut self, terminal: &mut Terminal) -> anyhow::Result<Vec<String>> {
        let mut events = EventStream::new();
        let mut signals = signals::Signals::new()?;
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.draw(terminal)?;
        loop {
            let wait =
                self.drawn.map_or(Duration::ZERO, |drawn| BETWEEN_PICTURES.saturating_sub(drawn.elapsed()));
            let mut at_once = false;
            let step = tokio::select! {
                biased;
                () = signals.recv() => Step::Leave,
                event = events.next() => {
                    at_once = true;
                    match event {
                        Some(Ok(event)) => self.event(&event),
                        // Without a terminal there is nobody to talk to.
                        Some(Err(_)) | None => Step::Leave,
                    }
                }
                Some(msg) = self.results.1.recv() => self.take(msg),
                Some(msg) = self.batches.1.recv() => self.take(msg),
                _ = ticks.tick() => self.take(Msg::Tick(now())),
                () = tokio::time::sleep(wait), if self.to_draw => Step::Go,
            };
            if step == Step::Leave || (!at_once && self.take_in() == Step::Leave) {
                return self.outcome.try_recv().unwrap_or_else(|_still_reading| Ok(Vec::new()));
            }
            if let Some(text) = self.copied.take() {
                terminal.write(&clipboard::sequence(&text)).context("cannot reach the terminal")?;
            }
            let rested = self.drawn.is_none_or(|drawn| drawn.elapsed() >= BETWEEN_PICTURES);
            if self.to_draw && (at_once || rested) {
                self.draw(terminal)?;
            }
        }
    }

    /// Takes in whatever else is there, for a short time.
    fn take_in(&mut self) -> Step {
        let begun = Instant::now();
        while begun.elapsed() < TAKING_IN {
            let Ok(msg) = self.results.1.try_recv().or_else(|_| self.batches.1.try_recv()) else { break };
            if self.take(msg) == Step::Leave {
                return Step::Leave;
            }
        }
        Step::Go
    }

    fn event(&mut self, event: &Event) -> Step {
        match event {
            Event::Key(event) => keys::key(*event).map_or(Step::Go, |key| self.take(Msg::Key(key))),
            Event::Resize(width, height) => {
                self.was_resized = true;
                self.take(Msg::Resize(*width, *height))
            }
            Event::FocusGained | Event::FocusLost | Event::Mouse(_) | Event::Paste(_) => Step::Go,
        }
    }

    fn take(&mut self, msg: Msg) -> Step {
        let was_read = matches!(msg, Msg::SourceRead(_));
        let effects = update(&mut self.app, msg);
        if was_read {
            self.follow();
        }
        for effect in effects {
            match effect {
                Effect::Compute { revision, question } => self.compute(revision, question),
                Effect::Copy(text) => self.copied = Some(text),
                Effect::Quit => return Step::Leave,
            }
        }
        self.to_draw |= self.app.take_changed();
        Step::Go
    }

    fn compute(&self, revision: u64, question: Question) {
        let Some(read) = self.app.read().cloned() else { return };
        let (answer, sender) = (Arc::clone(&self.answer), self.results.0.clone());
        tokio::spawn(async move {
            let asked = question.clone();
            let computed = tokio::task::spawn_blocking(move || answer(&read, &asked)).await;
            let answer = computed.unwrap_or_else(|error| {
                Answer::Failed(format!("the program failed: {}", panic::text(error)))
            });
            drop(sender.send(Msg::Answered { revision, question, answer: Box::new(answer) }).await);
        });
    }

    fn follow(&mut self) {
        if let (Some(live), Some(read)) = (self.live.take(), self.app.read()) {
            live::follow(live(read), self.batches.0.clone());
        }
    }

    fn draw(&mut self, terminal: &mut Terminal) -> anyhow::Result<()> {
        if std::mem::take(&mut self.was_resized) {
            terminal.forget().context("cannot draw")?;
        }
        terminal.draw(|frame| ui::draw(&self.app, &self.theme, frame)).context("cannot draw")?;
        self.drawn = Some(Instant::now());
        self.to_draw = false;
        Ok(())
    }
}

/// Reads the source, shows what came of it on the screen, and keeps it for the end.
async fn read_source(
    read: ReadSource,
    screen: Sender<Msg>,
    told: oneshot::Sender<anyhow::Result<Vec<String>>>,
) {
    let read = tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| {
        Err(anyhow::anyhow!("the program failed while reading: {}", panic::text(error)))
    });
    let (outcome, msgs) = match read {
        Ok(WasRead { read, messages }) => {
            let read = Msg::SourceRead(Box::new(read));
            let left_out = left_out(&messages).map(Msg::LeftOut);
            (Ok(messages), [Some(read), left_out])
        }
        Err(error) => {
            let failed = Msg::SourceFailed(format!("{error:#}"));
            (Err(error), [Some(failed), None])
        }
    };
    // A loop that has ended wants neither.
    drop(told.send(outcome));
    for msg in msgs.into_iter().flatten() {
        drop(screen.send(msg).await);
    }
}

/// One line for what is to be said of parts of the source: all of it is said when the screen is left.
fn left_out(messages: &[String]) -> Option<String> {
    let (first, more) = messages.split_first()?;
    Some(if more.is_empty() {
        first.clone()
    } else {
        format!("{} messages, all said again on leaving: {first}", messages.len())
    })
}

/// Milliseconds since the epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
