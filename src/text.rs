//! Text that may be hostile, made fit to be shown: control characters, escape sequences and bidirectional overrides
//! are shown as what they are and never sent on. Widths are those of a terminal's cells.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text with everything that a terminal would act on written out: `\n` as `␊`, ESC as `␛`, invisible and
/// direction-changing characters as `<U+202E>`. Tabs become a space.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '\t' => shown.push(' '),
            '\u{0}'..='\u{1f}' => shown.push(char::from_u32(0x2400 + u32::from(one)).unwrap_or('\u{fffd}')),
            '\u{7f}' => shown.push('\u{2421}'),
            hidden if is_hidden(hidden) => {
                // Writing to a string cannot fail.
                let _written = write!(shown, "<U+{:04X}>", u32::from(hidden));
            }
            plain => shown.push(plain),
        }
    }
    Cow::Owned(shown)
}

/// JSON in which everything that a terminal would act on is written as an escape of JSON: the same value to whoever
/// reads it. Outside strings JSON has no such character.
pub fn visible_json(json: &str) -> Cow<'_, str> {
    let acted_on = |one: char| one == '\u{7f}' || is_hidden(one);
    if json.bytes().all(|byte| byte < 0x7f) || !json.contains(acted_on) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len());
    for one in json.chars() {
        if acted_on(one) {
            for unit in one.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _written = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(one);
        }
    }
    Cow::Owned(shown)
}

/// Characters that change how others are shown, or that are not shown at all.
fn is_hidden(one: char) -> bool {
    matches!(one,
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{fffe}'..='\u{ffff}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// How many cells a visible text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text cut to at most so many cells, with `…` where something is missing.
pub fn cut(text: &str, cells: usize) -> Cow<'_, str> {
    if width(text) <= cells {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let mut used = 0;
    for one in text.chars() {
        let wide = one.width().unwrap_or(0);
        if used + wide + 1 > cells {
            break;
        }
        used += wide;
        kept.push(one);
    }
    if cells > 0 {
        kept.push('…');
    }
    Cow::Owned(kept)
}

/// The text cut or filled up with spaces to exactly so many cells.
pub fn fit(text: &str, cells: usize) -> String {
    let cut = cut(text, cells);
    let gap = cells.saturating_sub(width(&cut));
    format!("{cut}{}", " ".repeat(gap))
}

/// The text in lines of at most so many cells, broken at spaces where there are any.
pub fn wrap(text: &str, cells: usize) -> Vec<String> {
    let cells = cells.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = Cow::Borrowed(word);
        loop {
            let Some(line) = lines.last_mut() else { return lines };
            let gap = usize::from(!line.is_empty());
            if width(line) + gap + width(&word) <= cells {
                if gap > 0 {
                    line.push(' ');
                }
                line.push_str(&word);
                break;
            }
            if gap == 0 {
                let (head, tail) = split_at_cells(&word, cells);
                line.push_str(&head);
                if tail.is_empty() {
                    break;
                }
                word = Cow::Owned(tail);
            }
            lines.push(String::new());
        }
    }
    lines
}

/// Characters behind which a long word, such as a patch, a path or a host, is better broken than elsewhere.
const BREAKS: [char; 8] = ['{', '[', ',', ':', ';', '/', '.', '='];

/// The beginning of a word that fits, and the rest. It holds at least one character, so that there is an end to it.
fn split_at_cells(word: &str, cells: usize) -> (String, String) {
    let mut used = 0;
    let mut end = 0;
    let mut good = None;
    for (at, one) in word.char_indices() {
        used += one.width().unwrap_or(0);
        if used > cells && end > 0 {
            break;
        }
        end = at + one.len_utf8();
        if BREAKS.contains(&one) && used * 2 >= cells {
            good = Some(end);
        }
    }
    let (head, tail) = word.split_at(good.unwrap_or(end));
    (head.to_owned(), tail.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_written_out() {
        assert_eq!(visible("plain"), "plain");
        assert_eq!(visible("\x1b[31mred\x07\n"), "␛[31mred␇␊");
        assert_eq!(visible("a\u{202e}b\u{9b}c\u{200b}"), "a<U+202E>b<U+009B>c<U+200B>");
        // Characters that no text has, and that XML cannot hold.
        assert_eq!(visible("a\u{fffe}\u{ffff}"), "a<U+FFFE><U+FFFF>");
        assert_eq!(visible("größe ✖"), "größe ✖");
    }

    #[test]
    fn cutting_and_filling_count_cells() {
        assert_eq!(cut("productpage", 6), "produ…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(fit("日本", 5), "日本 ");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn wrapping_breaks_at_spaces_and_splits_what_is_too_long() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(
            wrap("-p {\"spec\":{\"tls\":{\"mode\":\"X\"}}}", 14),
            ["-p", "{\"spec\":{", "\"tls\":{\"mode\":", "\"X\"}}}"]
        );
        assert_eq!(wrap("a/b/cccccccccc", 6), ["a/b/", "cccccc", "cccc"]);
        assert_eq!(wrap("日本語", 3), ["日", "本", "語"]);
        assert_eq!(wrap("日", 1), ["日"]);
    }
}
