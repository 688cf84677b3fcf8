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

/// From this width on there is room to say who the clients are.
const ROOMY: u16 = 100;
/// Below this width the hosts have the room in which clients would be counted.
const NARROW: u16 = 72;
/// Cells that the rule has in any case, with the gap before it.
const LEAST_RULE: u16 = 12;
/// No name of the mesh is longer.
const WIDEST: u16 = 253;

/// Draws the rows in sight.
pub fn draw(app: &App, screen: &TlsTable, area: Rect, pen: &mut Pen<'_>) {
    let context = app.context();
    let listing = screen.listing();
    if listing.is_empty() {
        return draw_empty(&screen.empty(&context), area, pen);
    }
    let Some(table) = app.answers().tls() else { return };
    let widest = screen.widest();
    let cells = |wanted: usize, least: u16, most: u16| {
        u16::try_from(wanted).unwrap_or(u16::MAX).clamp(least, most.max(least))
    };
    let mut narrow = vec![
        text("STATUS", 8),
        text("SERVER", cells(widest.server, 6, 10)),
        text("CLIENT", cells(widest.client, 6, 12)),
    ];
    if area.width >= NARROW {
        narrow.push(number("CLIENTS", 7));
    }
    if area.width >= ROOMY {
        narrow.push(text("FROM", area.width / 4));
    }
    // The rule has at least a few cells; the host has what it wants of the others.
    let room = rest(area.width, &narrow).saturating_sub(LEAST_RULE);
    let host = cells(widest.host, 9, if context.wide { WIDEST } else { room });
    let mut columns = vec![text("HOST:PORT", host)];
    columns.extend(narrow);
    columns.push(text("RULE", rest(area.width, &columns)));
    let shown = |row: &Row| table.rows.get(row.at).map(|pair| cells_of(pair, area.width)).unwrap_or_default();
    table::draw(&columns, listing.in_sight(usize::from(area.height)), shown, area, pen);
}

fn cells_of(pair: &Pair, width: u16) -> Vec<(Tone, String)> {
    let said = cells(pair);
    let clients = (width >= NARROW).then_some((Tone::Plain, said.clients));
    let from = (width >= ROOMY).then_some((Tone::Dim, said.from));
    let head = [
        (Tone::Plain, said.host),
        (tone(&pair.status), said.status),
        (Tone::Plain, said.server),
        (Tone::Plain, said.client),
    ];
    head.into_iter().chain(clients).chain(from).chain([(Tone::Dim, said.rule)]).collect()
}
