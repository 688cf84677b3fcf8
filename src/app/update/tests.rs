//! Messages in, effects out.

use std::collections::BTreeSet;

use super::*;
use crate::answer::Read;
use crate::answer::check::choice::LeftOut;
use crate::answer::check::{CheckReport, Finding, Scanned, Summary, VersionRef};
use crate::app::source::{Given, Source};
use crate::logs::{Aggregate, PodName, SourceName};
use crate::model::Snapshot;
use crate::resolve::Options;

fn app() -> App {
    App::new(
        Source { name: "mesh/".into(), given: Given::Paths(vec!["mesh/".into()]), flags: Vec::new() },
        80,
        24,
    )
}

fn read() -> Msg {
    Msg::SourceRead(Box::new(Read::new(&Snapshot::default(), Aggregate::new(), &[], &Options::default())))
}

fn finding(id: &str) -> Finding {
    Finding {
        id: id.to_owned(),
        code: "MS0101".to_owned(),
        name: "plaintext-to-strict".to_owned(),
        severity: "error".to_owned(),
        confidence: "certain".to_owned(),
        message: format!("{id} is wrong"),
        because: Vec::new(),
        objects: Vec::new(),
        edges: Vec::new(),
        edge_count: 0,
        client_namespaces: Some(BTreeSet::new()),
        evidence: Vec::new(),
        owner: None,
        remedies: Vec::new(),
    }
}

fn report(ids: &[&str]) -> Answer {
    Answer::Check(Arc::new(CheckReport {
        api_version: "meshscope/v1",
        kind: "CheckReport",
        istio_version: VersionRef { value: "1.30".to_owned(), from: "flag".to_owned() },
        scanned: Scanned::default(),
        summary: Summary { error: ids.len(), ..Summary::default() },
        findings: ids.iter().map(|id| finding(id)).collect(),
        left_out: LeftOut::default(),
        assumed: Vec::new(),
        missing: Vec::new(),
    }))
}

fn answered(revision: u64, ids: &[&str]) -> Msg {
    Msg::Answered { revision, question: Question::Check, answer: Box::new(report(ids)) }
}

fn press(app: &mut App, keys: &str) -> Vec<Effect> {
    keys.chars()
        .flat_map(|one| update(app, Msg::Key(if one == '\n' { Key::Enter } else { Key::Char(one) })))
        .collect()
}

fn selected(app: &App) -> Option<String> {
    app.screen().behaviour().finding(&app.context())
}

fn line(number: u64) -> LogLine {
    let pod = PodName { namespace: "web".into(), name: "client".into() };
    let source = SourceName { file: "live".into(), pod: Some(pod) };
    LogLine { source, number, text: b"no access line".to_vec() }
}

fn lines(at: i64, number: u64) -> Msg {
    Msg::LogLines { at, lines: vec![line(number)], dropped: 0 }
}

fn ask(revision: u64, question: Question) -> Vec<Effect> {
    vec![Effect::Compute { revision, question }]
}

#[test]
fn what_was_read_is_asked_about_once() {
    let mut app = app();
    assert_eq!(update(&mut app, Msg::Tick(1)), []);
    assert_eq!(update(&mut app, read()), ask(1, Question::Check));
    assert_eq!(update(&mut app, Msg::Tick(2)), []);
    assert_eq!(update(&mut app, answered(1, &["a"])), []);
    assert_eq!(press(&mut app, "j"), []);
}

#[test]
fn a_view_asks_for_what_it_needs() {
    let mut app = app();
    update(&mut app, read());
    update(&mut app, answered(1, &["a"]));
    assert_eq!(press(&mut app, ":tls\n"), ask(1, Question::Tls));
    assert_eq!(press(&mut app, ":dr\n"), [], "one computation at a time");
}

#[test]
fn log_lines_outdate_the_answers_at_most_every_half_second() {
    let mut app = app();
    update(&mut app, Msg::Tick(1000));
    update(&mut app, read());
    update(&mut app, answered(1, &["a"]));
    assert_eq!(update(&mut app, lines(1200, 1)), []);
    assert_eq!(update(&mut app, lines(1600, 2)), ask(3, Question::Check));
    assert_eq!(app.read().unwrap().logs.lines().read, 2);
    assert_eq!(app.read().unwrap().logs.sources().count(), 1, "the same source is not added again");
}

