//! The table of pairs: do client and server agree on TLS.

use super::{Behaviour, Context, Title, View};
use crate::answer::common::WorkloadRef;
use crate::answer::tls_check::Row as Pair;
use crate::app::command::Motion;
use crate::app::filter::Filter;
use crate::app::listing::{Listing, Row};
use crate::app::page::Tone;
use crate::app::question::Question;
use crate::app::target::{PairKey, Said, Target};
use crate::app::wording::{address, client_tls, count, short_hosts};
use crate::resolve::name::namespace_of;

/// How many rows decide how wide columns are; a table of a hundred thousand must not be measured whole.
const MEASURED: usize = 1000;

/// The screen.
#[derive(Debug, Default)]
pub struct TlsTable {
    listing: Listing,
    widest: Widest,
    counts: Vec<(Tone, String)>,
    faults_only: bool,
}

/// How many cells the longest text of a column takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Widest {
    /// Hosts with ports.
    pub host: usize,
    /// What servers demand.
    pub server: usize,
    /// What clients send.
    pub client: usize,
}

/// What a row of the table says, column by column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cells {
    /// `host:port subset`.
    pub host: String,
    /// The status.
    pub status: String,
    /// What the server demands.
    pub server: String,
    /// What the client sends.
    pub client: String,
    /// How many clients it stands for.
    pub clients: String,
    /// Who they are: one of them, and how many more.
    pub from: String,
    /// The rule in force.
    pub rule: String,
}

/// The cells of a row.
pub fn cells(pair: &Pair) -> Cells {
    let unknown = |text: &str| if text == "UNKNOWN" { "?".to_owned() } else { text.to_owned() };
    let known_rule = pair.destination_rule.as_ref().map(|rule| rule.object.path());
    let no_rule = if pair.status == "UNKNOWN" { "?" } else { "-" };
    Cells {
        host: address(&pair.host, pair.port, pair.subset.as_deref()),
        status: pair.status.clone(),
        server: unknown(&pair.server.mode),
        client: client_tls(pair),
        clients: pair.clients.count.to_string(),
        from: from(pair),
        rule: known_rule.unwrap_or_else(|| no_rule.to_owned()),
    }
}

/// How many rows are how grave.
fn counts(rows: &[Pair]) -> Vec<(Tone, String)> {
    let of =
        |wanted: &[&str]| rows.iter().filter(|pair| wanted.contains(&pair.status.as_str())).count() as u64;
    let (conflicts, warnings, unknown) = (of(&["CONFLICT"]), of(&["WARN", "COND"]), of(&["UNKNOWN"]));
    let all = [
        (Tone::Error, conflicts, count(conflicts, "conflict")),
        (Tone::Warning, warnings, count(warnings, "warning")),
        (Tone::Info, unknown, format!("{unknown} unknown")),
    ];
    all.into_iter().filter(|(_, number, _)| *number > 0).map(|(tone, _, text)| (tone, text)).collect()
}

fn from(pair: &Pair) -> String {
    let Some(one) = pair.client.as_ref().or(pair.clients.examples.first()) else { return "-".to_owned() };
    match pair.clients.count.saturating_sub(1) {
        0 => one.path(),
        more => format!("{} and {more} more", one.path()),
    }
}

/// How grave a status is: conflicts first.
pub fn tone(status: &str) -> Tone {
    match status {
        "CONFLICT" => Tone::Error,
        "WARN" | "COND" => Tone::Warning,
        "OK" => Tone::Good,
        _ => Tone::Info,
    }
}

fn rank(status: &str) -> u8 {
    match status {
        "CONFLICT" => 0,
        "COND" => 1,
        "UNKNOWN" => 2,
        "WARN" => 3,
        _ => 4,
    }
}

/// Who a row is: what it is about and for whom.
fn id_of(pair: &Pair) -> String {
    let examples = pair.clients.examples.first();
    let client = pair.client.as_ref().or(examples).map(WorkloadRef::path).unwrap_or_default();
    let rule = pair.destination_rule.as_ref().map(|rule| rule.object.path()).unwrap_or_default();
    let subset = pair.subset.as_deref().unwrap_or_default();
    format!("{}:{}/{subset}/{client}/{}/{rule}", pair.host, pair.port, pair.proxy)
}

fn is_in(pair: &Pair, namespace: &str) -> bool {
    let clients = pair.client.iter().chain(&pair.clients.examples);
    namespace_of(&pair.host) == Some(namespace)
        || clients.into_iter().any(|client| client.namespace.as_deref() == Some(namespace))
}

fn text_of(pair: &Pair) -> String {
    let Cells { host, status, server, client, clients: _, from: _, rule } = cells(pair);
    let clients: Vec<_> = pair.client.iter().chain(&pair.clients.examples).map(WorkloadRef::path).collect();
    format!("{host} {status} {server} {client} {rule} {} {}", pair.host, clients.join(" "))
}

impl TlsTable {
    /// Its rows.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// How wide its columns would be.
    pub fn widest(&self) -> Widest {
        self.widest
    }

    /// Shows faults only, or all again.
    pub fn toggle_faults(&mut self) {
        self.faults_only = !self.faults_only;
    }

