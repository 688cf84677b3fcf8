//! The log view.

use ratatui::layout::Rect;

use crate::answer::log_lines::LogRow;
use crate::app::App;
use crate::app::listing::Row;
use crate::app::page::Tone;
use crate::app::screen::log::LogLines;
use crate::app::wording::short_host;
use crate::ui::widget::lines::draw_empty;
use crate::ui::widget::pen::Pen;
use crate::ui::widget::table::{self, number, rest, text};

/// From this width on there is room for the host called.
const ROOMY: u16 = 110;

/// Draws the rows in sight, and the causes below them.
pub fn draw(app: &App, screen: &LogLines, area: Rect, pen: &mut Pen<'_>) {
    let listing = screen.listing();
    if listing.is_empty() {
        return draw_empty(&screen.empty(&app.context()), area, pen);
    }
    let Some(view) = screen.view() else { return };
    let fixed = [text("TIME", 12), text("SIDE", 6), number("CODE", 4), text("FLAGS", 5), number("MS", 5)];
    let room = rest(area.width, &fixed);
    let roomy = area.width >= ROOMY;
    let mut columns = fixed.to_vec();
    if roomy {
        let part = (room / 4).saturating_sub(2);
        columns.extend([text("CALLER", part), text("HOST", part), text("PATH", part)]);
    } else {
        let part = (room / 3).saturating_sub(2);
        columns.extend([text("CALLER", part), text("PATH", part)]);
    }
    columns.push(text("CAUSE", rest(area.width, &columns)));
    let below = Rect { y: area.bottom().saturating_sub(1), height: 1, ..area };
    let rows = Rect { height: area.height.saturating_sub(1), ..area };
    let shown = |row: &Row| view.rows.get(row.at).map(|row| cells_of(row, roomy)).unwrap_or_default();
    table::draw(&columns, listing.in_sight(usize::from(rows.height)), shown, rows, pen);
    let mut x = below.x + 1;
    for (tone, text) in screen.causes() {
        x += pen.write(x, below.y, below.right().saturating_sub(x), tone, &text);
    }
}

fn cells_of(row: &LogRow, roomy: bool) -> Vec<(Tone, String)> {
    let known = |text: Option<&String>| text.cloned().unwrap_or_else(|| "-".to_owned());
    let failed = row.cause.is_some() || row.code.is_some_and(|code| code >= 500);
    let tone = if failed { Tone::Error } else { Tone::Plain };
    let time =
        row.time.as_deref().and_then(|time| time.split_once('T')).map(|(_, time)| time.trim_end_matches('Z'));
    let mut cells = vec![
        (Tone::Dim, time.unwrap_or("-").to_owned()),
        (Tone::Dim, row.side.clone()),
        (tone, row.code.map_or_else(|| "-".to_owned(), |code| code.to_string())),
        (tone, known(row.flags.as_ref())),
        (Tone::Plain, row.duration.map_or_else(|| "-".to_owned(), |millis| millis.to_string())),
        (Tone::Plain, known(row.caller.as_ref())),
    ];
    if roomy {
        cells.push((Tone::Plain, row.host.as_deref().map_or("-", short_host).to_owned()));
    }
    cells.push((Tone::Plain, known(row.path.as_ref())));
    cells.push((tone, row.cause.as_ref().map_or_else(|| "-".to_owned(), |(cause, _)| cause.clone())));
    cells
}
