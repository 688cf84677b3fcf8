//! The keys of a view and the commands, made from the tables that handle them.

use super::{Behaviour, Context, Title, View};
use crate::app::command::{Command, Motion};
use crate::app::command_line::COMMANDS;
use crate::app::keymap::{BINDINGS, Binding, Place};
use crate::app::page::{Line, Page, Span, Tone, span};
use crate::app::question::Question;
use crate::text::fit;

/// Cells of a column: two stand side by side where there is room.
const COLUMN: usize = 39;

/// The keys.
#[derive(Debug)]
pub struct HelpPage {
    of: View,
    page: Page,
}

impl HelpPage {
    /// The keys of a view.
    pub fn new(of: View) -> Self {
        Self { of, page: Page::default() }
    }

    /// Its lines.
    pub fn page(&self) -> &Page {
        &self.page
    }
}

type Entry = Option<(String, String)>;

fn entries(of: View, context: &Context<'_>) -> (Vec<Entry>, Vec<Entry>) {
    let entry = |row: &Binding| Some((row.keys_text(), row.description.to_owned()));
    let own = BINDINGS.iter().filter(|row| matches!(row.place, Place::In(_)) && row.holds_in(of));
    let own: Vec<Entry> = own.map(entry).collect();
    let everywhere = BINDINGS
        .iter()
        .filter(|row| matches!(row.place, Place::Everywhere | Place::OutsideLog) && row.holds_in(of));
    let everywhere: Vec<Entry> = everywhere
        .filter_map(|row| {
            // The number keys name their namespaces, as far as there are any.
            let Command::Namespace(number @ 1..) = row.command else { return Some(entry(row)) };
            let name = context.namespaces.get(usize::from(number) - 1)?;
            Some(Some((number.to_string(), format!("namespace {name}"))))
        })
        .collect();
    (own, everywhere)
}

/// The cells of an entry, the whole of them so wide.
fn cell(entry: Option<&Entry>, width: usize) -> [Span; 2] {
    let (keys, what) = entry.and_then(Option::as_ref).map_or(("", ""), |(keys, what)| (keys, what));
    let what = fit(&crate::text::visible(what), width.saturating_sub(13));
    [span(Tone::Strong, fit(keys, 12)), span(Tone::Plain, format!("{what} "))]
}

fn two_columns(all: &[Entry]) -> Vec<Line> {
    let half = all.len().div_ceil(2);
    let (left, right) = all.split_at_checked(half).unwrap_or((all, &[]));
    let row = |at: usize| Line::new([cell(left.get(at), COLUMN), cell(right.get(at), COLUMN)].concat());
    (0..half).map(row).collect()
}

fn one_column(all: &[Entry], width: usize) -> Vec<Line> {
    all.iter().map(|entry| Line::new(cell(Some(entry), width).to_vec())).collect()
}

impl Behaviour for HelpPage {
    fn questions(&self) -> Vec<Question> {
        Vec::new()
    }

    fn refresh(&mut self, context: &Context<'_>) {
        let (own, everywhere) = entries(self.of, context);
        let mut all: Vec<Entry> = own;
        if !all.is_empty() {
            all.push(None);
        }
        all.extend(everywhere);
        let width = context.extent.columns();
        let lines =
            if width > 2 * COLUMN { two_columns(&all) } else { one_column(&all, width.saturating_sub(2)) };
        self.page.set(lines, context.room(View::Help));
    }

    fn move_by(&mut self, motion: Motion) {
        self.page.move_by(motion);
    }

    fn title(&self, _context: &Context<'_>) -> Title {
        Title {
            name: format!("help {}", self.of.name()),
            counts: Vec::new(),
            right: Some((Tone::Dim, ":aliases lists the commands".to_owned())),
        }
    }

    fn command(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The commands.
#[derive(Debug, Default)]
pub struct AliasesPage {
    page: Page,
}

impl AliasesPage {
    /// Its lines.
    pub fn page(&self) -> &Page {
        &self.page
    }
}

impl Behaviour for AliasesPage {
    fn questions(&self) -> Vec<Question> {
        Vec::new()
    }

    fn refresh(&mut self, context: &Context<'_>) {
        let lines = COMMANDS.iter().map(|one| {
            Line::new(vec![
                span(Tone::Strong, fit(&format!(":{} {}", one.name, one.argument), 22)),
                span(Tone::Plain, fit(one.description, 28)),
                span(Tone::Dim, one.aliases.join(" ")),
            ])
        });
        self.page.set(lines.collect(), context.room(View::Aliases));
    }

    fn move_by(&mut self, motion: Motion) {
        self.page.move_by(motion);
    }

    fn title(&self, _context: &Context<'_>) -> Title {
        Title { name: "aliases".to_owned(), ..Title::default() }
    }

    fn command(&self) -> Vec<String> {
        Vec::new()
    }
}
