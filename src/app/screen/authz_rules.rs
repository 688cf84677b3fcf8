//! The rules of authorization, workload by workload, in the order in which a proxy evaluates them, as
//! `iptables -L -v --line-numbers` shows those of a chain.

use std::cmp::Reverse;
use std::sync::Arc;

use super::{Behaviour, Context, Title, View};
use crate::answer::authz::hits::Hit;
use crate::answer::authz::list::RuleRow;
use crate::answer::authz::workloads::{AuthzWorkload, AuthzWorkloads};
use crate::answer::common::WorkloadRef;
use crate::app::command::{Motion, SortBy};
use crate::app::counted::rule_id;
use crate::app::filter::Filter;
use crate::app::listing::{Listing, Row};
use crate::app::page::Tone;
use crate::app::question::Question;
use crate::app::target::{Said, Target};
use crate::app::wording::{count, hits};
use crate::text::{visible, width};

mod found;
mod line;

use found::Found;
pub use line::of_line;

/// How many rows decide how wide columns are.
const MEASURED: usize = 1000;
/// Rows that are listed at most: one policy of the root namespace has rules for every workload.
const MOST: usize = 100_000;

/// A row: a workload, or one of its rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Place {
    workload: usize,
    rule: Option<usize>,
    counters: Option<Hit>,
}

/// The screen.
#[derive(Debug, Default)]
pub struct AuthzRules {
    of: Option<String>,
    said: Said,
    /// Whether what a line says was looked for among the rules, and was not there.
    is_missed: Option<bool>,
    all: Option<Arc<AuthzWorkloads>>,
    found: Found,
    places: Vec<Place>,
    left_out: usize,
    listing: Listing,
    widest: Widest,
    sort: SortBy,
    is_reversed: bool,
}

/// How many cells the longest text of a column takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Widest {
    /// Hits and denials.
    pub number: usize,
    /// Times, whole.
    pub last: usize,
    /// Policies.
    pub policy: usize,
    /// Why policies are for the workload.
    pub by: usize,
    /// Actions.
    pub action: usize,
}

/// What is drawn for a row.
#[derive(Debug)]
pub enum Shown<'a> {
    /// A workload.
    Workload(&'a AuthzWorkload),
    /// A rule.
    Rule(&'a RuleRow, Option<&'a Hit>),
}

/// An action, and whether it is only tried.
pub fn action(rule: &RuleRow) -> String {
    if rule.dry_run { format!("{} (dry run)", rule.action) } else { rule.action.clone() }
}

/// What is to be said of the rules of a workload as a whole.
pub fn remark(workload: &AuthzWorkload) -> (Tone, String) {
    let list = &workload.list;
    if let Some(missing) = list.missing.first() {
        return (Tone::Warning, format!("not known: {}", missing.need));
    }
    match (list.rules.len(), list.engine) {
        (0, "none") => (Tone::Dim, "no proxy: no policy is enforced".to_owned()),
        (0, _) => (Tone::Dim, "no policy is for it: authorization refuses nothing".to_owned()),
        (rules, _) => (Tone::Dim, count(rules as u64, "rule")),
    }
}

/// The name by which a command finds a workload.
fn asked(workload: &WorkloadRef) -> String {
    let name = workload.name.as_deref().or(workload.pod.as_deref()).unwrap_or_default();
    format!("{name}.{}", workload.namespace.as_deref().unwrap_or_default())
}

impl AuthzRules {
    /// The rules of a workload, or of all, and what a line says of them.
    pub fn new(of: Option<String>, said: Said) -> Self {
        Self { of, said, ..Self::default() }
    }

    /// Its rows.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// How wide its columns would be.
    pub fn widest(&self) -> Widest {
        self.widest
    }

