//! Columns that line up, and colours where there are any.

pub mod fitted;

use std::io::{self, Write};

use anstyle::{AnsiColor, Style as Ansi};

use crate::text;

/// How a word is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// An error.
    Bad,
    /// A warning.
    Careful,
    /// Information.
    Note,
    /// Good.
    Good,
    /// What merely gives context.
    Dim,
    /// What the eye should find first.
    Strong,
}

impl Tone {
    /// The tone of a severity or status.
    pub fn of(word: &str) -> Self {
        match word {
            "error" | "CONFLICT" => Self::Bad,
            "warning" | "WARN" | "COND" | "UNKNOWN" => Self::Careful,
            "info" => Self::Note,
            "OK" | "used" => Self::Good,
            _ => Self::Plain,
        }
    }
}

/// What the output can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether escape sequences may be written.
    pub colours: bool,
    /// How many cells a line has; any number where it is no terminal, or nothing is to be cut.
    pub columns: Option<usize>,
}

impl Style {
    /// A text that comes from outside, made fit and coloured.
    pub fn paint(self, shown: &str, tone: Tone) -> String {
        let shown = text::visible(shown);
        let ansi = match tone {
            Tone::Plain => return shown.into_owned(),
            Tone::Bad => Ansi::new().fg_color(Some(AnsiColor::Red.into())).bold(),
            Tone::Careful => Ansi::new().fg_color(Some(AnsiColor::Yellow.into())),
            Tone::Note => Ansi::new().fg_color(Some(AnsiColor::Blue.into())),
            Tone::Good => Ansi::new().fg_color(Some(AnsiColor::Green.into())),
            Tone::Dim => Ansi::new().dimmed(),
            Tone::Strong => Ansi::new().bold(),
        };
        if self.colours { format!("{ansi}{shown}{ansi:#}") } else { shown.into_owned() }
    }
}

/// A cell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell(String, Tone);

impl Cell {
    /// A plain cell.
    pub fn plain(text: impl Into<String>) -> Self {
        Self(text.into(), Tone::Plain)
    }

    /// A coloured cell.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self(text.into(), tone)
    }
}

/// Writes rows in columns as wide as their widest cell, `gap` spaces apart. Nothing is cut off.
///
/// # Errors
///
/// Only what the writer says.
pub fn write(
    out: &mut dyn Write,
    style: Style,
    gap: usize,
    head: &[&str],
    rows: &[Vec<Cell>],
) -> io::Result<()> {
    let mut widths: Vec<usize> = head.iter().map(|name| text::width(name)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(text::width(&text::visible(&cell.0)));
        }
    }
    let head: Vec<_> = head.iter().map(|name| Cell::toned(*name, Tone::Strong)).collect();
    for row in std::iter::once(&head).chain(rows) {
        let last = row.len().saturating_sub(1);
        let mut line = String::new();
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            line.push_str(&style.paint(&cell.0, cell.1));
            if at < last {
                let fill = (width + gap).saturating_sub(text::width(&text::visible(&cell.0)));
                line.push_str(&" ".repeat(fill));
            }
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
