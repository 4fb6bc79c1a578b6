//! labctl on real nodes: three machines of a playground that is up, reached over ssh like any others.
//!
//! `scripts/test` starts two playgrounds. `LABCTL_TEST_NODES` names the state directory of the first: a node with sysvinit, one with
//! systemd and Debian's unit, one with Docker's own unit. `LABCTL_TEST_NODES_TODAY` names that of the second, whose nodes are of two
//! ages. A test has a lease of the playground that it needs, so that both are at work at the same time, each for one test.
//! `.config/nextest.toml` knows which tests wait for which playground, and starts no more of them than can run.
//!
//! Each test has a state directory and an inventory of its own, drives the real binary, and looks at the nodes with plain ssh, so that
//! labctl's own eyes prove nothing here.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

mod harness;

mod by_hand;
mod chaos;
mod clearing;
mod cluster;
mod command_line;
#[expect(dead_code, reason = "nodes need only a part of it")]
#[path = "../command_line/bench.rs"]
mod command_line_bench;
mod commands;
mod disks;
mod engine_options;
mod guide;
mod hello;
mod images;
mod kills;
mod playground;
mod reach;
#[path = "../readme_commands.rs"]
mod readme_commands;
mod report;
mod secrets;
#[path = "../skipping.rs"]
mod skipping;
mod stopping;
mod sweep;
mod task1;
mod task2;
mod task3;
mod three_commands;
mod today;
mod transport;
mod verify;
