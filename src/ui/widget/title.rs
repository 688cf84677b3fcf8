//! The second line: the view and what it shows, the filter.

use ratatui::layout::Rect;

use super::pen::Pen;
use crate::app::App;
use crate::app::page::Tone;
use crate::text::{visible, width};

/// Draws it.
pub fn draw(app: &App, area: Rect, pen: &mut Pen<'_>) {
    let behaviour = app.screen().behaviour();
    let title = behaviour.title(&app.context());
    let mut end = area.right().saturating_sub(1);
    if let Some((tone, text)) = &title.right {
        end = pen.write_right(end, area.y, area.width / 2, *tone, text).saturating_sub(2);
    }
    let mut x = area.x + 1;
    let counts: usize = title.counts.iter().map(|(_, text)| width(&visible(text)) + 2).sum();
    // A long name gives way to the counts behind it, up to half of the line.
    let kept = u16::try_from(counts).unwrap_or(u16::MAX).min(area.width / 2);
    x += pen.write(x, area.y, end.saturating_sub(x + kept), Tone::Strong, &title.name);
    for (tone, text) in &title.counts {
        x += 2;
        x += pen.write(x, area.y, end.saturating_sub(x), *tone, text);
    }
    if let Some(filter) = behaviour.filter().filter(|filter| !filter.is_empty()) {
        x += 2;
        pen.write(x, area.y, end.saturating_sub(x), Tone::Info, &format!("/{}", filter.text()));
    }
}
