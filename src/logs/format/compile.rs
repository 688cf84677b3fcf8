//! A format string to the steps by which lines are read.

use super::field::Field;
use super::forced::Cut;
use super::marked::Marked;
use super::operators::{Argument, Operator, operator, written_by_others};
use super::parse::{Command, FormatError, Piece, pieces};
use super::quick::Row;

/// What becomes of an operator that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// It is an error: somebody typed the format.
    Strict,
    /// Its values can be anything: the proxies have the format, and may be newer than this program.
    Lenient,
}

/// One step through a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// This text.
    Literal(Box<[u8]>),
    /// A value of the field.
    Field(Field),
}

/// A format string, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFormat {
    pub(super) steps: Vec<Step>,
    /// How ordinary lines are read.
    pub(super) cut: Option<Cut>,
    /// The same, faster.
    pub(super) row: Option<Row>,
    /// The same, faster still, where quotes and spaces are between the values.
    pub(super) marked: Option<Box<Marked>>,
}

/// How the formatter that has the format writes what is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Missing {
    /// As `-`, in JSON as `null`.
    #[default]
    Dash,
    /// Not at all (`omit_empty_values`): as empty text, in JSON without its key.
    Nothing,
}

impl LogFormat {
    /// Compiles a format string. The line feed at its end is not part of the lines.
    ///
    /// # Errors
    ///
    /// Where Envoy would refuse the format, or no line can be told to be of it: it has no field, or a line feed
    /// inside.
    pub fn compile(format: &str, strictness: Strictness) -> Result<Self, FormatError> {
        Self::compile_with(format, strictness, Missing::Dash)
    }

    /// The same, where it is known how missing values are written.
    ///
    /// # Errors
    ///
    /// As [`LogFormat::compile`].
    pub fn compile_with(format: &str, strictness: Strictness, missing: Missing) -> Result<Self, FormatError> {
        let trimmed = format.trim_end_matches(['\n', '\r']);
        if let Some(at) = trimmed.find('\n') {
            return Err(FormatError::at(format, at, "lines that go on behind a line feed cannot be read"));
        }
        let compiled = Self::compile_value(trimmed, strictness, missing)?;
        if compiled.fields().next().is_none() {
            return Err(FormatError::at(format, 0, "there is no operator such as %PROTOCOL%"));
        }
        Ok(compiled)
    }

    /// Compiles the text of a value: whatever it has.
    pub(super) fn compile_value(
        format: &str,
        strictness: Strictness,
        missing: Missing,
    ) -> Result<Self, FormatError> {
        let mut steps = Vec::new();
        for piece in pieces(format)? {
            steps.push(match piece {
                Piece::Literal(text) => Step::Literal(text.into_bytes().into()),
                Piece::Command(command) => {
                    Step::Field(Field { missing, ..field(&command, format, strictness)? })
                }
            });
        }
        let cut = Cut::of(&steps);
        Ok(Self {
            row: cut.as_ref().and_then(Row::of),
            marked: cut.as_ref().and_then(Marked::of).map(Box::new),
            cut,
            steps,
        })
    }

    /// The fields, in their order.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.steps.iter().filter_map(|step| match step {
            Step::Field(field) => Some(field),
            Step::Literal(_) => None,
        })
    }

    /// Whether a line of it can be told from any other text: some field takes not every word.
    pub fn tells_lines(&self) -> bool {
        self.fields().any(Field::tells_lines)
    }
}

/// The field of a command.
fn field(command: &Command<'_>, format: &str, strictness: Strictness) -> Result<Field, FormatError> {
    let error = |text: String| Err(FormatError::at(format, command.at, text));
    let name = command.name;
    let known = match operator(command) {
        Some(known) => known,
        None if strictness == Strictness::Strict => return error(format!("there is no operator {name}")),
        None => Operator { argument: Argument::Optional, ..written_by_others(Argument::Optional, None) },
    };
    match (known.argument, command.argument) {
        (Argument::None, Some(_)) => return error(format!("{name} has no argument")),
        (Argument::Required, None | Some("")) => {
            return error(format!("{name} needs an argument, as in %{name}(…)%"));
        }
        _ => {}
    }
    if command.length.is_some() && !known.length {
        return error(format!("{name} cannot be cut to a length"));
    }
    Ok(Field {
        operator: name.into(),
        argument: command.argument.map(Into::into),
        length: command.length,
        target: known.target,
        shape: known.shape,
        missing: Missing::Dash,
    })
}
