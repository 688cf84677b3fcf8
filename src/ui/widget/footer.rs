//! The last lines: what is typed, or a message, or what is to be said of the selected row; below, where we are and which
//! keys there are.

use ratatui::layout::Rect;

use super::pen::Pen;
use crate::app::page::Tone;
use crate::app::prompt::{Kind, Prompt};
use crate::app::wording::tail;
use crate::app::{App, keymap};
use crate::text::{visible, width, wrap};

/// Draws them, and says where the cursor stands while a line is typed.
pub fn draw(app: &App, messages: Rect, hints: Rect, pen: &mut Pen<'_>) -> Option<(u16, u16)> {
    draw_hints(app, hints, pen);
    if let Some(prompt) = app.prompt() {
        let mistake = match prompt.kind() {
            Kind::Filter { .. } => app.screen().behaviour().mistake(),
            Kind::Command => None,
        };
        let others = others(app, prompt);
        return Some(draw_prompt(prompt, &others, mistake, messages, pen));
    }
    let detail = || app.screen().behaviour().detail(&app.context()).map(|text| (Tone::Dim, text));
    let message = app.message().map(|message| (message.tone, message.text.clone()));
    if let Some((tone, text)) = message.or_else(detail) {
        draw_wrapped(tone, &text, messages, pen);
    }
    None
}

/// What could stand in place of the word before the cursor, but for what stands there.
fn others(app: &App, prompt: &Prompt) -> String {
    let (begin, mut all) = app.completions().unwrap_or_default();
    let shown = prompt.word_from(begin);
    all.retain(|word| *word != shown);
    all.join(" ")
}

