//! A table that gives way where a terminal is narrower than it: long cells are cut, with a sign, and then columns that
//! matter least are left out, and named. In a pipe nothing is cut.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{Cell, Style, Tone};
use crate::text;

/// Cells that are wider line up with nothing: one long path among many must not pad all the others.
const WIDEST: usize = 100;
/// A column of fewer cells at the right end tells nothing.
const LEAST: usize = 4;
/// Terminals that are narrower, or do not know how wide they are, get whole rows.
const NARROWEST: usize = 20;

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it gives where there is no room.
    pub gives: Gives,
}

/// What a column gives where there is no room for all.
#[derive(Debug, Clone, Copy)]
pub enum Gives {
    /// Nothing.
    Nothing,
    /// The ends of its cells, down to so many cells.
    Ends(usize),
    /// What stands before a sign in its cells, which is told elsewhere, and then their ends.
    Before(char, usize),
    /// Its place.
    Place,
    /// The ends of its cells, down to so many cells, and after all others of those its place.
    EndsAndPlace(usize),
}

impl Gives {
    fn least(self) -> Option<usize> {
        match self {
            Self::Ends(least) | Self::Before(_, least) | Self::EndsAndPlace(least) => Some(least),
            Self::Nothing | Self::Place => None,
        }
    }

    fn cut(self, shown: &str, cells: usize) -> Cow<'_, str> {
        if text::width(shown) <= cells {
            return Cow::Borrowed(shown);
        }
        if let Self::Before(sign, _) = self
            && let Some((_, rest)) = shown.split_once(sign)
        {
            let rest = format!("…{sign}{rest}");
            return Cow::Owned(text::cut(&rest, cells).into_owned());
        }
        text::cut(shown, cells)
    }
}

