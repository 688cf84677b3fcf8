//! A message in, a new state and effects out.

use std::sync::Arc;

use super::App;
use super::command::{Again, Command, Copied, LogKey, Typing};
use super::command_line::{self, Order};
use super::counted::Counted;
use super::effect::Effect;
use super::filter::Filter;
use super::key::Key;
use super::keymap;
use super::msg::{LogLine, Msg};
use super::page::Tone;
use super::prompt::{Kind, Prompt};
use super::question::{Answer, Question};
use super::screen::authz_rules::AuthzRules;
use super::screen::cause::CausePage;
use super::screen::causes::CausesTable;
use super::screen::explain::ExplainPage;
use super::screen::fix::FixPage;
use super::screen::help::{AliasesPage, HelpPage};
use super::screen::object::ObjectPage;
use super::screen::rules::RulesTable;
use super::screen::tls::TlsTable;
use super::screen::why::WhyPage;
use super::screen::{Screen, View};
use super::source::Reading;
use super::target::{Said, Target};

/// Takes a message in.
pub fn update(app: &mut App, msg: Msg) -> Vec<Effect> {
    let mut effects = Vec::new();
    match msg {
        Msg::Key(key) => {
            app.changed = true;
            press(app, key, &mut effects);
        }
        Msg::Resize(width, height) => {
            (app.extent.width, app.extent.height) = (width, height);
            app.changed = true;
            app.refresh();
        }
        Msg::Tick(now) => app.now = app.now.max(now),
        Msg::SourceProgress { text } => {
            app.reading = Reading::Begun(text);
            app.changed = true;
        }
        Msg::SourceRead(read) => {
            app.set_read(*read);
            app.changed = true;
            app.refresh();
        }
        Msg::SourceFailed(why) => {
            app.reading = Reading::Failed(why);
            app.changed = true;
            app.refresh();
        }
        Msg::LogLines { at, lines, dropped } => {
            app.now = app.now.max(at);
            app.changed |= app.dropped != dropped;
            app.dropped = dropped;
            fold(app, &lines);
        }
        Msg::Answered { revision, question, answer } => take_answer(app, &question, revision, *answer),
        Msg::LeftOut(text) => {
            app.say(Tone::Warning, text);
            app.changed = true;
        }
        Msg::Trouble(text) => {
            app.say(Tone::Error, text);
            app.changed = true;
        }
    }
    ask(app, &mut effects);
    effects
}

/// Folds lines into the counts. The counts are copied only while a computation still reads the old ones.
fn fold(app: &mut App, lines: &[LogLine]) {
    let Some(read) = app.read.as_mut().filter(|_| !lines.is_empty()) else { return };
    let logs = Arc::make_mut(&mut read.logs);
    for line in lines {
        let known = app.live_sources.get(&line.source).copied();
        let source = known.unwrap_or_else(|| {
            let named = logs.sources().find(|(_, name)| **name == line.source).map(|(id, _)| id);
            let id = named.unwrap_or_else(|| logs.add_source(line.source.clone()));
            app.live_sources.insert(line.source.clone(), id);
            id
        });
        logs.add_line(source, line.number, &line.text);
    }
    app.derive.logs_changed();
}

fn take_answer(app: &mut App, question: &Question, revision: u64, answer: Answer) {
    if app.derive.accept(question, revision, &app.answers) {
        app.answers.give(question.clone(), revision, answer);
        app.changed = true;
        app.refresh_for(question);
    }
}

/// Asks the next question, unless the picture is to stand still: then only what was never answered.
fn ask(app: &mut App, effects: &mut Vec<Effect>) {
    let mut wanted: Vec<Question> = Vec::new();
    for screen in app.stack.iter().rev() {
        wanted.extend(screen.behaviour().questions());
    }
    if app.frozen {
        wanted.retain(|question| app.answers.revision(question).is_none());
    }
    if let Some(question) = app.derive.next(&wanted, &app.answers, app.now) {
        effects.push(Effect::Compute { revision: app.derive.revision(), question });
    }
}

fn press(app: &mut App, key: Key, effects: &mut Vec<Effect>) {
    app.message = None;
    if app.prompt.is_some() {
        return match keymap::typing(key) {
            Some(typing) => type_command(app, typing, effects),
            None => type_key(app, key),
        };
    }
    if let Some(command) = keymap::command(app.screen().view(), key) {
        perform(app, command, effects);
    }
}

fn type_key(app: &mut App, key: Key) {
    let Some(prompt) = &mut app.prompt else { return };
    if !prompt.type_key(key) {
        app.prompt = None;
        return;
    }
    if matches!(prompt.kind(), Kind::Filter { .. }) {
        let filter = Filter::new(prompt.text());
        set_filter(app, filter);
    }
}

fn set_filter(app: &mut App, filter: Filter) {
    app.stack.top_mut().behaviour_mut().set_filter(filter);
    app.refresh();
}

