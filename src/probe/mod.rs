//! Looks at a system: files, HTTP, ports, the Docker Engine, commands. Says what is there, never whether that is good.
//!
//! A node that cannot be asked is a [`ProbeError`](crate::domain::ProbeError), never an observation: "cannot tell" is not
//! "no". Nothing here changes anything on a node.

mod addresses;
mod command;
mod commits;
mod docker;
mod engine;
mod engine_options;
mod facts;
mod file;
#[cfg(test)]
mod fuzz_tests;
mod http;
mod observe;
mod said;

pub use commits::committed_from;
pub use docker::docker_client;
pub use facts::{Need, facts};
pub use observe::observe;
