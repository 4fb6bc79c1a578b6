//! What a fake node remembers.

use crate::node::Place;
use labctl_agent::{Exec, Look, Remove, Run, Write};

/// What was asked of a fake node.
#[derive(Debug, Clone)]
pub enum FakeCall {
    /// To open the instance of this name.
    OpenInstance(String),
    /// To run or follow a recorded command.
    Exec(Exec),
    /// To remove the output of this record.
    ForgetOutput(String),
    /// For the ids in the output of this record.
    PrintedIds(String),
    /// To end what still runs.
    StopExecs,
    /// To run a command that leaves no record, as root or not.
    Run(Run, bool),
    /// To look at a path.
    Look(Look),
    /// To read a file.
    Read(String),
    /// To write a file.
    Write(Write),
    /// To remove what stands at a path.
    Remove(Remove),
    /// To make a directory.
    MakeDirectories(String),
    /// To copy a file.
    CopyFile {
        /// From where.
        from: String,
        /// To where.
        to: String,
    },
    /// To keep a file of the instance.
    Keep {
        /// The name.
        name: String,
        /// The content.
        content: Vec<u8>,
    },
    /// For something else that changes nothing, such as processes.
    Other(String),
    /// To open a way.
    Dial(Place),
    /// To remove the instance of this name.
    CloseInstance(String),
    /// To end the connection.
    Close,
}

impl FakeCall {
    /// Returns the call as one line, such as `exec docker ps`.
    pub fn line(&self) -> String {
        match self {
            Self::OpenInstance(name) => format!("open {name}"),
            Self::Exec(exec) => format!("exec {}", text_of(&exec.words)),
            Self::ForgetOutput(exec) => format!("forget {exec}"),
            Self::PrintedIds(exec) => format!("ids {exec}"),
            Self::StopExecs => "stop".to_owned(),
            Self::Run(run, _) => format!("look {}", text_of(&run.words)),
            Self::Look(look) => format!("look at {}", look.path),
            Self::Read(path) => format!("look into {path}"),
            Self::Write(write) => format!("write {}", write.path),
            Self::Remove(remove) => format!("remove {}", remove.path),
            Self::MakeDirectories(path) => format!("make {path}"),
            Self::CopyFile { from, to } => format!("copy {from} {to}"),
            Self::Keep { name, .. } => format!("keep {name}"),
            Self::Other(what) => format!("look for {what}"),
            Self::Dial(Place::Socket(path)) => format!("dial {path}"),
            Self::Dial(Place::Port(host, port)) => format!("dial {host}:{port}"),
            Self::CloseInstance(name) => format!("close-instance {name}"),
            Self::Close => "close".to_owned(),
        }
    }
}

/// Returns the words that an agent is told as text: joined by spaces, or the shell's text.
pub(super) fn text_of(words: &[String]) -> String {
    match words {
        [shell, option, text] if shell == "/bin/sh" && option == "-c" => text.clone(),
        words => words.join(" "),
    }
}
