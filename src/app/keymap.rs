//! The one table of keys: key handling, hints, the help screen and the README's table all come from it.

use super::command::{Again, Command, Copied, LogKey, Motion, SortBy, Typing};
use super::key::Key;
use super::screen::View;

/// Where a binding holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In every view, while no line is typed.
    Everywhere,
    /// The same, but for the log view, which has other uses for the key.
    OutsideLog,
    /// In these views.
    In(&'static [View]),
    /// While a line is typed.
    Typing,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// Where it holds.
    pub place: Place,
    /// Its keys, the one that is shown first.
    pub keys: &'static [Key],
    /// What they do.
    pub command: Command,
    /// The word in the hints; bindings without one are in the help only.
    pub hint: &'static str,
    /// The words in the help.
    pub description: &'static str,
}

const fn row(
    place: Place,
    keys: &'static [Key],
    command: Command,
    hint: &'static str,
    description: &'static str,
) -> Binding {
    Binding { place, keys, command, hint, description }
}

const fn namespace(keys: &'static [Key], number: u8) -> Binding {
    row(OutsideLog, keys, Command::Namespace(number), "", "one namespace")
}

const fn in_log(keys: &'static [Key], key: LogKey, hint: &'static str, description: &'static str) -> Binding {
    row(In(&[View::Log]), keys, Command::InLog(key), hint, description)
}

const fn sort(key: &'static [Key], by: SortBy, description: &'static str) -> Binding {
    row(In(&[View::AuthzRules]), key, Command::Sort(by), "", description)
}

use Command as C;
use Key as K;
use LogKey as L;
use Place::{Everywhere, In, OutsideLog};

const LISTS: &[View] = &[View::Findings, View::Tls, View::Rules, View::AuthzRules, View::Causes];
const WITH_CODES: &[View] =
    &[View::Findings, View::Why, View::Tls, View::AuthzRules, View::Log, View::Causes, View::Cause];
const WITH_FIXES: &[View] = &[View::Findings, View::Why, View::Cause];
const WITH_WIDE: &[View] = &[View::Why, View::Tls, View::Rules, View::AuthzRules];
const TO_RULES: &[View] = &[View::Findings, View::Tls, View::Log];
const OPENING: &[View] = &[
    View::Findings,
    View::Why,
    View::Tls,
    View::Rules,
    View::AuthzRules,
    View::Log,
    View::Causes,
    View::Cause,
    View::Explain,
    View::Fix,
];
const WITH_OBJECTS: &[View] =
    &[View::Findings, View::Why, View::Tls, View::Rules, View::AuthzRules, View::Cause];
const TO_LOG: &[View] = &[View::Findings, View::Why, View::Tls, View::Rules, View::AuthzRules, View::Causes];

