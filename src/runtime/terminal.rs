//! The terminal: raw mode and the other screen, and back from them on every way out.

use std::io::{self, Stdout, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::terminal::{
    DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};

/// Whether the terminal is ours. A panic asks it from wherever it happens.
static OPEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours.
pub(super) struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<Stdout>>,
}

impl Terminal {
    /// Takes the terminal.
    pub(super) fn open() -> io::Result<Self> {
        enable_raw_mode()?;
        OPEN.store(true, Ordering::SeqCst);
        let taken = execute!(io::stdout(), EnterAlternateScreen, DisableLineWrap, Hide);
        let made = taken.and_then(|()| ratatui::Terminal::new(CrosstermBackend::new(io::stdout())));
        match made {
            Ok(inner) => Ok(Self { inner }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// Its size.
    pub(super) fn size(&self) -> io::Result<(u16, u16)> {
        self.inner.size().map(|size| (size.width, size.height))
    }

    /// Draws a picture; what did not change is not sent.
    pub(super) fn draw(&mut self, picture: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.inner.draw(picture).map(|_| ())
    }

    /// Has the next picture sent whole. A terminal that was made smaller and larger again before a picture was drawn has
    /// the same size and has lost what stood in it.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        let size = self.inner.size()?;
        self.inner.resize(Rect::from((Position::ORIGIN, size)))
    }

    /// Sends something that is no picture.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let backend = self.inner.backend_mut();
        backend.write_all(bytes)?;
        io::Write::flush(backend)
    }

    /// Gives the terminal back.
    pub(super) fn close(self) {
        drop(self);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back, once. There is nothing left to be done where that fails.
pub(super) fn restore() {
    if OPEN.swap(false, Ordering::SeqCst) {
        let _left = execute!(io::stdout(), Show, EnableLineWrap, LeaveAlternateScreen);
        let _cooked = disable_raw_mode();
    }
}
