//! The protocol between labctl and its agent, the one small program that does labctl's work on a node.
//!
//! Responsible for what is said, and how it is told apart on a stream of bytes. What a fact means, and what a step is, is not known
//! here. labctl brings the agent along, so both sides have the same version, or they do not talk at all.

mod answer;
mod bytes;
mod frame;
mod ids;
mod message;
mod request;

pub use answer::{Answer, Content, Ending, Fault, FaultKind, FileKind, Process, Ran, Seen};
pub use frame::{FrameError, Frames, LARGEST_FRAME, encode};
pub use ids::Ids;
pub use message::{Hello, Stream, ToAgent, ToLabctl};
pub use request::{Attach, Dial, Exec, Hidden, Look, Place, Removal, Remove, Request, Run, Write};

/// The version of the protocol. An agent of another version is not spoken to.
pub const VERSION: u32 = 1;

/// Stands before the first frame; what a login shell printed earlier is skipped. It holds a byte that no text has.
pub const GREETING: &[u8] = b"\nlabctl-agent\x01\n";

/// What a stream may send before it is granted more, in bytes.
pub const WINDOW: u32 = 1 << 20;

/// The largest piece of a stream in one frame, in bytes.
pub const PIECE: usize = 64 << 10;

/// How long a command has between TERM and KILL, in milliseconds, when it is held to its deadline or cancelled.
pub const EXEC_GRACE_MS: u64 = 5_000;

/// How many bytes of each output stream of an exec the node keeps.
pub const EXEC_CAP: u64 = 64 << 20;
