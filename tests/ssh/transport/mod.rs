//! The ssh transport against a real sshd on this machine's loopback.
//!
//! Responsible for the way to a node: connections that fail, break and freeze. What the agent does once it is there has
//! tests of its own.

mod booting;
mod by_hand;
mod connecting;
mod control_groups;
mod environment;
mod execs;
mod files;
mod gate;
mod jumps;
mod logins;
mod looks;
pub mod server;
mod sudo_rs;
mod ways;