/// The table, in the order of the hints.
pub const BINDINGS: &[Binding] = &[
    row(In(OPENING), &[K::Enter], C::Open, "open", "one layer deeper"),
    row(Everywhere, &[K::Char('?')], C::Help, "help", "keys and commands"),
    row(Everywhere, &[K::Char(':')], C::CommandLine, "cmd", "command; tab completes"),
    row(In(LISTS), &[K::Char('/')], C::Filter, "filter", "filter (! not, -f fuzzy)"),
    row(In(&[View::Log]), &[K::Char('/')], C::Filter, "query", "query: code>=500 and …"),
    row(In(&[View::Log]), &[K::Tab], C::Causes, "causes", "the causes"),
    row(In(&[View::Causes]), &[K::Tab], C::Log, "", "the last lines of logs"),
    in_log(&[K::Char('w')], L::Wrap, "wrap", "whole lines, wrapped"),
    row(In(&[View::Log]), &[K::Char('d')], C::Describe, "line", "all of the line"),
    row(In(&[View::AuthzRules]), &[K::Char('d')], C::Describe, "", "the policy"),
    row(In(&[View::AuthzRules, View::Log]), &[K::Char('z')], C::Reset, "", "count rules from now on"),
    sort(&[K::Char('N')], SortBy::Number, "by order of evaluation"),
    sort(&[K::Char('H')], SortBy::Hits, "by hits"),
    sort(&[K::Char('D')], SortBy::Denials, "by denials"),
    sort(&[K::Char('L')], SortBy::LastHit, "by the last hit"),
    sort(&[K::Char('A')], SortBy::Action, "by action"),
    sort(&[K::Char('P')], SortBy::Policy, "by policy"),
    row(In(&[View::Why]), &[K::Tab], C::NextPair, "next pair", "next pair of the finding"),
    row(In(&[View::Why]), &[K::BackTab], C::PreviousPair, "", "pair before"),
    row(In(WITH_FIXES), &[K::Char('f')], C::Fix, "fix", "what would end it"),
    row(In(&[View::Tls]), &[K::Ctrl('z')], C::ToggleFaults, "faults only", "faults only"),
    row(In(WITH_CODES), &[K::Char('x')], C::Explain, "explain", "what the code means"),
    row(In(&[View::Findings, View::Rules]), &[K::Char('t')], C::Tls, "tls", "the table of pairs"),
    row(In(TO_LOG), &[K::Char('l')], C::Log, "log", "the last lines of logs"),
    row(In(WITH_OBJECTS), &[K::Char('y')], C::Yaml, "yaml", "the object's YAML"),
    row(In(TO_RULES), &[K::Char('a')], C::Authorization, "authz", "the rules that decide"),
    in_log(&[K::Char('0')], L::Range(0), "", "all times, newest first"),
    in_log(&[K::Char('1')], L::Range(1), "", "all times, at the oldest"),
    in_log(&[K::Char('2')], L::Range(2), "", "last minute of the log"),
    in_log(&[K::Char('3')], L::Range(3), "", "last 5 minutes"),
    in_log(&[K::Char('4')], L::Range(4), "", "last 15 minutes"),
    in_log(&[K::Char('5')], L::Range(5), "", "last 30 minutes"),
    in_log(&[K::Char('6')], L::Range(6), "", "last hour"),
    in_log(&[K::Char('s')], L::Autoscroll, "", "stay at the newest, or not"),
    in_log(&[K::Char('t')], L::Date, "", "date before the time"),
    in_log(&[K::Char('f')], L::Full, "", "full screen"),
    in_log(&[K::Char(' ')], L::Mark, "", "mark; c copies the marked"),
    in_log(&[K::Ctrl(' ')], L::MarkRange, "", "mark from the last mark on"),
    in_log(&[K::Ctrl('\\')], L::Unmark, "", "take the marks away"),
    row(Everywhere, &[K::Char('c')], C::Copy(Copied::Name), "", "copy the name or command"),
    row(Everywhere, &[K::Char('n')], C::Copy(Copied::Namespace), "", "copy the namespace"),
    row(Everywhere, &[K::Ctrl('y')], C::Copy(Copied::CommandLine), "", "copy as a command line"),
    row(Everywhere, &[K::Esc], C::Back, "back", "back"),
    row(Everywhere, &[K::Char('q')], C::Leave, "", "back; at the root it quits"),
    row(Everywhere, &[K::Ctrl('c')], C::Quit, "", "quit"),
    row(Everywhere, &[K::Char('j'), K::Down], C::Move(Motion::Down), "", "down"),
    row(Everywhere, &[K::Char('k'), K::Up], C::Move(Motion::Up), "", "up"),
    row(Everywhere, &[K::PageDown, K::Ctrl('f')], C::Move(Motion::PageDown), "", "a page down"),
    row(Everywhere, &[K::PageUp, K::Ctrl('b')], C::Move(Motion::PageUp), "", "a page up"),
    row(Everywhere, &[K::Char('g'), K::Home], C::Move(Motion::First), "", "to the first"),
    row(Everywhere, &[K::Char('G'), K::End], C::Move(Motion::Last), "", "to the last"),
    row(OutsideLog, &[K::Char('0')], C::Namespace(0), "", "all namespaces"),
    namespace(&[K::Char('1')], 1),
    namespace(&[K::Char('2')], 2),
    namespace(&[K::Char('3')], 3),
    namespace(&[K::Char('4')], 4),
    namespace(&[K::Char('5')], 5),
    namespace(&[K::Char('6')], 6),
    namespace(&[K::Char('7')], 7),
    namespace(&[K::Char('8')], 8),
    namespace(&[K::Char('9')], 9),
    row(Everywhere, &[K::Char('r')], C::Freeze, "", "freeze, or go on"),
    row(In(WITH_WIDE), &[K::Ctrl('w')], C::ToggleWide, "", "wide: nothing shortened"),
    row(Everywhere, &[K::Ctrl('e')], C::ToggleHeader, "", "header on or off"),
    row(Everywhere, &[K::Char('[')], C::Again(Again::Older), "", "command given before"),
    row(Everywhere, &[K::Char(']')], C::Again(Again::Newer), "", "command given after"),
    row(Everywhere, &[K::Char('-')], C::Again(Again::LastView), "", "last view"),
    row(Place::Typing, &[K::Enter], C::Typing(Typing::Accept), "go", "take the line"),
    row(Place::Typing, &[K::Esc, K::Ctrl('c')], C::Typing(Typing::Cancel), "cancel", "leave it"),
    row(Place::Typing, &[K::Tab], C::Typing(Typing::Complete), "complete", "complete the word"),
    row(Place::Typing, &[K::Up], C::Typing(Typing::Older), "older", "line typed before"),
    row(Place::Typing, &[K::Down], C::Typing(Typing::Newer), "newer", "line typed after"),
];

