//! The table of pairs.

use ratatui::layout::Rect;

use crate::answer::tls_check::Row as Pair;
use crate::app::App;
use crate::app::listing::Row;
use crate::app::page::Tone;
use crate::app::screen::tls::{TlsTable, cells, tone};
use crate::ui::widget::lines::draw_empty;
use crate::ui::widget::pen::Pen;
use crate::ui::widget::table::{self, number, rest, text};

/// Draws the rows in sight.
pub fn draw(app: &App, screen: &TlsTable, area: Rect, pen: &mut Pen<'_>) {
    let context = app.context();
    let listing = screen.listing();
    if listing.is_empty() {
        return draw_empty(&screen.empty(&context), area, pen);
    }
    let Some(table) = app.answers().tls() else { return };
    let narrow = [
        text("STATUS", 8),
        text("SERVER", 10),
        text("CLIENT", 12),
        number("CLIENTS", 7),
    ];
    // The rule has at least a few cells; the host has what it wants of the others.
    let room = rest(area.width, &narrow).saturating_sub(14);
    let host = u16::try_from(screen.widest_host()).unwrap_or(u16::MAX).clamp(9, if context.wide { u16::MAX } else { room.max(9) });
    let mut columns = vec![text("HOST:PORT", host)];
    columns.extend(narrow);
    columns.push(text("RULE", rest(area.width, &columns)));
    let shown = |row: &Row| table.rows.get(row.at).map(cells_of).unwrap_or_default();
    table::draw(&columns, listing.in_sight(usize::from(area.height)), shown, area, pen);
}

fn cells_of(pair: &Pair) -> Vec<(Tone, String)> {
    let said = cells(pair);
    vec![
        (Tone::Plain, said.host),
        (tone(&pair.status), said.status),
        (Tone::Plain, said.server),
        (Tone::Plain, said.client),
        (Tone::Plain, said.clients),
        (Tone::Dim, said.rule),
    ]
}
