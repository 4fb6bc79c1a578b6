//! What an agent answers.

use serde::{Deserialize, Serialize};

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// With a status.
    Exited(i32),
    /// By a signal.
    Signalled(i32),
    /// Its deadline passed.
    TimedOut,
    /// labctl wanted it no longer.
    Cancelled,
    /// It could not be started, and why, such as `no such program: x`.
    CouldNotStart(String),
    /// What watched over it on the node is gone, and why it may be.
    Lost(String),
}

/// What came of a command that leaves no record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// How it ended.
    pub ending: Ending,
    /// The first bytes of standard output.
    #[serde(with = "crate::bytes")]
    pub stdout: Vec<u8>,
    /// The first bytes of standard error.
    #[serde(with = "crate::bytes")]
    pub stderr: Vec<u8>,
    /// How many bytes of both were dropped.
    pub dropped: u64,
}

/// What kind of thing stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A unix socket.
    Socket,
    /// A pipe or device.
    Other,
}

/// What stands at a path. Links are not followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// What it is.
    pub kind: FileKind,
    /// Its size in bytes.
    pub size: u64,
    /// Its permission bits, as `0o644`.
    pub mode: u32,
    /// When its content last changed, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// The owner's name, or number where it has none.
    pub owner: String,
    /// The group's name, or number where it has none.
    pub group: String,
    /// Whether whoever looked may read it.
    pub may_read: bool,
    /// Whether whoever looked may write it.
    pub may_write: bool,
    /// The SHA-256 of a regular file, in hex, where it was asked for.
    pub sha256: Option<String>,
    /// The first bytes of a regular file, as many as were asked for.
    #[serde(with = "crate::bytes")]
    pub content: Vec<u8>,
    /// The names in a directory, sorted by bytes, where they were asked for.
    pub names: Vec<Vec<u8>>,
    /// Where a symbolic link points.
    pub target: Option<Vec<u8>>,
}

/// What was read of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Its beginning, as much as was wanted.
    #[serde(with = "crate::bytes")]
    pub bytes: Vec<u8>,
    /// Whether there is more.
    pub is_cut: bool,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its command line; empty where whoever looked may not know it.
    pub words: Vec<String>,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Of `Run`.
    Ran(Ran),
    /// Of `Look`; `None` where nothing is there.
    Seen(Option<Seen>),
    /// Of `Read`; `None` where nothing is there.
    Content(Option<Content>),
    /// Of `FreeSpace`: bytes.
    FreeSpace(u64),
    /// Of `Processes`, by number.
    Processes(Vec<Process>),
    /// Of `Exec` and `Attach`: how it ended, and how many bytes of each output stream were cut off.
    Ended {
        /// How.
        ending: Ending,
        /// Cut off standard output.
        stdout_cut: u64,
        /// Cut off standard error.
        stderr_cut: u64,
    },
    /// Of `PrintedIds`, sorted, each once.
    Ids(Vec<String>),
    /// Of all others: it is done. A dialled place has ended.
    Done,
}

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What kind of fault it is.
    pub kind: FaultKind,
    /// What went wrong, in words that may go to a person; raw bytes of other programs as text.
    pub message: String,
}

/// What kind of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultKind {
    /// Root is not to be had; what sudo said is the message.
    NoRoot,
    /// A place does not take connections, or not in time.
    Refused,
    /// There is no such record.
    NoRecord,
    /// Anything else that did not work on the node.
    Failed,
}
