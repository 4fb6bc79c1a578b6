//! Drives the agent's program over pipes, as labctl does over ssh. Most tests need root.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by them")]

mod connection;
mod dialling;
mod endings;
mod execs;
mod files;
mod frames;
mod harness;
mod instances;
mod older;
mod outputs;
mod recorded;
mod removing;
mod root_part;
mod runs;
