//! The labctl program: parses, builds the runtime, returns the exit code.

use clap::Parser;
use labctl::{cli::Cli, commands, exit::Exit};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(commands::dispatch(cli)).into(),
        Err(_) => Exit::CouldNotRun.into(),
    }
}