#[test]
fn a_frozen_picture_asks_nothing_and_collects() {
    let mut app = app();
    update(&mut app, read());
    update(&mut app, answered(1, &["a"]));
    press(&mut app, "r");
    assert_eq!(update(&mut app, lines(9_000, 1)), []);
    assert_eq!(app.read().unwrap().logs.lines().read, 1);
    assert_eq!(press(&mut app, "r"), ask(2, Question::Check));
}

#[test]
fn an_older_result_is_dropped() {
    let mut app = app();
    update(&mut app, read());
    update(&mut app, lines(10, 1));
    update(&mut app, answered(2, &["new"]));
    update(&mut app, answered(1, &["old"]));
    assert_eq!(selected(&app), Some("new".into()));
}

#[test]
fn rows_move_and_the_selection_stays_also_after_a_filter_and_another_view() {
    let mut app = app();
    update(&mut app, read());
    update(&mut app, answered(1, &["a", "b", "c"]));
    press(&mut app, "j");
    update(&mut app, answered(1, &["new", "a", "b", "c"]));
    assert_eq!(selected(&app), Some("b".into()));
    press(&mut app, "/c is\n");
    assert_eq!(selected(&app), Some("c".into()));
    update(&mut app, answered(1, &["c", "a", "b"]));
    press(&mut app, ":tls\n");
    update(&mut app, Msg::Key(Key::Esc));
    assert_eq!(
        app.screen().behaviour().filter().map(Filter::text),
        Some("c is"),
        "the filter is still there"
    );
    update(&mut app, Msg::Key(Key::Esc));
    assert_eq!(selected(&app), Some("b".into()), "what was selected before the filter hid it");
}

#[test]
fn leaving_a_filter_brings_the_earlier_one_back() {
    let mut app = app();
    update(&mut app, read());
    update(&mut app, answered(1, &["a", "b"]));
    press(&mut app, "/a\n/xyz");
    assert_eq!(selected(&app), None);
    update(&mut app, Msg::Key(Key::Esc));
    assert_eq!(selected(&app), Some("a".into()));
}

#[test]
fn q_at_the_root_and_ctrl_c_anywhere_quit() {
    let mut app = app();
    assert_eq!(update(&mut app, Msg::Key(Key::Esc)), [], "esc goes back, and never out");
    assert!(app.message().is_some_and(|said| said.text.contains("q quits")));
    assert_eq!(press(&mut app, "q"), [Effect::Quit]);
    assert_eq!(press(&mut app, "?q"), []);
    press(&mut app, "?");
    assert_eq!(update(&mut app, Msg::Key(Key::Ctrl('c'))), [Effect::Quit]);
    assert_eq!(press(&mut app, ":q\n"), [Effect::Quit]);
}

#[test]
fn a_computation_that_breaks_is_said_and_leaves_the_rest() {
    let mut app = app();
    update(&mut app, read());
    update(&mut app, answered(1, &["a"]));
    press(&mut app, ":tls\n");
    let failed = Box::new(Answer::Failed("the program failed: index".to_owned()));
    update(&mut app, Msg::Answered { revision: 1, question: Question::Tls, answer: failed });
    assert_eq!(app.context().waiting(&Question::Tls), "the program failed: index");
    press(&mut app, "q");
    assert_eq!(selected(&app), Some("a".into()));
}

#[test]
fn commands_come_back() {
    let mut app = app();
    press(&mut app, ":tls\n:dr\n");
    assert_eq!(app.screen().view(), View::Rules);
    press(&mut app, "-");
    assert_eq!(app.screen().view(), View::Tls);
    press(&mut app, "-");
    assert_eq!(app.screen().view(), View::Rules);
    press(&mut app, "[");
    assert_eq!(app.screen().view(), View::Tls);
    press(&mut app, "]");
    assert_eq!(app.screen().view(), View::Rules);
}

#[test]
fn copying_is_an_effect() {
    let mut app = app();
    update(&mut app, read());
    update(&mut app, answered(1, &["a"]));
    assert_eq!(press(&mut app, "c"), [Effect::Copy("a".into())]);
    let line = update(&mut app, Msg::Key(Key::Ctrl('y')));
    assert_eq!(line, [Effect::Copy("meshscope check -f mesh/".into())]);
}

#[test]
fn only_what_changes_the_picture_asks_for_one() {
    let mut app = app();
    assert!(app.take_changed());
    update(&mut app, Msg::Tick(5));
    assert!(!app.take_changed());
    update(&mut app, lines(6, 1));
    assert!(!app.take_changed());
    update(&mut app, Msg::LogLines { at: 7, lines: Vec::new(), dropped: 3 });
    assert!(app.take_changed());
}
