//! The log view: the last lines as columns, those that a query takes, and the causes of what failed.

use std::sync::Arc;

use super::{Behaviour, Context, Title, View};
use crate::answer::log_lines::{LogRow, LogView};
use crate::app::command::Motion;
use crate::app::filter::Filter;
use crate::app::listing::{Listing, Row};
use crate::app::page::Tone;
use crate::app::question::Question;
use crate::app::target::{PairKey, Target};
use crate::app::wording::count;
use crate::logs::Query;

/// The screen. Its filter is a query of `logs --where`.
#[derive(Debug, Default)]
pub struct LogLines {
    listing: Listing,
    view: Option<Arc<LogView>>,
    /// The last query without mistake: a query that is being typed changes nothing before it is one.
    query: String,
    mistake: Option<String>,
}

impl LogLines {
    /// Its rows.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// What the rows stand in.
    pub fn view(&self) -> Option<&LogView> {
        self.view.as_deref()
    }

    fn selected(&self) -> Option<&LogRow> {
        self.view.as_ref()?.rows.get(self.listing.selected()?.at)
    }

    fn question(&self) -> Question {
        Question::Lines(self.query.clone())
    }

    /// Why there is no row, and what would fill it.
    pub fn empty(&self, context: &Context<'_>) -> Vec<(Tone, String)> {
        let Some(view) = &self.view else {
            return vec![(Tone::Dim, context.waiting(&self.question()))];
        };
        let text = if view.held == 0 {
            format!("no access log in {}: `meshscope logs -f PATH` says what a path has", context.source.name)
        } else if !self.query.is_empty() && view.rows.is_empty() {
            format!("the query takes none of {}: esc takes it away", count(view.held, "line"))
        } else {
            format!(
                "no lines in {} ({} in other namespaces: press 0)",
                context.namespace_name(),
                view.rows.len()
            )
        };
        vec![(Tone::Plain, text)]
    }

    /// The causes in one line, as many as there is room for.
    pub fn causes(&self) -> Vec<(Tone, String)> {
        let mut counts: Vec<(&str, &str, u64)> = Vec::new();
        for cause in self.view.iter().flat_map(|view| &view.causes) {
            let (label, sure) = (cause.cause.as_str(), cause.confidence.as_str());
            match counts.iter_mut().find(|(of, how, _)| *of == label && *how == sure) {
                Some((.., count)) => *count += cause.count,
                None => counts.push((label, sure, cause.count)),
            }
        }
        counts.sort_by_key(|(.., count)| std::cmp::Reverse(*count));
        let text = |(label, sure, count): &(&str, &str, u64)| format!("{label} {count} {sure}");
        let texts: Vec<_> = counts.iter().map(text).collect();
        let told = if texts.is_empty() { "nothing failed".to_owned() } else { texts.join(" · ") };
        vec![(Tone::Dim, "causes  ".to_owned()), (Tone::Plain, told)]
    }
}

fn is_of(row: &LogRow, namespace: &str) -> bool {
    let of_path = |path: &Option<String>| {
        path.as_ref().and_then(|path| path.split_once('/')).is_some_and(|(of, _)| of == namespace)
    };
    let of_host = row.host.as_ref().and_then(|host| host.split('.').nth(1)) == Some(namespace);
    of_path(&row.pod) || of_path(&row.caller) || of_host
}

impl Behaviour for LogLines {
    fn questions(&self) -> Vec<Question> {
        vec![self.question()]
    }

    fn refresh(&mut self, context: &Context<'_>) {
        if let Some(view) = context.answers.lines(&self.question()) {
            self.view = Some(Arc::clone(view));
        }
        let Some(view) = &self.view else { return };
        let shown = |row: &LogRow| context.namespace.is_none_or(|namespace| is_of(row, namespace));
        let rows = view.rows.iter().enumerate().filter(|(_, row)| shown(row));
        let rows: Vec<_> =
            rows.map(|(at, row)| Row { id: format!("{}:{}", row.file, row.line), at }).collect();
        // The head of the table and the causes below it.
        self.listing.set(rows, view.rows.len(), context.room(View::Log).saturating_sub(2));
    }

    fn move_by(&mut self, motion: Motion) {
        self.listing.move_by(motion);
    }

    fn title(&self, context: &Context<'_>) -> Title {
        let held = self.view.as_ref().map_or(0, |view| view.held);
        let older = self.view.as_ref().map_or(0, |view| view.read - view.held.min(view.read));
        let mut counts = vec![(Tone::Dim, format!("of {}", count(held, "line")))];
        if older > 0 {
            counts.push((Tone::Dim, format!("{older} older not held")));
        }
        let right = self.mistake.as_ref().map(|mistake| (Tone::Error, mistake.clone()));
        Title { name: format!("log({})[{}]", context.namespace_name(), self.listing.len()), counts, right }
    }

    fn command(&self) -> Vec<String> {
        let mut words = vec!["logs".to_owned()];
        if !self.query.is_empty() {
            words.extend(["--where".to_owned(), self.query.clone()]);
        }
        words
    }

    fn open(&self, _: &Context<'_>) -> Option<Target> {
        let row = self.selected()?;
        let client = row.caller.clone().filter(|caller| caller.contains('/'));
        let pair = PairKey { client, service: row.host.clone()?, port: row.port, subset: None };
        Some(Target::Why { pairs: vec![pair], finding: None })
    }

    fn code(&self, _: &Context<'_>) -> Option<String> {
        let row = self.selected()?;
        let cause = row.cause.as_ref().map(|(cause, _)| cause.clone()).filter(|cause| cause != "unknown");
        let flag = || row.flags.as_ref().and_then(|flags| flags.split(',').next()).map(str::to_owned);
        cause.or_else(flag).or_else(|| row.details.clone())
    }

    fn name(&self, _: &Context<'_>) -> Option<(String, Option<String>)> {
        let row = self.selected()?;
        Some((row.raw.clone(), row.pod.as_ref()?.split_once('/').map(|(namespace, _)| namespace.to_owned())))
    }

    fn detail(&self, _: &Context<'_>) -> Option<String> {
        let row = self.selected()?;
        let sure = row.cause.as_ref().map(|(cause, sure)| format!("{cause} ({sure})  ")).unwrap_or_default();
        let details = row.details.as_ref().map(|details| format!("{details}  ")).unwrap_or_default();
        Some(format!("{sure}{details}{}:{}  {}", row.file, row.line, row.raw))
    }

    fn filter(&self) -> Option<&Filter> {
        Some(self.listing.filter())
    }

    fn set_filter(&mut self, filter: Filter) {
        let text = filter.text();
        match Query::parse(text) {
            _ if text.is_empty() => (self.query, self.mistake) = (String::new(), None),
            Ok(_) => (self.query, self.mistake) = (text.to_owned(), None),
            Err(mistake) => {
                // What there is instead would push the mistake itself out of the line.
                let told = mistake.to_string();
                let what = told.split([';', '\n']).next().unwrap_or_default();
                let what = what.split(" (at ").next().unwrap_or_default();
                self.mistake = Some(format!("at {}: {what}", mistake.column()));
            }
        }
        self.listing.set_filter(filter);
    }
}
