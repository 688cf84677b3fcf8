//! What would end a finding: each remedy with its patch and the command that applies it. Nothing is written from here.

use super::{Behaviour, Context, Title, View};
use crate::answer::check::{Finding, RemedyRef};
use crate::app::command::Motion;
use crate::app::page::{Line, Page, Tone, paragraphs, span};
use crate::app::question::Question;
use crate::app::target::Target;
use crate::app::yaml;

/// The screen.
#[derive(Debug)]
pub struct FixPage {
    finding: String,
    page: Page,
}

impl FixPage {
    /// The remedies of a finding.
    pub fn new(finding: String) -> Self {
        Self { finding, page: Page::default() }
    }

    /// Its lines.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// The remedy that is selected.
    fn remedy<'a>(&self, context: &Context<'a>) -> Option<&'a RemedyRef> {
        let remedies = &context.answers.finding(&self.finding)?.remedies;
        let fact = self.page.selected()?.fact.as_deref()?;
        remedies.get(fact.parse::<usize>().ok()?)
    }
}

fn lines(finding: &Finding, width: usize) -> Vec<Line> {
    if finding.remedies.is_empty() {
        return paragraphs(
            Tone::Plain,
            "no change is known that ends this and keeps every other setting",
            width,
        );
    }
    let mut lines = Vec::new();
    for (at, remedy) in finding.remedies.iter().enumerate() {
        let start = lines.len();
        let title = paragraphs(Tone::Strong, &remedy.title, width.saturating_sub(2));
        lines.extend(title.into_iter().enumerate().map(|(part, mut line)| {
            let number = if part == 0 { format!("{} ", at + 1) } else { "  ".to_owned() };
            line.spans.insert(0, span(Tone::Strong, number));
            line
        }));
        let object = format!("  {} {}", remedy.object.kind, remedy.object.path());
        lines.push(Line::new(vec![span(Tone::Plain, object), span(Tone::Dim, survival(remedy))]));
        let (what, value) = match (&remedy.patch, &remedy.manifest) {
            (Some(patch), _) => ("merge patch", Some(patch)),
            (None, Some(manifest)) => ("new object", Some(manifest)),
            (None, None) => ("", None),
        };
        if let Some(value) = value {
            lines.push(Line::new(vec![span(Tone::Dim, format!("  {what}"))]));
            lines.extend(yaml::lines(value).into_iter().map(|line| {
                Line::new(vec![span(Tone::Dim, format!("    {}", line.head)), span(Tone::Good, line.value)])
            }));
        }
        if let Some(command) = &remedy.command {
            lines.push(Line::new(vec![span(Tone::Dim, "  command (c copies it)")]));
            let wrapped = paragraphs(Tone::Plain, command, width.saturating_sub(4));
            lines.extend(wrapped.into_iter().map(|mut line| {
                line.spans.insert(0, span(Tone::Plain, "    "));
                line
            }));
        }
        lines.extend(changes(remedy, width));
        let target = Target::Object { object: remedy.object.clone(), field: None };
        for line in lines.iter_mut().skip(start) {
            line.fact = Some(at.to_string());
            line.target = Some(target.clone());
        }
        lines.push(Line::blank());
    }
    lines.push(Line::new(vec![span(Tone::Dim, "nothing is written from here: read-only")]));
    lines
}

/// Every pair whose answer becomes another, before and after.
fn changes(remedy: &RemedyRef, width: usize) -> Vec<Line> {
    if remedy.changes.is_empty() {
        return Vec::new();
    }
    let pairs = if remedy.change_count == 1 { "pair gets" } else { "pairs get" };
    let head = format!("  {} {pairs} another answer", remedy.change_count);
    let mut lines = vec![Line::new(vec![span(Tone::Dim, head)])];
    for change in &remedy.changes {
        let wrapped = paragraphs(Tone::Plain, &change.in_words(), width.saturating_sub(4));
        lines.extend(wrapped.into_iter().map(|mut line| {
            line.spans.insert(0, span(Tone::Plain, "    "));
            line
        }));
    }
    lines
}

fn survival(remedy: &RemedyRef) -> String {
    let by = remedy.survives.by.as_deref().unwrap_or("its owner");
    match remedy.survives.answer.as_str() {
        "yes" => "  it lasts: nobody else sets this".to_owned(),
        "no" => format!("  does not last: {by} would undo it, change it there"),
        _ => "  whether it lasts is not known".to_owned(),
    }
}

impl Behaviour for FixPage {
    fn questions(&self) -> Vec<Question> {
        vec![Question::Check]
    }

    fn refresh(&mut self, context: &Context<'_>) {
        let width = context.extent.columns().saturating_sub(2);
        let lines = match context.answers.finding(&self.finding) {
            Some(finding) => lines(finding, width),
            None => paragraphs(Tone::Plain, "this finding does not hold any more", width),
        };
        self.page.set(lines, context.room(View::Fix));
    }

    fn move_by(&mut self, motion: Motion) {
        self.page.move_by(motion);
    }

    fn title(&self, context: &Context<'_>) -> Title {
        let finding = context.answers.finding(&self.finding);
        let name = finding.map_or_else(String::new, |one| format!(" {} {}", one.code, one.name));
        Title {
            name: format!("fix{name}"),
            counts: Vec::new(),
            right: Some((Tone::Dim, "preview".to_owned())),
        }
    }

    fn command(&self) -> Vec<String> {
        vec!["check".to_owned()]
    }

    fn foreign_command(&self, context: &Context<'_>) -> Option<String> {
        self.remedy(context)?.command.clone()
    }

    fn open(&self, _context: &Context<'_>) -> Option<Target> {
        self.page.selected()?.target.clone()
    }

    fn name(&self, context: &Context<'_>) -> Option<(String, Option<String>)> {
        let remedy = self.remedy(context)?;
        Some((remedy.command.clone()?, remedy.object.namespace.clone()))
    }
}
