//! How labctl reaches a node: run a command there under a deadline, write a file, open a tunnel.
//!
//! [`Transport`] is the only door to a node. [`SshNode`] implements it for real machines, [`fake::FakeNode`] for tests.
//! Nothing above this layer knows what ssh is; nothing here knows what a step or a check is.

pub mod fake;
mod printable;
mod ssh;
pub mod supervisor;
mod transport;

pub use ssh::{ControlDirectory, SshNode, SshOptions};
pub use transport::{
    Command, Ending, ExecId, ExecRequest, FileWrite, Look, Looked, NodeError, NodeErrorKind, OutputSink, Stream,
    Transport, Tunnel,
};
