//! What is said where nothing else fits.

use ratatui::layout::Rect;

use super::pen::Pen;
use crate::app::extent::SMALLEST;
use crate::app::page::Tone;
use crate::text::width;

/// Draws one line in the middle.
pub fn draw(area: Rect, pen: &mut Pen<'_>) {
    let (wide, high) = SMALLEST;
    let text = format!("needs {wide}×{high}, has {}×{}", area.width, area.height);
    let cells = u16::try_from(width(&text)).unwrap_or(u16::MAX);
    let x = area.x + area.width.saturating_sub(cells) / 2;
    pen.write(x, area.y + area.height / 2, area.width, Tone::Plain, &text);
}
