//! The program `meshscope`: flags in, an exit code out.

use std::process::ExitCode;

/// Objects are read on one thread and given back on another, which the system's allocator is slow at.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    meshscope::cli::run(std::env::args_os())
}
