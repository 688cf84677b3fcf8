//! The program `meshscope`: flags in, an exit code out.

use std::process::ExitCode;

#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    meshscope::cli::run(std::env::args_os())
}
