//! The program itself, and the limits it is given.

/// The program as it is sent to a node.
pub const SCRIPT: &str = include_str!("../supervisor.sh");

/// How many bytes of each output stream the node keeps.
pub const CAP: u64 = 64 << 20;

/// How long a command has between TERM and KILL, in seconds.
pub const GRACE: u64 = 5;
