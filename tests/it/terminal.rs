//! The real program in a pseudo-terminal: first picture, traffic, resize, and the terminal as it was on every way out.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test says what is wrong by failing, and waits for a state until a deadline"
)]

use std::process::Command;

use crate::pty::Session;
use crate::support::meshscope;

#[test]
fn the_demo_shows_its_finding_and_its_traffic_and_quits() {
    let mut session = Session::start(&["demo"]);
    session.wait_for("MS0101 plaintext-to-strict");
    session.wait("traffic", |screen| {
        let text = screen.contents();
        text.contains("log lines") && !text.contains(", 7 log lines")
    });
    session.press("\r");
    session.wait_for("request of this pair fails");
    session.wait_for("findings › why");
    session.press("\r");
    session.wait_for("mode: DISABLE");
    session.press("qqq");
    assert!(session.end().success());
}

#[test]
fn a_resize_is_drawn() {
    let mut session = Session::start(&["demo"]);
    session.wait_for("MS0101");
    session.resize(10, 40);
    session.wait_for("needs 60×15, has 40×10");
    session.resize(24, 80);
    session.wait_for("MS0101");
    session.press("\x03");
    assert!(session.end().success());
}

/// Made smaller and larger again before the program looks: it finds the size that it knows, and an empty terminal.
#[test]
fn what_a_terminal_lost_between_two_sizes_is_drawn_again() {
    let mut session = Session::start(&["demo"]);
    session.wait_for("MS0101");
    session.resize(10, 40);
    session.wait_for("needs 60×15, has 40×10");
    session.resize(3, 10);
    session.resize(10, 40);
    session.wait_for("needs 60×15, has 40×10");
    session.press("\x03");
    assert!(session.end().success());
}

#[test]
fn signals_give_the_terminal_back() {
    for signal in ["-TERM", "-HUP", "-INT"] {
        let mut session = Session::start(&["demo"]);
        session.wait_for("MS0101");
        let id = session.child.process_id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        session.end();
    }
}

#[test]
fn a_source_that_cannot_be_read_is_said_on_the_screen_and_again_where_it_stays() {
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().to_str().unwrap();
    for (path, code, why) in
        [("/nonexistent/mesh", 1, "cannot read /nonexistent/mesh"), (empty, 65, "could be read")]
    {
        let mut session = Session::start(&["-f", path]);
        session.wait_for(why);
        session.wait_for("?help");
        session.press("q");
        assert_eq!(session.end().exit_code(), code, "{path}");
        session.wait_for(&format!("meshscope: {}", if code == 1 { why } else { "nothing in" }));
    }
}

#[test]
fn what_is_said_of_parts_of_the_source_is_said_on_the_screen_and_on_leaving() {
    let folder = tempfile::tempdir().unwrap();
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: b}\n";
    std::fs::write(folder.path().join("mesh.yaml"), service).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "nothing of interest\n").unwrap();
    let mut session = Session::start(&["-f", folder.path().to_str().unwrap()]);
    session.wait_for("neither objects nor access logs");
    session.press("q");
    assert_eq!(session.end().exit_code(), 0);
    session.wait_for("meshscope: neither objects nor access logs");
}

/// The program's own command lines are run; what they print must be an answer.
#[test]
fn what_ctrl_y_copies_is_a_command_line_that_works() {
    let mut session = Session::start(&["-f", "fixtures/mtls/bookinfo-2019", "-n", "bookinfo"]);
    session.wait_for("MS0101");
    let mut foreign = 0;
    for (at, keys) in ["", "\r", "f", ":tls\r", ":dr\r", ":explain UC\r"].into_iter().enumerate() {
        session.press(keys);
        session.press("\x19");
        let text = session.copied(at + 1);
        if let Some(line) = text.strip_prefix("meshscope ") {
            let words: Vec<_> = line.split(' ').collect();
            let ran = meshscope(env!("CARGO_MANIFEST_DIR").as_ref(), &words);
            assert!([0, 79].contains(&ran.code) && !ran.out.is_empty(), "{text}: {}", ran.err);
        } else {
            assert!(keys == "f" && text.starts_with("kubectl patch "), "{text}");
            foreign += 1;
        }
    }
    assert_eq!(foreign, 1, "the remedy is a command of kubectl");
    session.press("\x03");
    session.end();
}
