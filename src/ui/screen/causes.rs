//! The table of causes.

use ratatui::layout::Rect;

use crate::answer::causes::NamedCause;
use crate::app::App;
use crate::app::listing::Row;
use crate::app::page::Tone;
use crate::app::screen::causes::{CausesTable, pair_of};
use crate::app::wording::thousands;
use crate::ui::widget::lines::draw_empty;
use crate::ui::widget::pen::Pen;
use crate::ui::widget::table::{self, number, rest, text};

/// The longest label of a cause, as far as there is room for it.
const LABEL: u16 = 28;

/// Draws the rows in sight.
pub fn draw(app: &App, screen: &CausesTable, area: Rect, pen: &mut Pen<'_>) {
    let listing = screen.listing();
    if listing.is_empty() {
        return draw_empty(&screen.empty(&app.context()), area, pen);
    }
    let Some(answer) = app.answers().causes() else { return };
    let label = LABEL.min(area.width / 3);
    let mut columns = vec![number("LINES", 7), text("CAUSE", label), text("SURE", 8), text("FINDING", 7)];
    columns.push(text("CLIENT → HOST", rest(area.width, &columns)));
    let shown = |row: &Row| answer.causes.get(row.at).map(cells_of).unwrap_or_default();
    table::draw(&columns, listing.in_sight(usize::from(area.height)), shown, area, pen);
}

/// How grave a cause is by how sure it is.
fn tone_of(cause: &NamedCause) -> Tone {
    match (cause.cause.confidence.as_str(), &cause.finding) {
        (_, None) => Tone::Plain,
        ("certain", _) => Tone::Error,
        ("likely", _) => Tone::Warning,
        _ => Tone::Info,
    }
}

fn cells_of(one: &NamedCause) -> Vec<(Tone, String)> {
    let cause = &one.cause;
    let finding = one.finding.as_ref().map_or("-", |finding| &finding.code);
    vec![
        (Tone::Plain, thousands(cause.count)),
        (tone_of(one), cause.cause.clone()),
        (Tone::Plain, cause.confidence.clone()),
        (Tone::Plain, finding.to_owned()),
        (Tone::Plain, pair_of(cause)),
    ]
}
