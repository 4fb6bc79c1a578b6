//! What labctl and an agent say to each other.

use crate::answer::{Answer, Fault};
use crate::request::Request;
use serde::{Deserialize, Serialize};

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

/// Which output stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}
