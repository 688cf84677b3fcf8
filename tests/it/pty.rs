//! The real program in a pseudo-terminal, and what its screen shows.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// How long a state may take to come. It is raised where machines are slow.
fn patience() -> Duration {
    let seconds = std::env::var("MESHSCOPE_TEST_PATIENCE").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(20))
}

/// The program and its terminal.
pub(crate) struct Session {
    pub(crate) child: Box<dyn Child + Send + Sync>,
    terminal: Box<dyn MasterPty + Send>,
    keys: Box<dyn std::io::Write + Send>,
    screen: Arc<(Mutex<Shown>, Condvar)>,
}

/// What the terminal was told so far.
struct Shown {
    parser: vt100::Parser,
    bytes: Vec<u8>,
}

fn cells(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize { rows, cols, ..PtySize::default() }
}

impl Session {
    /// Starts it in the project's folder, without colours.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[("NO_COLOR", "1")])
    }

    /// Starts it with these in its environment.
    pub(crate) fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let pair = native_pty_system().openpty(size(24, 80)).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_meshscope"));
        command.args(arguments);
        command.cwd(env!("CARGO_MANIFEST_DIR"));
        for name in ["NO_COLOR", "CLICOLOR_FORCE", "COLORTERM"] {
            command.env_remove(name);
        }
        // Whoever runs the tests may have a configuration of their own; in the tests' folder there is none.
        let fixed = [
            ("TERM", "xterm-256color"),
            ("LC_ALL", "C.UTF-8"),
            ("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR")),
        ];
        for (name, value) in fixed.iter().chain(environment) {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = Shown { parser: vt100::Parser::new(cells(24), cells(80), 0), bytes: Vec::new() };
        let screen = Arc::new((Mutex::new(screen), Condvar::new()));
        let mut output = pair.master.try_clone_reader().unwrap();
        let told = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                let mut shown = told.0.lock().unwrap();
                shown.parser.process(&bytes[..read]);
                shown.bytes.extend_from_slice(&bytes[..read]);
                drop(shown);
                told.1.notify_all();
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Self { child, terminal: pair.master, keys, screen }
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&mut self, rows: u16, cols: u16) {
        self.screen.0.lock().unwrap().parser.screen_mut().set_size(cells(rows), cells(cols));
        self.terminal.resize(size(rows, cols)).unwrap();
    }

    /// Waits until the screen is so.
    pub(crate) fn wait(&self, what: &str, is: impl Fn(&vt100::Screen) -> bool) {
        let end = Instant::now() + patience();
        let mut shown = self.screen.0.lock().unwrap();
        while !is(shown.parser.screen()) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited for {what}:\n{}", shown.parser.screen().contents());
            shown = self.screen.1.wait_timeout(shown, left).unwrap().0;
        }
    }

    /// Waits until the screen shows a text.
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait(text, |screen| screen.contents().contains(text));
    }

    /// The screen as text with the sequences that give it its colours.
    pub(crate) fn formatted(&self) -> String {
        let shown = self.screen.0.lock().unwrap();
        let screen = shown.parser.screen();
        let (rows, columns) = screen.size();
        let mut text = String::new();
        for row in 0..rows.get() {
            let mut style = anstyle::Style::new();
            for cell in (0..columns.get()).filter_map(|column| screen.cell(row, column)) {
                let wanted = style_of(cell);
                if wanted != style {
                    write!(text, "{style:#}{wanted}").unwrap();
                    style = wanted;
                }
                text.push_str(if cell.has_contents() { cell.contents() } else { " " });
            }
            writeln!(text, "{style:#}").unwrap();
        }
        text
    }

    /// Waits until something was put on the clipboard so many times, and gives the last.
    pub(crate) fn copied(&self, times: usize) -> String {
        let end = Instant::now() + patience();
        let mut shown = self.screen.0.lock().unwrap();
        loop {
            let text = String::from_utf8_lossy(&shown.bytes).into_owned();
            let mut copies = text.split("\x1b]52;c;").skip(times);
            if let Some((copy, _)) = copies.next().and_then(|copy| copy.split_once('\x07')) {
                return decoded(copy);
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited for copy {times}:\n{}", shown.parser.screen().contents());
            shown = self.screen.1.wait_timeout(shown, left).unwrap().0;
        }
    }

    /// Waits for the program's end and for the terminal as it was.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        self.wait("the terminal as it was", |screen| !screen.alternate_screen() && !screen.hide_cursor());
        status
    }
}

/// The looks of a cell.
fn style_of(cell: &vt100::Cell) -> anstyle::Style {
    let colour = |colour| match colour {
        vt100::Color::Default => None,
        vt100::Color::Idx(index) => Some(anstyle::Ansi256Color(index).into()),
        vt100::Color::Rgb(red, green, blue) => Some(anstyle::RgbColor(red, green, blue).into()),
    };
    let mut style = anstyle::Style::new().fg_color(colour(cell.fgcolor())).bg_color(colour(cell.bgcolor()));
    if cell.bold() {
        style = style.bold();
    }
    if cell.dim() {
        style = style.dimmed();
    }
    if cell.inverse() { style.invert() } else { style }
}

/// Base64 as text.
fn decoded(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for digit in text.bytes().filter(|byte| *byte != b'=') {
        let value = DIGITS.iter().position(|one| *one == digit).unwrap();
        bits = bits << 6 | u32::try_from(value).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).unwrap());
        }
    }
    String::from_utf8(bytes).unwrap()
}
