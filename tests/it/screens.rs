//! Keys in, screen out: the real answers on the demo's mesh and on meshes made for the test.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing; what is around a test function counts as a test too"
)]

use std::sync::Arc;

use insta::assert_snapshot;
use meshscope::answer::Read;
use meshscope::app::source::{Given, Source};
use meshscope::app::{App, Effect, Key, Msg, answering, update::update};
use meshscope::bundle::{self, Path, Request};
use meshscope::logs::{Recent, Watch};
use meshscope::resolve::Options;
use meshscope::ui::{self, Colours, Theme};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

mod authz_rules;
mod keys;
mod log;

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
    Source { name: "mesh/".into(), given: Given::Paths(vec!["mesh/".into()]), flags: Vec::new() }
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
    fn press(&mut self, text: &str) -> &mut Self {
        for key in keys(text) {
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

fn keys(text: &str) -> Vec<Key> {
    let (mut rest, mut keys) = (text, Vec::new());
    while let Some(first) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|named| named.split_once('>'));
        keys.push(if let Some((name, after)) = named {
            rest = after;
            key(name)
        } else {
            rest = rest.strip_prefix(first).unwrap_or_default();
            Key::Char(first)
        });
    }
    keys
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

/// The demo, its last lines kept as the program keeps them.
fn with_lines(width: u16, height: u16) -> Session {
    with_lines_of(meshscope::demo::paths(), width, height)
}

fn with_lines_of(paths: Vec<Path>, width: u16, height: u16) -> Session {
    let request = Request { paths, logs: Vec::new() };
    let recent = Arc::new(Recent::default());
    let watch: Arc<dyn Watch> = Arc::<Recent>::clone(&recent);
    let bundle = bundle::objects(&request, None).and_then(|objects| objects.logs(Some(&watch))).unwrap();
    let read = Read::new(&bundle.snapshot, bundle.logs, &[], &Options::default());
    let mut session = Session::starting(width, height);
    session.tell(Msg::SourceRead(Box::new(Read { recent, ..read })));
    session
}

#[test]
fn log() {
    assert_snapshot!(with_lines(80, 24).press("l").text());
    assert_snapshot!(with_lines(160, 24).press(":log<enter>/code>=500 and host~productpage<enter>").text());
    // A mistake is shown with its place, and changes nothing.
    let mut session = with_lines(80, 24);
    let before = session.press("l").text().lines().skip(3).take(15).collect::<Vec<_>>().join("\n");
    session.press("/code>=500 and flagz");
    let text = session.text();
    assert!(text.contains("at 15: "), "{text}");
    assert!(text.contains(before.lines().nth(1).unwrap_or_default()), "{text}");
    // A query that takes nothing says so; esc takes it away.
    session.press("<esc>/code=404<enter>");
    assert!(session.text().contains("the query takes none of"), "{}", session.text());
    assert!(session.press("<esc>").text().contains(&before), "{}", session.text());
    assert!(
        session.press("/line=7 and file~traffic<enter>").text().contains("log(all)[1]"),
        "{}",
        session.text()
    );
    session.press("<esc>");
    // A line leads to its pair, and says what it means.
    assert!(session.press("<enter>").text().contains(" why "), "{}", session.text());
    assert!(session.press("<esc>x").text().contains("explain"), "{}", session.text());
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
fn every_row_can_be_explained() {
    for keys in ["x", "<enter>x", ":tls<enter>x", "<enter>Gx"] {
        let text = Session::demo(80, 24).press(keys).text();
        assert!(text.contains("› explain") && !text.contains("nothing is known"), "{keys}: {text}");
    }
}

#[test]
fn typing() {
    assert_snapshot!(Session::demo(80, 24).press(":t<tab>").text());
    assert_snapshot!(Session::demo(80, 24).press(":fidnings<enter>").text());
}

#[test]
fn while_the_source_is_read_and_when_it_cannot_be() {
    let mut session = Session::starting(80, 24);
    assert!(session.text().contains("reading mesh/ …"), "{}", session.text());
    session.tell(Msg::SourceProgress { text: "pods.yaml".into() });
    assert!(session.text().contains("reading mesh/: pods.yaml …"), "{}", session.text());
    session.tell(Msg::SourceFailed("cannot read mesh/: no such file".into()));
    assert!(session.text().contains("cannot read mesh/: no such file"), "{}", session.text());
}

#[test]
fn too_small() {
    assert_snapshot!(Session::demo(40, 10).text().trim(), @"needs 60×15, has 40×10");
}

fn yaml(text: &'static str) -> Vec<Path> {
    vec![Path::Embedded("mesh.yaml", text)]
}

const SOUND: &str = "
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {clusterIP: 10.96.0.2, ports: [{name: http, port: 80}], selector: {app: cart}}
---
apiVersion: v1
kind: Pod
metadata: {name: cart-1, namespace: shop, labels: {app: cart}}
spec: {containers: [{name: app}]}
status: {phase: Running, podIP: 10.0.0.1}
";

#[test]
fn nothing_found_says_what_was_looked_at() {
    let text = Session::on(yaml(SOUND), 80, 24).text();
    assert!(text.contains("nothing found: 0 pairs judged, 2 objects, 0 log lines"), "{text}");
    let text = Session::on(yaml(SOUND), 80, 24).press(":dr<enter>").text();
    assert!(text.contains("no DestinationRules in mesh/: automatic mTLS decides"), "{text}");
}

#[test]
fn an_empty_list_says_what_hides_its_rows() {
    let mut session = Session::demo(80, 24);
    let text = session.press("/nosuch<enter>").text();
    assert!(text.contains("the filter hides all 4: esc takes it away"), "{text}");
    session.press("<esc>");
    assert!(session.press(":dr<enter>4").text().contains("(4 in other namespaces: press 0)"));
    assert!(session.press("0").text().contains("dr(all)[4]"));
}

#[test]
fn names_from_outside_never_reach_the_terminal_raw() {
    const HOSTILE: &str = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: \"evil\\e[31m\\a\", namespace: \"shop\\u202e\"}
spec: {host: \"cart\\e]0;owned\\a.shop.svc.cluster.local\", trafficPolicy: {tls: {mode: \"DISABLE\\u009b\"}}}
---
apiVersion: v1
kind: Service
metadata: {name: \"cart\\e[2J\", namespace: shop}
spec: {clusterIP: 10.96.0.2, ports: [{name: http, port: 80}]}
";
    for keys in [
        "",
        "<enter>",
        ":dr<enter>",
        ":dr<enter><enter>",
        "t",
        "?",
        ":why \u{202e}\u{1b}x<enter>",
        ":\u{1b}[31m",
    ] {
        let mut session = Session::on(yaml(HOSTILE), 120, 40);
        session.press(keys);
        let terminal = session.terminal();
        for cell in terminal.backend().buffer().content() {
            let raw = |one: char| one.is_control() || ('\u{202a}'..='\u{202e}').contains(&one);
            assert!(!cell.symbol().chars().any(raw), "{keys}: {:?}", cell.symbol());
        }
    }
    assert!(Session::on(yaml(HOSTILE), 120, 40).press(":dr<enter>").text().contains("evil␛[31m␇"));
}

#[test]
fn without_unicode_nothing_but_ascii_is_drawn() {
    let mut session = Session::demo(80, 24);
    session.theme = Theme::new(Colours::None, false);
    for keys in ["", "<enter>", "G", ":tls<enter>", "?"] {
        let text = session.press(keys).text();
        assert!(text.is_ascii(), "{text}");
    }
}

#[test]
fn colours_say_how_grave_and_the_selection_has_its_own() {
    let mut session = Session::demo(80, 24);
    session.theme = Theme::new(Colours::Basic, true);
    let terminal = session.terminal();
    let buffer = terminal.backend().buffer();
    assert_eq!(buffer[(1, 3)].symbol(), "✖");
    assert_eq!(buffer[(1, 3)].fg, ratatui::style::Color::Red);
    assert_eq!((buffer[(0, 3)].symbol(), buffer[(0, 3)].fg), ("▌", ratatui::style::Color::Cyan));
}

#[test]
fn the_pairs_of_a_finding_can_be_walked() {
    let mut session = Session::demo(120, 40);
    assert!(session.press("<enter>").text().contains(" 1/4 "));
    assert!(session.press("<tab><tab><tab>").text().contains(" 4/4 "));
    assert!(session.press("<tab>").text().contains(" 1/4 "));
    assert!(session.press("<backtab>").text().contains(" 4/4 "));
}

#[test]
fn a_view_gives_its_command_line() {
    let mut session = Session::demo(80, 24);
    session.press("<enter><ctrl-y>");
    let client = "bookinfo/traffic-generator-productpage";
    assert_eq!(
        session.copied,
        [format!("meshscope why -f mesh/ productpage.bookinfo:9080 --client {client}")]
    );
    session.press("<esc>fc");
    assert!(
        session.copied[1].starts_with("kubectl patch destinationrule destrule-productpage"),
        "{:?}",
        session.copied
    );
}

#[test]
fn a_typed_service_is_found_or_the_nearest_named() {
    let mut session = Session::demo(120, 40);
    let text = session.press(":why productpage.bookinfo:9080<enter>").text();
    assert!(text.contains("CONFLICT") && text.contains("The client sends plaintext"), "{text}");
    let text = session.press(":why productpag.bookinfo<enter>").text();
    assert!(text.contains("no service is called productpag.bookinfo"), "{text}");
}

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % bound
    }
}

#[test]
fn no_key_in_any_view_at_any_size_ends_the_program() {
    let read = read(meshscope::demo::paths());
    let keys: Vec<Key> = (' '..='~')
        .map(Key::Char)
        .chain(('a'..='z').map(Key::Ctrl))
        .chain([
            Key::Enter,
            Key::Enter,
            Key::Enter,
            Key::Esc,
            Key::Tab,
            Key::BackTab,
            Key::Up,
            Key::Down,
            Key::Left,
            Key::Right,
            Key::PageUp,
            Key::PageDown,
            Key::Home,
            Key::End,
            Key::Backspace,
            Key::Delete,
            Key::F(1),
        ])
        .chain([':', 't', 'x', 'f', 'y', '/'].map(Key::Char))
        .collect();
    let commands = [
        ":tls\n",
        ":log\n",
        ":causes\n",
        "d",
        ":dr\n",
        ":rules\n",
        ":why productpage.bookinfo\n",
        ":aliases\n",
        ":explain UC\n",
        "?",
        "/product\n",
    ];
    let mut random = Random(0x9e37_79b9);
    let mut views = std::collections::BTreeSet::new();
    for _ in 0..60 {
        let mut session = Session::starting(80, 24);
        session.tell(Msg::SourceRead(Box::new(read.clone())));
        for _ in 0..120 {
            if random.below(12) == 0 {
                let (width, height) = (1 + random.below(200), 1 + random.below(60));
                session.tell(Msg::Resize(u16::try_from(width).unwrap(), u16::try_from(height).unwrap()));
            }
            if random.below(10) == 0 {
                let command = commands[random.below(commands.len())];
                for one in command.chars() {
                    session.tell(Msg::Key(if one == '\n' { Key::Enter } else { Key::Char(one) }));
                }
            } else {
                session.tell(Msg::Key(keys[random.below(keys.len())]));
            }
            session.terminal();
            views.insert(session.app.screen().view().name());
        }
    }
    assert_eq!(views.len(), meshscope::app::screen::View::ALL.len(), "{views:?}");
}

#[test]
fn a_narrow_screen_keeps_the_names_and_breaks_commands_at_their_parts() {
    let mut session = Session::demo(60, 15);
    let text = session.text();
    let title = text.lines().nth(1).unwrap();
    assert!(
        title.contains("findings") && title.contains("2 warnings") && title.ends_with("0 unknown"),
        "{title}"
    );
    session.press("f<pgdn>");
    let text = session.text();
    assert!(text.contains("\"mode\":\n") && text.contains("\"ISTIO_MUTUAL\"}}}}'"), "{text}");
    session.press("<esc>");
    assert!(!session.text().contains("q quits"));
    session.press("<esc>");
    assert!(!session.quit && session.text().contains("q quits"));
    session.press("q");
    assert!(session.quit);
}

#[test]
fn every_size_can_be_drawn() {
    let mut session = Session::demo(80, 24);
    for keys in ["", "<enter>", ":tls<enter>", ":dr<enter>", ":rules<enter>", "?"] {
        session.press(keys);
        for (width, height) in [(1, 1), (1, 60), (200, 1), (59, 15), (60, 14), (60, 15), (61, 16), (200, 60)]
        {
            session.tell(Msg::Resize(width, height));
            session.terminal();
        }
    }
}

/// Any key at any time: also while answers are still being made, which come late and in any order.
#[test]
fn no_sequence_of_keys_breaks_the_screen() {
    const KEYS: [&str; 38] = [
        "<enter>",
        "<enter>",
        "<esc>",
        "<tab>",
        "<backtab>",
        "<up>",
        "<down>",
        "<pgup>",
        "<pgdn>",
        "<ctrl-z>",
        "<ctrl-w>",
        "<ctrl-e>",
        "<ctrl-y>",
        "<backspace>",
        ":tls<enter>",
        ":dr<enter>",
        ":rules<enter>",
        ":rules productpage<enter>",
        "a",
        "z",
        ":findings<enter>",
        ":explain UC<enter>",
        ":why productpage.bookinfo<enter>",
        "/",
        "book",
        "!",
        "f",
        "x",
        "t",
        "y",
        "c",
        "n",
        "j",
        "k",
        "G",
        "[",
        "-",
        "3",
    ];
    let mut session = Session::starting(80, 24);
    let mut late: Vec<Msg> = Vec::new();
    let mut random = 7_u64;
    for turn in 0..6_000_u32 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let pick = usize::try_from(random >> 33).unwrap();
        let mut effects = Vec::new();
        match turn {
            200 => {
                let read = Msg::SourceRead(Box::new(read(meshscope::demo::paths())));
                effects = update(&mut session.app, read);
            }
            _ if pick.is_multiple_of(5) && !late.is_empty() => {
                let msg = late.swap_remove(pick % late.len());
                effects = update(&mut session.app, msg);
            }
            _ if pick.is_multiple_of(41) => {
                let size = (u16::try_from(pick % 150).unwrap(), u16::try_from(pick % 47).unwrap());
                effects = update(&mut session.app, Msg::Resize(size.0, size.1));
            }
            _ => {
                for key in keys(KEYS[pick % KEYS.len()]) {
                    effects.extend(update(&mut session.app, Msg::Key(key)));
                }
            }
        }
        for effect in effects {
            if let Effect::Compute { revision, question } = effect {
                let answer = Box::new(answering::answer(session.app.read().unwrap(), &question));
                late.push(Msg::Answered { revision, question, answer });
            }
        }
        session.terminal();
    }
}
