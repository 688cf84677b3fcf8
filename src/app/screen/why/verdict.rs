//! What the page of a pair says first: what happens, how sure that is, and since when.

use std::collections::BTreeSet;

use super::facts::Facts;
use crate::answer::why::Pair;
use crate::app::page::{Line, Tone, paragraphs, span};
use crate::app::screen::findings;
use crate::app::target::Target;
use crate::app::wording::{clock, date, short_hosts};
use crate::text::width;

/// The lines. Where the two agree on TLS and requests fail all the same, what the logs prove comes first.
pub(super) fn lines(facts: &Facts<'_>) -> Vec<Line> {
    let pair = facts.pair;
    let conflict = pair.status == "CONFLICT";
    let (mut lines, mut words) = (Vec::new(), certainty(facts));
    if let Some(first) = (!conflict).then(|| failure(facts)).flatten() {
        lines = paragraphs(Tone::Strong, &first, facts.width);
        add_right(&mut lines, std::mem::take(&mut words), facts.width);
    }
    let tone = if conflict { Tone::Strong } else { Tone::Plain };
    lines.extend(paragraphs(tone, &sentence(pair), facts.width));
    add_right(&mut lines, words, facts.width);
    let reasons = facts.finding().into_iter().flat_map(|finding| &finding.because);
    lines.extend(reasons.flat_map(|reason| {
        let text = format!("{}: {}.", reason.code, reason.text);
        let target = Some(Target::Explain(reason.code.clone()));
        let lines = paragraphs(Tone::Plain, &text, facts.width).into_iter();
        lines.map(move |line| line.of(&text, target.clone())).collect::<Vec<_>>()
    }));
    // Of a pair of which nothing can be told the reason says it already.
    let needs = pair.tls.missing.iter().chain(&pair.resolution.missing).map(|missing| &missing.need);
    let needs: BTreeSet<_> = needs.filter(|need| !pair.tls.reason.contains(need.as_str())).collect();
    lines.extend(needs.into_iter().flat_map(|need| paragraphs(Tone::Warning, need, facts.width)));
    lines
}

/// What the logs prove, in the words of the finding where there is one.
fn failure(facts: &Facts<'_>) -> Option<String> {
    let finding = facts.finding().map(|finding| format!("{}.", findings::sentence(finding)));
    finding.or_else(|| facts.pair.cause.as_ref().map(|cause| format!("Requests fail: {}.", cause.cause)))
}

/// How sure it is, and since when.
fn certainty(facts: &Facts<'_>) -> String {
    let cause = facts.pair.cause.as_ref();
    let sure = facts.finding().map(|finding| finding.confidence.as_str());
    let sure = cause.map(|cause| cause.confidence.as_str()).or(sure);
    let since = cause.and_then(|cause| cause.evidence.iter().filter_map(|one| one.first.as_deref()).min());
    match (sure, since) {
        (Some("certain"), Some(since)) => format!("proved, since {} {}", date(since), clock(since)),
        (Some("certain"), None) => "certain by configuration; no log line shows it yet".to_owned(),
        (Some(sure), Some(since)) => format!("{sure}, since {} {}", date(since), clock(since)),
        (Some(sure), None) => sure.to_owned(),
        (None, _) => String::new(),
    }
}

/// Puts words at the right end of the last line, or on a line of their own where they do not fit.
fn add_right(lines: &mut Vec<Line>, words: String, room: usize) {
    let free = |line: &Line| {
        let used: usize = line.spans.iter().map(|span| width(&span.text)).sum();
        used + width(&words) + 2 <= room
    };
    match lines.last_mut() {
        _ if words.is_empty() => {}
        Some(last) if free(last) => last.right = Some(span(Tone::Dim, words)),
        Some(_) | None => lines.push(Line::new(vec![span(Tone::Dim, words)])),
    }
}

/// The reason as a sentence. Of a conflict it leaves out which objects say so: they stand below.
fn sentence(pair: &Pair) -> String {
    let reason = short_hosts(&pair.tls.reason);
    if pair.status != "CONFLICT" {
        return capital(&reason);
    }
    let all = pair.tls.endpoints.len();
    let failing = pair.tls.endpoints.iter().filter(|one| one.result == "CONFLICT").count();
    let then = if failing == all {
        "every request of this pair fails".to_owned()
    } else {
        format!("requests to {failing} of {all} endpoints fail")
    };
    format!("{}: {then}.", capital(&without_asides(&reason)))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The text without what stands in brackets.
fn without_asides(text: &str) -> String {
    let mut depth = 0_usize;
    let mut kept = String::new();
    for one in text.chars() {
        match one {
            '(' => {
                depth += 1;
                if kept.ends_with(' ') {
                    kept.pop();
                }
            }
            ')' if depth > 0 => depth -= 1,
            _ if depth == 0 => kept.push(one),
            _ => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asides_are_left_out_and_sentences_begin_with_a_capital() {
        assert_eq!(without_asides("the client (a (b) c) sends (d), but"), "the client sends, but");
        assert_eq!((capital("über"), capital("")), ("Über".to_owned(), String::new()));
    }
}
