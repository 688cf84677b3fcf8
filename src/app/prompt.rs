//! The line that is being typed: a command or a filter.

use tui_input::{Input, InputRequest};

use super::command_line;
use super::key::Key;

/// What is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A command.
    Command,
    /// A filter; `before` is the one that comes back when the line is left.
    Filter {
        /// The filter as it was.
        before: String,
    },
}

/// Lines longer than this take no more characters: nobody types them, and a paste by mistake must not grow for ever.
const LONGEST: usize = 1000;

/// A line as it was when its completion began.
#[derive(Debug)]
struct Completing {
    /// What stood before the cursor.
    before: String,
    /// What stood behind it, and stays.
    after: String,
    /// Which completion is shown.
    at: usize,
}

/// The line.
#[derive(Debug)]
pub struct Prompt {
    kind: Kind,
    input: Input,
    /// What is being completed.
    completing: Option<Completing>,
    /// Which earlier line is shown, counted from the latest.
    recalled: Option<usize>,
}

impl Prompt {
    /// An empty command.
    pub fn command() -> Self {
        Self { kind: Kind::Command, input: Input::default(), completing: None, recalled: None }
    }

    /// The filter as it is.
    pub fn filter(before: &str) -> Self {
        let kind = Kind::Filter { before: before.to_owned() };
        Self { kind, input: Input::new(before.to_owned()), completing: None, recalled: None }
    }

    /// What is being typed.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The text so far.
    pub fn text(&self) -> &str {
        self.input.value()
    }

    /// The text before the cursor.
    pub fn before_cursor(&self) -> String {
        self.input.value().chars().take(self.input.cursor()).collect()
    }

    /// What is to be completed: what stood before the cursor when completion began.
    pub fn to_complete(&self) -> String {
        self.completing.as_ref().map_or_else(|| self.before_cursor(), |completing| completing.before.clone())
    }

    /// What could complete a command.
    pub fn commands(&self) -> Option<(usize, Vec<String>)> {
        let typed = self.to_complete();
        let is_name = self.kind == Kind::Command && !typed.contains(' ');
        is_name.then(|| (0, command_line::completions(&typed).into_iter().map(str::to_owned).collect()))
    }

    /// Puts the next of these in place of what was typed from a byte on.
    pub fn complete(&mut self, begin: usize, all: &[String]) {
        let completing = if let Some(shown) = self.completing.take() {
            Completing { at: (shown.at + 1) % all.len().max(1), ..shown }
        } else {
            let after = self.text().chars().skip(self.input.cursor()).collect();
            Completing { before: self.before_cursor(), after, at: 0 }
        };
        let Some(word) = all.get(completing.at) else { return };
        let kept = completing.before.get(..begin).unwrap_or_default();
        let before = format!("{kept}{word}");
        let cursor = before.chars().count();
        self.input = Input::new(before + &completing.after).with_cursor(cursor);
        self.completing = Some(completing);
    }

    /// The word that stands before the cursor from a byte on.
    pub fn word_from(&self, begin: usize) -> String {
        self.before_cursor().get(begin..).unwrap_or_default().to_owned()
    }

    /// Shows an older or newer line of the history. False where there is none.
    pub fn recall(&mut self, history: &History, older: bool) -> bool {
        let to = match (self.recalled, older) {
            (None, true) => Some(0),
            (Some(at), true) => Some((at + 1).min(history.lines.len().saturating_sub(1))),
            (Some(at), false) => at.checked_sub(1),
            (None, false) => None,
        };
        let any = !history.lines.is_empty();
        if any {
            let line = to.and_then(|back| history.lines.iter().rev().nth(back));
            self.input = Input::new(line.cloned().unwrap_or_default());
            self.recalled = to;
            self.completing = None;
        }
        any
    }

    /// Types a key. False for backspace in an empty line, which leaves it.
    pub fn type_key(&mut self, key: Key) -> bool {
        if key == Key::Backspace && self.text().is_empty() {
            return false;
        }
        if key == Key::Ctrl('w') {
            self.delete_word();
        } else if let Some(request) = request(key) {
            let grows = matches!(request, InputRequest::InsertChar(_) | InputRequest::Yank);
            if !grows || self.text().len() < LONGEST {
                let _changed = self.input.handle(request);
            }
        } else {
            return true;
        }
        self.completing = None;
        self.recalled = None;
        true
    }

    /// Takes away what stands before the cursor up to the last space, as a shell does: `host~cart` is one word.
    fn delete_word(&mut self) {
        let before = self.before_cursor();
        let after: String = self.text().chars().skip(self.input.cursor()).collect();
        let end = before.trim_end_matches(' ').rfind(' ').map_or(0, |at| at + 1);
        let kept: String = before.get(..end).unwrap_or_default().to_owned();
        let cursor = kept.chars().count();
        self.input = Input::new(kept + &after).with_cursor(cursor);
    }
}

fn request(key: Key) -> Option<InputRequest> {
    Some(match key {
        Key::Char(one) => InputRequest::InsertChar(one),
        Key::Backspace | Key::Ctrl('h') => InputRequest::DeletePrevChar,
        Key::Delete | Key::Ctrl('d') => InputRequest::DeleteNextChar,
        Key::Left | Key::Ctrl('b') => InputRequest::GoToPrevChar,
        Key::Right | Key::Ctrl('f') => InputRequest::GoToNextChar,
        Key::Home | Key::Ctrl('a') => InputRequest::GoToStart,
        Key::End | Key::Ctrl('e') => InputRequest::GoToEnd,
        Key::Ctrl('u') => InputRequest::DeleteFromStart,
        Key::Ctrl('y') => InputRequest::Yank,
        Key::Ctrl(_)
        | Key::F(_)
        | Key::Enter
        | Key::Esc
        | Key::Tab
        | Key::BackTab
        | Key::Up
        | Key::Down
        | Key::PageUp
        | Key::PageDown => return None,
    })
}

