//! The contract between labctl and a node.

pub use crate::domain::{Command, Ending, Stream};
use crate::domain::{InstanceId, NodeName};
use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Names one exec within an instance: letters, digits, `.`, `_`, `-`. An exec with a known id is re-attached, never
/// started twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExecId(pub String);

/// A command whose work must survive the connection: recorded on the node, held to its deadline there.
#[derive(Debug, Clone)]
pub struct ExecRequest {
    /// The record's name on the node.
    pub id: ExecId,
    /// What is executed.
    pub command: Command,
    /// The working directory; the login user's home where `None`; `~/` at the start means that home.
    pub directory: Option<String>,
    /// Environment variables, set without ever standing in an argument list.
    pub environment: Vec<(String, SecretString)>,
    /// What the command reads from standard input; nothing where `None`.
    pub stdin: Option<SecretString>,
    /// Whether it runs as root instead of the login user.
    pub as_root: bool,
    /// How long it may run on the node before its process group gets TERM, then KILL.
    pub deadline: Duration,
}

/// A quick command that only looks: leaves no record on the node; its deadline is held there all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What is executed.
    pub command: Command,
    /// Whether it runs as root instead of the login user.
    pub as_root: bool,
    /// How long it may run.
    pub deadline: Duration,
    /// How many bytes of each output stream are kept; the rest is read and dropped.
    pub keep: usize,
}

/// What a [`Look`] saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// How the command ended.
    pub ending: Ending,
    /// The first `keep` bytes of standard output.
    pub stdout: Vec<u8>,
    /// The first `keep` bytes of standard error.
    pub stderr: Vec<u8>,
    /// How many bytes of both streams were dropped.
    pub dropped: u64,
}

/// Takes the output of an exec as it arrives; bytes are raw and hostile.
pub trait OutputSink: Send {
    /// Takes the next `bytes` of `stream`. A stream's chunks come in order and, after a re-attach, none comes twice.
    fn chunk(&mut self, stream: Stream, bytes: &[u8]);
    /// Says that the node cut `bytes` off the end of `stream` because its output passed the cap.
    fn cut(&mut self, stream: Stream, bytes: u64);
}

/// A file to be put on a node, atomically: written beside its place, flushed, renamed over it.
#[derive(Clone)]
pub struct FileWrite {
    /// Absolute path, or `~/...` for the login user's home.
    pub path: String,
    /// The whole content.
    pub content: Vec<u8>,
    /// Permission bits; those of the file it replaces where `None`, else 0644.
    pub mode: Option<u32>,
    /// Whether root writes it. The owner of a replaced file stays; a new one belongs to the writer.
    pub as_root: bool,
}

impl fmt::Debug for FileWrite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The content may hold secrets.
        formatter
            .debug_struct("FileWrite")
            .field("path", &self.path)
            .field("bytes", &self.content.len())
            .field("mode", &self.mode)
            .field("as_root", &self.as_root)
            .finish_non_exhaustive()
    }
}

/// A local end of a way to something on a node; closes when dropped.
pub struct Tunnel {
    /// The unix socket on this machine to connect to. It stays valid while the value lives.
    pub socket: PathBuf,
    /// Keeps the tunnel open.
    pub guard: Box<dyn Send + Sync>,
}

/// What kind of failure a [`NodeError`] is; decides the exit code and the hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeErrorKind {
    /// No connection: refused, timed out, no route, unknown host.
    Unreachable,
    /// The key or user was not accepted.
    AccessDenied,
    /// The host key differs from the one known, or is unknown under `strict`.
    HostKey,
    /// `sudo -n` was refused.
    NoRoot,
    /// The node answered, yet something on it did not work (disk full, tool missing).
    NodeFault,
}

/// A node could not do what was asked, apart from how a command itself ended.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct NodeError {
    /// Which node.
    pub node: NodeName,
    /// The kind of failure.
    pub kind: NodeErrorKind,
    /// What failed, with the address and what ssh or the node said; control characters already removed.
    pub message: String,
    /// The next thing to try, where one is known.
    pub hint: Option<String>,
}

/// A connection to one node. All methods take `&self` and may be called concurrently; the implementation keeps within
/// the number of sessions the server allows.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Returns the node's name.
    fn node(&self) -> &NodeName;

    /// Returns the directory on the node that holds what belongs to `instance`: backups, undo, exec records.
    fn instance_directory(&self, instance: &InstanceId) -> String;

    /// Makes the node ready for recorded execs of `instance`: creates `/var/lib/labctl/INSTANCE` (root, 0700) and sends
    /// the supervisor there. Must be called before `exec` and `keep`; calling it again is harmless.
    async fn open_instance(&self, instance: &InstanceId) -> Result<(), NodeError>;

    /// Runs `request` under the supervisor, feeding `output`, until it ends, its deadline passes or `cancel` fires (then
    /// the process group is killed on the node). A lost link is re-opened and the exec re-attached. Where a record with
    /// this id exists, attaches to it instead of starting anything.
    async fn exec(
        &self,
        request: &ExecRequest,
        output: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Ending, NodeError>;

    /// Removes the output, not the outcome, from the record of `exec` on the node: for output that held a secret.
    async fn forget_output(&self, exec: &str) -> Result<(), NodeError>;

    /// Returns the ids, 12 to 64 hex digits, that the recorded exec called `exec` printed.
    async fn printed_ids(&self, exec: &str) -> Result<Vec<String>, NodeError>;

    /// Kills the process groups of all execs of the open instance that still run on the node, and waits until they are
    /// gone: what a labctl that died left running.
    async fn stop_execs(&self) -> Result<(), NodeError>;

    /// Runs a command that only looks, without leaving anything on the node.
    async fn look(&self, look: &Look) -> Result<Looked, NodeError>;

    /// Writes a file atomically, keeping mode and owner of what it replaces.
    async fn write_file(&self, write: &FileWrite) -> Result<(), NodeError>;

    /// Keeps `content` durably as `name` in the instance's directory on the node (`name` may have `/` in it).
    async fn keep(&self, name: &str, content: &[u8]) -> Result<(), NodeError>;

    /// Opens a way to the node's Docker Engine socket.
    async fn engine(&self) -> Result<Tunnel, NodeError>;

    /// Opens a way to `host:port` as seen from the node.
    async fn tunnel(&self, host: &str, port: u16) -> Result<Tunnel, NodeError>;

    /// Removes the instance's directory from the node. The last thing a cleanup does there.
    async fn close_instance(&self, instance: &InstanceId) -> Result<(), NodeError>;

    /// Ends the connection in an orderly way.
    async fn close(&self);
}
