//! `check -o markdown`, read by `pulldown-cmark`.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{check, conflict, hostile, mesh, meshes, rule, workloads};

/// What a reader of GitHub's Markdown makes of a text.
struct Shown {
    /// Text that is neither code nor HTML.
    plain: String,
    /// Code spans and blocks.
    code: Vec<String>,
    html: Vec<String>,
    /// How many cells each row of the table has, its head first.
    rows: Vec<usize>,
    items: usize,
}

fn shown(text: &str) -> Shown {
    let mut shown =
        Shown { plain: String::new(), code: Vec::new(), html: Vec::new(), rows: Vec::new(), items: 0 };
    let mut in_block = false;
    for event in
        Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_MATH)
    {
        match event {
            Event::Start(Tag::TableHead | Tag::TableRow) => shown.rows.push(0),
            Event::End(TagEnd::TableCell) => *shown.rows.last_mut().unwrap() += 1,
            Event::Start(Tag::Item) => shown.items += 1,
            Event::Start(Tag::CodeBlock(_)) => {
                in_block = true;
                shown.code.push(String::new());
            }
            Event::End(TagEnd::CodeBlock) => in_block = false,
            Event::Text(text) if in_block => shown.code.last_mut().unwrap().push_str(&text),
            Event::Text(text) => shown.plain.push_str(&text),
            Event::SoftBreak => shown.plain.push(' '),
            Event::Code(text) => shown.code.push(text.to_string()),
            Event::Html(text) => shown.html.push(text.trim().to_owned()),
            Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::BlockQuote(_))
            | Event::InlineHtml(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_)
            | Event::HardBreak
            | Event::Rule => panic!("{event:?}"),
            Event::Start(_) | Event::End(_) => {}
        }
    }
    shown
}

#[test]
fn markdown_is_a_table_and_a_section_a_finding() {
    for folder in meshes() {
        let report = check(folder.path(), "json", &[]).json();
        let text = check(folder.path(), "markdown", &[]).out;
        let findings = report["findings"].as_array().unwrap();
        let shown = shown(&text);
        let head = usize::from(!findings.is_empty());
        assert_eq!(shown.rows, vec![5; findings.len() + head], "{text}");
        let open = shown.html.iter().filter(|html| html.starts_with("<details><summary>")).count();
        let close = shown.html.iter().filter(|html| *html == "</details>").count();
        assert_eq!(
            (open, close, shown.html.len()),
            (findings.len(), findings.len(), 2 * findings.len()),
            "{text}"
        );
        for finding in findings {
            for remedy in finding["remedies"].as_array().unwrap() {
                let command = remedy["command"].as_str().unwrap();
                let plain = command.chars().all(|one| one >= ' ' && one.is_ascii());
                let is_it =
                    |code: &&String| code.trim_end() == command || !plain && code.starts_with("kubectl");
                assert!(shown.code.iter().any(|code| is_it(&code)), "{command}");
            }
            for reason in finding["because"].as_array().unwrap() {
                assert!(shown.code.iter().any(|code| *code == reason["code"]), "{text}");
            }
        }
        assert!(text.lines().any(|line| line.starts_with("looked at ")), "{text}");
        let unknown = report["summary"]["unknown"].as_u64().unwrap();
        assert_eq!(text.lines().next().unwrap().contains("cannot be told"), unknown > 0, "{text}");
        assert_eq!(
            text.contains("cannot tell: "),
            !report["missing"].as_array().unwrap().is_empty(),
            "{text}"
        );
    }
}

#[test]
fn markdown_lists_ten_pairs_and_counts_the_rest() {
    for (clients, listed, rest) in [(9, 10, None), (12, 10, Some("and 3 more"))] {
        let folder = mesh("mesh.json", &conflict(clients));
        let text = check(folder.path(), "markdown", &[]).out;
        let pairs = text.lines().filter(|line| line.starts_with("- `") && line.contains(" → ")).count();
        assert_eq!(pairs, listed, "{text}");
        assert_eq!(text.lines().any(|line| line == "- and 3 more"), rest.is_some(), "{text}");
    }
}

#[test]
fn hostile_words_stay_words_in_markdown() {
    let folder = mesh("mesh.json", &hostile());
    let text = check(folder.path(), "markdown", &[]).out;
    let shown = shown(&text);
    assert!(shown.code.iter().filter(|code| code.contains("@all")).count() >= 3, "{text}");
    for mark in ["@", "#1", "://", "<", ">", "evil", "`", "|", "onerror"] {
        assert!(!shown.plain.contains(mark), "{mark} in {}", shown.plain);
    }
    // In a summary, which is HTML, the words stand in an element of code and are escaped.
    let summaries = shown.html.iter().filter(|html| html.contains("@all"));
    for summary in summaries {
        assert!(summary.contains("&lt;img src=x") && !summary.contains("<img"), "{summary}");
        assert!(summary.contains(": <code>") && summary.ends_with("</code></summary>"), "{summary}");
    }
    assert!(text.chars().all(|one| one == '\n' || one >= ' ' && one != '\u{202e}'));
}

#[test]
fn markdown_fits_into_a_comment_and_counts_what_does_not() {
    let mut objects = workloads(0);
    objects.extend((0..400).map(|one| rule(&format!("rule-{one}"), &format!("nobody-{one}"))));
    let folder = mesh("mesh.json", &objects);
    let text = check(folder.path(), "markdown", &[]).out;
    assert!(text.chars().count() < 65_536, "{}", text.len());
    let shown = shown(&text);
    let findings = check(folder.path(), "json", &[]).json()["findings"].as_array().unwrap().len();
    let rows = shown.rows.len() - 1;
    let sections = shown.html.iter().filter(|html| html.starts_with("<details>")).count();
    assert!(rows > 100 && sections > 50 && findings > 300, "{rows} {sections} {findings}");
    assert!(text.contains(&format!("and {} more, for which", findings - rows)), "{text}");
    assert!(text.contains(&format!("The sections of {} more", findings - sections)), "{text}");
}
