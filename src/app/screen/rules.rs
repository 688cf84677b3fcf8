//! The table of DestinationRules: for how many clients each wins.

use super::{Behaviour, Context, Title, View};
use crate::answer::rules::RuleRow;
use crate::app::command::Motion;
use crate::app::filter::Filter;
use crate::app::listing::{Listing, Row};
use crate::app::page::Tone;
use crate::app::question::Question;
use crate::app::target::Target;
use crate::app::wording::{count, short_host, short_hosts};
use crate::text::{visible, width};

/// How many rows decide how wide columns are.
const MEASURED: usize = 1000;

/// The screen.
#[derive(Debug, Default)]
pub struct RulesTable {
    listing: Listing,
    widest: Widest,
}

/// How many cells the longest text of a column takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Widest {
    /// Namespaces.
    pub namespace: usize,
    /// Names.
    pub name: usize,
    /// Hosts.
    pub host: usize,
    /// Numbers.
    pub number: usize,
}

impl RulesTable {
    /// Its rows.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// How wide its columns would be.
    pub fn widest(&self) -> Widest {
        self.widest
    }

    fn selected<'a>(&self, context: &Context<'a>) -> Option<&'a RuleRow> {
        let row = self.listing.selected()?;
        context.answers.rules()?.rows.get(row.at)
    }

    /// Why there is no row, and what would fill it.
    pub fn empty(&self, context: &Context<'_>) -> Vec<(Tone, String)> {
        let Some(table) = context.answers.rules() else {
            return vec![(Tone::Dim, context.waiting(&Question::Rules))];
        };
        let all = table.rows.len() as u64;
        let text = if all == 0 {
            format!("no DestinationRules in {}: automatic mTLS decides for every pair", context.source.name)
        } else if !self.listing.filter().is_empty() {
            format!("the filter hides all {}: esc takes it away", count(all, "rule"))
        } else {
            format!(
                "no DestinationRules in {} ({all} in other namespaces: press 0)",
                context.namespace_name()
            )
        };
        vec![(Tone::Plain, text)]
    }
}

fn text_of(row: &RuleRow) -> String {
    format!("{} {} {} {}", row.rule.path(), row.host, row.tls, row.note.as_deref().unwrap_or_default())
}

impl Behaviour for RulesTable {
    fn questions(&self) -> Vec<Question> {
        vec![Question::Rules]
    }

    fn refresh(&mut self, context: &Context<'_>) {
        let Some(table) = context.answers.rules() else { return };
        let filter = self.listing.filter();
        let shown = |row: &RuleRow| {
            context.namespace.is_none_or(|namespace| row.rule.namespace.as_deref() == Some(namespace))
                && (filter.is_empty() || filter.passes(&text_of(row)))
        };
        let rows: Vec<_> = table.rows.iter().enumerate().filter(|(_, row)| shown(row)).collect();
        let measured = rows.iter().take(MEASURED).map(|(_, row)| *row);
        self.widest = measured.fold(Widest::default(), |widest, row| Widest {
            namespace: widest
                .namespace
                .max(row.rule.namespace.as_deref().map_or(1, |name| width(&visible(name)))),
            name: widest.name.max(width(&visible(&row.rule.name))),
            host: widest.host.max(width(&visible(short_host(&row.host)))),
            number: widest.number.max(row.wins.max(row.lost).to_string().len()),
        });
        let rows: Vec<_> = rows.into_iter().map(|(at, row)| Row { id: row.rule.path(), at }).collect();
        self.listing.set(rows, table.rows.len(), context.room(View::Rules).saturating_sub(1));
    }

    fn move_by(&mut self, motion: Motion) {
        self.listing.move_by(motion);
    }

    fn title(&self, context: &Context<'_>) -> Title {
        Title {
            name: format!("dr({})[{}]", context.namespace_name(), self.listing.len()),
            counts: Vec::new(),
            right: Some((Tone::Dim, "wins = client namespaces × services".to_owned())),
        }
    }

    fn command(&self) -> Vec<String> {
        vec!["resolve".to_owned(), "--all".to_owned()]
    }

    fn open(&self, context: &Context<'_>) -> Option<Target> {
        Some(Target::Object { object: self.selected(context)?.rule.clone(), field: None })
    }

    fn object(&self, context: &Context<'_>) -> Option<Target> {
        self.open(context)
    }

    fn name(&self, context: &Context<'_>) -> Option<(String, Option<String>)> {
        let rule = &self.selected(context)?.rule;
        Some((rule.name.clone(), rule.namespace.clone()))
    }

    fn detail(&self, context: &Context<'_>) -> Option<String> {
        let row = self.selected(context)?;
        let origin = format!("{}:{}", row.origin.file, row.origin.line);
        Some(row.note.as_deref().map_or_else(|| format!("{} {origin}", row.rule.path()), short_hosts))
    }

    fn filter(&self) -> Option<&Filter> {
        Some(self.listing.filter())
    }

    fn set_filter(&mut self, filter: Filter) {
        self.listing.set_filter(filter);
    }
}
