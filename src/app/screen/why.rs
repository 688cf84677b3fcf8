//! One pair on one page: what is wrong, the two halves of the contradiction, the rules that lost, the log lines that
//! prove it, what to do. Each fact leads to where it comes from.

mod facts;
mod verdict;

use super::{Behaviour, Context, Title, View};
use crate::answer::common::WorkloadRef;
use crate::answer::why::{Pair, Why};
use crate::app::command::Motion;
use crate::app::page::{Page, Tone, paragraphs};
use crate::app::question::Question;
use crate::app::screen::tls::tone;
use crate::app::target::{PairKey, Target};
use crate::app::wording::address;
use crate::resolve::name::namespace_of;

/// From this width on reasons are not cut: there is room for their second line.
const ROOMY: usize = 100;

/// The screen.
#[derive(Debug)]
pub struct WhyPage {
    /// The pairs that can be walked through, as they were asked for.
    keys: Vec<PairKey>,
    /// The one in front. With one key it is the pair of its answer.
    at: usize,
    finding: Option<String>,
    page: Page,
    /// What the title says.
    about: String,
    status: Option<String>,
    stops: usize,
}

impl WhyPage {
    /// The page of these pairs, the first one in front.
    pub fn new(keys: Vec<PairKey>, finding: Option<String>) -> Self {
        Self { keys, at: 0, finding, page: Page::default(), about: String::new(), status: None, stops: 1 }
    }

    /// Its lines.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// Goes to the next pair, or the one before.
    pub fn turn(&mut self, forward: bool) {
        let step = if forward { 1 } else { self.stops.saturating_sub(1) };
        self.at = (self.at + step) % self.stops.max(1);
        self.page.begin();
    }

    /// How many pairs can be walked through, and the number of the one in front from 1.
    pub fn place(&self) -> (usize, usize) {
        (self.at + 1, self.stops)
    }

    fn key(&self) -> Option<&PairKey> {
        self.keys.get(self.at).or(self.keys.first())
    }

    fn question(&self) -> Option<Question> {
        let PairKey { client, service, port, subset: _ } = self.key()?.clone();
        Some(Question::Why { service, port, client })
    }

    /// The pair in front, out of the answer.
    fn pair<'a>(&self, why: &'a Why) -> Option<&'a Pair> {
        let key = self.key()?;
        if self.keys.len() == 1 && self.stops > 1 {
            return why.pairs.get(self.at);
        }
        let fits = |pair: &&Pair| key.port.is_none_or(|port| port == pair.port) && key.subset == pair.subset;
        let calls = |pair: &&Pair| {
            key.client.as_ref().is_none_or(|client| {
                let known = pair.client.iter().chain(&pair.clients.examples);
                known.into_iter().any(|one| one.path() == *client)
            })
        };
        why.pairs
            .iter()
            .find(|pair| fits(pair) && calls(pair))
            .or_else(|| why.pairs.iter().find(fits))
            .or(why.pairs.first())
    }

    fn client_text(&self, pair: Option<&Pair>) -> String {
        let one = pair.and_then(|pair| pair.client.as_ref()).map(WorkloadRef::path);
        let several = pair.map(|pair| pair.clients.count).filter(|count| *count > 1);
        let asked = self.key().and_then(|key| key.client.clone());
        match (one.or(asked), several) {
            (Some(client), _) => client,
            (None, Some(count)) => format!("{count} clients"),
            (None, None) => {
                let example = pair.and_then(|pair| pair.clients.examples.first());
                example.map_or_else(|| "any client".to_owned(), WorkloadRef::path)
            }
        }
    }
}

impl Behaviour for WhyPage {
    fn questions(&self) -> Vec<Question> {
        self.question().into_iter().chain([Question::Check]).collect()
    }

