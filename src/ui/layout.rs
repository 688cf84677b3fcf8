//! Where the parts of the picture are.

use ratatui::layout::Rect;

use crate::app::extent::{Extent, SMALLEST};
use crate::app::screen::View;

/// The parts, from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Source, versions, counts; not there where it was put away.
    pub header: Option<Rect>,
    /// The view and what it shows.
    pub title: Rect,
    /// A line between.
    pub upper_rule: Rect,
    /// The view itself.
    pub body: Rect,
    /// A line between.
    pub lower_rule: Rect,
    /// Messages, what is typed, what is to be said of the selected row.
    pub messages: Rect,
    /// Breadcrumbs and keys.
    pub hints: Rect,
}

/// The parts of a picture; `None` where it is too small for them.
pub fn parts(area: Rect, extent: Extent, view: View) -> Option<Parts> {
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        return None;
    }
    let mut top = area.y;
    let mut take = |height: u16| {
        let part = Rect { x: area.x, y: top, width: area.width, height };
        top += height;
        part
    };
    let below = Extent::below(view.message_lines());
    let header = extent.header.then(|| take(1));
    Some(Parts {
        header,
        title: take(1),
        upper_rule: take(1),
        body: take(area.height.saturating_sub(extent.above() + below)),
        lower_rule: take(1),
        messages: take(view.message_lines()),
        hints: take(1),
    })
}
