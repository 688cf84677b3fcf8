//! A page of lines: some state a fact and can be selected, and lead to where the fact comes from.

use super::command::Motion;
use super::target::Target;
use crate::text;

/// What a piece of text is, from which the theme makes its looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// Text.
    Plain,
    /// Context.
    Dim,
    /// A name or a heading.
    Strong,
    /// An error, a conflict.
    Error,
    /// A warning.
    Warning,
    /// An information, or something that is not known.
    Info,
    /// All is well.
    Good,
}

/// A piece of a line. Its text is fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The text.
    pub text: String,
    /// What it is.
    pub tone: Tone,
}

/// A piece of a line; whatever a terminal would act on is written out.
pub fn span(tone: Tone, text: impl AsRef<str>) -> Span {
    Span { text: text::visible(text.as_ref()).into_owned(), tone }
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// Its pieces from the left.
    pub spans: Vec<Span>,
    /// What stands at its right end.
    pub right: Option<Span>,
    /// The fact it belongs to; lines of one fact are selected together.
    pub fact: Option<String>,
    /// Where it leads.
    pub target: Option<Target>,
    /// Whether it is what the page was opened for.
    pub marked: bool,
    /// The whole of what it says, where it is cut.
    pub whole: Option<String>,
}

impl Line {
    /// A line of these pieces.
    pub fn new(spans: Vec<Span>) -> Self {
        Self { spans, ..Self::default() }
    }

    /// An empty line.
    pub fn blank() -> Self {
        Self::default()
    }

    /// The same line as part of a fact that leads to a target.
    #[must_use]
    pub fn of(mut self, fact: &str, target: Option<Target>) -> Self {
        self.fact = Some(fact.to_owned());
        self.target = target;
        self
    }
}

/// The lines, the selection and the part in sight.
#[derive(Debug, Default)]
pub struct Page {
    lines: Vec<Line>,
    chosen: Option<String>,
    top: usize,
    room: usize,
}

impl Page {
    /// Takes new lines; what is selected stays so, by the fact it belongs to.
    pub fn set(&mut self, lines: Vec<Line>, room: usize) {
        self.lines = lines;
        self.room = room.max(1);
        let there = self
            .chosen
            .as_ref()
            .is_some_and(|id| self.lines.iter().any(|line| line.fact.as_ref() == Some(id)));
        if !there {
            let first = self.facts().next().map(|(_, id)| id.to_owned());
            self.chosen = first;
        }
        self.top = self.top.min(self.highest());
    }

    /// Where its lines lead.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.lines.iter().filter_map(|line| line.target.as_ref())
    }

    /// Begins again at the top, with nothing selected.
    pub fn begin(&mut self) {
        self.chosen = None;
        self.top = 0;
    }

    /// Scrolls so that the first marked line is in sight, with some lines above it.
    pub fn show_mark(&mut self) {
        if let Some(at) = self.lines.iter().position(|line| line.marked) {
            self.top = at.saturating_sub(self.room / 3).min(self.highest());
        }
    }

    fn highest(&self) -> usize {
        self.lines.len().saturating_sub(self.room)
    }

    /// The first line of each fact.
    fn facts(&self) -> impl DoubleEndedIterator<Item = (usize, &str)> {
        let first = |at: usize| {
            let fact = self.lines.get(at)?.fact.as_deref()?;
            let before = at.checked_sub(1).and_then(|before| self.lines.get(before)?.fact.as_deref());
            (before != Some(fact)).then_some((at, fact))
        };
        (0..self.lines.len()).filter_map(first)
    }

    fn place(&self) -> Option<usize> {
        let chosen = self.chosen.as_deref()?;
        self.facts().find(|(_, id)| *id == chosen).map(|(at, _)| at)
    }

    /// Moves the selection, or the part in sight where there is nothing to select that way.
    pub fn move_by(&mut self, motion: Motion) {
        let at = self.place();
        let (to, top) = match motion {
            Motion::Up => (self.fact_before(at), self.top.saturating_sub(1)),
            Motion::Down => (self.fact_after(at), (self.top + 1).min(self.highest())),
            Motion::PageUp => (None, self.top.saturating_sub(self.room)),
            Motion::PageDown => (None, (self.top + self.room).min(self.highest())),
            Motion::First => (self.facts().next().map(|(at, _)| at), 0),
            Motion::Last => (self.facts().next_back().map(|(at, _)| at), self.highest()),
        };
        match (to, motion) {
            (Some(to), Motion::Up | Motion::Down) => {
                // A fact that is far out of sight is reached by scrolling, not by a leap.
                let near = to + self.room > self.top && to < self.top + 2 * self.room;
                if near { self.select(to) } else { self.top = top }
            }
            (Some(to), Motion::First | Motion::Last) => {
                self.select(to);
                self.top = top;
            }
            (None, _) | (Some(_), Motion::PageUp | Motion::PageDown) => {
                self.top = top;
                self.select_in_sight(motion);
            }
        }
    }

    fn fact_before(&self, at: Option<usize>) -> Option<usize> {
        self.facts().rev().map(|(at, _)| at).find(|one| at.is_some_and(|at| *one < at))
    }

    fn fact_after(&self, at: Option<usize>) -> Option<usize> {
        self.facts().map(|(at, _)| at).find(|one| at.is_none_or(|at| *one > at))
    }

    fn select(&mut self, at: usize) {
        self.chosen = self.lines.get(at).and_then(|line| line.fact.clone());
        let end = self.lines.iter().skip(at).take_while(|line| line.fact == self.chosen).count() + at;
        // What stands above the first fact belongs to it: going back to it shows the page from its begin.
        let at = if self.facts().next().is_some_and(|(first, _)| first == at) && end <= self.room {
            0
        } else {
            at
        };
        self.top = self.top.clamp(end.saturating_sub(self.room).min(at), at).min(self.highest());
    }

    fn select_in_sight(&mut self, motion: Motion) {
        let sight = self.top..self.top + self.room;
        if !matches!(motion, Motion::PageUp | Motion::PageDown)
            || self.place().is_some_and(|at| sight.contains(&at))
        {
            return;
        }
        let first = self.facts().find(|(at, _)| sight.contains(at)).map(|(_, id)| id.to_owned());
        self.chosen = first.or(self.chosen.take());
    }

    /// The selected fact.
    pub fn selected(&self) -> Option<&Line> {
        self.place().and_then(|at| self.lines.get(at))
    }

    /// The lines in sight, and whether each belongs to what is selected.
    pub fn in_sight(&self, room: usize) -> impl Iterator<Item = (&Line, bool)> {
        let chosen = |line: &Line| line.fact.is_some() && line.fact == self.chosen;
        self.lines.iter().skip(self.top).take(room).map(move |line| (line, chosen(line)))
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The first and last line in sight, from 1.
    pub fn part(&self) -> (usize, usize) {
        (self.top + 1, (self.top + self.room).min(self.lines.len()))
    }
}