    fn selected<'a>(&self, context: &Context<'a>) -> Option<&'a Pair> {
        let row = self.listing.selected()?;
        context.answers.tls()?.rows.get(row.at)
    }

    /// Why there is no row, and what would fill it.
    pub fn empty(&self, context: &Context<'_>) -> Vec<(Tone, String)> {
        let Some(table) = context.answers.tls() else {
            return vec![(Tone::Dim, context.waiting(&Question::Tls))];
        };
        let all = table.rows.len() as u64;
        let text = if all == 0 {
            "no pairs: a pair needs a service with a port and a pod that calls it".to_owned()
        } else if !self.listing.filter().is_empty() {
            format!("the filter hides all {}: esc takes it away", count(all, "row"))
        } else if self.faults_only {
            format!("no faults in {} ({} without: ctrl-z)", context.namespace_name(), count(all, "row"))
        } else {
            format!("no pairs of {} ({all} in other namespaces: press 0)", context.namespace_name())
        };
        vec![(Tone::Plain, text)]
    }
}

impl Behaviour for TlsTable {
    fn questions(&self) -> Vec<Question> {
        vec![Question::Tls]
    }

    fn refresh(&mut self, context: &Context<'_>) {
        let Some(table) = context.answers.tls() else { return };
        let filter = self.listing.filter();
        let shown = |pair: &Pair| {
            (!self.faults_only || pair.status != "OK")
                && context.namespace.is_none_or(|namespace| is_in(pair, namespace))
                && (filter.is_empty() || filter.passes(&text_of(pair)))
        };
        let mut rows: Vec<_> = table.rows.iter().enumerate().filter(|(_, pair)| shown(pair)).collect();
        rows.sort_by_key(|(_, pair)| rank(&pair.status));
        let cells_of = |text: &str| crate::text::width(&crate::text::visible(text));
        let measured = rows.iter().take(MEASURED).map(|(_, pair)| cells(pair));
        self.counts = counts(&table.rows);
        self.widest = measured.fold(Widest::default(), |widest, row| Widest {
            host: widest.host.max(cells_of(&row.host)),
            server: widest.server.max(cells_of(&row.server)),
            client: widest.client.max(cells_of(&row.client)),
        });
        let rows: Vec<_> = rows.into_iter().map(|(at, pair)| Row { id: id_of(pair), at }).collect();
        self.listing.set(rows, table.rows.len(), context.room(View::Tls).saturating_sub(1));
    }

    fn move_by(&mut self, motion: Motion) {
        self.listing.move_by(motion);
    }

    fn title(&self, context: &Context<'_>) -> Title {
        let name = format!("tls({})", context.namespace_name());
        if context.answers.tls().is_none() {
            return Title { name, ..Title::default() };
        }
        Title {
            name: format!("{name}[{}]", self.listing.len()),
            counts: self.counts.clone(),
            right: self.faults_only.then(|| (Tone::Warning, "faults only".to_owned())),
        }
    }

    fn command(&self) -> Vec<String> {
        vec!["tls-check".to_owned()]
    }

    fn open(&self, context: &Context<'_>) -> Option<Target> {
        let pair = self.selected(context)?;
        let clients =
            pair.client.iter().chain(pair.clients.examples.iter().filter(|_| pair.client.is_none()));
        let key = |client: Option<String>| PairKey {
            client,
            service: pair.host.clone(),
            port: Some(pair.port),
            subset: pair.subset.clone(),
        };
        let mut pairs: Vec<_> = clients.map(|client| key(Some(client.path()))).collect();
        if pairs.is_empty() {
            pairs.push(key(None));
        }
        Some(Target::Why { pairs, finding: None })
    }

    fn object(&self, context: &Context<'_>) -> Option<Target> {
        let pair = self.selected(context)?;
        let rule = pair.destination_rule.as_ref().map(|rule| &rule.object);
        let object = rule.or(pair.server.policy.as_ref())?.clone();
        Some(Target::Object { object, field: None })
    }

    fn code(&self, context: &Context<'_>) -> Option<String> {
        Some(self.selected(context)?.status.clone())
    }

    fn authorization(&self, context: &Context<'_>) -> Option<Target> {
        let of = Some(self.selected(context)?.host.clone());
        Some(Target::AuthzRules { of, said: Said::Nothing })
    }

    fn name(&self, context: &Context<'_>) -> Option<(String, Option<String>)> {
        let pair = self.selected(context)?;
        Some((format!("{}:{}", pair.host, pair.port), namespace_of(&pair.host).map(str::to_owned)))
    }

    fn detail(&self, context: &Context<'_>) -> Option<String> {
        let pair = self.selected(context)?;
        let needs = pair.missing.iter().map(|missing| missing.need.as_str());
        let text = std::iter::once(pair.reason.as_str()).chain(needs).collect::<Vec<_>>().join("; ");
        Some(format!("{}: {}", from(pair), short_hosts(&text)))
    }

    fn filter(&self) -> Option<&Filter> {
        Some(self.listing.filter())
    }

    fn set_filter(&mut self, filter: Filter) {
        self.listing.set_filter(filter);
    }
}
