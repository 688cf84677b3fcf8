//! The picture: draws what the application holds. It reads state only and makes no rows.

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::app::App;

pub mod layout;
pub mod screen;
pub mod theme;
pub mod widget;

pub use theme::{Colours, Theme};

use widget::pen::Pen;

/// Draws everything.
pub fn draw(app: &App, theme: &Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    let cursor = {
        let mut pen = Pen::new(frame.buffer_mut(), theme);
        draw_parts(app, area, &mut pen)
    };
    if let Some(place) = cursor {
        frame.set_cursor_position(place);
    }
}

/// Draws the parts, and says where the cursor stands while a line is typed.
fn draw_parts(app: &App, area: Rect, pen: &mut Pen<'_>) -> Option<(u16, u16)> {
    let Some(parts) = layout::parts(area, app.extent(), app.screen().view()) else {
        widget::too_small::draw(area, pen);
        return None;
    };
    if let Some(header) = parts.header {
        widget::header::draw(app, header, pen);
    }
    widget::title::draw(app, parts.title, pen);
    pen.rule(parts.upper_rule);
    screen::draw(app, parts.body, pen);
    pen.rule(parts.lower_rule);
    widget::footer::draw(app, parts.messages, parts.hints, pen)
}
