//! The supervisor on this machine's own shell: deadlines, signals, output of any size, re-attaching.
//!
//! Responsible for what the shell program does; how its orders reach a node is tested with ssh.
#![expect(clippy::unwrap_used, reason = "tests")]

mod bench;
mod commands;
mod endings;
mod outputs;
mod records;
#[path = "../skipping/mod.rs"]
mod skipping;
