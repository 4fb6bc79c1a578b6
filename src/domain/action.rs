//! What a step does. Exactly one action per step; a step that only looks has none of effect ([`Action::Wait`]).

use super::{CommandText, Text};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a step does on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Action {
    /// Runs a command.
    Run {
        /// The command.
        command: CommandText,
        /// The directory it runs in; the login user's home where `None`.
        directory: Option<Text>,
        /// What it reads from standard input.
        stdin: Option<Text>,
    },
    /// Writes files, each atomically, below a directory where several.
    Write {
        /// The files.
        files: Vec<FileText>,
    },
    /// Clones a git repository into a directory that must not be there yet.
    Clone {
        /// What `git clone` takes.
        repository: Text,
        /// Where it goes.
        directory: Text,
    },
    /// Runs the node's Compose.
    Compose {
        /// The words that call Compose on this node: `docker-compose`, or `docker compose`.
        program: Vec<String>,
        /// The project directory.
        directory: Text,
        /// What follows the program: options, verb, arguments.
        arguments: Vec<Text>,
    },
    /// Makes an image be there under a name of the lab's own: from a registry, else from the labctl binary.
    Provide {
        /// The name it gets on the node.
        image: Text,
        /// The reference tried first.
        upstream: Text,
        /// The service of the labctl binary that stands in where `upstream` cannot be had.
        stand_in: String,
    },
    /// Does nothing: the step is its checks.
    Wait,
}

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileText {
    /// Where it goes.
    pub path: Text,
    /// All of it.
    pub content: Text,
    /// Its permission bits, where they matter.
    pub mode: Option<u32>,
}

impl Action {
    /// Says whether it changes anything on a node.
    pub fn changes(&self) -> bool {
        !matches!(self, Self::Wait)
    }
}

impl fmt::Display for Action {
    /// Shows the action as the command a person would type, or close to it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run {
                command,
                directory: None,
                ..
            } => write!(formatter, "{command}"),
            Self::Run {
                command,
                directory: Some(directory),
                ..
            } => write!(formatter, "cd {directory} && {command}"),
            Self::Write { files } => {
                let paths: Vec<String> = files.iter().map(|file| file.path.to_string()).collect();
                write!(formatter, "write {}", paths.join(", "))
            }
            Self::Clone { repository, directory } => write!(formatter, "git clone {repository} {directory}"),
            Self::Compose {
                program,
                directory,
                arguments,
            } => {
                let words = CommandText::Argv(arguments.clone());
                write!(formatter, "cd {directory} && {} {words}", program.join(" "))
            }
            Self::Provide {
                image,
                upstream,
                stand_in,
            } => {
                write!(
                    formatter,
                    "docker pull {upstream} || docker load < labctl-{stand_in}; docker tag {image}"
                )
            }
            Self::Wait => formatter.write_str("(only looks)"),
        }
    }
}