    /// What a row shows.
    pub fn shown(&self, row: &Row) -> Option<Shown<'_>> {
        let place = self.places.get(row.at)?;
        let workload = self.all.as_ref()?.workloads.get(place.workload)?;
        Some(match place.rule {
            Some(rule) => Shown::Rule(workload.list.rules.get(rule)?, place.counters.as_ref()),
            None => Shown::Workload(workload),
        })
    }

    /// Sorts the rules of each workload; again by the same turns the order round.
    pub fn sort(&mut self, by: SortBy) {
        self.is_reversed = self.sort == by && !self.is_reversed;
        self.sort = by;
    }

    fn selected(&self) -> Option<(&AuthzWorkload, Option<&RuleRow>)> {
        let place = self.places.get(self.listing.selected()?.at)?;
        let workload = self.all.as_ref()?.workloads.get(place.workload)?;
        Some((workload, place.rule.and_then(|rule| workload.list.rules.get(rule))))
    }

    /// Why there is no row, and what would fill it.
    pub fn empty(&self, context: &Context<'_>) -> Vec<(Tone, String)> {
        let Some(all) = &self.all else {
            return vec![(Tone::Dim, context.waiting(&Question::AuthzRules))];
        };
        let workloads = all.workloads.len() as u64;
        let text = if let Found::Nothing(why) = &self.found {
            why.clone()
        } else if workloads == 0 {
            let policies = found::count_policies(all.policies);
            format!("{policies} and no workload in {}", context.source.name)
        } else if all.policies == 0 {
            format!("no AuthorizationPolicies in {}: authorization refuses nothing", context.source.name)
        } else if !self.listing.filter().is_empty() {
            "the filter hides all rules: esc takes it away".to_owned()
        } else if let Some(namespace) = context.namespace {
            format!("no rules for workloads of {namespace}: press 0 for other namespaces")
        } else {
            let policies = found::count_policies(all.policies);
            format!("{policies}, none of them for any of {}", count(workloads, "workload"))
        };
        vec![(Tone::Plain, text)]
    }

    /// The rules of a workload that pass, in their order.
    fn rules(&self, context: &Context<'_>, at: usize, workload: &AuthzWorkload) -> Vec<Place> {
        let filter = self.listing.filter();
        let path = workload.workload.path();
        let passes = |rule: &RuleRow| {
            let RuleRow { policy, attached_by, text, .. } = rule;
            filter.is_empty()
                || filter.passes(&format!("{path} {} {} {attached_by} {text}", action(rule), policy.path()))
        };
        let rules = workload.list.rules.iter().enumerate().filter(|(_, rule)| passes(rule));
        let mut rules: Vec<_> = rules
            .map(|(number, rule)| {
                let hits = context.answers.authz_hits();
                let counters = hits.and_then(|hits| context.counted.counters(hits, workload, rule));
                (Place { workload: at, rule: Some(number), counters }, rule)
            })
            .collect();
        match self.sort {
            SortBy::Number => {}
            SortBy::Hits => {
                rules.sort_by_key(|(place, _)| Reverse(place.counters.as_ref().map(|hit| hit.hits)));
            }
            SortBy::Denials => {
                rules.sort_by_key(|(place, _)| Reverse(place.counters.as_ref().map(|hit| hit.denials)));
            }
            SortBy::LastHit => rules.sort_by_cached_key(|(place, _)| {
                Reverse(place.counters.as_ref().and_then(|hit| hit.last.clone()))
            }),
            SortBy::Action => rules.sort_by(|(_, a), (_, b)| a.action.cmp(&b.action)),
            SortBy::Policy => rules.sort_by_cached_key(|(_, rule)| (rule.policy.path(), rule.rule)),
        }
        if self.is_reversed {
            rules.reverse();
        }
        rules.into_iter().map(|(place, _)| place).collect()
    }

    /// Makes the rows of all workloads that are shown.
    fn place(&mut self, context: &Context<'_>, all: &AuthzWorkloads) {
        let (mut places, mut left_out) = (Vec::new(), 0);
        let is_filtered = !self.listing.filter().is_empty();
        for (at, workload) in all.workloads.iter().enumerate() {
            let is_shown = match &self.found {
                Found::All => !workload.list.rules.is_empty() || !workload.list.missing.is_empty(),
                Found::These(these, _) => these.contains(&at),
                Found::Nothing(_) => false,
            };
            let of = workload.workload.namespace.as_deref();
            // A workload that was asked for is shown whatever namespace lists are limited to.
            let in_namespace = self.of.is_some() || context.namespace.is_none() || of == context.namespace;
            if !is_shown || !in_namespace {
                continue;
            }
            if places.len() >= MOST {
                left_out += workload.list.rules.len();
                continue;
            }
            let rules = self.rules(context, at, workload);
            if !is_filtered || !rules.is_empty() {
                places.push(Place { workload: at, ..Place::default() });
                places.extend(rules);
            }
        }
        left_out += places.len().saturating_sub(MOST);
        places.truncate(MOST);
        self.places = places;
        self.left_out = left_out;
    }

    fn measure(&mut self) {
        let rows = self.listing.rows().iter().take(MEASURED).filter_map(|row| self.shown(row));
        self.widest = rows.fold(Widest::default(), |widest, shown| match shown {
            Shown::Workload(_) => widest,
            Shown::Rule(rule, counters) => Widest {
                number: widest.number.max(counters.map_or(1, |hit| hits(hit.hits, hit.maybe).len())),
                last: widest.last.max(counters.and_then(|hit| hit.last.as_deref()).map_or(1, width)),
                policy: widest.policy.max(width(&visible(&rule.policy.path()))),
                by: widest.by.max(width(&visible(&rule.attached_by))),
                action: widest.action.max(width(&visible(&action(rule)))),
            },
        });
    }

    /// The row of the rule that a line names, where it is among those read.
    fn named(&self) -> Option<usize> {
        let Said::Rule(denial) = &self.said else { return None };
        let is_it = |row: &Row| match self.shown(row) {
            Some(Shown::Rule(rule, _)) => {
                *rule.policy.name == *denial.name
                    && rule.policy.namespace.as_deref() == Some(&*denial.namespace)
                    && (denial.rule.is_none() || rule.rule == denial.rule)
            }
            Some(Shown::Workload(_)) | None => false,
        };
        self.listing.rows().iter().position(is_it)
    }

    /// What the line that led here says.
    fn line_says(&self) -> Option<(Tone, String)> {
        match (&self.said, self.is_missed) {
            (Said::Nothing, _) => None,
            (Said::NoneMatched, _) => Some((Tone::Warning, "the line: no ALLOW rule matched".to_owned())),
            (Said::Rule(denial), missed) => {
                let number = denial.rule.map(|rule| format!(" rule {rule}")).unwrap_or_default();
                let end = if missed == Some(true) { ", which is not among these" } else { "" };
                let text = format!("the line: denied by {}/{}{number}{end}", denial.namespace, denial.name);
                Some((Tone::Warning, visible(&text).into_owned()))
            }
        }
    }
}

