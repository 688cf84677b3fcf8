//! A table: a head, and of its rows those in sight.

use ratatui::layout::Rect;

use super::pen::Pen;
use crate::app::page::Tone;

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its title.
    pub title: &'static str,
    /// Its width in cells.
    pub width: u16,
    /// Whether it holds numbers, which stand at the right.
    pub number: bool,
}

/// A column of text.
pub fn text(title: &'static str, width: u16) -> Column {
    Column { title, width, number: false }
}

/// A column of numbers.
pub fn number(title: &'static str, width: u16) -> Column {
    Column { title, width, number: true }
}

/// Cells between columns.
const GAP: u16 = 2;

/// What the columns leave of a width, for one more behind them.
pub fn rest(width: u16, columns: &[Column]) -> u16 {
    columns.iter().fold(width.saturating_sub(2), |left, column| left.saturating_sub(column.width + GAP))
}

/// Draws the head and the rows in sight; `cells` is asked for no other row.
pub fn draw<'r, R: 'r>(
    columns: &[Column],
    rows: impl Iterator<Item = (&'r R, bool)>,
    mut cells: impl FnMut(&R) -> Vec<(Tone, String)>,
    area: Rect,
    pen: &mut Pen<'_>,
) {
    draw_head(columns, area, pen);
    for (y, (row, selected)) in (area.y + 1..area.bottom()).zip(rows) {
        let place = Rect { y, height: 1, ..area };
        draw_row(columns, cells(row), place, pen);
        if selected {
            pen.select(place);
        }
    }
}

/// Draws the titles.
pub fn draw_head(columns: &[Column], area: Rect, pen: &mut Pen<'_>) {
    let titles = columns.iter().map(|column| (Tone::Dim, column.title.to_owned())).collect();
    draw_row(columns, titles, Rect { height: 1, ..area }, pen);
}

/// Draws a row.
pub fn draw_row(columns: &[Column], cells: Vec<(Tone, String)>, row: Rect, pen: &mut Pen<'_>) {
    let mut x = row.x + 1;
    for (column, (tone, text)) in columns.iter().zip(cells) {
        let width = column.width.min(row.right().saturating_sub(x));
        if column.number {
            pen.write_right(x + width, row.y, width, tone, &text);
        } else {
            pen.write(x, row.y, width, tone, &text);
        }
        x = x.saturating_add(column.width + GAP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::command::Motion;
    use crate::app::listing::{Listing, Row};
    use crate::ui::theme::{Colours, Theme};

    #[test]
    fn a_hundred_thousand_rows_are_formatted_like_fifty() {
        let mut listing = Listing::default();
        let rows = (0..100_000).map(|at| Row { id: at.to_string(), at }).collect();
        listing.set(rows, 100_000, 20);
        listing.move_by(Motion::Last);
        let area = Rect::new(0, 0, 40, 21);
        let mut buffer = ratatui::buffer::Buffer::empty(area);
        let theme = Theme::new(Colours::None, true);
        let mut formatted = 0;
        let cells = |row: &Row| {
            formatted += 1;
            vec![(Tone::Plain, row.at.to_string())]
        };
        draw(&[number("N", 8)], listing.in_sight(20), cells, area, &mut Pen::new(&mut buffer, &theme));
        assert_eq!(formatted, 20);
        let last: String = (1..9).map(|x| buffer[(x, 20)].symbol()).collect();
        assert_eq!(last, "   99999");
    }
}
