//! Keys in, screen out: the real answers on the demo's mesh and on meshes made for the test.

use insta::assert_snapshot;
use meshscope::answer::Read;
use meshscope::app::source::{Given, Source};
use meshscope::app::{App, Effect, Key, Msg, answering, update::update};
use meshscope::bundle::{self, Path, Request};
use meshscope::resolve::Options;
use meshscope::ui::{self, Colours, Theme};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

/// A screen whose effects are performed at once.
struct Session {
    app: App,
    theme: Theme,
    copied: Vec<String>,
    quit: bool,
}

fn read(paths: Vec<Path>) -> Read {
    let bundle = bundle::read(&Request { paths, logs: Vec::new() }).unwrap();
    Read::new(&bundle.snapshot, bundle.logs, &[], &Options::default())
}

fn source() -> Source {
    Source { name: "mesh/".into(), given: Given::Paths(vec!["mesh/".into()]) }
}

impl Session {
    fn starting(width: u16, height: u16) -> Self {
        let app = App::new(source(), width, height);
        Self { app, theme: Theme::new(Colours::None, true), copied: Vec::new(), quit: false }
    }

    fn on(paths: Vec<Path>, width: u16, height: u16) -> Self {
        let mut session = Self::starting(width, height);
        session.tell(Msg::SourceRead(Box::new(read(paths))));
        session
    }

    fn demo(width: u16, height: u16) -> Self {
        Self::on(meshscope::demo::paths(), width, height)
    }

    fn tell(&mut self, msg: Msg) {
        let mut waiting = vec![msg];
        while let Some(msg) = waiting.pop() {
            for effect in update(&mut self.app, msg) {
                match effect {
                    Effect::Compute { revision, question } => {
                        let read = self.app.read().unwrap();
                        let answer = Box::new(answering::answer(read, &question));
                        waiting.push(Msg::Answered { revision, question, answer });
                    }
                    Effect::Copy(text) => self.copied.push(text),
                    Effect::Quit => self.quit = true,
                }
            }
        }
    }

    /// Presses keys: names in angle brackets, everything else a character each.
    fn press(&mut self, keys: &str) -> &mut Self {
        let mut rest = keys;
        while let Some(first) = rest.chars().next() {
            let named = rest.strip_prefix('<').and_then(|named| named.split_once('>'));
            let key = match named {
                Some((name, after)) => {
                    rest = after;
                    key(name)
                }
                None => {
                    rest = &rest[first.len_utf8()..];
                    Key::Char(first)
                }
            };
            self.tell(Msg::Key(key));
        }
        self
    }

    fn terminal(&self) -> Terminal<TestBackend> {
        let extent = self.app.extent();
        let mut terminal = Terminal::new(TestBackend::new(extent.width, extent.height)).unwrap();
        terminal.draw(|frame| ui::draw(&self.app, &self.theme, frame)).unwrap();
        terminal
    }

    /// What is on the screen, without the spaces at the ends of lines.
    fn text(&self) -> String {
        let terminal = self.terminal();
        let buffer = terminal.backend().buffer();
        let lines = buffer.content().chunks(buffer.area.width.max(1).into());
        let line = |cells: &[ratatui::buffer::Cell]| {
            let text: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
            format!("{}\n", text.trim_end())
        };
        lines.map(line).collect()
    }
}

fn key(name: &str) -> Key {
    match name {
        "enter" => Key::Enter,
        "esc" => Key::Esc,
        "tab" => Key::Tab,
        "backtab" => Key::BackTab,
        "up" => Key::Up,
        "down" => Key::Down,
        "pgup" => Key::PageUp,
        "pgdn" => Key::PageDown,
        "backspace" => Key::Backspace,
        "left" => Key::Left,
        other => Key::Ctrl(other.strip_prefix("ctrl-").unwrap().chars().next().unwrap()),
    }
}

#[test]
fn findings() {
    assert_snapshot!(Session::demo(80, 24).text());
    assert_snapshot!(Session::demo(120, 40).text());
}

#[test]
fn why() {
    assert_snapshot!(Session::demo(80, 24).press("<enter>").text());
    assert_snapshot!(Session::demo(80, 24).press("<enter>G").text());
    assert_snapshot!(Session::demo(120, 40).press("<enter><tab>").text());
}

#[test]
fn the_object_of_a_fact() {
    assert_snapshot!(Session::demo(80, 24).press("<enter><enter>").text());
    assert_snapshot!(Session::demo(120, 40).press("<enter>j<enter>").text());
}

#[test]
fn tls() {
    assert_snapshot!(Session::demo(80, 24).press(":tls<enter>").text());
    assert_snapshot!(Session::demo(120, 40).press("t").text());
}

#[test]
fn rules() {
    assert_snapshot!(Session::demo(80, 24).press(":dr<enter>G").text());
    assert_snapshot!(Session::demo(120, 40).press(":dr<enter>").text());
}

#[test]
fn help() {
    assert_snapshot!(Session::demo(80, 24).press("?").text());
    assert_snapshot!(Session::demo(120, 40).press("<enter>?").text());
    assert_snapshot!(Session::demo(80, 24).press(":aliases<enter>").text());
}

#[test]
fn fix_and_explain() {
    assert_snapshot!(Session::demo(80, 24).press("f").text());
    assert_snapshot!(Session::demo(80, 24).press("x").text());
}

#[test]
fn typing() {
    assert_snapshot!(Session::demo(80, 24).press(":t<tab>").text());
    assert_snapshot!(Session::demo(80, 24).press(":fidnings<enter>").text());
}
