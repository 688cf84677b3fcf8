//! Why what failed did: the causes, each with the finding that names it.

use super::{Behaviour, Context, Title, View};
use crate::answer::causes::NamedCause;
use crate::answer::logs::Cause;
use crate::app::command::Motion;
use crate::app::filter::Filter;
use crate::app::listing::{Listing, Row};
use crate::app::page::Tone;
use crate::app::question::Question;
use crate::app::target::{CauseKey, Subject, Target};
use crate::app::wording::{count, short_host};
use crate::resolve::name::namespace_of;

/// The screen.
#[derive(Debug, Default)]
pub struct CausesTable {
    listing: Listing,
}

impl CausesTable {
    /// Its rows.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    fn selected<'a>(&self, context: &Context<'a>) -> Option<&'a NamedCause> {
        let row = self.listing.selected()?;
        context.answers.causes()?.causes.get(row.at)
    }

    /// Why there is no row, and what would fill it.
    pub fn empty(&self, context: &Context<'_>) -> Vec<(Tone, String)> {
        let Some(answer) = context.answers.causes() else {
            return vec![(Tone::Dim, context.waiting(&Question::Causes))];
        };
        let all = answer.causes.len() as u64;
        let text = if all == 0 && answer.lines == 0 {
            format!("no access log in {}: `meshscope logs -f PATH` says what a path has", context.source.name)
        } else if all == 0 {
            format!("nothing failed in {}", count(answer.lines, "line"))
        } else if !self.listing.filter().is_empty() {
            format!("the filter hides all {}: esc takes it away", count(all, "cause"))
        } else {
            format!("no causes in {} ({all} in other namespaces: press 0)", context.namespace_name())
        };
        vec![(Tone::Plain, text)]
    }
}

/// The causes of which a line has one, or none.
pub(super) fn one_of(several: &[&Cause]) -> String {
    let each =
        |cause: &&Cause| format!("{} ({}, {})", cause.cause, count(cause.count, "line"), cause.confidence);
    let all = several.iter().map(each).collect::<Vec<_>>().join(", ");
    match several {
        [_] => format!("some lines like it: {all}"),
        _ => format!("lines like it have one of: {all}"),
    }
}

/// Who called whom, as far as it is known.
pub fn pair_of(cause: &Cause) -> String {
    let known = cause.client.name.is_some() || cause.client.pod.is_some();
    let client = if known { cause.client.path() } else { "?".to_owned() };
    let named = |port: &u16| cause.host.as_ref().is_some_and(|host| host.ends_with(&format!(":{port}")));
    let port = cause.port.filter(|port| !named(port)).map(|port| format!(":{port}")).unwrap_or_default();
    match (&cause.host, &cause.server) {
        (Some(host), _) => format!("{client} → {}{port}", short_host(host)),
        (None, Some(server)) => format!("{client} → {}{port}", server.path()),
        (None, None) => client,
    }
}

fn is_of(cause: &NamedCause, namespace: &str) -> bool {
    let cause = &cause.cause;
    let of_host = cause.host.as_deref().and_then(namespace_of) == Some(namespace);
    let server = cause.server.as_ref().and_then(|server| server.namespace.as_deref());
    of_host || cause.client.namespace.as_deref() == Some(namespace) || server == Some(namespace)
}

fn text_of(one: &NamedCause) -> String {
    let finding = one.finding.as_ref().map(|finding| format!("{} {}", finding.code, finding.name));
    let cause = &one.cause;
    format!("{} {} {} {}", cause.cause, cause.confidence, pair_of(cause), finding.unwrap_or_default())
}

impl Behaviour for CausesTable {
    fn questions(&self) -> Vec<Question> {
        vec![Question::Causes]
    }

    fn refresh(&mut self, context: &Context<'_>) {
        let Some(answer) = context.answers.causes() else { return };
        let filter = self.listing.filter();
        let shown = |one: &NamedCause| {
            context.namespace.is_none_or(|namespace| is_of(one, namespace))
                && (filter.is_empty() || filter.passes(&text_of(one)))
        };
        let rows = answer.causes.iter().enumerate().filter(|(_, one)| shown(one));
        let rows = rows.map(|(at, one)| Row { id: format!("{:?}", CauseKey::of(&one.cause)), at }).collect();
        self.listing.set(rows, answer.causes.len(), context.room(View::Causes).saturating_sub(1));
    }

    fn move_by(&mut self, motion: Motion) {
        self.listing.move_by(motion);
    }

    fn title(&self, context: &Context<'_>) -> Title {
        let lines = context.answers.causes().map_or(0, |answer| answer.lines);
        Title {
            name: format!("causes({})[{}]", context.namespace_name(), self.listing.len()),
            counts: vec![(Tone::Dim, format!("of {}", count(lines, "line")))],
            right: None,
        }
    }

    fn command(&self) -> Vec<String> {
        vec!["logs".to_owned()]
    }

    fn open(&self, context: &Context<'_>) -> Option<Target> {
        let key = CauseKey::of(&self.selected(context)?.cause);
        Some(Target::Cause(Box::new(Subject::Cause(key))))
    }

    fn code(&self, context: &Context<'_>) -> Option<String> {
        Some(self.selected(context)?.cause.cause.clone())
    }

    fn finding(&self, context: &Context<'_>) -> Option<String> {
        Some(self.selected(context)?.finding.as_ref()?.id.clone())
    }

    fn name(&self, context: &Context<'_>) -> Option<(String, Option<String>)> {
        let cause = &self.selected(context)?.cause;
        Some((cause.cause.clone(), cause.client.namespace.clone()))
    }

    fn detail(&self, context: &Context<'_>) -> Option<String> {
        let NamedCause { cause, finding } = self.selected(context)?;
        let finding = match finding {
            Some(finding) => format!("{} {}", finding.code, finding.name),
            None => "no finding of its own".to_owned(),
        };
        let other = if cause.alternatives.is_empty() { "" } else { "  not ruled out: " };
        let evidence = cause.evidence.first().map(|lines| format!("  {}", lines.text)).unwrap_or_default();
        Some(format!("{finding}{other}{}{evidence}", cause.alternatives.join(", ")))
    }

    fn filter(&self) -> Option<&Filter> {
        Some(self.listing.filter())
    }

    fn set_filter(&mut self, filter: Filter) {
        self.listing.set_filter(filter);
    }
}
