//! How labctl reaches a node: run a command there under a deadline, read and write files, open a way to a socket or port.
//!
//! [`Transport`] is the only door to a node. [`SshNode`] implements it for real machines, [`fake::FakeNode`] for tests; both speak the
//! protocol of the crate `labctl_agent`. Nothing above this layer knows what ssh is; nothing here knows what a step or a check is.

mod dialler;
mod engine;
pub mod fake;
mod node_error;
mod order;
mod printable;
mod ssh;
mod transport;
mod tunnel;
mod work;

pub use dialler::Dialler;
pub use engine::ApiVersion;
pub use labctl_agent::{
    Content, FileKind as SeenKind, Hello, Ids, Look as LookAt, Place, Process, Removal, Request, Seen,
};
pub use node_error::{NodeError, NodeErrorKind};
pub use ssh::{ConnectNotices, ControlDirectory, Gate, SshNode, SshOptions, ssh_words};
pub use transport::{Opened, Transport};
pub use tunnel::Tunnel;
pub use work::{Command, Ending, ExecId, ExecRequest, FileWrite, Look, Looked, OutputSink, Stream};