/// Writes rows in columns as wide as their widest cell, two spaces apart, and gives the names of the columns for which
/// there was no room.
///
/// # Errors
///
/// Only what the writer says.
pub fn write(
    out: &mut dyn Write,
    style: Style,
    columns: &[Column],
    rows: &[Vec<Cell>],
) -> io::Result<Vec<String>> {
    let plan = Plan::new(style.columns.filter(|room| *room >= NARROWEST), columns, rows);
    let head: Vec<_> = columns.iter().map(|column| Cell::toned(&column.name, Tone::Strong)).collect();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        let mut owed = 0;
        for (at, width) in &plan.kept {
            let (Some(Cell(told, tone)), Some(column)) = (row.get(*at), columns.get(*at)) else { continue };
            let shown = text::visible(told);
            let shown = if plan.is_cut { column.gives.cut(&shown, *width) } else { shown };
            line.push_str(&" ".repeat(owed));
            line.push_str(&style.paint(&shown, *tone));
            owed = (width + GAP).saturating_sub(text::width(&shown)).max(GAP);
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(plan.left_out)
}

/// Cells between columns.
const GAP: usize = 2;

/// Which columns are written, and how wide.
struct Plan {
    kept: Vec<(usize, usize)>,
    left_out: Vec<String>,
    is_cut: bool,
}

impl Plan {
    fn new(room: Option<usize>, columns: &[Column], rows: &[Vec<Cell>]) -> Self {
        let most = if room.is_some() { usize::MAX } else { WIDEST };
        let mut widths: Vec<usize> = columns.iter().map(|column| text::width(&column.name)).collect();
        for row in rows {
            for (width, Cell(told, _)) in widths.iter_mut().zip(row) {
                let cells = text::width(&text::visible(told));
                *width = if cells <= most { cells.max(*width) } else { *width };
            }
        }
        let mut plan = Self {
            kept: widths.into_iter().enumerate().collect(),
            left_out: Vec::new(),
            is_cut: room.is_some(),
        };
        if let Some(room) = room {
            plan.fit(room, columns);
        }
        plan
    }

    fn fit(&mut self, room: usize, columns: &[Column]) {
        let gives = |at: usize| columns.get(at).map_or(Gives::Nothing, |column| column.gives);
        let needed = |kept: &[(usize, usize)], level: usize| {
            let wide = |(at, width): &(usize, usize)| {
                gives(*at).least().map_or(*width, |least| level.max(least).min(*width))
            };
            kept.iter().map(wide).sum::<usize>() + GAP * kept.len().saturating_sub(1)
        };
        while needed(&self.kept, 0) > room {
            let last = |is: fn(Gives) -> bool| self.kept.iter().rposition(|(at, _)| is(gives(*at)));
            let first_to_go = last(|gives| matches!(gives, Gives::Place));
            let place = first_to_go.or_else(|| last(|gives| matches!(gives, Gives::EndsAndPlace(_))));
            let Some(place) = place else { break };
            self.leave_out(place, columns);
        }
        // What is left is shared: the longest cells give first.
        let level = (0..=room).rev().find(|level| needed(&self.kept, *level) <= room).unwrap_or(0);
        for (at, width) in &mut self.kept {
            *width = gives(*at).least().map_or(*width, |least| level.max(least).min(*width));
        }
        // Where all that can give has given, the last columns lose their place.
        while needed(&self.kept, usize::MAX) > room {
            let Some((_, last)) = self.kept.last().copied() else { return };
            let over = needed(&self.kept, usize::MAX) - room;
            if last >= over + LEAST
                && let Some((at, width)) = self.kept.last_mut()
                && gives(*at).least().is_some()
            {
                *width -= over;
                return;
            }
            self.leave_out(self.kept.len() - 1, columns);
        }
    }

    fn leave_out(&mut self, place: usize, columns: &[Column]) {
        let (at, _) = self.kept.remove(place);
        self.left_out.extend(columns.get(at).map(|column| column.name.clone()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn columns() -> Vec<Column> {
        [
            ("SIDE", Gives::Nothing),
            ("POD", Gives::Before('/', 8)),
            ("PATH", Gives::Ends(6)),
            ("COUNT", Gives::Nothing),
            ("LAST", Gives::Place),
            ("DETAILS", Gives::EndsAndPlace(7)),
        ]
        .map(|(name, gives)| Column { name: name.to_owned(), gives })
        .to_vec()
    }

    fn row(cells: [&str; 6]) -> Vec<Cell> {
        cells.map(Cell::plain).to_vec()
    }

    fn written(columns_of: Option<usize>, rows: &[Vec<Cell>]) -> (String, Vec<String>) {
        let mut out = Vec::new();
        let style = Style { colours: false, columns: columns_of };
        let left_out = write(&mut out, style, &columns(), rows).unwrap();
        (String::from_utf8(out).unwrap(), left_out)
    }

    fn two() -> Vec<Vec<Cell>> {
        vec![
            row(["client", "bookinfo/traffic-generator", "/a", "12", "2026-03-02T09:00:00Z", "-"]),
            row(["server", "web/x", "/a/long/path/of/a/request", "3", "2026-03-02T09:00:00Z", "-"]),
        ]
    }

    #[test]
    fn what_fits_is_whole() {
        let (whole, left_out) = written(None, &two());
        assert!(whole.contains("client  bookinfo/traffic-generator  /a "), "{whole}");
        assert_eq!((written(Some(120), &two()).0, left_out.len()), (whole, 0));
    }

    #[test]
    fn the_longest_cells_give_first_and_then_columns() {
        let (text, left_out) = written(Some(79), &two());
        assert_eq!(left_out, [""; 0]);
        assert_eq!(
            text,
            "SIDE    POD              PATH             COUNT  LAST                  DETAILS\n\
             client  …/traffic-gene…  /a               12     2026-03-02T09:00:00Z  -\n\
             server  web/x            /a/long/path/o…  3      2026-03-02T09:00:00Z  -\n"
        );
        // The details keep a part of theirs as long as other columns can go.
        assert_eq!(written(Some(45), &two()).1, ["LAST"]);
        let (text, left_out) = written(Some(34), &two());
        assert_eq!(left_out, ["LAST", "DETAILS"]);
        assert!(text.contains("client  …/traff…  /a        12\n"), "{text}");
        // Where nothing more can give, what stands last is not shown, and named.
        let (text, left_out) = written(Some(20), &two());
        assert_eq!(left_out, ["LAST", "DETAILS", "COUNT", "PATH"]);
        assert!(text.contains("client  …/traff…\n"), "{text}");
    }

    #[test]
    fn one_long_cell_does_not_pad_the_others() {
        let long = format!("/{}", "a".repeat(3000));
        let rows =
            [row(["client", "a/b", &long, "12", "x", "-"]), row(["client", "a/b", "/short", "3", "x", "-"])];
        let (text, _) = written(None, &rows);
        assert!(text.contains("client  a/b  /short  3      x     -\n"), "{text}");
        assert!(text.contains(&format!("{long}  12     x     -\n")), "{text}");
    }

    proptest! {
        /// No row is wider than the terminal, whatever stands in it, and each that lost something shows it.
        #[test]
        fn rows_fit(
            room in 20_usize..200,
            texts in proptest::collection::vec(proptest::collection::vec("[a-z/日\u{1b}é]{0,60}", 6), 0..6),
        ) {
            let rows: Vec<Vec<Cell>> =
                texts.iter().map(|row| row.iter().map(Cell::plain).collect()).collect();
            let mut columns = columns();
            columns[0].gives = Gives::Ends(4);
            columns[3].gives = Gives::Ends(4);
            let mut out = Vec::new();
            let left_out = write(&mut out, Style { colours: false, columns: Some(room) }, &columns, &rows).unwrap();
            let out = String::from_utf8(out).unwrap();
            for (line, cells) in out.lines().skip(1).zip(&texts) {
                prop_assert!(text::width(line) <= room, "{room}: {line}");
                let whole = cells.iter().all(|cell| line.contains(text::visible(cell).trim_end()));
                prop_assert!(whole || line.contains('…') || !left_out.is_empty(), "{room}: {line}");
            }
        }
    }
}
