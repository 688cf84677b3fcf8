//! The screens and the stack of them.

pub mod authz_rules;
pub mod cause;
pub mod causes;
pub mod explain;
pub mod findings;
pub mod fix;
pub mod help;
pub mod log;
pub mod object;
pub mod rules;
pub mod tls;
pub mod why;

use super::answers::Answers;
use super::command::Motion;
use super::counted::Counted;
use super::extent::Extent;
use super::filter::Filter;
use super::page::{Page, Tone};
use super::question::Question;
use super::source::{Reading, Source};
use super::target::Target;
use crate::answer::Read;

/// The kinds of screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum View {
    /// Everything that is wrong.
    Findings,
    /// A pair.
    Why,
    /// An object.
    Object,
    /// The table of pairs.
    Tls,
    /// The table of rules.
    Rules,
    /// The rules of authorization.
    AuthzRules,
    /// The last lines of logs.
    Log,
    /// Why what failed did.
    Causes,
    /// A line, a cause or a finding, with the lines that prove it.
    Cause,
    /// What a code means.
    Explain,
    /// What would end a finding.
    Fix,
    /// The keys.
    Help,
    /// The commands.
    Aliases,
}

impl View {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Findings,
        Self::Why,
        Self::Object,
        Self::Tls,
        Self::Rules,
        Self::AuthzRules,
        Self::Log,
        Self::Causes,
        Self::Cause,
        Self::Explain,
        Self::Fix,
        Self::Help,
        Self::Aliases,
    ];

    /// Its name in titles, breadcrumbs and commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Findings => "findings",
            Self::Why => "why",
            Self::Object => "object",
            Self::Tls => "tls",
            Self::Rules => "dr",
            Self::AuthzRules => "rules",
            Self::Log => "log",
            Self::Causes => "causes",
            Self::Cause => "cause",
            Self::Explain => "explain",
            Self::Fix => "fix",
            Self::Help => "help",
            Self::Aliases => "aliases",
        }
    }

    /// Whether it shows less where one namespace is chosen.
    pub fn is_narrowed(self) -> bool {
        match self {
            Self::Findings | Self::Tls | Self::Rules | Self::AuthzRules | Self::Log | Self::Causes => true,
            Self::Why
            | Self::Object
            | Self::Cause
            | Self::Explain
            | Self::Fix
            | Self::Help
            | Self::Aliases => false,
        }
    }

    /// How many lines below the body are for messages: tables say there what is to be said of the selected row.
    pub fn message_lines(self) -> u16 {
        match self {
            Self::Tls | Self::Rules | Self::AuthzRules | Self::Log | Self::Causes => 2,
            Self::Findings
            | Self::Why
            | Self::Object
            | Self::Cause
            | Self::Explain
            | Self::Fix
            | Self::Help
            | Self::Aliases => 1,
        }
    }
}

/// What screens are made from.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The answers at hand.
    pub answers: &'a Answers,
    /// What was read.
    pub read: Option<&'a Read>,
    /// How far reading it is.
    pub reading: &'a Reading,
    /// Where it comes from.
    pub source: &'a Source,
    /// The namespace shown.
    pub namespace: Option<&'a str>,
    /// All namespaces, in the order of the number keys.
    pub namespaces: &'a [String],
    /// From where on hits are counted.
    pub counted: &'a Counted,
    /// Whether nothing is to be shortened.
    pub wide: bool,
    /// The size of the picture.
    pub extent: Extent,
}

impl Context<'_> {
    /// Rows of the body in a view.
    pub fn room(&self, view: View) -> usize {
        self.extent.body(view.message_lines())
    }

    /// The namespace in titles.
    pub fn namespace_name(&self) -> &str {
        self.namespace.unwrap_or("all")
    }

    /// Why there is no answer yet, in words.
    pub fn waiting(&self, question: &Question) -> String {
        match self.reading {
            Reading::Begun(what) if what.is_empty() => format!("reading {} …", self.source.name),
            Reading::Begun(what) => format!("reading {}: {what} …", self.source.name),
            Reading::Failed(why) => format!("cannot read {}: {why}", self.source.name),
            Reading::Done => match self.answers.failure(question) {
                Some(why) => why.to_owned(),
                None => "computing …".to_owned(),
            },
        }
    }
}

