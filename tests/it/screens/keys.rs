//! Keys that are offered do something, and those that would do nothing are not offered.

use meshscope::app::screen::View;
use meshscope::app::source::{Given, Source};
use meshscope::app::{App, Msg, keymap};
use meshscope::bundle::Path;

use super::{Colours, Session, Theme, read, with_lines, with_lines_of};

/// The last line: breadcrumbs and hints.
fn hints(session: &Session) -> String {
    session.text().lines().last().unwrap_or_default().to_owned()
}

/// What stands behind `/` or `:`, with what could complete it.
fn typed(session: &Session) -> String {
    let text = session.text();
    let line = text.lines().rev().find(|line| line.starts_with(" /") || line.starts_with(" :"));
    line.unwrap_or_else(|| panic!("{text}")).trim().to_owned()
}

#[test]
fn wide_is_offered_where_it_shows_more() {
    for (view, keys) in [
        (View::Findings, ""),
        (View::Why, "<enter>"),
        (View::Tls, ":tls<enter>"),
        (View::Rules, ":dr<enter>"),
        (View::Log, ":log<enter>"),
        (View::Causes, ":causes<enter>"),
        (View::Cause, ":log<enter>d"),
        (View::Explain, "x"),
    ] {
        let mut session = with_lines(60, 24);
        session.press(keys);
        assert_eq!(session.app.screen().view(), view);
        let before = session.text();
        let is_offered = keymap::BINDINGS
            .iter()
            .any(|row| row.holds_in(view) && row.keys.contains(&meshscope::app::Key::Ctrl('w')));
        let changes = session.press("<ctrl-w>").text() != before;
        assert_eq!(is_offered, changes, "{}", view.name());
        assert_eq!(session.press("?").text().contains("wide"), is_offered, "{}", view.name());
    }
}

#[test]
fn a_copied_command_shows_the_namespace_that_the_screen_shows() {
    let mut session = with_lines(80, 24);
    let last = |session: &Session| session.copied.last().cloned().unwrap();
    let name = session.app.namespaces()[1].clone();
    for (keys, command) in [
        ("2", "check -f mesh/"),
        (":tls<enter>", "tls-check -f mesh/"),
        (":dr<enter>", "resolve -f mesh/"),
        (":log<enter>", "logs -f mesh/"),
        (":causes<enter>", "logs -f mesh/"),
    ] {
        session.press(keys).press("<ctrl-y>");
        let text = last(&session);
        assert!(text.starts_with(&format!("meshscope {command} -n {name}")), "{keys}: {text}");
    }
    // One pair and one line are the same whatever namespace lists are limited to.
    session.press(":why productpage.bookinfo:9080<enter><ctrl-y>");
    assert_eq!(last(&session), "meshscope why -f mesh/ productpage.bookinfo:9080");
    session.press(":findings<enter>0<ctrl-y>");
    assert_eq!(last(&session), "meshscope check -f mesh/");
}

#[test]
fn a_namespace_that_the_program_was_started_with_is_copied_as_long_as_it_is_shown() {
    let flags = ["--istio-version", "1.20"].map(str::to_owned).to_vec();
    let source = Source { name: "mesh/".into(), given: Given::Paths(vec!["mesh/".into()]), flags };
    let app = App::new(source, 80, 24).in_namespace(Some("web".into()));
    let mut session =
        Session { app, theme: Theme::new(Colours::None, true), copied: Vec::new(), quit: false };
    session.tell(Msg::SourceRead(Box::new(read(meshscope::demo::paths()))));
    session.press("<ctrl-y>0<ctrl-y>");
    let command = "meshscope check -f mesh/";
    assert_eq!(
        session.copied,
        [format!("{command} --istio-version 1.20 -n web"), format!("{command} --istio-version 1.20")]
    );
}

const OK_LINE: &str = "[2026-03-02T09:00:01.000Z] \"GET /a HTTP/1.1\" 200 - via_upstream - \"-\" 0 95 3 - \"-\" \"curl\" \
    \"id\" \"cart\" \"10.8.2.0:9080\" outbound|80||cart.shop.svc.cluster.local 10.8.1.8:10000 10.9.0.1:80 \
    10.8.1.8:5000 - default\n";

