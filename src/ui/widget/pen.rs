//! The only way by which text gets into the picture: what a terminal would act on is written out, what does not fit is
//! cut, what the terminal has no symbol for is replaced.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::app::page::Tone;
use crate::text::{cut, visible, width};
use crate::ui::theme::Theme;

/// Draws text.
#[derive(Debug)]
pub struct Pen<'a> {
    buffer: &'a mut Buffer,
    theme: &'a Theme,
}

impl<'a> Pen<'a> {
    /// A pen for a picture.
    pub fn new(buffer: &'a mut Buffer, theme: &'a Theme) -> Self {
        Self { buffer, theme }
    }

    /// The theme.
    pub fn theme(&self) -> &Theme {
        self.theme
    }

    /// Writes a text into a row of at most so many cells and says how many it took.
    pub fn write(&mut self, x: u16, y: u16, cells: u16, tone: Tone, text: &str) -> u16 {
        self.styled(x, y, cells, self.theme.style(tone), text)
    }

    /// Writes a text with looks of its own.
    pub fn styled(&mut self, x: u16, y: u16, cells: u16, style: Style, text: &str) -> u16 {
        if !self.buffer.area.contains(Position { x, y }) {
            return 0;
        }
        let shown = visible(text);
        let shown = cut(&shown, usize::from(cells));
        let shown = self.theme.plain(&shown);
        let (end, _) = self.buffer.set_stringn(x, y, &shown, usize::from(cells), style);
        end - x
    }

    /// Writes a text so that it ends before `end`, and says where it begins.
    pub fn write_right(&mut self, end: u16, y: u16, cells: u16, tone: Tone, text: &str) -> u16 {
        let wanted = u16::try_from(width(&visible(text))).unwrap_or(u16::MAX).min(cells);
        let x = end.saturating_sub(wanted);
        self.write(x, y, wanted, tone, text);
        x
    }

    /// Draws a line across.
    pub fn rule(&mut self, area: Rect) {
        let line = "─".repeat(usize::from(area.width));
        self.write(area.x, area.y, area.width, Tone::Dim, &line);
    }

    /// Shows that a row is selected: a bar at its left end, and the whole of it in other colours.
    pub fn select(&mut self, row: Rect) {
        self.buffer.set_style(row.intersection(self.buffer.area), self.theme.selected());
        self.styled(row.x, row.y, 1, self.theme.accent(), "▌");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::theme::Colours;

    #[test]
    fn nothing_that_a_terminal_acts_on_gets_into_a_cell() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 40, 1));
        let theme = Theme::new(Colours::None, true);
        Pen::new(&mut buffer, &theme).write(0, 0, 40, Tone::Plain, "a\x1b[31mb\u{202e}c\x07\u{9b}d");
        let text: String = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
        assert_eq!(text.trim_end(), "a␛[31mb<U+202E>c␇<U+009B>d");
    }

    #[test]
    fn outside_the_picture_nothing_happens() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 1));
        let theme = Theme::new(Colours::None, true);
        let mut pen = Pen::new(&mut buffer, &theme);
        assert_eq!(pen.write(9, 9, 4, Tone::Plain, "text"), 0);
        assert_eq!(pen.write(1, 0, 3, Tone::Plain, "日本語"), 3);
        assert_eq!(pen.write_right(4, 0, 9, Tone::Plain, "far too long"), 0);
    }
}
