//! The program `meshscope`: flags in, an exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    meshscope::cli::run(std::env::args_os())
}
