//! What is asked of an agent, and what it answers.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What labctl says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "requests are what is mostly said")]
pub enum ToAgent {
    /// Asks for something. `id` is one that is in no use; everything about it carries the same.
    Request {
        /// Its number.
        id: u32,
        /// Whether root does it; otherwise the login user.
        as_root: bool,
        /// What is asked.
        request: Request,
    },
    /// The next bytes for a place that was dialled.
    Data {
        /// The number of the request.
        id: u32,
        /// The bytes.
        #[serde(with = "crate::bytes")]
        bytes: Vec<u8>,
    },
    /// No more bytes come for a place that was dialled.
    End {
        /// The number of the request.
        id: u32,
    },
    /// So many more bytes of a stream may be sent.
    Grant {
        /// The number of the request.
        id: u32,
        /// How many.
        bytes: u32,
    },
    /// The answer is no longer wanted: what runs for it is ended. It is answered all the same.
    Cancel {
        /// The number of the request.
        id: u32,
    },
}

/// What the agent says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToLabctl {
    /// The first message.
    Hello(Hello),
    /// The answer to a request, and the last that is said of it.
    Answer {
        /// The number of the request.
        id: u32,
        /// What came of it.
        answer: Result<Answer, Fault>,
    },
    /// The next bytes of a stream: output of an exec, or what a dialled place sends (as standard output).
    Data {
        /// The number of the request.
        id: u32,
        /// Which stream.
        stream: Stream,
        /// The bytes.
        #[serde(with = "crate::bytes")]
        bytes: Vec<u8>,
    },
    /// A dialled place has answered: what is sent to it from now on arrives.
    Connected {
        /// The number of the request.
        id: u32,
    },
    /// So many more bytes may be sent to a place that was dialled.
    Grant {
        /// The number of the request.
        id: u32,
        /// How many.
        bytes: u32,
    },
    /// A dialled place sends no more bytes; it may still take some.
    End {
        /// The number of the request.
        id: u32,
    },
}

/// What an agent says of itself and where it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The version of the protocol.
    pub version: u32,
    /// The login name: LOGNAME or USER of the session, else the name that /etc/passwd has.
    pub user: String,
    /// Its number.
    pub uid: u32,
    /// The number of its main group.
    pub gid: u32,
    /// The numbers of all its groups.
    pub groups: Vec<u32>,
    /// HOME.
    pub home: String,
    /// SHELL; /bin/sh where it is not set.
    pub shell: String,
    /// PATH.
    pub path: String,
    /// SSH_CONNECTION; empty where it is not set.
    pub ssh_connection: String,
    /// The kernel's release.
    pub kernel: String,
    /// The machine's architecture as the kernel calls it.
    pub machine: String,
}

/// Something to do. Whoever does it has the rights of the login user, or of root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Runs a command that leaves no record.
    Run(Run),
    /// Looks at a path without following a link there.
    Look(Look),
    /// Reads a regular file, links followed; at most `limit` bytes of it.
    Read {
        /// Its absolute path.
        path: String,
        /// How many bytes are wanted at the most.
        limit: u64,
    },
    /// Writes a file, whole or not at all.
    Write(Write),
    /// Asks how many bytes are free, for everybody, on the file system of a directory.
    FreeSpace {
        /// Its absolute path.
        path: String,
    },
    /// Asks for the processes of programs with this name (as in /proc/PID/comm).
    Processes {
        /// The name.
        name: String,
    },
    /// Opens a way to a socket or port. Bytes go both ways until both sides have ended.
    Dial(Dial),
    /// Makes `DIRECTORY/NAME` ready for execs, `DIRECTORY` with it. Fails where another instance has a directory there, and where one
    /// of the two is a link, not root's, or writable for others.
    OpenInstance {
        /// The directory of all instances.
        directory: String,
        /// The instance's name.
        name: String,
    },
    /// Ends what still runs of an instance (see `StopExecs`), and removes its directory, and that of all instances where it is empty.
    /// One that is not there is no fault.
    CloseInstance {
        /// The directory of all instances.
        directory: String,
        /// The instance's name.
        name: String,
    },
    /// Writes `NAME` durably, mode 0600, in an instance's directory. `name` may have `/` in it; directories on the way are made.
    Keep {
        /// The instance's directory, which must be there.
        instance: String,
        /// The name.
        name: String,
        /// The content.
        content: Hidden,
    },
    /// Starts a recorded command, or attaches to it where the record is known, and follows it to its end.
    Exec(Exec),
    /// Follows a recorded command to its end.
    Attach(Attach),
    /// Ends all that still runs of an instance as cancelled, and waits until it has ended. What must not be left half done is waited for.
    StopExecs {
        /// The instance's directory. One that is not there has nothing that runs.
        instance: String,
    },
    /// Removes the output, not the outcome, of a record.
    ForgetOutput {
        /// The instance's directory.
        instance: String,
        /// The record's name.
        exec: String,
    },
    /// Asks for the ids in the output of a record: words of 12 to 64 hex digits. A record that is not there has none.
    PrintedIds {
        /// The instance's directory.
        instance: String,
        /// The record's name.
        exec: String,
    },
}

