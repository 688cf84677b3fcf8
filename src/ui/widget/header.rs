//! The first line: the source, the version whose rules are applied, what was read.

use ratatui::layout::Rect;

use super::pen::Pen;
use crate::app::page::Tone;
use crate::app::wording::{count, tail};
use crate::app::{App, Reading};
use crate::text::{visible, width};

/// The source's name keeps so many cells, whatever else there is to say.
const SHORTEST: usize = 12;

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
    let version = app.read().map(|read| {
        let version = &read.mesh.config.version;
        let from = if version.from == "default" { "assumed" } else { version.from };
        (format!("  Istio {}", version.value), format!(" ({from})"))
    });
    let (version, from) = version.unwrap_or_default();
    let (tone, read) = match app.reading() {
        Reading::Begun(_) => (Tone::Info, "  reading …".to_owned()),
        Reading::Failed(_) => (Tone::Error, "  not read".to_owned()),
        Reading::Done => (Tone::Dim, counts(app)),
    };
    // Where there is no room for all, what goes first is where the version is from, then the beginning of a long path.
    let others = width("meshscope") + 2 + width(&visible(&version)) + width(&read) + 2;
    let room = usize::from(end).saturating_sub(others);
    let name = visible(&app.source().name);
    let from = if width(&name) + width(&from) <= room { from } else { String::new() };
    put(Tone::Strong, "meshscope");
    put(Tone::Plain, &format!("  {}", tail(&name, room.max(SHORTEST))));
    put(Tone::Dim, &format!("{version}{from}"));
    put(tone, &read);
}

fn counts(app: &App) -> String {
    let Some(report) = app.answers().check() else { return "  judging …".to_owned() };
    let objects: usize = report.scanned.objects.values().sum();
    // The lines that the answers on the screen were made from: a frozen picture stands still as a whole.
    format!("  {}, {}", count(objects as u64, "object"), count(report.scanned.log_lines, "log line"))
}
