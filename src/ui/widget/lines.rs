//! Lines of a page, and the few lines that say why a list is empty.

use ratatui::layout::Rect;

use super::pen::Pen;
use crate::app::page::{Line, Page, Tone};
use crate::text::wrap;

/// Draws the part of a page that is in sight.
pub fn draw(page: &Page, area: Rect, pen: &mut Pen<'_>) {
    for (y, (line, selected)) in (area.y..area.bottom()).zip(page.in_sight(usize::from(area.height))) {
        let row = Rect { y, height: 1, ..area };
        draw_line(line, row, pen);
        if selected || line.marked {
            pen.select(row);
        }
    }
}

fn draw_line(line: &Line, row: Rect, pen: &mut Pen<'_>) {
    let mut end = row.right();
    if let Some(right) = &line.right {
        end = pen.write_right(row.right().saturating_sub(1), row.y, row.width, right.tone, &right.text);
    }
    let mut x = row.x + 1;
    for span in &line.spans {
        x += pen.write(x, row.y, end.saturating_sub(x), span.tone, &span.text);
    }
}

/// Draws why a list is empty.
pub fn draw_empty(texts: &[(Tone, String)], area: Rect, pen: &mut Pen<'_>) {
    let width = area.width.saturating_sub(2);
    let lines = texts.iter().flat_map(|(tone, text)| {
        wrap(&crate::text::visible(text), usize::from(width)).into_iter().map(move |line| (*tone, line))
    });
    for (y, (tone, line)) in (area.y + 1..area.bottom()).zip(lines) {
        pen.write(area.x + 1, y, width, tone, &line);
    }
}