/// Commands that were given, for `[` and `]`.
#[derive(Debug, Default)]
pub struct History {
    lines: Vec<String>,
    at: usize,
}

/// Commands that are kept.
const MOST_KEPT: usize = 100;

impl History {
    /// Keeps a command.
    pub fn add(&mut self, line: &str) {
        if self.lines.last().map(String::as_str) != Some(line) {
            self.lines.push(line.to_owned());
        }
        let more = self.lines.len().saturating_sub(MOST_KEPT);
        self.lines.drain(..more);
        self.at = self.lines.len().saturating_sub(1);
    }

    /// The command given before the one that was last shown.
    pub fn older(&mut self) -> Option<String> {
        self.at = self.at.checked_sub(1)?;
        self.lines.get(self.at).cloned()
    }

    /// The command given before the latest, which becomes the latest: twice is there and back.
    pub fn last_but_one(&mut self) -> Option<String> {
        let line = self.lines.iter().rev().nth(1).cloned()?;
        self.add(&line);
        Some(line)
    }

    /// The command given after it.
    pub fn newer(&mut self) -> Option<String> {
        let line = self.lines.get(self.at + 1).cloned()?;
        self.at += 1;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(prompt: &mut Prompt, text: &str) {
        for one in text.chars() {
            assert!(prompt.type_key(Key::Char(one)));
        }
    }

    #[test]
    fn tab_goes_through_the_completions() {
        let mut prompt = Prompt::command();
        typed(&mut prompt, "f");
        let complete = |prompt: &mut Prompt| {
            let (begin, all) = prompt.commands().unwrap();
            prompt.complete(begin, &all);
        };
        complete(&mut prompt);
        assert_eq!(prompt.text(), "findings");
        complete(&mut prompt);
        complete(&mut prompt);
        assert_eq!(prompt.text(), "findings", "round and round");
        typed(&mut prompt, "x");
        assert_eq!(prompt.commands(), Some((0, Vec::new())));
        typed(&mut prompt, " ");
        assert_eq!(prompt.commands(), None);
    }

    #[test]
    fn what_stands_behind_the_cursor_stays() {
        let mut prompt = Prompt::filter("größe fl >= 1");
        for _ in 0..5 {
            prompt.type_key(Key::Left);
        }
        let words = ["flags".to_owned(), "flagge".to_owned()];
        let begin = "größe ".len();
        prompt.complete(begin, &words);
        assert_eq!((prompt.text(), prompt.word_from(begin).as_str()), ("größe flags >= 1", "flags"));
        prompt.complete(begin, &words);
        assert_eq!((prompt.text(), prompt.to_complete().as_str()), ("größe flagge >= 1", "größe fl"));
        // Nothing to complete with changes nothing.
        prompt.complete(begin, &[]);
        assert_eq!(prompt.text(), "größe flagge >= 1");
    }

    #[test]
    fn earlier_lines_come_back() {
        let mut history = History::default();
        for line in ["tls", "tls", "dr", "findings"] {
            history.add(line);
        }
        let mut prompt = Prompt::command();
        prompt.recall(&history, true);
        prompt.recall(&history, true);
        assert_eq!(prompt.text(), "dr");
        prompt.recall(&history, false);
        assert_eq!(prompt.text(), "findings");
        assert_eq!(
            (history.older(), history.older(), history.older()),
            (Some("dr".into()), Some("tls".into()), None)
        );
        assert_eq!(history.newer(), Some("dr".into()));
    }

    #[test]
    fn a_line_is_edited_as_in_a_shell() {
        let mut prompt = Prompt::filter("code>=500 and host~cart  ");
        for (key, left) in [
            (Key::Ctrl('w'), "code>=500 and "),
            (Key::Ctrl('b'), "code>=500 and "),
            (Key::Ctrl('h'), "code>=500 an "),
            (Key::Ctrl('d'), "code>=500 an"),
            (Key::Ctrl('w'), "code>=500 "),
            (Key::Ctrl('a'), "code>=500 "),
            (Key::Ctrl('w'), "code>=500 "),
            (Key::Ctrl('f'), "code>=500 "),
            (Key::Ctrl('u'), "ode>=500 "),
            (Key::Ctrl('e'), "ode>=500 "),
            (Key::Ctrl('w'), ""),
        ] {
            assert!(prompt.type_key(key), "{key}");
            assert_eq!(prompt.text(), left, "{key}");
        }
        let mut prompt = Prompt::filter("größe 日本語");
        prompt.type_key(Key::Left);
        prompt.type_key(Key::Ctrl('w'));
        assert_eq!((prompt.text(), prompt.before_cursor().as_str()), ("größe 語", "größe "));
    }

    #[test]
    fn backspace_in_an_empty_line_leaves_it() {
        let mut prompt = Prompt::filter("a");
        assert!(prompt.type_key(Key::Backspace));
        assert!(!prompt.type_key(Key::Backspace));
    }
}