impl Behaviour for AuthzRules {
    fn questions(&self) -> Vec<Question> {
        vec![Question::AuthzRules, Question::AuthzHits]
    }

    fn refresh(&mut self, context: &Context<'_>) {
        let Some(all) = context.answers.authz_rules().cloned() else { return };
        if !self.all.as_ref().is_some_and(|known| Arc::ptr_eq(known, &all)) {
            self.found = Found::of(self.of.as_deref(), context, &all);
        }
        self.all = Some(Arc::clone(&all));
        self.place(context, &all);
        let id = |place: &Place| {
            let workload = all.workloads.get(place.workload)?;
            let rule = place.rule.and_then(|rule| workload.list.rules.get(rule));
            Some(rule.map_or_else(|| workload.id(), |rule| rule_id(workload, rule)))
        };
        let rows = self.places.iter().enumerate();
        let rows: Vec<_> = rows.filter_map(|(at, place)| Some(Row { id: id(place)?, at })).collect();
        let total = rows.len();
        self.listing.set(rows, total, context.room(View::AuthzRules).saturating_sub(1));
        if self.is_missed.is_none() && !matches!(self.said, Said::Nothing) {
            let named = self.named();
            self.is_missed = Some(named.is_none());
            for _ in 0..named.unwrap_or_default() {
                self.listing.move_by(Motion::Down);
            }
        }
        self.measure();
    }

    fn move_by(&mut self, motion: Motion) {
        self.listing.move_by(motion);
    }

