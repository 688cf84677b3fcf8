//! What a code, flag, detail or outcome means.

use super::{Behaviour, Context, Title, View};
use crate::app::command::Motion;
use crate::app::page::{Line, Page, Tone, flowing, paragraphs, span};
use crate::app::question::Question;
use crate::app::target::Target;

/// The screen.
#[derive(Debug)]
pub struct ExplainPage {
    code: String,
    page: Page,
}

impl ExplainPage {
    /// The page of a code.
    pub fn new(code: String) -> Self {
        Self { code, page: Page::default() }
    }

    /// Its lines.
    pub fn page(&self) -> &Page {
        &self.page
    }

    fn question(&self) -> Question {
        Question::Explain(self.code.clone())
    }
}

impl Behaviour for ExplainPage {
    fn questions(&self) -> Vec<Question> {
        vec![self.question()]
    }

    fn refresh(&mut self, context: &Context<'_>) {
        let width = context.extent.columns().saturating_sub(2).min(100);
        let lines = match context.answers.explanation(&self.question()) {
            None => paragraphs(Tone::Dim, &context.waiting(&self.question()), width),
            Some(None) => paragraphs(
                Tone::Plain,
                &format!("nothing is known of {}: it is no code, flag or cause", self.code),
                width,
            ),
            Some(Some(found)) => {
                let mut lines = paragraphs(Tone::Strong, &found.title, width);
                lines.push(Line::blank());
                lines.extend(flowing(Tone::Plain, &found.text, width));
                if !found.see_also.is_empty() {
                    lines.push(Line::blank());
                }
                lines.extend(found.see_also.iter().map(|other| {
                    let spans = vec![span(Tone::Dim, "see also "), span(Tone::Plain, other)];
                    Line::new(spans).of(other, Some(Target::Explain(other.clone())))
                }));
                lines
            }
        };
        self.page.set(lines, context.room(View::Explain));
    }

    fn move_by(&mut self, motion: Motion) {
        self.page.move_by(motion);
    }

    fn title(&self, _context: &Context<'_>) -> Title {
        Title { name: format!("explain {}", self.code), ..Title::default() }
    }

    fn command(&self) -> Vec<String> {
        vec!["explain".to_owned(), self.code.clone()]
    }

    fn open(&self, _context: &Context<'_>) -> Option<Target> {
        self.page.selected()?.target.clone()
    }

    fn name(&self, _context: &Context<'_>) -> Option<(String, Option<String>)> {
        Some((self.code.clone(), None))
    }
}
