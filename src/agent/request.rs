//! What is asked of an agent.

use serde::{Deserialize, Serialize};
use std::fmt;

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
    /// Removes what stands at a path. That nothing stands there is no fault.
    Remove(Remove),
    /// Makes a directory and those on the way to it that are missing.
    MakeDirectories {
        /// Its absolute path. Links on the way are followed as those of a file that is written.
        path: String,
    },
    /// Puts a copy of a regular file at another place, whole or not at all, with owner, mode, time of change and further attributes.
    CopyFile {
        /// The file's absolute path. A link there is refused; links on the way are followed as those of a file that is written.
        from: String,
        /// The copy's absolute path.
        to: String,
    },
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

/// What to remove. A link is removed and never followed; links on the way are followed as those of a file that is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remove {
    /// Its absolute path.
    pub path: String,
    /// What may go.
    pub what: Removal,
}

/// What may be removed at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Removal {
    /// Anything but a directory.
    File,
    /// Anything, with all that is in it. What is mounted in it stays, and is a fault.
    Tree,
    /// The directory and those above it, up to this one, each only where it is empty.
    EmptyUpTo(String),
}

impl fmt::Debug for Write {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Write({}, {:?}, {:?})", self.path, self.content, self.mode)
    }
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