    fn refresh(&mut self, context: &Context<'_>) {
        let width = context.extent.columns().saturating_sub(2);
        let room = context.room(View::Why);
        let Some(question) = self.question() else { return };
        let why = context.answers.why(&question);
        self.stops = match (self.keys.len(), why) {
            (1, Some(why)) => why.pairs.len().max(1),
            (keys, _) => keys.max(1),
        };
        self.at = self.at.min(self.stops - 1);
        let pair = why.and_then(|why| self.pair(why));
        let client = self.client_text(pair);
        self.about = match (why, pair) {
            (Some(why), Some(pair)) => {
                // The namespace is said once where it is that of the service.
                let own = format!("{}/", why.service.namespace);
                let client = client.strip_prefix(&own).unwrap_or(&client);
                format!("{client} → {}", address(&why.service.host, pair.port, pair.subset.as_deref()))
            }
            _ => self.key().map_or_else(String::new, |key| {
                let port = key.port.map(|port| format!(":{port}")).unwrap_or_default();
                format!("{client} → {}{port}", crate::app::wording::short_host(&key.service))
            }),
        };
        self.status = pair.map(|pair| pair.status.clone());
        let lines = match (why, pair) {
            (Some(why), Some(pair)) => facts::lines(&facts::Facts {
                why,
                pair,
                answers: context.answers,
                width,
                whole: context.wide || width >= ROOMY,
            }),
            (Some(_), None) => {
                paragraphs(Tone::Plain, "nobody calls this service: there is no pair to judge", width)
            }
            (None, _) => paragraphs(Tone::Dim, &context.waiting(&question), width),
        };
        self.page.set(lines, room);
    }

    fn move_by(&mut self, motion: Motion) {
        self.page.move_by(motion);
    }

    fn title(&self, _context: &Context<'_>) -> Title {
        let status = self.status.as_ref().map(|status| (tone(status), status.clone()));
        let counts = if self.stops > 1 {
            vec![(Tone::Dim, format!("{}/{}", self.at + 1, self.stops))]
        } else {
            Vec::new()
        };
        Title { name: format!("why  {}", self.about), counts, right: status }
    }

    fn command(&self) -> Vec<String> {
        let Some(key) = self.key() else { return Vec::new() };
        let service = crate::app::wording::short_host(&key.service);
        let port = key.port.map(|port| format!(":{port}")).unwrap_or_default();
        let mut words = vec!["why".to_owned(), format!("{service}{port}")];
        if let Some(client) = &key.client {
            words.extend(["--client".to_owned(), client.clone()]);
        }
        words
    }

    fn open(&self, _context: &Context<'_>) -> Option<Target> {
        self.page.selected()?.target.clone()
    }

    fn object(&self, context: &Context<'_>) -> Option<Target> {
        let target = self.open(context)?;
        matches!(target, Target::Object { .. }).then_some(target)
    }

    fn code(&self, context: &Context<'_>) -> Option<String> {
        if let Some(Target::Explain(code)) = self.open(context) {
            return Some(code);
        }
        let why = context.answers.why(&self.question()?)?;
        let pair = self.pair(why)?;
        let finding = self.finding.as_ref().or(pair.findings.first());
        let code = finding.and_then(|id| context.answers.finding(id)).map(|finding| finding.code.clone());
        code.or_else(|| Some(pair.cause.as_ref()?.cause.clone())).or_else(|| Some(pair.status.clone()))
    }

    fn finding(&self, context: &Context<'_>) -> Option<String> {
        if let Some(Target::Fix(finding)) = self.open(context) {
            return Some(finding);
        }
        let own = || {
            let why = context.answers.why(&self.question()?)?;
            self.pair(why)?.findings.first().cloned()
        };
        self.finding.clone().or_else(own)
    }

    fn detail(&self, _context: &Context<'_>) -> Option<String> {
        self.page.selected()?.whole.clone()
    }

    fn name(&self, context: &Context<'_>) -> Option<(String, Option<String>)> {
        match self.open(context) {
            Some(Target::Object { object, field: _ }) => Some((object.name, object.namespace)),
            Some(
                Target::Why { .. }
                | Target::Cause(_)
                | Target::Explain(_)
                | Target::Fix(_)
                | Target::AuthzRules { .. }
                | Target::Lines(_),
            )
            | None => {
                let key = self.key()?;
                let namespace = namespace_of(&key.service).map(str::to_owned);
                Some((key.service.clone(), namespace))
            }
        }
    }
}