    fn title(&self, context: &Context<'_>) -> Title {
        let of = self.of.as_deref().unwrap_or_else(|| context.namespace_name());
        let name = format!("rules({})", visible(of));
        let Some(all) = &self.all else { return Title { name, ..Title::default() } };
        let rules = self.places.iter().filter(|place| place.rule.is_some());
        let is_counted = rules.clone().any(|place| place.counters.is_some());
        let mut counts: Vec<_> = self.line_says().into_iter().collect();
        if let Found::These(_, Some(note)) = &self.found {
            counts.push((Tone::Warning, visible(note).into_owned()));
        }
        if self.left_out > 0 {
            counts.push((Tone::Warning, format!("{} not listed", count(self.left_out as u64, "rule"))));
        }
        if counts.is_empty() {
            counts.push((Tone::Dim, found::count_policies(all.policies)));
        }
        let is_outrun = context.answers.authz_hits().is_some_and(|hits| context.counted.is_outrun(hits));
        if is_outrun {
            counts.push((Tone::Warning, "too many lines since the reset: z counts again".to_owned()));
        }
        let right = match (context.counted.is_reset(), is_counted) {
            (true, true) => Some((Tone::Info, "counted from z on".to_owned())),
            (_, false) if !self.places.is_empty() => Some((Tone::Dim, "- = not counted".to_owned())),
            _ => None,
        };
        Title { name: format!("{name}[{}]", rules.count()), counts, right }
    }

    fn command(&self) -> Vec<String> {
        let Some((workload, _)) = self.selected() else { return Vec::new() };
        vec!["authz list".to_owned(), asked(&workload.workload)]
    }

    fn open(&self, _: &Context<'_>) -> Option<Target> {
        let (workload, rule) = self.selected()?;
        match (rule, &self.of) {
            (Some(_), _) => self.describe(),
            (None, None) => {
                Some(Target::AuthzRules { of: Some(asked(&workload.workload)), said: Said::Nothing })
            }
            (None, Some(_)) => None,
        }
    }

    fn describe(&self) -> Option<Target> {
        let rule = self.selected()?.1?;
        let field = rule.rule.map_or_else(|| "spec".to_owned(), |number| format!("spec.rules[{number}]"));
        Some(Target::Object { object: rule.policy.clone(), field: Some(field) })
    }

    fn object(&self, _: &Context<'_>) -> Option<Target> {
        self.describe()
    }

    fn code(&self, _: &Context<'_>) -> Option<String> {
        Some(self.selected()?.1?.action.clone())
    }

    fn name(&self, _: &Context<'_>) -> Option<(String, Option<String>)> {
        let (WorkloadRef { name, namespace, .. }, rule) = (&self.selected()?.0.workload, self.selected()?.1);
        let of_rule = rule.map(|rule| (rule.policy.name.clone(), rule.policy.namespace.clone()));
        of_rule.or_else(|| Some((name.clone()?, namespace.clone())))
    }

    fn detail(&self, _: &Context<'_>) -> Option<String> {
        let (workload, rule) = self.selected()?;
        let Some(rule) = rule else {
            return Some(format!("{}: {}", workload.workload.path(), remark(workload).1));
        };
        let number = rule.rule.map(|number| format!(" rule {number}")).unwrap_or_default();
        let lost = rule.lost.as_deref().map(|lost| format!("; {lost}")).unwrap_or_default();
        let place = self.places.get(self.listing.selected()?.at)?;
        let source = match &place.counters {
            Some(hit) if hit.maybe > 0 => "; of some lines it is not known whether they are its",
            Some(hit) if hit.named > 0 => "; lines name it",
            Some(hit) if hit.hits > 0 => "; hits evaluated",
            Some(_) | None => "",
        };
        let (what, policy, by, text) = (action(rule), rule.policy.path(), &rule.attached_by, &rule.text);
        Some(format!("{what} {policy}{number}, by {by}{source}: {text}{lost}"))
    }

    fn lines(&self) -> Option<Target> {
        let (workload, rule) = self.selected()?;
        Some(Target::Lines(found::query(workload, rule)))
    }

    fn filter(&self) -> Option<&Filter> {
        Some(self.listing.filter())
    }

    fn set_filter(&mut self, filter: Filter) {
        self.listing.set_filter(filter);
    }
}