impl Binding {
    /// Whether it holds in a view.
    pub fn holds_in(&self, view: View) -> bool {
        match self.place {
            Everywhere => true,
            OutsideLog => view != View::Log,
            In(views) => views.contains(&view),
            Place::Typing => false,
        }
    }

    /// Its keys as they are shown, `esc q`.
    pub fn keys_text(&self) -> String {
        self.keys.iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
    }

    /// Its first key and its word, as they stand in the hints.
    pub fn hint_text(&self) -> Option<(String, &'static str)> {
        let key = self.keys.first()?;
        (!self.hint.is_empty()).then(|| (key.to_string(), self.hint))
    }
}

/// What a key does in a view.
pub fn command(view: View, key: Key) -> Option<Command> {
    BINDINGS.iter().find(|row| row.holds_in(view) && row.keys.contains(&key)).map(|row| row.command)
}

/// What a key does while a line is typed; the other keys are typed.
pub fn typing(key: Key) -> Option<Typing> {
    let row = BINDINGS.iter().find(|row| row.place == Place::Typing && row.keys.contains(&key))?;
    if let Command::Typing(typing) = row.command { Some(typing) } else { None }
}

/// The bindings with a hint that hold in a view and whose command would do something.
pub fn hints(view: View, offers: impl Fn(Command) -> bool) -> impl Iterator<Item = (String, &'static str)> {
    let rows = BINDINGS.iter().filter(move |row| row.holds_in(view) && !row.hint.is_empty());
    rows.filter(move |row| offers(row.command)).filter_map(Binding::hint_text)
}

/// The hints while a line is typed, of commands that would do something.
pub fn typing_hints(offers: impl Fn(Command) -> bool) -> impl Iterator<Item = (String, &'static str)> {
    let rows = BINDINGS.iter().filter(|row| row.place == Place::Typing && !row.hint.is_empty());
    rows.filter(move |row| offers(row.command)).filter_map(Binding::hint_text)
}

/// The table as Markdown, for the README.
pub fn markdown() -> String {
    let mut text = "| key | where | what |\n| --- | --- | --- |\n".to_owned();
    let mut before = "";
    for row in BINDINGS {
        // The nine number keys are one line.
        if std::mem::replace(&mut before, row.description) == row.description {
            continue;
        }
        let keys: Vec<_> = row.keys.iter().map(|key| format!("`{key}`")).collect();
        let keys =
            if row.command == Command::Namespace(1) { "`1` to `9`".to_owned() } else { keys.join(" ") };
        let place = match row.place {
            Everywhere => "everywhere".to_owned(),
            OutsideLog => "everywhere but `:log`".to_owned(),
            In(views) => views.iter().map(|view| format!("`:{}`", view.name())).collect::<Vec<_>>().join(" "),
            Place::Typing => "while typing".to_owned(),
        };
        text.extend(["| ", &keys, " | ", &place, " | ", row.description, " |\n"]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_view_binds_a_key_twice() {
        for view in View::ALL {
            let keys = BINDINGS.iter().filter(|row| row.holds_in(*view)).flat_map(|row| row.keys);
            let mut seen = HashSet::new();
            for key in keys {
                assert!(seen.insert(key), "{key} is bound twice in {}", view.name());
            }
        }
        let typing: Vec<_> =
            BINDINGS.iter().filter(|row| row.place == Place::Typing).flat_map(|row| row.keys).collect();
        assert_eq!(typing.iter().collect::<HashSet<_>>().len(), typing.len());
    }

    #[test]
    fn descriptions_fit_their_column() {
        let long: Vec<_> =
            BINDINGS.iter().map(|row| row.description).filter(|text| text.len() > 26).collect();
        assert_eq!(long, [""; 0]);
    }

    #[test]
    fn ctrl_k_is_never_bound() {
        assert!(BINDINGS.iter().all(|row| !row.keys.contains(&Key::Ctrl('k'))));
    }

    #[test]
    fn the_table_can_be_printed() {
        let table = markdown();
        assert!(table.contains("| `1` to `9` | everywhere but `:log` |"), "{table}");
        assert!(table.contains("| `tab` | `:why` | next pair of the finding |"), "{table}");
        assert!(!table.contains("| `2` | everywhere"), "{table}");
    }
}