/// Bytes that may be a secret: they are never shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hidden(#[serde(with = "crate::bytes")] pub Vec<u8>);

impl fmt::Debug for Hidden {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hidden({} bytes)", self.0.len())
    }
}

impl From<&str> for Hidden {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

/// A command that leaves no record. Its deadline is held on the node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Program and arguments.
    pub words: Vec<String>,
    /// What it reads from standard input.
    pub stdin: Hidden,
    /// Where it starts; the login user's home where `None`.
    pub directory: Option<String>,
    /// Variables beside those of the session.
    pub environment: Vec<(String, String)>,
    /// How long it may run, in milliseconds; then its process group gets TERM, and 2 s later KILL.
    pub deadline_ms: u64,
    /// How many bytes of each output stream are wanted; the rest is read and dropped.
    pub keep: u64,
}

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

/// How to look at a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The path: absolute.
    pub path: String,
    /// Whether the hash of a regular file is wanted.
    pub hash: bool,
    /// How many bytes of a regular file are wanted.
    pub content: u64,
    /// Whether the names in a directory are wanted.
    pub names: bool,
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

/// A file to be written beside its place, flushed, and renamed over it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Its absolute path. A link there is followed by the login user, never by root: root refuses it, and links on the way, where
    /// they are in directories that others may write to.
    pub path: String,
    /// The whole content.
    pub content: Hidden,
    /// Permission bits; those of the file it replaces where `None`, else 0644. Its owner stays, too.
    pub mode: Option<u32>,
}

impl fmt::Debug for Write {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Write({}, {:?}, {:?})", self.path, self.content, self.mode)
    }
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its command line; empty where whoever looked may not know it.
    pub words: Vec<String>,
}

/// A place on a node that bytes go to and come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Place {
    /// A unix socket.
    Socket(String),
    /// A TCP port as seen from the node.
    Port(String, u16),
}

/// A way to a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dial {
    /// Where it leads.
    pub place: Place,
    /// How long connecting may take, in milliseconds.
    pub deadline_ms: u64,
}

/// Which output stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A recorded command: it survives the connection, and is held to its deadline on the node. Root's part alone runs it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// Which record, and how much of its output is known already.
    pub record: Attach,
    /// Program and arguments.
    pub words: Vec<String>,
    /// Where it starts.
    pub directory: String,
    /// All its variables, in the order in which they are set.
    pub environment: Vec<(String, Hidden)>,
    /// What it reads from standard input.
    pub stdin: Hidden,
    /// Whom it runs as: user, main group, and all groups; those that /etc/group gives to `user` by now are added.
    pub user: String,
    /// The user's number.
    pub uid: u32,
    /// The main group's number.
    pub gid: u32,
    /// The numbers of all groups.
    pub groups: Vec<u32>,
    /// How long it may run, in milliseconds; then its process group and its strays get TERM, and later KILL.
    pub deadline_ms: u64,
    /// Between TERM and KILL, in milliseconds.
    pub grace_ms: u64,
    /// How many bytes of each output stream are kept; the rest is read and counted.
    pub cap: u64,
    /// Whether half of it is worse than all of it: `StopExecs` waits for its end.
    pub is_whole: bool,
}

impl fmt::Debug for Exec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Words may hold a secret by a mistake of the lab's; variables and standard input hold them on purpose.
        write!(formatter, "Exec({:?} as {})", self.record, self.user)
    }
}

/// Which record is followed, and from where in its output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// The instance's directory.
    pub instance: String,
    /// The record's name: letters, digits, `.`, `_`, `-`.
    pub exec: String,
    /// How many bytes of standard output are known already.
    pub stdout: u64,
    /// How many bytes of standard error are known already.
    pub stderr: u64,
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
