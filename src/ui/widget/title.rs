//! The second line: the view and what it shows, the filter.

use ratatui::layout::Rect;

use super::pen::Pen;
use crate::app::App;
use crate::app::page::Tone;
use crate::text::{visible, width};

/// Draws it.
pub fn draw(app: &App, area: Rect, pen: &mut Pen<'_>) {
    let behaviour = app.screen().behaviour();
    let mut title = behaviour.title(&app.context());
    let filter =
        behaviour.filter().filter(|filter| !filter.is_empty()).map(|filter| format!("/{}", filter.text()));
    if let Some(filter) = &filter {
        let room = usize::from(area.width.saturating_sub(2));
        make_room(&mut title.counts, width(&visible(&title.name)) + 2 + width(&visible(filter)), room);
    }
    let counts: usize = title.counts.iter().map(|(_, text)| width(&visible(text)) + 2).sum();
    let half = usize::from(area.width / 2);
    let mut end = area.right().saturating_sub(1);
    if let Some((tone, text)) = &title.right {
        let left = width(&visible(&title.name)).min(half) + counts.min(half) + 4;
        let text = fitting(text, usize::from(area.width).saturating_sub(left));
        end = pen.write_right(end, area.y, area.width / 2, *tone, text).saturating_sub(2);
    }
    let mut x = area.x + 1;
    // A long name gives way to the counts behind it, up to half of the line.
    let kept = u16::try_from(counts.min(half)).unwrap_or(u16::MAX);
    x += pen.write(x, area.y, end.saturating_sub(x + kept), Tone::Strong, &title.name);
    for (tone, text) in &title.counts {
        x += 2;
        x += pen.write(x, area.y, end.saturating_sub(x), *tone, text);
    }
    if let Some(filter) = filter {
        x += 2;
        pen.write(x, area.y, end.saturating_sub(x), Tone::Info, &filter);
    }
}

/// Takes away counts, the last first, as long as there is no room for the filter: what narrows a view must be seen.
fn make_room(counts: &mut Vec<(Tone, String)>, used: usize, room: usize) {
    let cells = |(_, text): &(Tone, String)| width(&visible(text)) + 2;
    while used + counts.iter().map(cells).sum::<usize>() > room {
        let Some(last) = counts.iter().rposition(|(tone, _)| *tone == Tone::Dim) else { return };
        counts.remove(last);
    }
}

/// What stands at the right: all of it where it fits, else its last part, which is what has to be known.
fn fitting(text: &str, cells: usize) -> &str {
    if width(&visible(text)) <= cells { text } else { text.rsplit(", ").next().unwrap_or(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_give_way_to_the_filter() {
        let all = [(Tone::Info, "last 5 min"), (Tone::Dim, "of 9 lines"), (Tone::Dim, "9 lines not held")];
        let left = |room| {
            let mut counts: Vec<_> = all.iter().map(|(tone, text)| (*tone, (*text).to_owned())).collect();
            make_room(&mut counts, 20, room);
            counts.len()
        };
        assert_eq!((left(62), left(61), left(43), left(5)), (3, 2, 1, 1));
    }

    #[test]
    fn what_does_not_fit_gives_way_to_its_last_part() {
        let text = "4 pairs judged, 0 unknown";
        assert_eq!(fitting(text, 25), text);
        assert_eq!(fitting(text, 24), "0 unknown");
        // What has no parts takes its room from the name.
        assert_eq!(fitting("mesh.yaml:116", 8), "mesh.yaml:116");
    }
}
