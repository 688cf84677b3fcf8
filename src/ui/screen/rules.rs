//! The table of DestinationRules.

use ratatui::layout::Rect;

use crate::answer::rules::RuleRow;
use crate::app::App;
use crate::app::listing::Row;
use crate::app::page::Tone;
use crate::app::screen::rules::RulesTable;
use crate::app::wording::short_host;
use crate::ui::widget::lines::draw_empty;
use crate::ui::widget::pen::Pen;
use crate::ui::widget::table::{self, number, rest, text};

/// Below this width there is no room to say how often a rule lost: the hosts have it.
const ROOMY: u16 = 72;

/// Draws the rows in sight.
pub fn draw(app: &App, screen: &RulesTable, area: Rect, pen: &mut Pen<'_>) {
    let context = app.context();
    let listing = screen.listing();
    if listing.is_empty() {
        return draw_empty(&screen.empty(&context), area, pen);
    }
    let Some(table) = app.answers().rules() else { return };
    let cells = |widest: usize, least: u16, most: u16| {
        u16::try_from(widest)
            .unwrap_or(u16::MAX)
            .clamp(least, if context.wide { 253 } else { most.max(least) })
    };
    let widest = screen.widest();
    let digits = cells(widest.number, 4, 9);
    let roomy = area.width >= ROOMY;
    let mut fixed = vec![text("TLS", 12), number("WINS", digits)];
    if roomy {
        fixed.push(number("LOST", digits));
    }
    let namespace = text("NAMESPACE", cells(widest.namespace, 9, area.width / if roomy { 5 } else { 7 }));
    let name = text("NAME", cells(widest.name, 4, area.width / 4));
    let room = rest(area.width, &[&[namespace, name], &fixed[..]].concat());
    let host = text("HOST", cells(widest.host, 4, room));
    let columns = [&[namespace, name, host], &fixed[..]].concat();
    let shown = |row: &Row| table.rows.get(row.at).map(cells_of).unwrap_or_default();
    table::draw(&columns, listing.in_sight(usize::from(area.height)), shown, area, pen);
}

fn cells_of(row: &RuleRow) -> Vec<(Tone, String)> {
    let lost = if row.wins == 0 { Tone::Warning } else { Tone::Plain };
    vec![
        (Tone::Dim, row.rule.namespace.clone().unwrap_or_else(|| "-".to_owned())),
        (Tone::Plain, row.rule.name.clone()),
        (Tone::Plain, short_host(&row.host).to_owned()),
        (Tone::Plain, row.tls.clone()),
        (lost, row.wins.to_string()),
        (Tone::Plain, row.lost.to_string()),
    ]
}
