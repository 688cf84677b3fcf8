//! The log view.

use ratatui::layout::Rect;

use crate::answer::log_lines::LogRow;
use crate::app::App;
use crate::app::histogram::{Histogram, bars};
use crate::app::listing::Row;
use crate::app::page::Tone;
use crate::app::screen::log::{LineId, LogLines, Widest};
use crate::app::wording::{short_host, thousands};
use crate::logs::format_time;
use crate::text::{visible, width};
use crate::ui::widget::lines::draw_empty;
use crate::ui::widget::pen::Pen;
use crate::ui::widget::table::{self, Column, number, rest, text};

/// From this width on there is room for the host called.
const ROOMY: u16 = 110;
/// Cells of the names beside the bars.
const LABEL: u16 = 8;
/// Cells of a time: with its date, without, and without its milliseconds.
const WITH_DATE: u16 = 23;
const WITH_MILLIS: u16 = 12;
const SHORT: u16 = 8;
/// Cells of flags and of milliseconds at most.
const MOST_FLAGS: u16 = 12;
const MOST_MILLIS: u16 = 7;

/// Draws the bars, the rows in sight, and the causes below them.
pub fn draw(app: &App, screen: &LogLines, area: Rect, pen: &mut Pen<'_>) {
    if screen.listing().is_empty() {
        return draw_empty(&screen.empty(&app.context()), area, pen);
    }
    let mut rows = area;
    if let Some((histogram, failed)) = screen.bars() {
        draw_bars(histogram, failed, Rect { height: 2, ..area }, pen);
        rows = Rect { y: area.y + 2, height: area.height.saturating_sub(2), ..area };
    }
    if !screen.look().full {
        rows.height = rows.height.saturating_sub(1);
        draw_causes(screen, Rect { y: rows.bottom(), height: 1, ..area }, pen);
    }
    if screen.look().wrap {
        draw_whole(screen, rows, pen);
    } else {
        draw_columns(screen, rows, pen);
    }
}

fn draw_causes(screen: &LogLines, row: Rect, pen: &mut Pen<'_>) {
    let x = row.x + 1 + pen.write(row.x + 1, row.y, row.width, Tone::Dim, "causes  ");
    let cells = row.right().saturating_sub(x + 1);
    pen.write(x, row.y, cells, Tone::Plain, &screen.causes(usize::from(cells)));
}

/// All lines and those that failed over time, to the same scale: what is high in both rows failed altogether.
fn draw_bars(histogram: &Histogram, failed: u64, area: Rect, pen: &mut Pen<'_>) {
    let most = histogram.most();
    let all: u64 = histogram.all.iter().sum();
    let rate = |number: u64| histogram.per_minute(number).map(|rate| format!("  {rate}")).unwrap_or_default();
    let highest = format!("  most {} in {}", thousands(most), histogram.step_text());
    let shared = (failed * 100).checked_div(all).filter(|percent| *percent > 0);
    let share = shared.map(|percent| format!("  {}%", percent.min(100))).unwrap_or_default();
    let rows = [
        ("lines", Tone::Plain, &histogram.all, format!("{}{}{highest}", thousands(all), rate(all))),
        ("failed", Tone::Error, &histogram.failed, format!("{}{}{share}", thousands(failed), rate(failed))),
    ];
    for ((name, tone, counts, said), y) in rows.into_iter().zip(area.y..) {
        pen.write(area.x + 1, y, LABEL, Tone::Dim, name);
        let x = area.x + 1 + LABEL;
        let used = pen.write(x, y, area.right().saturating_sub(x), tone, &bars(counts, most));
        let x = x + used + 2;
        pen.write(x, y, area.right().saturating_sub(x), Tone::Dim, &said);
    }
}

fn draw_columns(screen: &LogLines, area: Rect, pen: &mut Pen<'_>) {
    let Some(view) = screen.view() else { return };
    let plan = Plan::new(screen, area.width, view.rows.first());
    let cells =
        |row: &Row<LineId>| view.rows.get(row.at).map(|row| plan.cells(screen, row)).unwrap_or_default();
    table::draw(&plan.columns, screen.listing().in_sight(usize::from(area.height)), cells, area, pen);
}

/// Which columns there are, and how wide.
struct Plan {
    columns: Vec<Column>,
    caller: usize,
    cause: usize,
    clock: usize,
    has_hosts: bool,
    has_marks: bool,
}