/// The line above the body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Title {
    /// The view and what it shows.
    pub name: String,
    /// Behind it, each with what it is.
    pub counts: Vec<(Tone, String)>,
    /// At its right end.
    pub right: Option<(Tone, String)>,
}

/// What every screen can do.
pub trait Behaviour {
    /// What it needs answered, most wanted first.
    fn questions(&self) -> Vec<Question>;
    /// Makes its rows anew.
    fn refresh(&mut self, context: &Context<'_>);
    /// Moves the selection.
    fn move_by(&mut self, motion: Motion);
    /// The line above it.
    fn title(&self, context: &Context<'_>) -> Title;
    /// The command that answers the same, and its arguments; empty where there is none.
    fn command(&self) -> Vec<String>;

    /// A command line of another program that does what the selected row says; it is copied before our own.
    fn foreign_command(&self, _context: &Context<'_>) -> Option<String> {
        None
    }
    /// Where the selected row leads.
    fn open(&self, _context: &Context<'_>) -> Option<Target> {
        None
    }
    /// Where all of the selected row is.
    fn describe(&self) -> Option<Target> {
        None
    }
    /// Where the object of the selected row is.
    fn object(&self, _context: &Context<'_>) -> Option<Target> {
        None
    }
    /// The code, flag or outcome of the selected row.
    fn code(&self, _context: &Context<'_>) -> Option<String> {
        None
    }
    /// Where the policies are that decide about the selected row.
    fn authorization(&self, _context: &Context<'_>) -> Option<Target> {
        None
    }
    /// Where the log lines of the selected row are.
    fn lines(&self) -> Option<Target> {
        None
    }
    /// The finding of the selected row.
    fn finding(&self, _context: &Context<'_>) -> Option<String> {
        None
    }
    /// The name of the selected row, and its namespace.
    fn name(&self, _context: &Context<'_>) -> Option<(String, Option<String>)> {
        None
    }
    /// What is to be said of the selected row below the body.
    fn detail(&self, _context: &Context<'_>) -> Option<String> {
        None
    }
    /// The filter, where it has one.
    fn filter(&self) -> Option<&Filter> {
        None
    }
    /// Sets the filter; the rows are made anew after it.
    fn set_filter(&mut self, _filter: Filter) {}
    /// What can stand in place of the last word of a filter up to the cursor, and at which byte that begins; `None` where
    /// nothing completes a filter.
    fn completions(&self, _before: &str) -> Option<(usize, Vec<String>)> {
        None
    }
    /// What is wrong with the filter, and the number of its first wrong letter, from 1.
    fn mistake(&self) -> Option<(usize, &str)> {
        None
    }
}

/// A screen.
#[derive(Debug)]
pub enum Screen {
    /// Everything that is wrong.
    Findings(findings::Findings),
    /// A pair.
    Why(Box<why::WhyPage>),
    /// An object.
    Object(object::ObjectPage),
    /// The table of pairs.
    Tls(tls::TlsTable),
    /// The table of rules.
    Rules(rules::RulesTable),
    /// The rules of authorization.
    AuthzRules(Box<authz_rules::AuthzRules>),
    /// The last lines of logs.
    Log(Box<log::LogLines>),
    /// Why what failed did.
    Causes(causes::CausesTable),
    /// A line, a cause or a finding, with the lines that prove it.
    Cause(Box<cause::CausePage>),
    /// What a code means.
    Explain(explain::ExplainPage),
    /// What would end a finding.
    Fix(fix::FixPage),
    /// The keys.
    Help(help::HelpPage),
    /// The commands.
    Aliases(help::AliasesPage),
}

impl Screen {
    /// Its kind.
    pub fn view(&self) -> View {
        match self {
            Self::Findings(_) => View::Findings,
            Self::Why(_) => View::Why,
            Self::Object(_) => View::Object,
            Self::Tls(_) => View::Tls,
            Self::Rules(_) => View::Rules,
            Self::AuthzRules(_) => View::AuthzRules,
            Self::Log(_) => View::Log,
            Self::Causes(_) => View::Causes,
            Self::Cause(_) => View::Cause,
            Self::Explain(_) => View::Explain,
            Self::Fix(_) => View::Fix,
            Self::Help(_) => View::Help,
            Self::Aliases(_) => View::Aliases,
        }
    }

    /// What it can do.
    pub fn behaviour(&self) -> &dyn Behaviour {
        match self {
            Self::Findings(screen) => screen,
            Self::Why(screen) => &**screen,
            Self::Object(screen) => screen,
            Self::Tls(screen) => screen,
            Self::Rules(screen) => screen,
            Self::AuthzRules(screen) => &**screen,
            Self::Log(screen) => &**screen,
            Self::Causes(screen) => screen,
            Self::Cause(screen) => &**screen,
            Self::Explain(screen) => screen,
            Self::Fix(screen) => screen,
            Self::Help(screen) => screen,
            Self::Aliases(screen) => screen,
        }
    }

    /// What it can do, to itself.
    pub fn behaviour_mut(&mut self) -> &mut dyn Behaviour {
        match self {
            Self::Findings(screen) => screen,
            Self::Why(screen) => &mut **screen,
            Self::Object(screen) => screen,
            Self::Tls(screen) => screen,
            Self::Rules(screen) => screen,
            Self::AuthzRules(screen) => &mut **screen,
            Self::Log(screen) => &mut **screen,
            Self::Causes(screen) => screen,
            Self::Cause(screen) => &mut **screen,
            Self::Explain(screen) => screen,
            Self::Fix(screen) => screen,
            Self::Help(screen) => screen,
            Self::Aliases(screen) => screen,
        }
    }

    /// Its page, where it is one.
    pub fn page(&self) -> Option<&Page> {
        match self {
            Self::Findings(_)
            | Self::Tls(_)
            | Self::Rules(_)
            | Self::AuthzRules(_)
            | Self::Log(_)
            | Self::Causes(_) => None,
            Self::Why(screen) => Some(screen.page()),
            Self::Object(screen) => Some(screen.page()),
            Self::Cause(screen) => Some(screen.page()),
            Self::Explain(screen) => Some(screen.page()),
            Self::Fix(screen) => Some(screen.page()),
            Self::Help(screen) => Some(screen.page()),
            Self::Aliases(screen) => Some(screen.page()),
        }
    }
}

/// Screens are opened on top of each other at most so deep; the ones in the middle go first.
const DEEPEST: usize = 32;

/// The screens, the findings at the bottom. It is never empty.
#[derive(Debug)]
pub struct Stack {
    below: Vec<Screen>,
    top: Screen,
    /// The log view that was left: its query, range and marks come back.
    left: Option<Box<log::LogLines>>,
}

impl Stack {
    /// The findings alone.
    pub fn new() -> Self {
        Self { below: Vec::new(), top: Screen::Findings(findings::Findings::default()), left: None }
    }

    /// The one in front.
    pub fn top(&self) -> &Screen {
        &self.top
    }

    /// The one in front.
    pub fn top_mut(&mut self) -> &mut Screen {
        &mut self.top
    }

    /// Puts a screen in front.
    pub fn push(&mut self, screen: Screen) {
        if self.below.len() >= DEEPEST {
            self.below.remove(1);
        }
        self.below.push(std::mem::replace(&mut self.top, screen));
    }

    /// Goes back to the screen behind. False at the last one.
    pub fn pop(&mut self) -> bool {
        match self.below.pop() {
            Some(screen) => {
                if let Screen::Log(left) = std::mem::replace(&mut self.top, screen) {
                    self.left = Some(left);
                }
                true
            }
            None => false,
        }
    }

    /// The log view as it was left, or a new one.
    pub fn log(&mut self) -> Screen {
        Screen::Log(self.left.take().unwrap_or_default())
    }

    /// Goes back to the screen of a kind, if one is open.
    pub fn pop_to(&mut self, view: View) -> bool {
        let open = self.iter().any(|screen| screen.view() == view);
        while open && self.top.view() != view && self.pop() {}
        open
    }

    /// All, the first one first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Screen> {
        self.below.iter().chain(std::iter::once(&self.top))
    }

    /// All, the first one first.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Screen> {
        self.below.iter_mut().chain(std::iter::once(&mut self.top))
    }
}

impl Default for Stack {
    fn default() -> Self {
        Self::new()
    }
}
