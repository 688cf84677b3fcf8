//! The real program in a pseudo-terminal: first picture, traffic, resize, and the terminal as it was on every way out.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test says what is wrong by failing, and waits for a state until a deadline"
)]

use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// How long a state may take to come. It is raised where machines are slow.
fn patience() -> Duration {
    let seconds = std::env::var("MESHSCOPE_TEST_PATIENCE").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(20))
}

struct Session {
    child: Box<dyn Child + Send + Sync>,
    terminal: Box<dyn MasterPty + Send>,
    keys: Box<dyn std::io::Write + Send>,
    screen: Arc<(Mutex<vt100::Parser>, Condvar)>,
}

fn cells(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize { rows, cols, ..PtySize::default() }
}

impl Session {
    fn start(arguments: &[&str]) -> Self {
        let pair = native_pty_system().openpty(size(24, 80)).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_meshscope"));
        command.args(arguments);
        for (name, value) in [("TERM", "xterm-256color"), ("LC_ALL", "C.UTF-8"), ("NO_COLOR", "")] {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = Arc::new((Mutex::new(vt100::Parser::new(cells(24), cells(80), 0)), Condvar::new()));
        let mut output = pair.master.try_clone_reader().unwrap();
        let shown = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                shown.0.lock().unwrap().process(&bytes[..read]);
                shown.1.notify_all();
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Self { child, terminal: pair.master, keys, screen }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn resize(&mut self, rows: u16, cols: u16) {
        self.screen.0.lock().unwrap().screen_mut().set_size(cells(rows), cells(cols));
        self.terminal.resize(size(rows, cols)).unwrap();
    }

    /// Waits until the screen is so.
    fn wait(&self, what: &str, is: impl Fn(&vt100::Screen) -> bool) {
        let end = Instant::now() + patience();
        let mut parser = self.screen.0.lock().unwrap();
        while !is(parser.screen()) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited for {what}:\n{}", parser.screen().contents());
            parser = self.screen.1.wait_timeout(parser, left).unwrap().0;
        }
    }

    fn wait_for(&self, text: &str) {
        self.wait(text, |screen| screen.contents().contains(text));
    }

    fn end(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        self.wait("the terminal as it was", |screen| !screen.alternate_screen() && !screen.hide_cursor());
        status
    }
}

#[test]
fn the_demo_shows_its_finding_and_its_traffic_and_quits() {
    let mut session = Session::start(&["demo"]);
    session.wait_for("MS0101 plaintext-to-strict");
    session.wait("traffic", |screen| {
        let text = screen.contents();
        text.contains("log lines") && !text.contains(", 7 log lines")
    });
    session.press("\r");
    session.wait_for("request of this pair fails");
    session.wait_for("findings › why");
    session.press("\r");
    session.wait_for("mode: DISABLE");
    session.press("qqq");
    assert!(session.end().success());
}

#[test]
fn a_resize_is_drawn() {
    let mut session = Session::start(&["demo"]);
    session.wait_for("MS0101");
    session.resize(10, 40);
    session.wait_for("needs 60×15, has 40×10");
    session.resize(24, 80);
    session.wait_for("MS0101");
    session.press("\x03");
    assert!(session.end().success());
}

#[test]
fn signals_give_the_terminal_back() {
    for signal in ["-TERM", "-HUP", "-INT"] {
        let mut session = Session::start(&["demo"]);
        session.wait_for("MS0101");
        let id = session.child.process_id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        session.end();
    }
}

#[test]
fn a_source_that_cannot_be_read_is_said_on_the_screen() {
    let mut session = Session::start(&["-f", "/nonexistent/mesh"]);
    session.wait_for("cannot read /nonexistent/mesh");
    session.press("q");
    session.end();
}
