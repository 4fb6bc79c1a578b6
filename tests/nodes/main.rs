//! labctl on real nodes: three machines of a playground that is up, reached over ssh like any others.
//!
//! `scripts/test` starts the playground, one node with sysvinit, one with systemd and Debian's unit, one with Docker's own unit, sets
//! `LABCTL_TEST_NODES` to its state directory, `LABCTL_TEST_NODES_TODAY` to that of a second one with nodes of two ages, and runs
//! these one at a time (`--test-threads=1`), as they share the nodes; a lock in the harness holds them apart where that was
//! forgotten. Each test has a state directory and an inventory of its own, drives the
//! real binary, and looks at the nodes with plain ssh, so that labctl's own eyes prove nothing here.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

mod harness;

mod by_hand;
mod clearing;
mod cluster;
mod commands;
mod disks;
mod engine_options;
mod hello;
mod images;
mod kills;
mod reach;
#[path = "../readme/commands.rs"]
mod readme;
mod report;
mod secrets;
#[path = "../skipping/mod.rs"]
mod skipping;
mod soak;
mod stopping;
mod sweep;
mod task1;
mod task2;
mod task3;
mod three_commands;
mod today;
mod verify;
