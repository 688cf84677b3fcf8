//! Flags, environment and terminal, resolved once. The environment is read here and nowhere else.

#![allow(clippy::disallowed_methods, reason = "this is the place where environment and clock are read")]

pub mod file;

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::ui::Colours;

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Colour {
    /// When the output is a terminal that can.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Whether output gets colours: the flag first, then `NO_COLOR`, then `CLICOLOR_FORCE`, then whether it is a terminal.
pub fn colours(flag: Colour) -> bool {
    match flag {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto if set("NO_COLOR") => false,
        Colour::Auto if set("CLICOLOR_FORCE") => true,
        Colour::Auto => {
            std::io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// How many colours the screen has: `COLORTERM` tells of 24 bits, `TERM` of 256.
pub fn colour_depth(flag: Colour) -> Colours {
    let is = |name: &str, parts: &[&str]| {
        std::env::var(name).is_ok_and(|value| parts.iter().any(|part| value.contains(part)))
    };
    if !colours(flag) {
        Colours::None
    } else if is("COLORTERM", &["truecolor", "24bit"]) || is("TERM", &["direct"]) {
        Colours::True
    } else if is("TERM", &["256"]) {
        Colours::Indexed
    } else {
        Colours::Basic
    }
}

/// Microseconds since the epoch, now.
pub fn now_micros() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Whether the program talks to a terminal at both ends, so that the screen can be shown.
pub fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Whether the terminal shows Unicode, by the locale that counts.
pub fn shows_unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
    let locale = locale.filter(|value| !value.is_empty()).map(|value| value.to_ascii_lowercase()).next();
    locale.is_some_and(|locale| locale.contains("utf-8") || locale.contains("utf8"))
}

/// The folder in which the program runs, where it still is.
pub fn working_folder() -> Option<PathBuf> {
    std::env::current_dir().ok()
}

/// How many columns the output has, where it is a terminal.
pub fn columns() -> Option<usize> {
    std::io::stdout()
        .is_terminal()
        .then(|| crossterm::terminal::size().ok().map(|(columns, _)| columns.into()))?
}

/// Where the configuration file is looked for: `meshscope/config.toml` in the user's folder of configurations. `None`
/// where the environment names no such folder. As the convention has it, a relative path there is none.
pub fn file_path() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let configurations = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(configurations.join("meshscope").join("config.toml"))
}

fn set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0")
}