impl Plan {
    fn new(screen: &LogLines, cells: u16, any: Option<&LogRow>) -> Self {
        let Widest { flags, duration, caller, host, path, cause } = screen.widest();
        let needs = |widest: usize, least: u16, most: u16| {
            u16::try_from(widest).unwrap_or(u16::MAX).clamp(least, most.max(least))
        };
        let mut columns = Vec::new();
        // Where there is no room for what callers and paths need, milliseconds give way.
        let needed = flags.max(5) + duration.max(2) + caller + path + cause + 42;
        let is_short = cells < ROOMY && needed > usize::from(cells);
        let clock = if is_short { SHORT } else { WITH_MILLIS };
        let clock = if screen.look().date { WITH_DATE } else { clock };
        let has_marks = any.is_some_and(|row| screen.is_marked(row).is_some());
        if has_marks {
            columns.push(text("", 1));
        }
        columns.extend([
            text("TIME", clock),
            text("SIDE", 6),
            number("CODE", 4),
            text("FLAGS", needs(flags, 5, MOST_FLAGS)),
            number("MS", needs(duration, 2, MOST_MILLIS)),
        ]);
        let has_hosts = cells >= ROOMY;
        // The cause is what is looked for: it gets what it needs, the others share what is left.
        let room = rest(cells, &columns);
        let cause = needs(cause, 5, room / 2);
        let mut left = rest(cells, &[&columns[..], &[text("", cause)]].concat());
        let mut others = vec![("CALLER", caller, 6)];
        if has_hosts {
            others.push(("HOST", host, 4));
        }
        others.push(("PATH", path, 4));
        for (at, (title, widest, least)) in others.iter().enumerate() {
            let behind = u16::try_from(others.len() - at - 1).unwrap_or(0);
            // What the columns behind need is theirs; where all need more than there is, each gets its part.
            let theirs: u16 =
                others.iter().skip(at + 1).map(|(_, widest, least)| needs(*widest, *least, 200) + 2).sum();
            let part = (left / (behind + 1)).saturating_sub(2);
            let most = left.saturating_sub(theirs + 2).max(part);
            let wide = needs(*widest, *least, most);
            left = left.saturating_sub(wide + 2);
            columns.push(text(title, wide));
        }
        columns.push(text("CAUSE", cause));
        let caller = columns.iter().find(|column| column.title == "CALLER");
        let caller = caller.map_or(0, |column| usize::from(column.width));
        Self { columns, caller, cause: usize::from(cause), clock: usize::from(clock), has_hosts, has_marks }
    }

    fn cells(&self, screen: &LogLines, row: &LogRow) -> Vec<(Tone, String)> {
        let known = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let tone = if row.failed() { Tone::Error } else { Tone::Plain };
        let caller = row.caller.as_deref().unwrap_or("-");
        let mut cells = Vec::new();
        if self.has_marks {
            let mark = if screen.is_marked(row) == Some(true) { "✔" } else { "" };
            cells.push((Tone::Strong, mark.to_owned()));
        }
        cells.extend([
            (Tone::Dim, time_of(row, screen.look().date, self.clock)),
            (Tone::Dim, if &*row.side == "unknown" { "?".to_owned() } else { row.side.to_string() }),
            (tone, row.code.map_or_else(|| "-".to_owned(), |code| code.to_string())),
            (tone, known(row.flags.as_deref())),
            (Tone::Plain, row.duration.map_or_else(|| "-".to_owned(), |millis| millis.to_string())),
            (Tone::Plain, short_caller(caller, self.caller).to_owned()),
        ]);
        if self.has_hosts {
            cells.push((Tone::Plain, row.host.as_deref().map_or("-", short_host).to_owned()));
        }
        cells.push((Tone::Plain, known(row.path.as_deref())));
        cells.push((tone, doubted(&screen.cause_text(row), self.cause)));
        cells
    }
}

/// A cause that is cut keeps its doubt, without which it would be sure.
fn doubted(cause: &str, cells: usize) -> String {
    match cause.strip_suffix('?') {
        Some(label) if width(cause) > cells => {
            let kept: String = label.chars().take(cells.saturating_sub(1)).collect();
            format!("{kept}?")
        }
        Some(_) | None => cause.to_owned(),
    }
}

/// A caller without its namespace where there is no room for both.
fn short_caller(caller: &str, cells: usize) -> &str {
    if width(&visible(caller)) <= cells {
        return caller;
    }
    caller.split_once('/').map_or(caller, |(_, name)| name)
}

/// The time with milliseconds, and the date where it is wanted.
fn time_of(row: &LogRow, date: bool, cells: usize) -> String {
    let Some(time) = row.time.map(format_time) else { return "-".to_owned() };
    let Some((day, clock)) = time.split_once('T') else { return time };
    let clock: String =
        clock.trim_end_matches('Z').chars().take(cells.min(usize::from(WITH_MILLIS))).collect();
    if date { format!("{day} {clock}") } else { clock }
}

/// Whole lines, each on as many rows as it takes.
fn draw_whole(screen: &LogLines, area: Rect, pen: &mut Pen<'_>) {
    let cells = area.width.saturating_sub(2);
    let mut y = area.y;
    for one in screen.wrapped(usize::from(area.height), usize::from(cells)) {
        let tone = if one.row.failed() { Tone::Error } else { Tone::Plain };
        for part in &one.parts {
            if y >= area.bottom() {
                return;
            }
            pen.write(area.x + 1, y, cells, tone, part);
            let row = Rect { y, height: 1, ..area };
            if one.selected {
                pen.select(row);
            }
            if screen.is_marked(one.row) == Some(true) {
                pen.write(area.x, y, 1, Tone::Strong, "✔");
            }
            y += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_is_cut_keeps_its_doubt() {
        assert_eq!(doubted("plaintext-to-strict?", 20), "plaintext-to-strict?");
        assert_eq!(doubted("plaintext-to-strict?", 10), "plaintext?");
        assert_eq!(doubted("plaintext-to-strict", 10), "plaintext-to-strict");
    }
}