fn type_command(app: &mut App, typing: Typing, effects: &mut Vec<Effect>) {
    let completions = if typing == Typing::Complete { app.completions() } else { None };
    let Some(prompt) = &mut app.prompt else { return };
    match typing {
        Typing::Complete => {
            let Some((begin, all)) = completions else { return };
            prompt.complete(begin, &all);
            if is_filter(prompt) {
                let filter = Filter::new(prompt.text());
                set_filter(app, filter);
            }
        }
        Typing::Older | Typing::Newer => {
            let history = if is_filter(prompt) { &app.queries } else { &app.history };
            if prompt.recall(history, typing == Typing::Older) && is_filter(prompt) {
                let filter = Filter::new(prompt.text());
                set_filter(app, filter);
            }
        }
        Typing::Cancel => {
            let before =
                if let Kind::Filter { before } = prompt.kind() { Some(before.clone()) } else { None };
            app.prompt = None;
            if let Some(before) = before {
                set_filter(app, Filter::new(&before));
            }
        }
        // What is wrong stays in sight until it is put right or left.
        Typing::Accept if app.stack.top().behaviour().mistake().is_some() && is_filter(prompt) => {}
        Typing::Accept => {
            let text = prompt.text().trim().to_owned();
            let kind = prompt.kind().clone();
            app.prompt = None;
            if matches!(kind, Kind::Filter { .. }) && !text.is_empty() {
                app.queries.add(&text);
            }
            if kind == Kind::Command && !text.is_empty() && obey(app, &text, effects) {
                app.history.add(&text);
            }
        }
    }
}

fn is_filter(prompt: &Prompt) -> bool {
    matches!(prompt.kind(), Kind::Filter { .. })
}

/// Does what a typed command says. False where it says nothing that is known.
fn obey(app: &mut App, text: &str, effects: &mut Vec<Effect>) -> bool {
    match command_line::parse(text) {
        Ok(Order::Show(view)) => show(app, view),
        Ok(Order::Why(pair)) => open(app, Target::Why { pairs: vec![pair], finding: None }),
        Ok(Order::Explain(code)) => open(app, Target::Explain(code)),
        Ok(Order::AuthzRules(of)) => open(app, Target::AuthzRules { of, said: Said::Nothing }),
        Ok(Order::Reset) => reset(app),
        Ok(Order::Quit) => effects.push(Effect::Quit),
        Err(message) => {
            app.say(Tone::Error, message);
            return false;
        }
    }
    true
}

/// Shows a view: the one that is open with what is selected there, or a new one.
fn show(app: &mut App, view: View) {
    let of = app.screen().view();
    let is_page = matches!(view, View::Help | View::Aliases);
    if (is_page && of == view) || (!is_page && app.stack.pop_to(view)) {
        return;
    }
    let screen = match view {
        View::Tls => Screen::Tls(TlsTable::default()),
        View::Rules => Screen::Rules(RulesTable::default()),
        View::AuthzRules => Screen::AuthzRules(Box::default()),
        View::Log => app.stack.log(),
        View::Causes => Screen::Causes(CausesTable::default()),
        View::Help => Screen::Help(HelpPage::new(of)),
        View::Aliases => Screen::Aliases(AliasesPage::default()),
        // These need to be told of what; the findings are always open.
        View::Findings | View::Why | View::Object | View::Cause | View::Explain | View::Fix => return,
    };
    push(app, screen);
}

fn open(app: &mut App, target: Target) {
    let screen = match target {
        Target::Why { pairs, finding } => Screen::Why(Box::new(WhyPage::new(pairs, finding))),
        Target::Object { object, field } => Screen::Object(ObjectPage::new(object, field)),
        Target::Cause(subject) => Screen::Cause(Box::new(CausePage::new(*subject))),
        Target::Explain(code) => Screen::Explain(ExplainPage::new(code)),
        Target::Fix(finding) => Screen::Fix(FixPage::new(finding)),
        Target::AuthzRules { of, said } => Screen::AuthzRules(Box::new(AuthzRules::new(of, said))),
        Target::Lines(query) => {
            let mut log = app.stack.log();
            log.behaviour_mut().set_filter(Filter::new(&query));
            log
        }
    };
    push(app, screen);
}

fn push(app: &mut App, screen: Screen) {
    app.stack.push(screen);
    app.refresh();
}