#[test]
fn hints_name_what_the_page_has() {
    let mut session = with_lines_of(vec![Path::Embedded("access.log", OK_LINE)], 160, 24);
    // A line that went well has no finding, no object and no cause.
    let shown = hints(session.press("ld"));
    assert!(!shown.contains("f fix") && !shown.contains("y yaml"), "{shown}");
    assert!(shown.contains("enter open"), "{shown}");
    // One that failed has a finding.
    let mut session = with_lines(160, 24);
    let shown = hints(session.press("ld"));
    assert!(shown.contains("f fix") && !shown.contains("y yaml"), "{shown}");
    // The objects of a pair are on its page, whatever row is selected.
    let mut session = with_lines(160, 24);
    for keys in ["<enter>", "G", "g"] {
        let shown = hints(session.press(keys));
        assert!(shown.contains("y yaml") && shown.contains("f fix"), "{keys}: {shown}");
    }
    // A list without rows has none of what its rows would have.
    let shown = hints(Session::demo(160, 24).press("/nosuch<enter>"));
    for word in ["f fix", "y yaml", "x explain", "enter open"] {
        assert!(!shown.contains(word), "{word}: {shown}");
    }
}

#[test]
fn tab_completes_the_fields_of_a_query() {
    let mut session = with_lines(120, 24);
    session.press("l/");
    assert!(typed(&session).contains("code") && typed(&session).contains("flags"), "{}", typed(&session));
    session.press("fl<tab>");
    assert!(typed(&session).starts_with("/flags"), "{}", typed(&session));
    // Signs, then the flags that lines have, then what goes on.
    assert!(session.press(" h<tab>").text().contains("/flags has"), "{}", session.text());
    session.press(" <tab>");
    assert!(typed(&session).starts_with("/flags has UC"), "{}", typed(&session));
    session.press(" a<tab> (cod<tab>");
    assert!(typed(&session).starts_with("/flags has UC and (code"), "{}", typed(&session));
    session.press(">=5<tab>");
    assert!(typed(&session).starts_with("/flags has UC and (code>=503"), "{}", typed(&session));
    session.press(")<enter>");
    assert!(session.app.prompt().is_none() && session.text().contains("log(all)[7]"), "{}", session.text());
}

#[test]
fn a_completion_takes_effect_as_if_it_was_typed() {
    let mut session = with_lines(120, 24);
    session.press("l/sid<tab>=cl<tab>");
    assert!(typed(&session).starts_with("/side=client"), "{}", typed(&session));
    assert!(session.text().contains("log(all)[7]"), "{}", session.text());
    session.press("<tab>");
    // What stands behind the cursor stays.
    let mut session = with_lines(120, 24);
    session.press("l/cod>=500<left><left><left><left><left><tab>");
    assert!(typed(&session).starts_with("/code>=500"), "{}", typed(&session));
}

#[test]
fn completion_is_offered_where_there_is_any() {
    let mut session = with_lines(120, 24);
    assert!(!hints(session.press("/f")).contains("complete"), "{}", hints(&session));
    let before = session.text();
    assert_eq!(session.press("<tab>").text(), before);
    assert!(hints(session.press("<esc>:")).contains("tab complete"), "{}", hints(&session));
    assert!(hints(session.press("<esc>l/")).contains("tab complete"), "{}", hints(&session));
}

#[test]
fn values_with_spaces_are_completed_in_quotes_and_hostile_ones_are_not_sent() {
    let hostile = OK_LINE.replace("/a ", "/\u{1b}[31m\u{202e}x ") + &OK_LINE.replace("\"cart\"", "\"a b\"");
    let log: &'static str = Box::leak(hostile.into_boxed_str());
    let mut session = with_lines_of(vec![Path::Embedded("access log.txt", log)], 120, 24);
    session.press("l/path=<tab>");
    let terminal = session.terminal();
    for cell in terminal.backend().buffer().content() {
        assert!(
            !cell.symbol().chars().any(|one| one.is_control() || one == '\u{202e}'),
            "{:?}",
            cell.symbol()
        );
    }
    session.press("<ctrl-u>file=<tab>");
    assert!(typed(&session).starts_with("/file=\"access log.txt\""), "{}", typed(&session));
    assert!(session.text().contains("log(all)[2]"), "{}", session.text());
}

#[test]
fn lines_of_a_rotated_file_are_told_apart() {
    // The same number, the same time, the same text: after a rotation numbers begin again.
    let file = || Path::Embedded("access.log", OK_LINE);
    let mut session = with_lines_of(vec![file(), file()], 100, 24);
    session.press("l ");
    assert!(
        session.text().contains("log(all)[2]") && session.text().contains("1 marked"),
        "{}",
        session.text()
    );
    assert_eq!(session.text().matches('✔').count(), 1, "{}", session.text());
    session.press("c");
    assert_eq!(session.copied.last().unwrap().lines().count(), 1);
}
