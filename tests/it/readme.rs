//! What the README shows is what the program says: its examples are run, its tables are written by these tests.

use std::path::Path;

use crate::support::{copy_of, meshscope};

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("the README is there")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Holds a part of the README between two marks; with `MESHSCOPE_BLESS=1` it is written anew.
fn part(name: &str, wanted: &str) {
    let text = readme();
    let (begin, end) = (format!("<!-- {name}: written by a test -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = text.split_once(&begin).expect("the README has the mark");
    let (found, after) = rest.split_once(&end).expect("the README has the closing mark");
    let wanted = format!("\n{wanted}\n");
    if std::env::var_os("MESHSCOPE_BLESS").is_some() {
        let text = format!("{before}{begin}{wanted}{end}{after}");
        std::fs::write(root().join("README.md"), text).expect("the README can be written");
    } else {
        assert_eq!(found, wanted, "the README's {name} are not the program's");
    }
}

#[test]
fn the_examples_print_what_they_show() {
    let text = readme();
    let examples: Vec<_> = text.split("```console\n$ meshscope ").skip(1).collect();
    assert!(examples.len() >= 2);
    for example in examples {
        let (command, rest) = example.split_once('\n').expect("an example has an answer");
        let (shown, _) = rest.split_once("```").expect("an example ends");
        let arguments: Vec<_> = command.split(' ').collect();
        assert_eq!(meshscope(root(), &arguments).out, shown, "{command}");
    }
}

#[test]
fn the_commands_for_ci_do_what_is_said_of_them() {
    let text = readme();
    let (_, part) = text.split_once("\n## In CI\n").expect("the README has the part");
    let (part, _) = part.split_once("\n## ").expect("there is more after it");
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::rename(copy_of("mtls/bookinfo-2019").keep(), folder.path().join("mesh"))
        .expect("the fixture can be moved");
    let commands: Vec<_> = part.split("meshscope check ").skip(1).collect();
    assert_eq!(commands.len(), 4);
    for rest in commands {
        let command = rest.split(['>', '|', '`']).next().unwrap_or_default();
        let command = format!("check {}", command.trim());
        let words: Vec<_> = command.split(' ').collect();
        let ran = meshscope(folder.path(), &words);
        assert_eq!(ran.code, if words.contains(&"never") { 0 } else { 79 }, "{command}: {}", ran.err);
        let mark = match *words.last().unwrap_or(&"") {
            "sarif" => "\"version\": \"2.1.0\"",
            "junit" => "<testsuites",
            "markdown" => "### meshscope check",
            "json" => "\"kind\": \"CheckReport\"",
            other => panic!("{other} in {command}"),
        };
        assert!(ran.out.contains(mark), "{command}");
    }
}

#[test]
fn the_findings_are_those_of_the_catalogue() {
    use std::fmt::Write as _;
    let mut table = String::from("| code | name | severity |\n| --- | --- | --- |\n");
    for code in meshscope::diagnose::Code::ALL {
        writeln!(table, "| {} | {} | {} |", code.code(), code.name(), code.severity().word())
            .expect("a string grows");
    }
    part("findings", &table);
}

#[test]
fn the_keys_are_those_of_the_screen() {
    part("keys", &meshscope::app::keymap::markdown());
}

/// The pictures are those of the real program on a real terminal: with `MESHSCOPE_BLESS=1` they are drawn anew.
#[cfg(unix)]
#[test]
fn the_pictures_are_what_the_screen_shows() {
    use crate::pty::Session;

    let colours = [("COLORTERM", "truecolor")];
    let mut session = Session::start_with(&["-f", "fixtures/mtls/bookinfo-2019"], &colours);
    // What is said of a file that is no part of the mesh goes with the next key.
    session.wait_for("neither objects nor access logs");
    session.press("g");
    session.wait_for("in the logs:");
    picture("findings", &session.formatted());
    session.press("\r");
    session.wait_for("no request of this pair succeeded");
    session.wait_for("fixtures/mtls/bookinfo-2019/mesh.yaml:116");
    picture("why", &session.formatted());
    session.press("\x03");
    assert!(session.end().success());
    let mut session = Session::start_with(&["-f", "fixtures/authorization-view"], &colours);
    session.wait_for("judged");
    session.press(":rules\r");
    session.wait_for("shop/front-1");
    session.press("jj");
    session.wait_for("by the root namespace");
    picture("rules", &session.formatted());
    session.press("\x03");
    assert!(session.end().success());
}

/// Holds a picture of `assets/`.
#[cfg(unix)]
fn picture(name: &str, screen: &str) {
    use anstyle::RgbColor;

    let term = anstyle_svg::Term::new()
        .min_width_px(0)
        .fg_color(RgbColor(0xd6, 0xd9, 0xde).into())
        .bg_color(RgbColor(0x16, 0x19, 0x1e).into());
    let drawn = term.render_svg(screen);
    let file = root().join("assets").join(name).with_extension("svg");
    if std::env::var_os("MESHSCOPE_BLESS").is_some() {
        std::fs::write(file, drawn).expect("the picture can be written");
    } else {
        let found = std::fs::read_to_string(file).expect("the picture is there");
        assert!(found == drawn, "assets/{name}.svg is not what the screen shows:\n{screen}");
    }
}
