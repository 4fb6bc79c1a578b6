//! Everything that needs neither nodes nor a Docker Engine: the files and the command line as people write them, runs on nodes
//! in memory, the services of the lab's containers on loopback ports, and ssh to an sshd of the tests' own. Nothing outside this
//! machine is asked, but that drivers for MongoDB come from PyPI the first time.
//!
//! One binary for all of it: linking a binary takes longer than most of these tests.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it stands")]

mod architecture;
mod command_line;
mod fake_nodes;
mod readme_commands;
mod services;
mod skipping;
mod ssh;
