//! The first line: the source, the version whose rules are applied, what was read.

use ratatui::layout::Rect;

use super::pen::Pen;
use crate::app::page::Tone;
use crate::app::wording::count;
use crate::app::{App, Reading};

/// Draws it.
pub fn draw(app: &App, area: Rect, pen: &mut Pen<'_>) {
    let state = if app.is_frozen() { "frozen  read-only" } else { "read-only" };
    let tone = if app.is_frozen() { Tone::Warning } else { Tone::Dim };
    let mut end = pen.write_right(area.right().saturating_sub(1), area.y, area.width, tone, state);
    if app.dropped() > 0 {
        let text = format!("{} dropped  ", count(app.dropped(), "line"));
        end = pen.write_right(end, area.y, area.width / 2, Tone::Warning, &text);
    }
    let mut x = area.x + 1;
    let mut put = |tone: Tone, text: &str| {
        let cells = end.saturating_sub(x + 1);
        x += pen.write(x, area.y, cells, tone, text);
    };
    put(Tone::Strong, "meshscope");
    put(Tone::Plain, &format!("  {}", app.source().name));
    if let Some(read) = app.read() {
        let version = &read.mesh.config.version;
        let from = match version.from {
            "default" => "assumed",
            other => other,
        };
        put(Tone::Dim, &format!("  Istio {} ({from})", version.value));
    }
    match app.reading() {
        Reading::Begun(_) => put(Tone::Info, "  reading …"),
        Reading::Failed(_) => put(Tone::Error, "  not read"),
        Reading::Done => put(Tone::Dim, &counts(app)),
    }
}

fn counts(app: &App) -> String {
    let Some(report) = app.answers().check() else { return "  judging …".to_owned() };
    let objects: usize = report.scanned.objects.values().sum();
    // The lines that the answers on the screen were made from: a frozen picture stands still as a whole.
    format!("  {}, {}", count(objects as u64, "object"), count(report.scanned.log_lines, "log line"))
}
