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

/// The line.
#[derive(Debug)]
pub struct Prompt {
    kind: Kind,
    input: Input,
    /// What was typed before completion began, and which completion is shown.
    completing: Option<(String, usize)>,
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

    /// What could complete a command.
    pub fn completions(&self) -> Vec<&'static str> {
        let typed = self.completing.as_ref().map_or(self.text(), |(typed, _)| typed);
        if self.kind == Kind::Command && !typed.contains(' ') {
            command_line::completions(typed)
        } else {
            Vec::new()
        }
    }

    /// Puts the next completion in place of what was typed.
    pub fn complete(&mut self) {
        let all = self.completions();
        let (typed, at) = match self.completing.take() {
            Some((typed, at)) => (typed, (at + 1) % all.len().max(1)),
            None => (self.text().to_owned(), 0),
        };
        if let Some(name) = all.get(at) {
            self.input = Input::new((*name).to_owned());
            self.completing = Some((typed, at));
        }
    }

    /// Shows an older or newer line of the history.
    pub fn recall(&mut self, history: &History, older: bool) {
        let to = match (self.recalled, older) {
            (None, true) => Some(0),
            (Some(at), true) => Some((at + 1).min(history.lines.len().saturating_sub(1))),
            (Some(at), false) => at.checked_sub(1),
            (None, false) => None,
        };
        if self.kind == Kind::Command && !history.lines.is_empty() {
            let line = to.and_then(|back| history.lines.iter().rev().nth(back));
            self.input = Input::new(line.cloned().unwrap_or_default());
            self.recalled = to;
            self.completing = None;
        }
    }

    /// Types a key. False for backspace in an empty line, which leaves it.
    pub fn type_key(&mut self, key: Key) -> bool {
        if key == Key::Backspace && self.text().is_empty() {
            return false;
        }
        if let Some(request) = request(key) {
            let grows = matches!(request, InputRequest::InsertChar(_));
            if !grows || self.text().len() < LONGEST {
                let _changed = self.input.handle(request);
            }
            self.completing = None;
            self.recalled = None;
        }
        true
    }
}

fn request(key: Key) -> Option<InputRequest> {
    Some(match key {
        Key::Char(one) => InputRequest::InsertChar(one),
        Key::Backspace => InputRequest::DeletePrevChar,
        Key::Delete => InputRequest::DeleteNextChar,
        Key::Left => InputRequest::GoToPrevChar,
        Key::Right => InputRequest::GoToNextChar,
        Key::Home | Key::Ctrl('a') => InputRequest::GoToStart,
        Key::End | Key::Ctrl('e') => InputRequest::GoToEnd,
        Key::Ctrl('w') => InputRequest::DeletePrevWord,
        Key::Ctrl('u') => InputRequest::DeleteLine,
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
        prompt.complete();
        assert_eq!(prompt.text(), "findings");
        prompt.complete();
        prompt.complete();
        assert_eq!(prompt.text(), "findings", "round and round");
        typed(&mut prompt, "x");
        assert_eq!(prompt.completions(), [""; 0]);
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
    fn backspace_in_an_empty_line_leaves_it() {
        let mut prompt = Prompt::filter("a");
        assert!(prompt.type_key(Key::Backspace));
        assert!(!prompt.type_key(Key::Backspace));
    }
}
