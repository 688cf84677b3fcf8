//! The commands that are typed behind `:`, their other names and their completion.

use super::screen::View;
use super::target::PairKey;
use crate::resolve::name::distance;

/// What a typed command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// A view.
    Show(View),
    /// The page of a service.
    Why(PairKey),
    /// What a code means.
    Explain(String),
    /// The rules of authorization, of a workload or of all.
    AuthzRules(Option<String>),
    /// Count from now on.
    Reset,
    /// Out.
    Quit,
}

/// A command that can be typed.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    /// Its name.
    pub name: &'static str,
    /// Its other names.
    pub aliases: &'static [&'static str],
    /// What it wants behind its name.
    pub argument: &'static str,
    /// What it shows.
    pub description: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Show(View),
    Why,
    Explain,
    AuthzRules,
    Reset,
    Quit,
}

/// All of them.
pub const COMMANDS: &[Named] = &[
    named("findings", &["popeye", "f"], "", "everything that is wrong", Kind::Show(View::Findings)),
    named("tls", &["tls-check"], "", "do client and server agree", Kind::Show(View::Tls)),
    named("dr", &["destinationrule", "destinationrules"], "", "DestinationRules", Kind::Show(View::Rules)),
    named("rules", &["authz", "ap"], "[WORKLOAD]", "who may call, rule by rule", Kind::AuthzRules),
    named("reset", &[], "", "count rules from now on", Kind::Reset),
    named("log", &["logs"], "", "the last lines, by a query", Kind::Show(View::Log)),
    named("causes", &["cause"], "", "why what failed did", Kind::Show(View::Causes)),
    named("why", &[], "SERVICE[:PORT]", "the pairs of a service", Kind::Why),
    named("explain", &["x"], "CODE", "what a code or flag means", Kind::Explain),
    named("help", &["h", "?"], "", "keys", Kind::Show(View::Help)),
    named("aliases", &["commands"], "", "these commands", Kind::Show(View::Aliases)),
    named("q", &["quit", "q!"], "", "quit", Kind::Quit),
];

const fn named(
    name: &'static str,
    aliases: &'static [&'static str],
    argument: &'static str,
    description: &'static str,
    kind: Kind,
) -> Named {
    Named { name, aliases, argument, description, kind }
}

/// Reads a command; a text that is none gets a message that names the nearest.
pub fn parse(text: &str) -> Result<Order, String> {
    let text = text.trim().trim_start_matches(':').trim_start();
    let (name, argument) = text.split_once(' ').map_or((text, ""), |(name, rest)| (name, rest.trim()));
    let Some(found) = COMMANDS.iter().find(|one| one.name == name || one.aliases.contains(&name)) else {
        return Err(match nearest(name) {
            Some(near) => format!("no command {name}: did you mean {near}?"),
            None => format!("no command {name}: :aliases lists them"),
        });
    };
    match (found.kind, argument) {
        (Kind::Show(view), "") => Ok(Order::Show(view)),
        (Kind::Quit, "") => Ok(Order::Quit),
        (Kind::Reset, "") => Ok(Order::Reset),
        (Kind::AuthzRules, "") => Ok(Order::AuthzRules(None)),
        (Kind::AuthzRules, workload) => Ok(Order::AuthzRules(Some(workload.to_owned()))),
        (Kind::Show(_) | Kind::Quit | Kind::Reset, _) => Err(format!("{name} takes no argument")),
        (Kind::Why | Kind::Explain, "") => Err(format!("{name} wants {}", found.argument)),
        (Kind::Why, service) => Ok(Order::Why(pair(service))),
        (Kind::Explain, code) => Ok(Order::Explain(code.to_owned())),
    }
}

fn pair(service: &str) -> PairKey {
    let split = service.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse().ok()?)));
    let (service, port) = split.map_or((service, None), |(name, port)| (name, Some(port)));
    PairKey { client: None, service: service.to_owned(), port, subset: None }
}

/// The names that begin with what was typed, their other names after them.
pub fn completions(typed: &str) -> Vec<&'static str> {
    let own = COMMANDS.iter().map(|one| one.name).filter(|name| name.starts_with(typed));
    let others = COMMANDS.iter().flat_map(|one| one.aliases).copied().filter(|name| name.starts_with(typed));
    if typed.is_empty() { own.collect() } else { own.chain(others).collect() }
}

/// The name that is at most two letters away; the nearest of several.
fn nearest(typed: &str) -> Option<&'static str> {
    let names = COMMANDS.iter().flat_map(|one| std::iter::once(one.name).chain(one.aliases.iter().copied()));
    let near =
        names.map(|name| (distance(typed, name), name)).filter(|(far, name)| *far <= 2 && *far < name.len());
    near.min_by_key(|(far, _)| *far).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_aliases_arguments() {
        assert_eq!(parse(":popeye "), Ok(Order::Show(View::Findings)));
        let why =
            PairKey { client: None, service: "productpage.bookinfo".into(), port: Some(9080), subset: None };
        assert_eq!(parse("why productpage.bookinfo:9080"), Ok(Order::Why(why)));
        assert_eq!(parse("why"), Err("why wants SERVICE[:PORT]".into()));
        assert_eq!(parse("tls now"), Err("tls takes no argument".into()));
        assert_eq!(parse("x UC"), Ok(Order::Explain("UC".into())));
    }

    #[test]
    fn an_unknown_command_names_the_nearest() {
        assert_eq!(parse("fidnings"), Err("no command fidnings: did you mean findings?".into()));
        assert_eq!(parse("zzzzzz"), Err("no command zzzzzz: :aliases lists them".into()));
    }

    #[test]
    fn no_name_twice() {
        let mut names: Vec<_> = COMMANDS
            .iter()
            .flat_map(|one| std::iter::once(one.name).chain(one.aliases.iter().copied()))
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn completion_begins_with_what_was_typed() {
        assert_eq!(completions("f"), ["findings", "f"]);
        assert_eq!(completions("de"), ["destinationrule", "destinationrules"]);
        assert_eq!(completions("").len(), COMMANDS.len());
    }
}
