//! The command line: flags common to all commands, and the way from a command to an exit code.

mod authz;
mod check;
mod config;
mod demo;
mod explain;
mod logs;
mod output;
mod resolve;
mod screen;
mod source;
mod tls_check;
mod why;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::report::table::Style;
use crate::report::{self, ErasedReport, Format};
use crate::resolve::IstioVersion;
use crate::settings::{self, Colour};

use output::Output;

/// Finds out why a request in an Istio mesh fails: which DestinationRule each client uses, whether client and server
/// agree on mutual TLS, and what the access logs prove.
#[derive(Debug, Parser)]
#[command(name = "meshscope", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Option<Command>,
}

const EXIT_CODES: &str = "\
Exit codes: 0 answered, nothing wrong; 1 could not do it; 64 wrong usage; 65 an input in which nothing could be read; \
79 findings at or above --fail-on, a conflict, or a request that is refused.

Try it: `meshscope demo` shows a small broken mesh with traffic; nothing else is needed.";

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
struct Common {
    /// Kubernetes objects (YAML, JSON, lists), access logs, counters of proxies: files, folders, or - for standard
    /// input. Repeatable
    #[arg(short = 'f', long = "filename", value_name = "PATH", global = true)]
    filename: Vec<String>,
    /// An access log whose pod cannot be told otherwise. Repeatable
    #[arg(long = "log", value_name = "NS/POD[/CONTAINER]=PATH", global = true)]
    log: Vec<String>,
    /// Envoy's format of the lines, a string or a JSON object, where neither the objects nor the lines tell it
    #[arg(long, value_name = "FORMAT", global = true)]
    log_format: Option<String>,
    /// Show only this namespace (what decides is read from everywhere). Repeatable
    #[arg(short = 'n', long, value_name = "NS", global = true)]
    namespace: Vec<String>,
    /// Show all namespaces (the default)
    #[arg(short = 'A', long, global = true)]
    all_namespaces: bool,
    /// The root namespace [default: rootNamespace of the mesh configuration, else istio-system]
    #[arg(short = 'i', long, value_name = "NS", global = true)]
    istio_namespace: Option<String>,
    /// The version of Istio whose rules apply [default: the running istiod's, else the newest known]
    #[arg(long, value_name = "X.Y", value_parser = version, global = true)]
    istio_version: Option<String>,
    /// How to write the answer [default: table]
    #[arg(short = 'o', long, value_enum, value_name = "FORMAT", global = true)]
    output: Option<Output>,
    /// Colours; the environment's `NO_COLOR` and `CLICOLOR_FORCE` are honoured
    #[arg(long, value_enum, value_name = "WHEN", default_value_t, global = true)]
    color: Colour,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything that is wrong, with proof and remedies
    Check(check::Flags),
    /// Do clients and servers agree on TLS
    TlsCheck(tls_check::Flags),
    /// What istioctl called it: `authn tls-check`
    #[command(hide = true)]
    Authn {
        #[command(subcommand)]
        command: Authn,
    },
    /// Which DestinationRule a client uses, and why every other one is not it
    Resolve(resolve::Flags),
    /// Everything about the pairs of one service, on one page
    Why(why::Flags),
    /// Access logs in short, and the causes of what failed
    Logs(logs::Flags),
    /// What authorization policies make of requests, and why
    Authz {
        #[command(subcommand)]
        question: authz::Question,
    },
    /// What a finding, response flag, detail, cause or outcome means
    Explain(explain::Flags),
    /// The configuration of this program
    Config {
        #[command(subcommand)]
        question: config::Question,
    },
    /// The screen, or any command, on a built-in broken mesh with traffic
    Demo(demo::Flags),
}

#[derive(Debug, Subcommand)]
enum Authn {
    /// Do clients and servers agree on TLS
    TlsCheck(tls_check::Flags),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Answered, nothing at or above the limit.
    Fine,
    /// Answered, and something is wrong.
    Faulty,
    /// What was asked cannot be decided by what is known.
    Open,
}

