//! `demo`: the screen or any command on the mesh that the program carries itself.

use std::ffi::OsString;

use clap::Args;

use super::{Cli, Command, Common, Outcome, Refusal, check, screen, source, usage};
use crate::answer::check::choice::FailOn;
use crate::settings;

/// Flags of `demo`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Any command of this program; without one the screen, and without a terminal `check`
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

pub(super) fn run(mut common: Common, flags: Flags) -> anyhow::Result<Outcome> {
    common.filename = vec![source::DEMO.to_owned()];
    if flags.command.is_empty() {
        if settings::is_interactive() {
            return screen::demo(&common);
        }
        let never = check::Flags { fail_on: FailOn::Never, ..check::Flags::default() };
        return check::run(&common, &never);
    }
    let arguments = std::iter::once(OsString::from("meshscope demo")).chain(flags.command);
    let mut cli = match Cli::read(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let asked = usage(&error) == std::process::ExitCode::SUCCESS;
            if asked {
                return Ok(Outcome::Fine);
            }
            return Err(Refusal::Usage("see `meshscope demo --help`".to_owned()).into());
        }
    };
    if matches!(cli.command, Some(Command::Demo(_))) || !cli.common.filename.is_empty() {
        return Err(Refusal::Usage(
            "the demo is its own source: neither demo nor -f can follow it".to_owned(),
        )
        .into());
    }
    cli.common.output = cli.common.output.or(common.output);
    cli.common.filename = common.filename;
    cli.run()
}