fn draw_wrapped(tone: Tone, text: &str, area: Rect, pen: &mut Pen<'_>) {
    let cells = area.width.saturating_sub(2);
    let text = visible(text);
    let mut rest = &*text;
    for (line, y) in wrap(&text, usize::from(cells)).into_iter().zip(area.y..area.bottom()) {
        // What does not fit on the last row is cut by the pen, which shows that it did.
        let shown = if y + 1 == area.bottom() { rest } else { &line };
        pen.write(area.x + 1, y, cells, tone, shown);
        rest = rest.strip_prefix(&*line).unwrap_or(rest);
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
}

/// The lines that say what is wrong: a mark below the place, and behind it, or below, the words.
fn mistake_lines(column: usize, what: &str, cells: usize) -> Vec<String> {
    let indent = column.min(cells);
    let told = format!("at {column}: {what}");
    let mark = format!("{}^", " ".repeat(indent));
    if indent + 2 + width(&visible(&told)) <= cells {
        return vec![format!("{mark} {told}")];
    }
    std::iter::once(mark).chain(wrap(&visible(&told), cells)).collect()
}

/// Draws what is typed, and below it what is wrong with it. Where there is no room for that it takes some of the body's.
fn draw_prompt(
    prompt: &Prompt,
    others: &str,
    mistake: Option<(usize, &str)>,
    area: Rect,
    pen: &mut Pen<'_>,
) -> (u16, u16) {
    let cells = area.width.saturating_sub(2);
    let told =
        mistake.map(|(column, what)| mistake_lines(column, what, usize::from(cells))).unwrap_or_default();
    let needed =
        u16::try_from(told.len() + 1).unwrap_or(u16::MAX).clamp(area.height, area.bottom().max(area.height));
    let area = Rect { y: area.bottom().saturating_sub(needed), height: needed, ..area };
    let blank = " ".repeat(usize::from(area.width));
    for y in area.y..area.bottom() {
        pen.write(area.x, y, area.width, Tone::Plain, &blank);
    }
    for (y, line) in (area.y + 1..area.bottom()).zip(&told) {
        pen.write(area.x + 1, y, cells, Tone::Error, line);
    }
    draw_typed(prompt, others, area, pen)
}

fn draw_typed(prompt: &Prompt, others: &str, area: Rect, pen: &mut Pen<'_>) -> (u16, u16) {
    let sign = match prompt.kind() {
        Kind::Command => ":",
        Kind::Filter { .. } => "/",
    };
    let cells = area.width.saturating_sub(3);
    pen.write(area.x + 1, area.y, 1, Tone::Strong, sign);
    let before = width(&visible(&prompt.before_cursor()));
    // A line longer than its room is shown up to the cursor.
    let over = before.saturating_sub(usize::from(cells).saturating_sub(1));
    let mut skipped = 0;
    let shown = visible(prompt.text());
    let text: String = shown
        .chars()
        .skip_while(|one| {
            let skip = skipped < over;
            skipped += width(one.encode_utf8(&mut [0; 4]));
            skip
        })
        .collect();
    let end = pen.write(area.x + 2, area.y, cells, Tone::Plain, &text);
    let x = area.x + 2 + end + 2;
    pen.write(x, area.y, area.right().saturating_sub(x), Tone::Dim, others);
    let column = u16::try_from(before.saturating_sub(over)).unwrap_or(0);
    (area.x + 2 + column, area.y)
}

fn draw_hints(app: &App, area: Rect, pen: &mut Pen<'_>) {
    let crumbs: Vec<_> = app.stack().iter().map(|screen| screen.view().name()).collect();
    let crumbs = crumbs.join(" › ");
    let offers = |command| app.offers(command);
    let hints: Vec<_> = if app.prompt().is_some() {
        keymap::typing_hints(offers).collect()
    } else {
        keymap::hints(app.screen().view(), offers).collect()
    };
    let texts: Vec<String> = hints.iter().map(|(key, word)| hint(key, word)).collect();
    let room = usize::from(area.width).saturating_sub(2);
    // Where there is no room for all, the breadcrumbs lose their beginning before the keys lose their end.
    let wanted: usize = texts.iter().map(|text| width(text) + 2).sum();
    let for_crumbs = room.saturating_sub(wanted).max(room / 4).min(width(&crumbs));
    let crumbs = tail(&crumbs, for_crumbs);
    let begin = pen.write(area.x + 1, area.y, area.width, Tone::Dim, &crumbs) + area.x + 1;
    let left = usize::from(area.right().saturating_sub(1)).saturating_sub(usize::from(begin) + 2);
    let mut kept = Vec::new();
    let mut used = 0;
    for text in &texts {
        let more = width(text) + if kept.is_empty() { 0 } else { 2 };
        if used + more > left {
            break;
        }
        used += more;
        kept.push(text.as_str());
    }
    pen.write_right(area.right().saturating_sub(1), area.y, area.width, Tone::Plain, &kept.join("  "));
}

fn hint(key: &str, word: &str) -> String {
    if key.len() == 1 && !key.starts_with(char::is_alphanumeric) {
        format!("{key}{word}")
    } else {
        format!("{key} {word}")
    }
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::{Buffer, Cell};

    use super::*;
    use crate::ui::theme::{Colours, Theme};

    #[test]
    fn words_that_are_broken_are_shown_as_they_are() {
        let said = |text: &str, height: u16| {
            let area = Rect::new(0, 0, 22, height);
            let mut buffer = Buffer::empty(area);
            draw_wrapped(
                Tone::Plain,
                text,
                area,
                &mut Pen::new(&mut buffer, &Theme::new(Colours::None, true)),
            );
            let rows =
                buffer.content().chunks(22).map(|row| row.iter().map(Cell::symbol).collect::<String>());
            rows.map(|row| row.trim().to_owned()).collect::<Vec<_>>()
        };
        let path = "in logs/web/traffic-generator-6b88d69f-k2x9p.log at last";
        let whole = said(path, 4);
        assert_eq!(whole.concat().replace(' ', ""), path.replace(' ', ""), "{whole:?}");
        let cut = said(path, 2);
        let [first, last] = cut.as_slice() else { panic!("{cut:?}") };
        let shown = last.trim_end_matches('…');
        assert!(
            last.ends_with('…') && path.strip_prefix(&**first).unwrap().trim_start().starts_with(shown),
            "{cut:?}"
        );
    }
}
