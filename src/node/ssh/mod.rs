//! Nodes reached by ssh: one connection each, opened by the system's own `ssh`, so that whatever works on the command line works
//! here, and one session through it, in which labctl's agent runs.
//!
//! Responsible for everything that can go wrong on the way to a node. What is done there is the agent's business.

mod arguments;
mod boot;
mod dial;
mod failure;
mod follow;
#[cfg(test)]
mod fuzz_tests;
mod gate;
mod hop;
mod host_key;
mod launch;
mod link;
mod options;
mod program;
mod said;
mod session;
mod ssh_node;
mod target;

pub use arguments::ssh_words;
pub use gate::Gate;
pub use options::{ConnectNotices, ControlDirectory, SshOptions};
pub use ssh_node::SshNode;
