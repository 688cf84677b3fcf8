//! Words from outside in Markdown, so that they stay words. Escaping with backslashes is not enough: the sites look
//! for mentions, links and numbers of changes in the text after Markdown was read. They leave code alone.

use crate::text::visible;

/// A code span. Its fence is longer than any in the text.
pub(super) fn code(text: &str) -> String {
    let text = visible(text);
    let fence = "`".repeat(longest_run(&text) + 1);
    let blank = text.chars().all(|one| one == ' ');
    let edge = |one: Option<char>| matches!(one, Some('`' | ' '));
    let gap = if !blank && (edge(text.chars().next()) || edge(text.chars().last())) { " " } else { "" };
    if text.is_empty() { String::new() } else { format!("{fence}{gap}{text}{gap}{fence}") }
}

/// A code span in a table, where a bar would end the cell even in code.
pub(super) fn cell(text: &str) -> String {
    code(&text.replace('|', "<U+007C>"))
}

/// A sentence in which plain words stand as they are and everything else as code.
pub(super) fn prose(text: &str) -> String {
    let text = visible(text);
    let words: Vec<_> = text.split(' ').filter(|word| !word.is_empty()).map(word).collect();
    words.join(" ")
}

/// A word: letters or a short number, with the punctuation of a sentence around it, is plain.
fn word(word: &str) -> String {
    let (open, rest) = word.strip_prefix('(').map_or(("", word), |rest| ("(", rest));
    let inner = rest.trim_end_matches([',', ';', ':', '.', ')']);
    let close = rest.get(inner.len()..).unwrap_or_default();
    // Seven of these can be the name of a revision, which would become a link.
    let revision = inner.len() >= 7 && inner.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_digit());
    // A number with a full stop or bracket behind it may begin a list.
    let plain = if number { close.is_empty() || close == "," } else { is_plain(inner) };
    if plain && !revision {
        word.to_owned()
    } else if inner.is_empty() {
        code(word)
    } else {
        format!("{open}{}{close}", code(inner))
    }
}

/// Letters, with at most one apostrophe among them, or a sign of our own sentences.
fn is_plain(word: &str) -> bool {
    let letters = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    match word.split_once('\'') {
        Some((before, after)) => letters(before) && letters(after),
        None => letters(word) || matches!(word, "×" | "…" | "→"),
    }
}

/// A code block in a language, of one line. Its fence is longer than any in the text.
pub(super) fn block(language: &str, text: &str) -> String {
    let text = visible(text);
    let fence = "`".repeat((longest_run(&text) + 1).max(3));
    format!("{fence}{language}\n{text}\n{fence}")
}

/// The content of an HTML element.
pub(super) fn html(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for one in visible(text).chars() {
        match one {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            plain => shown.push(plain),
        }
    }
    shown
}

