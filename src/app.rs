//! Everything the screen depends on: messages in, a new state and effects out.
//!
//! Nothing here waits, draws or asks for the time. What takes long is an effect whose result comes back as a message;
//! the time comes with messages; the picture is made from [`App`] by `ui`.

use std::collections::{BTreeSet, HashMap};

use crate::answer::Read;
use crate::logs::{SourceId, SourceName};

pub mod answering;
pub mod answers;
pub mod command;
pub mod command_line;
pub mod counted;
pub mod derive;
pub mod effect;
pub mod extent;
pub mod filter;
pub mod histogram;
pub mod key;
pub mod keymap;
pub mod listing;
pub mod msg;
pub mod page;
pub mod prompt;
pub mod query_words;
pub mod question;
pub mod screen;
pub mod source;
pub mod target;
pub mod update;
pub mod wording;
pub mod yaml;

pub use answers::Answers;
pub use effect::Effect;
pub use key::Key;
pub use msg::{LogLine, Msg};
pub use question::{Answer, Question};
pub use source::{Reading, Source};

use command::{Command, Typing};
use counted::Counted;
use derive::Derive;
use extent::Extent;
use page::Tone;
use prompt::{History, Prompt};
use screen::{Context, Screen, Stack};
use target::Target;

/// A line for the user that the next key takes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How grave it is.
    pub tone: Tone,
    /// The text.
    pub text: String,
}

/// The state.
#[derive(Debug)]
pub struct App {
    source: Source,
    reading: Reading,
    read: Option<Read>,
    answers: Answers,
    derive: Derive,
    stack: Stack,
    prompt: Option<Prompt>,
    history: History,
    /// Queries that were typed.
    queries: History,
    message: Option<Message>,
    extent: Extent,
    wide: bool,
    frozen: bool,
    namespace: Option<String>,
    namespaces: Vec<String>,
    live_sources: HashMap<SourceName, SourceId>,
    dropped: u64,
    counted: Counted,
    now: i64,
    changed: bool,
}

impl App {
    /// The state before anything is read: the screen is up and says what it waits for.
    pub fn new(source: Source, width: u16, height: u16) -> Self {
        Self {
            source,
            reading: Reading::Begun(String::new()),
            read: None,
            answers: Answers::default(),
            derive: Derive::default(),
            stack: Stack::new(),
            prompt: None,
            history: History::default(),
            queries: History::default(),
            message: None,
            extent: Extent::new(width, height),
            wide: false,
            frozen: false,
            namespace: None,
            namespaces: Vec::new(),
            live_sources: HashMap::new(),
            dropped: 0,
            counted: Counted::default(),
            now: 0,
            changed: true,
        }
    }

    /// The same, showing one namespace only.
    #[must_use]
    pub fn in_namespace(self, namespace: Option<String>) -> Self {
        Self { namespace, ..self }
    }

    /// Where the mesh comes from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// How far reading it is.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// What was read.
    pub fn read(&self) -> Option<&Read> {
        self.read.as_ref()
    }

    /// The answers at hand.
    pub fn answers(&self) -> &Answers {
        &self.answers
    }

    /// The screen in front.
    pub fn screen(&self) -> &Screen {
        self.stack.top()
    }

    /// All screens, the first one first.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The line that is being typed.
    pub fn prompt(&self) -> Option<&Prompt> {
        self.prompt.as_ref()
    }

    /// The line for the user.
    pub fn message(&self) -> Option<&Message> {
        self.message.as_ref()
    }

    /// The size of the picture and of its parts.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Whether the picture stands still while collecting goes on.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// The namespace shown; all where there is none.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The namespaces, in the order of the number keys.
    pub fn namespaces(&self) -> &[String] {
        &self.namespaces
    }

    /// Log lines that were dropped because they came too fast.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What screens are made from.
    pub fn context(&self) -> Context<'_> {
        Context {
            answers: &self.answers,
            read: self.read.as_ref(),
            reading: &self.reading,
            source: &self.source,
            namespace: self.namespace.as_deref(),
            namespaces: &self.namespaces,
            counted: &self.counted,
            wide: self.wide,
            extent: self.extent,
        }
    }

    /// What could complete the line that is being typed, and at which byte of it that begins.
    pub fn completions(&self) -> Option<(usize, Vec<String>)> {
        let prompt = self.prompt.as_ref()?;
        match prompt.kind() {
            prompt::Kind::Command => prompt.commands(),
            prompt::Kind::Filter { .. } => self.screen().behaviour().completions(&prompt.to_complete()),
        }
    }

    /// Whether a command would do something now: what would not is not offered. On a page it counts what the page has,
    /// whichever line is selected.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others do something in every view that has them")]
    pub fn offers(&self, command: Command) -> bool {
        let (screen, context) = (self.screen(), self.context());
        let behaviour = screen.behaviour();
        let page_has = |is: fn(&Target) -> bool| screen.page().is_some_and(|page| page.targets().any(is));
        match command {
            Command::Open => page_has(|_| true) || behaviour.open(&context).is_some(),
            Command::Yaml => {
                page_has(|target| matches!(target, Target::Object { .. }))
                    || behaviour.object(&context).is_some()
            }
            Command::Explain => {
                page_has(|target| matches!(target, Target::Explain(_))) || behaviour.code(&context).is_some()
            }
            Command::Fix => behaviour.finding(&context).is_some(),
            Command::Describe => behaviour.describe().is_some(),
            Command::Authorization => behaviour.authorization(&context).is_some(),
            Command::NextPair | Command::PreviousPair => {
                matches!(screen, Screen::Why(page) if page.place().1 > 1)
            }
            Command::Typing(Typing::Complete) => self.completions().is_some(),
            _ => true,
        }
    }

    /// Whether something visible changed since this was last asked.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    fn say(&mut self, tone: Tone, text: impl Into<String>) {
        self.message = Some(Message { tone, text: text.into() });
    }

    /// Makes the rows of every screen anew; what is selected stays selected.
    fn refresh(&mut self) {
        self.refresh_those(|_| true);
    }

    /// Makes the rows anew of the screens that need this question answered.
    fn refresh_for(&mut self, question: &Question) {
        self.refresh_those(|screen| screen.behaviour().questions().contains(question));
    }

    fn refresh_those(&mut self, which: impl Fn(&Screen) -> bool) {
        let Self {
            stack, answers, read, reading, source, namespace, namespaces, counted, wide, extent, ..
        } = self;
        let context = Context {
            answers,
            read: read.as_ref(),
            reading,
            source,
            namespace: namespace.as_deref(),
            namespaces,
            counted,
            wide: *wide,
            extent: *extent,
        };
        for screen in stack.iter_mut().filter(|screen| which(screen)) {
            screen.behaviour_mut().refresh(&context);
        }
    }

    fn set_read(&mut self, read: Read) {
        let names: BTreeSet<&str> = read
            .mesh
            .snapshot
            .objects()
            .map(|object| {
                if *object.id.kind.name() == *"Namespace" { &*object.id.name } else { &*object.id.namespace }
            })
            .filter(|name| !name.is_empty())
            .collect();
        self.namespaces = names.into_iter().map(str::to_owned).collect();
        self.live_sources.clear();
        self.read = Some(read);
        self.reading = Reading::Done;
        self.derive.mesh_changed();
    }
}