fn perform(app: &mut App, command: Command, effects: &mut Vec<Effect>) {
    match command {
        Command::Move(motion) => app.stack.top_mut().behaviour_mut().move_by(motion),
        Command::Back => {
            if !back(app) {
                app.say(Tone::Dim, "this is the first screen: q quits");
            }
        }
        Command::Leave => {
            if !back(app) {
                effects.push(Effect::Quit);
            }
        }
        Command::Quit => effects.push(Effect::Quit),
        Command::CommandLine => app.prompt = Some(Prompt::command()),
        Command::Filter => {
            let filter = app.screen().behaviour().filter().map(|filter| filter.text().to_owned());
            app.prompt = filter.map(|text| Prompt::filter(&text));
        }
        Command::Help => show(app, View::Help),
        Command::Tls => show(app, View::Tls),
        Command::Log => show_log(app),
        Command::Authorization => {
            follow(app, |screen, context| screen.authorization(context), "no workload was read for it");
        }
        Command::Reset => reset(app),
        Command::Sort(by) => {
            if let Screen::AuthzRules(rules) = app.stack.top_mut() {
                rules.sort(by);
                app.refresh();
            }
        }
        Command::Causes => show(app, View::Causes),
        Command::Describe => follow(app, |screen, _| screen.describe(), "nothing to describe here"),
        Command::InLog(key) => {
            if let Screen::Log(log) = app.stack.top_mut() {
                log.press(key);
                if key == LogKey::Full {
                    app.extent.header = !log.look().full;
                }
                app.refresh();
            }
        }
        Command::Open => {
            follow(app, |screen, context| screen.open(context), "nothing to open here");
        }
        Command::Yaml => follow(app, |screen, context| screen.object(context), "no object here"),
        Command::Explain => {
            follow(app, |screen, context| screen.code(context).map(Target::Explain), "no code here");
        }
        Command::Fix => {
            follow(app, |screen, context| screen.finding(context).map(Target::Fix), "no finding here");
        }
        Command::NextPair => turn(app, true),
        Command::PreviousPair => turn(app, false),
        Command::Copy(what) => copy(app, what, effects),
        Command::ToggleWide => {
            app.wide = !app.wide;
            app.refresh();
        }
        Command::ToggleFaults => {
            if let Screen::Tls(table) = app.stack.top_mut() {
                table.toggle_faults();
                app.refresh();
            }
        }
        Command::ToggleHeader => {
            app.extent.header = !app.extent.header;
            app.refresh();
        }
        Command::Namespace(number) => choose_namespace(app, number),
        Command::Freeze => {
            app.frozen = !app.frozen;
            let text = if app.frozen { "frozen: collecting goes on, r shows it" } else { "live" };
            app.say(Tone::Info, text);
        }
        Command::Again(which) => recall(app, which, effects),
        // Only while a line is typed, which is handled before.
        Command::Typing(_) => {}
    }
}

/// The log view as it was left; with a query, where the selected row has lines of its own.
fn show_log(app: &mut App) {
    match app.screen().behaviour().lines() {
        Some(target) => open(app, target),
        None => show(app, View::Log),
    }
}

/// Hits of rules are counted from now on.
fn reset(app: &mut App) {
    match app.answers.authz_hits() {
        Some(hits) => {
            app.counted = Counted::from(hits);
            app.say(Tone::Info, "rules are counted from now on");
            app.refresh();
        }
        None => app.say(Tone::Dim, "nothing is counted yet: :rules"),
    }
}

/// Back: first the filter goes, then the screen. False at the root, where nothing is left to go back from.
fn back(app: &mut App) -> bool {
    let filtered = app.screen().behaviour().filter().is_some_and(|filter| !filter.text().is_empty());
    if filtered {
        set_filter(app, Filter::default());
    }
    filtered || app.stack.pop()
}

fn follow(
    app: &mut App,
    to: impl Fn(&dyn super::screen::Behaviour, &super::screen::Context<'_>) -> Option<Target>,
    otherwise: &str,
) {
    match to(app.screen().behaviour(), &app.context()) {
        Some(target) => open(app, target),
        None => app.say(Tone::Dim, otherwise),
    }
}

fn turn(app: &mut App, forward: bool) {
    if let Screen::Why(page) = app.stack.top_mut() {
        page.turn(forward);
        app.refresh();
    }
}

fn copy(app: &mut App, what: Copied, effects: &mut Vec<Effect>) {
    let screen = app.screen().behaviour();
    let name = || screen.name(&app.context());
    let text = match what {
        Copied::CommandLine => {
            let words = screen.command();
            let namespace = app.namespace.as_deref().filter(|_| app.screen().view().is_narrowed());
            let ours = || (!words.is_empty()).then(|| app.source.command_line(&words, namespace));
            screen.foreign_command(&app.context()).or_else(ours)
        }
        Copied::Namespace => name().and_then(|(_, namespace)| namespace),
        Copied::Name => name().map(|(name, _)| name),
    };
    match text {
        Some(text) => {
            app.say(Tone::Info, format!("copied {text}"));
            effects.push(Effect::Copy(text));
        }
        None => app.say(Tone::Dim, "nothing to copy here"),
    }
}

fn choose_namespace(app: &mut App, number: u8) {
    let name = usize::from(number).checked_sub(1).map(|at| app.namespaces.get(at).cloned());
    match name {
        Some(None) => return app.say(Tone::Dim, format!("there is no namespace {number}")),
        Some(Some(name)) => {
            app.say(Tone::Info, format!("namespace {name}; 0 shows all"));
            app.namespace = Some(name);
        }
        None => app.namespace = None,
    }
    app.refresh();
}

fn recall(app: &mut App, which: Again, effects: &mut Vec<Effect>) {
    let line = match which {
        Again::Older => app.history.older(),
        Again::Newer => app.history.newer(),
        Again::LastView => app.history.last_but_one(),
    };
    match line {
        Some(line) => {
            app.say(Tone::Dim, format!(":{line}"));
            obey(app, &line, effects);
        }
        None => app.say(Tone::Dim, "no other command was given"),
    }
}

#[cfg(test)]
mod tests;
