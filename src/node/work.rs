//! What is asked of a node, and what comes back.

pub use crate::domain::{Command, Ending, Stream};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

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
    /// Whether half of it is worse than all of it: a later labctl waits for its end instead of killing it.
    pub is_whole: bool,
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
