//! A format string to its pieces: `%COMMAND(ARGUMENT):LENGTH%` and the text between.

use std::fmt;

use nom::character::complete::{char, digit1};
use nom::combinator::{map_res, opt};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser, bytes::complete::take_while1};

/// Why a format string cannot be what Envoy wrote lines with, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatError {
    /// The character of the format string at which it goes wrong, from 1.
    pub character: usize,
    /// What stands there.
    pub found: String,
    /// What is the matter with it.
    pub text: String,
}

impl FormatError {
    /// An error at that byte of the format string.
    pub(super) fn at(format: &str, byte: usize, text: impl Into<String>) -> Self {
        let (before, after) = format.split_at_checked(byte).unwrap_or((format, ""));
        let found = after.chars().take(24).collect();
        Self { character: before.chars().count() + 1, found, text: text.into() }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at character {} (`{}`)", self.text, self.character, self.found.escape_debug())
    }
}

impl std::error::Error for FormatError {}

/// A piece of a format string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text that stands in every line.
    Literal(String),
    /// A command.
    Command(Command<'a>),
}

/// `%NAME(ARGUMENT):LENGTH%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Command<'a> {
    pub(super) name: &'a str,
    pub(super) argument: Option<&'a str>,
    pub(super) length: Option<usize>,
    /// The byte of the format string at which it begins.
    pub(super) at: usize,
}

/// The pieces of a format string; no two literals stand side by side.
pub(super) fn pieces(format: &str) -> Result<Vec<Piece<'_>>, FormatError> {
    let mut found = Vec::new();
    let mut literal = String::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        let at = format.len() - rest.len();
        if let Some(after) = rest.strip_prefix("%%") {
            literal.push('%');
            rest = after;
        } else if first == '%' {
            let (after, command) = command(rest).ok().ok_or_else(|| {
                FormatError::at(format, at, "no operator such as %PROTOCOL% or %REQ(X):10% can be read")
            })?;
            if !literal.is_empty() {
                found.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            found.push(Piece::Command(Command { at, ..command }));
            rest = after;
        } else {
            literal.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    if !literal.is_empty() {
        found.push(Piece::Literal(literal));
    }
    Ok(found)
}

fn command(text: &str) -> IResult<&str, Command<'_>> {
    let name = take_while1(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let parts = (name, opt(argument), opt(length));
    let (rest, (name, argument, length)) = delimited(char('%'), parts, char('%')).parse(text)?;
    Ok((rest, Command { name, argument, length, at: 0 }))
}

/// `(ARGUMENT)`: as Envoy does, up to the first parenthesis behind which the command ends, so that an argument may
/// hold others and `%`.
fn argument(text: &str) -> IResult<&str, &str> {
    let (inside, _) = char('(').parse(text)?;
    let ends = |rest: &str| (opt(length), char::<&str, nom::error::Error<&str>>('%')).parse(rest).is_ok();
    let found = inside.match_indices(')').find_map(|(at, _)| {
        let (argument, rest) = inside.split_at_checked(at)?;
        let rest = rest.strip_prefix(')')?;
        ends(rest).then_some((rest, argument))
    });
    match found {
        Some((rest, argument)) if !argument.contains('\n') => Ok((rest, argument)),
        _ => Err(nom::Err::Error(nom::error::Error::new(text, nom::error::ErrorKind::TakeUntil))),
    }
}

/// `:LENGTH`.
fn length(text: &str) -> IResult<&str, usize> {
    preceded(char(':'), map_res(digit1, str::parse)).parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(
        name: &'static str,
        argument: Option<&'static str>,
        length: Option<usize>,
        at: usize,
    ) -> Piece<'static> {
        Piece::Command(Command { name, argument, length, at })
    }

    #[test]
    fn commands_with_arguments_and_lengths() {
        assert_eq!(
            pieces("[%START_TIME(%s.%3f)%] 100%% %REQ(X-A?:PATH):12%%PROTOCOL%\n"),
            Ok(vec![
                Piece::Literal("[".to_owned()),
                command("START_TIME", Some("%s.%3f"), None, 1),
                Piece::Literal("] 100% ".to_owned()),
                command("REQ", Some("X-A?:PATH"), Some(12), 29),
                command("PROTOCOL", None, None, 48),
                Piece::Literal("\n".to_owned()),
            ])
        );
        assert_eq!(
            pieces("%CEL(a['x'] || b.contains('v1'))%"),
            Ok(vec![command("CEL", Some("a['x'] || b.contains('v1')"), None, 0)])
        );
        assert_eq!(pieces(""), Ok(Vec::new()));
    }

    #[test]
    fn an_error_names_its_place() {
        for (format, character) in
            [("a %", 3), ("é %req(X)% b", 3), ("%PROTOCOL% %REQ(X%", 12), ("%REQ(X):a%", 1), ("100% sure", 4)]
        {
            let error = pieces(format).unwrap_err();
            assert_eq!(error.character, character, "{format}");
            assert!(error.to_string().contains(&format!("at character {character} (`%")), "{error}");
        }
        assert!(pieces("%REQ(X):99999999999999999999999%").is_err());
    }
}
