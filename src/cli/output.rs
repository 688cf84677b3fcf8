//! `-o`: the formats of every command, and those that only `check` has.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Command, ValueEnum};

use crate::report::Format;
use crate::report::ci::CiFormat;

/// A format that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// One that every command has.
    Of(Format),
    /// One for CI, of `check` only.
    Ci(CiFormat),
}

impl Default for Output {
    fn default() -> Self {
        Self::Of(Format::default())
    }
}

impl ValueEnum for Output {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Of(Format::Table),
            Self::Of(Format::Wide),
            Self::Of(Format::Json),
            Self::Of(Format::Yaml),
            Self::Of(Format::Ndjson),
            Self::Of(Format::Name),
            Self::Ci(CiFormat::Sarif),
            Self::Ci(CiFormat::Junit),
            Self::Ci(CiFormat::Markdown),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Of(format) => format.to_possible_value(),
            Self::Ci(format) => format.to_possible_value(),
        }
    }
}

/// Why a format for CI is refused by another command.
pub(super) fn refusal(format: CiFormat) -> String {
    let others: Vec<_> = Format::value_variants().iter().map(name).collect();
    format!("-o {} is for `check` only; this command has {}", name(&format), others.join(", "))
}

fn name(format: &impl ValueEnum) -> String {
    format.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// The command line in which each command offers the formats that it has: `check`, and `demo`, which can run it, all.
pub(super) fn offered(command: Command) -> Command {
    let Some(output) = command.get_arguments().find(|argument| argument.get_id() == "output") else {
        return command;
    };
    let output = output.clone().value_parser(OfEveryCommand);
    let names: Vec<_> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    let others = names.into_iter().filter(|name| name != "check" && name != "demo");
    others.fold(command, |command, name| command.mut_subcommand(name, |one| one.arg(output.clone())))
}

/// Takes the formats that every command has.
#[derive(Debug, Clone)]
struct OfEveryCommand;

impl TypedValueParser for OfEveryCommand {
    type Value = Output;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Output, clap::Error> {
        let text = value.to_str().unwrap_or_default();
        if let Ok(format) = CiFormat::from_str(text, false) {
            let text = format!("{}\n", refusal(format));
            return Err(clap::Error::raw(ErrorKind::InvalidValue, text).with_cmd(command));
        }
        let names = Format::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let name = PossibleValuesParser::new(names).parse_ref(command, argument, value)?;
        // The name is one of the formats' own.
        Ok(Format::from_str(&name, false).map(Output::Of).unwrap_or_default())
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(Format::value_variants().iter().filter_map(ValueEnum::to_possible_value)))
    }
}