fn longest_run(text: &str) -> usize {
    text.split(|one| one != '`').map(str::len).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, prop_oneof, proptest};
    use proptest::strategy::Strategy;
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

    use super::*;

    /// What a reader with every extension makes of a text: words, code, and the rest by its name.
    fn read(text: &str) -> Vec<(&'static str, String)> {
        let mut options = Options::all();
        options.remove(Options::ENABLE_SMART_PUNCTUATION);
        let name = |event| match event {
            Event::Text(text) => ("text", text.to_string()),
            Event::Code(text) => ("code", text.to_string()),
            Event::Html(text) => ("html", text.to_string()),
            Event::Start(Tag::Paragraph) => ("paragraph", String::new()),
            Event::Start(Tag::TableCell) => ("cell", String::new()),
            Event::Start(Tag::CodeBlock(_)) => ("block", String::new()),
            Event::Start(Tag::Table(_) | Tag::TableHead | Tag::TableRow | Tag::HtmlBlock)
            | Event::End(
                TagEnd::Paragraph
                | TagEnd::Table
                | TagEnd::TableHead
                | TagEnd::TableRow
                | TagEnd::TableCell
                | TagEnd::CodeBlock
                | TagEnd::HtmlBlock,
            ) => ("", String::new()),
            other @ (Event::Start(_)
            | Event::End(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::InlineHtml(_)
            | Event::FootnoteReference(_)
            | Event::SoftBreak
            | Event::HardBreak
            | Event::Rule
            | Event::TaskListMarker(_)) => ("other", format!("{other:?}")),
        };
        Parser::new_ext(text, options).map(name).filter(|(name, _)| !name.is_empty()).collect()
    }

    /// Any text, and texts of what Markdown, HTML and sites act on.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[ -/:-@\\[-`{-~a1\n\t]{0,40}",
            "([-+*>#|`~ ]|1[.)]|@a|#1|https://a|<b>){0,12}"
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn any_sentence_is_words_and_code(text in texts()) {
            let shown = read(&format!("{}\n", prose(&text)));
            let mut all = String::new();
            for (name, text) in &shown {
                let plain = text.chars().all(|one| one.is_ascii_alphanumeric() || " ,;:.()'×…→".contains(one));
                assert!(matches!(*name, "paragraph" | "code") || *name == "text" && plain, "{shown:?}");
                all.push_str(text);
            }
            prop_assert_eq!(all.replace(' ', ""), visible(&text).replace(' ', ""));
        }

        #[test]
        fn any_text_is_one_piece_of_code(text in texts()) {
            let wanted = visible(&text).into_owned();
            if !wanted.is_empty() {
                let shown = read(&format!("a {} b\n", code(&text)));
                prop_assert_eq!(shown.get(2), Some(&("code", wanted.clone())), "{:?}", shown);
                prop_assert_eq!(shown.len(), 4);
                let in_a_cell = read(&format!("| a | b |\n| --- | --- |\n| {} | c |\n", cell(&text)));
                let wanted = visible(&text.replace('|', "<U+007C>")).into_owned();
                prop_assert_eq!(in_a_cell.get(5), Some(&("code", wanted)), "{:?}", in_a_cell);
                prop_assert_eq!(in_a_cell.len(), 8);
            }
            let shown = read(&block("sh", &text));
            prop_assert_eq!(shown, [("block", String::new()), ("text", format!("{wanted}\n"))]);
        }

        #[test]
        fn any_text_is_words_in_html(text in texts()) {
            let line = format!("<details><summary><code>{}</code></summary>\n", html(&text));
            let shown = read(&format!("{line}\nafter\n"));
            prop_assert_eq!(&shown, &[("html", line), ("paragraph", String::new()), ("text", "after".to_owned())]);
            let marks = html(&text).contains(['<', '>', '"', '\'']);
            assert!(!marks, "{shown:?}");
        }
    }

    #[test]
    fn code_is_fenced_by_more_than_it_holds() {
        assert_eq!(code("web/a"), "`web/a`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`a"), "`` `a ``");
        assert_eq!(code(" a "), "`  a  `");
        assert_eq!((code(""), code(" ")), (String::new(), "` `".to_owned()));
        assert_eq!(code("a\nb"), "`a␊b`");
        assert_eq!(cell("a|b"), "`a<U+007C>b`");
        assert_eq!(block("sh", "a ```\nb"), "````sh\na ```␊b\n````");
    }

    #[test]
    fn a_sentence_keeps_its_words_and_fences_the_rest() {
        assert_eq!(
            prose("the client (DestinationRule web/a) sends plaintext, to 3 of 4 endpoints."),
            "the client (DestinationRule `web/a`) sends plaintext, to 3 of 4 endpoints."
        );
        assert_eq!(
            prose("@all #1 www.x.y http://x <b> a_b **c** [x](y)"),
            "`@all` `#1` `www.x.y` `http://x` `<b>` `a_b` `**c**` `[x](y`)"
        );
        assert_eq!(prose("1. one"), "`1`. one");
        assert_eq!(prose("deadbeef1 1234567 - ... ()"), "`deadbeef1` `1234567` `-` `...` `()`");
        assert_eq!(prose("größe"), "`größe`");
        assert_eq!(prose("3 × the client's → 'x deadbeef"), "3 × the client's → `'x` `deadbeef`");
        assert_eq!(html("<a href='x'>&\u{202e}"), "&lt;a href=&#39;x&#39;&gt;&amp;&lt;U+202E&gt;");
    }
}