/// A text in lines of at most so many cells, fit to be shown; its own line breaks are kept.
pub fn paragraphs(tone: Tone, text: &str, cells: usize) -> Vec<Line> {
    let lines = text.lines().flat_map(|line| text::wrap(&text::visible(line), cells));
    lines.map(|line| Line::new(vec![span(tone, line)])).collect()
}

/// A page that was written in lines of some width, in lines of another one: paragraphs and items of lists are kept.
pub fn flowing(tone: Tone, text: &str, cells: usize) -> Vec<Line> {
    let mut parts: Vec<String> = Vec::new();
    for line in text.lines() {
        let begins = line.is_empty() || line.starts_with("- ") || line.starts_with('|');
        match parts.last_mut().filter(|last| !begins && !last.is_empty()) {
            Some(last) => *last = format!("{last} {}", line.trim()),
            None => parts.push(line.to_owned()),
        }
    }
    let lines = parts.iter().flat_map(|part| {
        let (head, body) = part.strip_prefix("- ").map_or(("", part.as_str()), |item| ("- ", item));
        let wrapped = text::wrap(&text::visible(body), cells.saturating_sub(head.len()));
        wrapped.into_iter().enumerate().map(move |(at, line)| {
            let lead = if at == 0 { head.to_owned() } else { " ".repeat(head.len()) };
            Line::new(vec![span(tone, format!("{lead}{line}"))])
        })
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(lines: &[&str], room: usize) -> Page {
        let mut page = Page::default();
        page.set(
            lines
                .iter()
                .map(|text| {
                    let line = Line::new(vec![span(Tone::Plain, text)]);
                    if text.starts_with('*') { line.of(text, None) } else { line }
                })
                .collect(),
            room,
        );
        page
    }

    fn selected(page: &Page) -> &str {
        page.selected().and_then(|line| line.fact.as_deref()).unwrap_or("-")
    }

    #[test]
    fn the_selection_goes_from_fact_to_fact_and_the_page_follows() {
        let mut page = page(&["head", "*a", "*a", "text", "*b", "tail", "end"], 4);
        assert_eq!(selected(&page), "*a");
        page.move_by(Motion::Down);
        assert_eq!((selected(&page), page.part()), ("*b", (2, 5)));
        page.move_by(Motion::Down);
        page.move_by(Motion::Down);
        page.move_by(Motion::Down);
        assert_eq!(page.part(), (4, 7), "no further fact: the page scrolls to its end");
        page.move_by(Motion::Up);
        assert_eq!((selected(&page), page.part()), ("*a", (1, 4)));
    }

    #[test]
    fn a_page_flows_into_another_width() {
        let text = "one two\nthree\n\nList.\n- first item\n  goes on\n- second";
        let lines = flowing(Tone::Plain, text, 12);
        let lines: Vec<_> =
            lines.iter().map(|line| line.spans.iter().map(|span| &*span.text).collect::<String>()).collect();
        assert_eq!(lines, ["one two", "three", "", "List.", "- first item", "  goes on", "- second"]);
    }

    #[test]
    fn a_page_without_facts_scrolls() {
        let mut page = page(&["1", "2", "3", "4", "5"], 2);
        page.move_by(Motion::Last);
        assert_eq!(page.part(), (4, 5));
        page.move_by(Motion::PageUp);
        assert_eq!(page.part(), (2, 3));
        page.move_by(Motion::First);
        assert_eq!(page.part(), (1, 2));
    }
}
