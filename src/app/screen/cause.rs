//! A line, a cause or a finding with the lines that prove it: what is shown where no pair of services was read that it
//! could be judged by, and whole lines in any case.

use super::{Behaviour, Context, Title, View};
use crate::answer::causes::NamedCause;
use crate::app::command::Motion;
use crate::app::page::{Page, Tone};
use crate::app::question::Question;
use crate::app::target::{CauseKey, PairKey, Subject, Target};
use crate::app::wording::tail;

mod facts;

/// The screen.
#[derive(Debug)]
pub struct CausePage {
    subject: Subject,
    page: Page,
    name: String,
    sure: Option<String>,
    /// The code whose explanation stands on the page.
    explained: Option<String>,
}

impl CausePage {
    /// The page of a subject.
    pub fn new(subject: Subject) -> Self {
        Self { subject, page: Page::default(), name: String::new(), sure: None, explained: None }
    }

    /// Its lines.
    pub fn page(&self) -> &Page {
        &self.page
    }

    fn key(&self) -> Option<&CauseKey> {
        match &self.subject {
            Subject::Line(_, key) => key.as_ref(),
            Subject::Cause(key) => Some(key),
            Subject::Finding(_) => None,
        }
    }

    /// The causes that the page is about: one, or those that a finding names.
    fn causes<'a>(&self, context: &Context<'a>) -> Vec<&'a NamedCause> {
        let Some(answer) = context.answers.causes() else { return Vec::new() };
        match &self.subject {
            Subject::Finding(id) => {
                let of_it = |one: &&NamedCause| one.finding.as_ref().is_some_and(|finding| finding.id == *id);
                answer.causes.iter().filter(of_it).collect()
            }
            Subject::Line(..) | Subject::Cause(_) => {
                let found = self.key().and_then(|key| key.find(&answer.causes));
                found.into_iter().collect()
            }
        }
    }

    /// What is explained: the cause, else the flags of the line, else the finding.
    fn meaning(&self, context: &Context<'_>) -> Option<String> {
        match &self.subject {
            Subject::Line(row, None) => {
                let flags = row.flags.as_deref().or(row.details.as_deref());
                flags.filter(|text| *text != "-").map(str::to_owned)
            }
            Subject::Line(_, Some(key)) | Subject::Cause(key) => Some(key.cause.clone()),
            Subject::Finding(id) => {
                // What the one cause of it is says more than what such findings are.
                let mut causes = self.causes(context).into_iter().map(|one| &one.cause.cause);
                let first = causes.next();
                let alone = first.filter(|first| causes.all(|other| other == *first));
                alone.cloned().or_else(|| Some(context.answers.finding(id)?.code.clone()))
            }
        }
    }
}

/// The pair of a line or cause, where its service was read and can be judged.
pub fn pair_read(
    context: &Context<'_>,
    host: Option<&str>,
    client: Option<&str>,
    port: Option<u16>,
) -> Option<PairKey> {
    let host = host?;
    context.read?.mesh.registry.by_host(host)?;
    let client = client.filter(|client| client.contains('/')).map(str::to_owned);
    Some(PairKey { client, service: host.to_owned(), port, subset: None })
}

impl Behaviour for CausePage {
    fn questions(&self) -> Vec<Question> {
        let mut all = vec![Question::Causes, Question::Check];
        all.extend(self.explained.clone().map(Question::Explain));
        all.push(Question::Lines(String::new()));
        all
    }

    fn refresh(&mut self, context: &Context<'_>) {
        self.explained = self.meaning(context);
        let width = context.extent.columns().saturating_sub(2);
        let causes = self.causes(context);
        let facts = facts::Facts {
            subject: &self.subject,
            causes: &causes,
            explained: self.explained.as_deref(),
            context,
            width,
        };
        self.name = match &self.subject {
            Subject::Line(row, _) => format!("line {}:{}", tail(&row.file, 40), row.line),
            Subject::Cause(key) => format!("cause {}", key.cause),
            Subject::Finding(id) => context
                .answers
                .finding(id)
                .map_or_else(|| "finding".to_owned(), |finding| format!("{} {}", finding.code, finding.name)),
        };
        self.sure = match &self.subject {
            Subject::Finding(id) => context.answers.finding(id).map(|finding| finding.confidence.clone()),
            Subject::Line(..) | Subject::Cause(_) => causes.first().map(|one| one.cause.confidence.clone()),
        };
        let lines = facts.lines();
        self.page.set(lines, context.room(View::Cause));
    }

    fn move_by(&mut self, motion: Motion) {
        self.page.move_by(motion);
    }

    fn title(&self, _context: &Context<'_>) -> Title {
        let tone = match self.sure.as_deref() {
            Some("certain") => Tone::Error,
            Some("likely") => Tone::Warning,
            _ => Tone::Info,
        };
        let right = self.sure.clone().map(|sure| (tone, sure));
        Title { name: self.name.clone(), counts: Vec::new(), right }
    }

    fn command(&self) -> Vec<String> {
        match &self.subject {
            Subject::Line(row, _) => {
                let query = format!("line={} and file=\"{}\"", row.line, row.file.replace('"', "\\\""));
                vec!["logs".to_owned(), "--where".to_owned(), query]
            }
            Subject::Cause(_) => vec!["logs".to_owned()],
            Subject::Finding(_) => vec!["check".to_owned()],
        }
    }

    fn open(&self, _context: &Context<'_>) -> Option<Target> {
        self.page.selected()?.target.clone()
    }

    fn object(&self, context: &Context<'_>) -> Option<Target> {
        let target = self.open(context)?;
        matches!(target, Target::Object { .. }).then_some(target)
    }

    fn code(&self, context: &Context<'_>) -> Option<String> {
        match self.open(context) {
            Some(Target::Explain(code)) => Some(code),
            Some(
                Target::Why { .. }
                | Target::Object { .. }
                | Target::Cause(_)
                | Target::Fix(_)
                | Target::AuthzRules { .. }
                | Target::Lines(_),
            )
            | None => self.explained.clone(),
        }
    }

    fn finding(&self, context: &Context<'_>) -> Option<String> {
        if let Subject::Finding(id) = &self.subject {
            return Some(id.clone());
        }
        Some(self.causes(context).first()?.finding.as_ref()?.id.clone())
    }

    fn name(&self, context: &Context<'_>) -> Option<(String, Option<String>)> {
        match &self.subject {
            Subject::Line(row, _) => Some((row.text().into_owned(), None)),
            Subject::Cause(key) => Some((key.cause.clone(), None)),
            Subject::Finding(id) => Some((context.answers.finding(id)?.id.clone(), None)),
        }
    }

    fn detail(&self, _context: &Context<'_>) -> Option<String> {
        self.page.selected()?.whole.clone()
    }
}
