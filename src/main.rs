//! The labctl program: parses, builds the runtime, returns the exit code.

use clap::Parser;
use labctl::{cli::Cli, commands, exit::Exit};
use std::{process::ExitCode, time::Duration};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let Ok(runtime) = tokio::runtime::Runtime::new() else {
        return Exit::CouldNotRun.into();
    };
    let exit = runtime.block_on(commands::dispatch(cli));
    // What still waits for a reader of its output, or for an answer, must not keep the program.
    runtime.shutdown_timeout(Duration::from_secs(1));
    exit.into()
}
