//! What a fake node remembers.

use crate::domain::InstanceId;
use crate::node::{Command, ExecRequest, FileWrite, Look};

/// What was asked of a fake node.
#[derive(Debug, Clone)]
pub enum FakeCall {
    /// `open_instance`.
    OpenInstance(InstanceId),
    /// `exec`.
    Exec(ExecRequest),
    /// `forget_output`.
    ForgetOutput(String),
    /// `printed_ids`.
    PrintedIds(String),
    /// `stop_execs`.
    StopExecs,
    /// `look`.
    Look(Look),
    /// `write_file`.
    WriteFile(FileWrite),
    /// `keep`.
    Keep {
        /// The name.
        name: String,
        /// The content.
        content: Vec<u8>,
    },
    /// `engine`.
    Engine,
    /// `tunnel`.
    Tunnel {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// `close_instance`.
    CloseInstance(InstanceId),
    /// `close`.
    Close,
}

impl FakeCall {
    /// Returns the call as one line, such as `exec docker ps`.
    pub fn line(&self) -> String {
        match self {
            Self::OpenInstance(instance) => format!("open {instance}"),
            Self::Exec(request) => format!("exec {}", command_text(&request.command)),
            Self::ForgetOutput(exec) => format!("forget {exec}"),
            Self::PrintedIds(exec) => format!("ids {exec}"),
            Self::StopExecs => "stop".to_owned(),
            Self::Look(look) => format!("look {}", command_text(&look.command)),
            Self::WriteFile(write) => format!("write {}", write.path),
            Self::Keep { name, .. } => format!("keep {name}"),
            Self::Engine => "engine".to_owned(),
            Self::Tunnel { host, port } => format!("tunnel {host}:{port}"),
            Self::CloseInstance(instance) => format!("close-instance {instance}"),
            Self::Close => "close".to_owned(),
        }
    }
}

/// Returns a command as text: the words joined by spaces, or the shell's text.
pub fn command_text(command: &Command) -> String {
    match command {
        Command::Argv(words) => words.join(" "),
        Command::Shell(text) => text.clone(),
    }
}
