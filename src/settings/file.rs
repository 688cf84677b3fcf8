//! The configuration file: what it can say, and what is wrong with one. What is wrong is told and left out; the rest
//! counts.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::resolve::Flag;

/// The file that changes nothing, with every setting and what it means.
pub const DEFAULT: &str = include_str!("../../assets/config.toml");

/// What the file sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `[istiod.flags]`: istiod's flags, whatever was read of it.
    pub flags: Vec<(Flag, bool)>,
}

/// Something in the file that says nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// The key with its tables; empty where the text is no TOML.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}: {}", self.line, self.problem),
            key => write!(f, "{}: {key}: {}", self.line, self.problem),
        }
    }
}

/// The settings of a text, and its mistakes in the order of lines.
pub fn parse(text: &str) -> (Settings, Vec<Mistake>) {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut reading = Reading { text, settings: Settings::default(), mistakes: Vec::new() };
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        reading.mistake(at, String::new(), error.message().to_owned());
    }
    reading.root(root.get_ref());
    reading.mistakes.sort();
    // What was made of a line that is no TOML is not worth a second word; its own mistake comes first, without a key.
    reading.mistakes.dedup_by(|later, first| first.key.is_empty() && later.line == first.line);
    (reading.settings, reading.mistakes)
}

struct Reading<'a> {
    text: &'a str,
    settings: Settings,
    mistakes: Vec<Mistake>,
}

impl Reading<'_> {
    fn mistake(&mut self, at: usize, key: String, problem: String) {
        let before = self.text.get(..at).unwrap_or(self.text);
        self.mistakes.push(Mistake { line: before.matches('\n').count() + 1, key, problem });
    }

    fn root(&mut self, root: &DeTable<'_>) {
        for (key, value) in root {
            let name = key.get_ref().to_string();
            if name == "istiod" {
                self.istiod(value);
            } else {
                self.mistake(key.span().start, name, "there is no such setting".to_owned());
            }
        }
    }

    fn istiod(&mut self, istiod: &Spanned<DeValue<'_>>) {
        for (key, value) in self.table(istiod, "istiod") {
            let name = format!("istiod.{}", key.get_ref());
            if name == "istiod.flags" {
                self.flags(value);
            } else {
                self.mistake(key.span().start, name, "there is no such setting".to_owned());
            }
        }
    }

    fn flags(&mut self, flags: &Spanned<DeValue<'_>>) {
        for (key, value) in self.table(flags, "istiod.flags") {
            let name = format!("istiod.flags.{}", key.get_ref());
            match (Flag::named(key.get_ref()), value.get_ref()) {
                (Some(flag), DeValue::Boolean(on)) => self.settings.flags.push((flag, *on)),
                (Some(_), other) => {
                    let problem = format!("expected true or false, found {}", other.type_str());
                    self.mistake(value.span().start, name, problem);
                }
                (None, _) => {
                    let names: Vec<_> = Flag::ALL.iter().map(|flag| flag.name()).collect();
                    let problem = format!("no flag that changes an answer; those are {}", names.join(", "));
                    self.mistake(key.span().start, name, problem);
                }
            }
        }
    }

    /// The entries of a table; none, and a mistake, where it is something else.
    fn table<'v, 'i>(
        &mut self,
        value: &'v Spanned<DeValue<'i>>,
        name: &str,
    ) -> impl Iterator<Item = (&'v Spanned<toml::de::DeString<'i>>, &'v Spanned<DeValue<'i>>)> + use<'v, 'i>
    {
        let table = value.get_ref().as_table();
        if table.is_none() {
            let problem = format!("expected a table, found {}", value.get_ref().type_str());
            self.mistake(value.span().start, name.to_owned(), problem);
        }
        table.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        parse(text).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn flags_are_read_by_the_names_of_istiods_environment() {
        let text = "# comment\n[istiod.flags]\nPILOT_UNIFIED_SIDECAR_SCOPE = false\n\
                    PILOT_ENABLE_EDS_FOR_HEADLESS_SERVICES = true\n";
        let (settings, mistakes) = parse(text);
        assert_eq!(mistakes, []);
        let mut flags = settings.flags;
        flags.sort();
        assert_eq!(flags, [(Flag::UnifiedSidecarScope, false), (Flag::EdsForHeadless, true)]);
        assert_eq!(parse(""), (Settings::default(), Vec::new()));
    }

    #[test]
    fn a_mistake_names_line_and_key_and_the_rest_counts() {
        let text = "colour = \"red\"\n[istiod.flags]\nPILOT_UNIFIED_SIDECAR_SCOPE = \"false\"\n\
                    PILOT_SIDECAR_PICK_BEST_SERVICE_NAMESPACE = false\nPILOT_ENABLE_STATUS = true\n[istiod.version]\n";
        let (settings, _) = parse(text);
        assert_eq!(settings.flags, [(Flag::BestServiceNamespace, false)]);
        let found = mistakes(text);
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!(found[0], "1: colour: there is no such setting");
        assert_eq!(
            found[1],
            "3: istiod.flags.PILOT_UNIFIED_SIDECAR_SCOPE: expected true or false, found string"
        );
        assert!(found[2].starts_with("5: istiod.flags.PILOT_ENABLE_STATUS: no flag that changes an answer"));
        assert_eq!(found[3], "6: istiod.version: there is no such setting");
        assert_eq!(mistakes("istiod = 3\n"), ["1: istiod: expected a table, found integer"]);
        assert_eq!(mistakes("[istiod]\nflags = []\n"), ["2: istiod.flags: expected a table, found array"]);
    }

    #[test]
    fn the_default_file_sets_nothing_and_shows_every_flag_as_it_is_by_default() {
        assert_eq!(parse(DEFAULT), (Settings::default(), Vec::new()));
        let commented = DEFAULT.lines().filter_map(|line| line.strip_prefix("# "));
        let shown: Vec<_> = commented.filter(|line| line.contains(" = ")).collect();
        let (settings, mistakes) = parse(&format!("[istiod.flags]\n{}\n", shown.join("\n")));
        assert_eq!(mistakes, []);
        let defaults = Flag::ALL.map(|flag| (flag, flag.default_is_on()));
        let mut flags = settings.flags;
        flags.sort();
        assert_eq!(flags, BTreeSet::from(defaults).into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn what_is_no_toml_is_a_mistake_with_its_line() {
        let text = "[istiod.flags]\nPILOT_UNIFIED_SIDECAR_SCOPE = false\n= 3\n";
        let (settings, found) = parse(text);
        assert_eq!(settings.flags, [(Flag::UnifiedSidecarScope, false)]);
        assert_eq!((found.len(), found[0].line, found[0].key.as_str()), (1, 3, ""));
    }
}
