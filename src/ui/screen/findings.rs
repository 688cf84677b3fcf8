//! The findings: what it is, what it says, whom it concerns.

use ratatui::layout::Rect;

use crate::answer::check::Finding;
use crate::app::App;
use crate::app::page::Tone;
use crate::app::screen::findings::{Findings, LINES, concerned, log_lines, sentence};
use crate::app::wording::count;
use crate::text::{visible, wrap};
use crate::ui::theme::severity;
use crate::ui::widget::lines::draw_empty;
use crate::ui::widget::pen::Pen;

/// Draws the findings in sight.
pub fn draw(app: &App, screen: &Findings, area: Rect, pen: &mut Pen<'_>) {
    let listing = screen.listing();
    if listing.is_empty() {
        return draw_empty(&screen.empty(&app.context()), area, pen);
    }
    let Some(report) = app.answers().check() else { return };
    let lines = u16::try_from(LINES).unwrap_or(1);
    let room = area.height / lines;
    for (place, (row, selected)) in (0..room).zip(listing.in_sight(usize::from(room))) {
        let item = Rect { y: area.y + place * lines, height: lines, ..area };
        if let Some(finding) = report.findings.get(row.at) {
            draw_finding(finding, item, pen);
        }
        if selected {
            for y in item.y..item.bottom() {
                pen.select(Rect { y, height: 1, ..item });
            }
        }
    }
}

fn draw_finding(finding: &Finding, area: Rect, pen: &mut Pen<'_>) {
    let (glyph, tone) = severity(&finding.severity);
    let end = area.right().saturating_sub(1);
    let row = area.y;
    let right = pen.write_right(end, row, area.width / 2, tone, &finding.severity);
    let mut x = area.x + 1;
    x += pen.write(x, row, 2, tone, glyph) + 1;
    x += pen.write(x, row, right.saturating_sub(x), tone, &finding.code) + 1;
    pen.write(x, row, right.saturating_sub(x + 1), Tone::Strong, &finding.name);

    let left = area.x + 3;
    let cells = end.saturating_sub(left);
    let mut words = wrap(&visible(&sentence(finding)), usize::from(cells)).into_iter();
    pen.write(left, row + 1, cells, Tone::Plain, &words.next().unwrap_or_default());
    // What does not fit in two lines is cut by the pen, which shows that it did.
    pen.write(left, row + 2, cells, Tone::Plain, &words.collect::<Vec<_>>().join(" "));

    let seen = match log_lines(finding) {
        0 if finding.edges.is_empty() => finding.confidence.clone(),
        0 => format!("{}, not seen in logs", finding.confidence),
        lines => format!("{}, {}", finding.confidence, count(lines, "log line")),
    };
    let right = pen.write_right(end, row + 3, area.width / 2, Tone::Dim, &seen);
    pen.write(left, row + 3, right.saturating_sub(left + 2), Tone::Dim, &concerned(finding));
}
