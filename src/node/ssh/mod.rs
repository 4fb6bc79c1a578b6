//! Nodes reached by ssh: one multiplexed connection each, opened by the system's own `ssh`, so that whatever works on
//! the command line works here.
//!
//! Responsible for everything that can go wrong on the way to a node. What runs there is the supervisor's business.

mod channel;
mod engine;
mod exec;
mod failure;
mod files;
mod forward;
mod host_key;
mod launch;
mod link;
mod look;
mod options;
mod records;
mod ssh_node;

pub use options::{ControlDirectory, SshOptions};
pub use ssh_node::SshNode;