/// The value of `--istio-version`.
fn version(text: &str) -> Result<String, String> {
    let known = IstioVersion::is_version(text).then(|| text.to_owned());
    known.ok_or_else(|| "expected a version of Istio such as 1.28".to_owned())
}

/// A failure with an exit code of its own.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// Wrong usage: 64.
    #[error("{0}")]
    Usage(String),
    /// An argument in which nothing could be read: 65.
    #[error("{0}")]
    Data(String),
}

/// Runs the program and says how it ended.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::read(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match cli.run() {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Faulty) => ExitCode::from(79),
        Ok(Outcome::Open) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

fn usage(error: &clap::Error) -> ExitCode {
    let asked = !error.use_stderr();
    // A message that cannot be written has nobody to read it.
    drop(error.print());
    if asked { ExitCode::SUCCESS } else { ExitCode::from(64) }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    if io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    let chain: Vec<_> = error.chain().map(ToString::to_string).collect();
    message(&chain.join(": "));
    match error.downcast_ref::<Refusal>() {
        Some(Refusal::Usage(_)) => ExitCode::from(64),
        Some(Refusal::Data(_)) => ExitCode::from(65),
        None => ExitCode::FAILURE,
    }
}

/// Writes a message to standard error, line by line made fit to be shown.
fn message(text: &str) {
    let lines: Vec<_> = text.lines().map(crate::text::visible).collect();
    let lines = lines.join("\n");
    // A message that cannot be written has nobody to read it.
    drop(writeln!(io::stderr().lock(), "meshscope: {lines}"));
}

impl Cli {
    /// Reads a command line, with the program's name before the arguments.
    fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut matches = output::offered(Self::command()).try_get_matches_from(arguments)?;
        Self::from_arg_matches_mut(&mut matches)
    }

    fn run(self) -> anyhow::Result<Outcome> {
        let common = self.common;
        if !matches!(self.command, Some(Command::Check(_) | Command::Demo(_))) {
            common.format()?;
        }
        match self.command {
            None => screen::run(&common),
            Some(Command::Check(flags)) => check::run(&common, &flags),
            Some(Command::TlsCheck(flags) | Command::Authn { command: Authn::TlsCheck(flags) }) => {
                tls_check::run(&common, &flags)
            }
            Some(Command::Resolve(flags)) => resolve::run(&common, &flags),
            Some(Command::Why(flags)) => why::run(&common, &flags),
            Some(Command::Logs(flags)) => logs::run(&common, &flags),
            Some(Command::Authz { question }) => authz::run(&common, &question),
            Some(Command::Explain(flags)) => explain::run(&common, &flags),
            Some(Command::Config { question }) => config::run(&common, question),
            Some(Command::Demo(flags)) => demo::run(common, flags),
        }
    }
}

impl Common {
    /// Writes an answer to standard output.
    fn write(&self, answer: &dyn ErasedReport) -> anyhow::Result<()> {
        let format = self.format()?;
        let style = Style { colours: settings::colours(self.color), columns: settings::columns() };
        Self::write_with(|out| report::write(answer, format, style, out))
    }

    /// Writes to standard output.
    fn write_with(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        write(&mut out)?;
        out.flush()?;
        Ok(())
    }

    /// The format of a command that has none of its own.
    fn format(&self) -> anyhow::Result<Format> {
        match self.output.unwrap_or_default() {
            Output::Of(format) => Ok(format),
            Output::Ci(format) => Err(Refusal::Usage(output::refusal(format)).into()),
        }
    }

    /// Whether a namespace is to be shown.
    fn shows(&self, namespace: Option<&str>) -> bool {
        self.all_namespaces
            || self.namespace.is_empty()
            || namespace.is_some_and(|namespace| self.namespace.iter().any(|wanted| wanted == namespace))
    }
}
