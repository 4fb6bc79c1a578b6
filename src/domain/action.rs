//! What a step does. Exactly one action per step; a step that only looks has none of effect ([`Action::Wait`]).

use super::{CommandText, EngineSettings, Text};
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
    /// Makes an image be there: one from a registry, else one made of the labctl binary. At least one of both is given.
    Provide {
        /// The name it gets on the node.
        image: Text,
        /// The reference that is pulled, unless the node has it; the image itself where it is the same.
        upstream: Option<Text>,
        /// The service of the labctl binary that the image is made of where `upstream` is not given or cannot be had.
        stand_in: Option<String>,
    },
    /// Logs in to a registry, with a Docker client whose configuration is not the user's own.
    Login {
        /// The registry's server.
        server: Text,
        /// Who logs in.
        user: Text,
        /// The password; it goes to the client's standard input.
        password: Text,
        /// The directory of the client's configuration, which the login stays in.
        config: Text,
    },
    /// Gives the node's engine further options and restarts it.
    SetEngineOptions(EngineSettings),
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
    /// Returns the texts that a secret may stand in.
    pub fn private_texts(&self) -> Vec<&Text> {
        match self {
            Self::Run { stdin, .. } => stdin.iter().collect(),
            Self::Write { files } => files.iter().map(|file| &file.content).collect(),
            Self::Login { password, .. } => vec![password],
            Self::Clone { .. }
            | Self::Compose { .. }
            | Self::Provide { .. }
            | Self::SetEngineOptions(_)
            | Self::Wait => Vec::new(),
        }
    }

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
            } => display_provide(formatter, image, upstream.as_ref(), stand_in.as_deref()),
            Self::Login {
                server, user, config, ..
            } => {
                let words = CommandText::Argv(login_words(user, server));
                write!(formatter, "DOCKER_CONFIG={config} {words}")
            }
            Self::SetEngineOptions(settings) => write!(formatter, "{settings}"),
            Self::Wait => formatter.write_str("(only looks)"),
        }
    }
}

/// Returns the command that logs `user` in to `server` with the password that it reads.
pub fn login_words(user: &Text, server: &Text) -> Vec<Text> {
    let words = ["docker", "login", "--username"].map(Text::literal).into_iter();
    words
        .chain([user.clone(), Text::literal("--password-stdin"), server.clone()])
        .collect()
}

/// Returns the command that clones `repository` into `directory`.
pub fn clone_words(repository: &Text, directory: &Text) -> Vec<Text> {
    let words = ["git", "clone", "--"].map(Text::literal).into_iter();
    words.chain([repository.clone(), directory.clone()]).collect()
}

fn display_provide(
    formatter: &mut fmt::Formatter<'_>,
    image: &Text,
    upstream: Option<&Text>,
    stand_in: Option<&str>,
) -> fmt::Result {
    let load = stand_in.map(|service| format!("labctl images build {service} | docker load"));
    match (upstream, load) {
        (Some(upstream), _) if upstream == image => write!(formatter, "docker pull {image}"),
        (Some(upstream), Some(load)) => {
            write!(
                formatter,
                "docker pull {upstream} && docker tag {upstream} {image} || {load}"
            )
        }
        (Some(upstream), None) => write!(formatter, "docker pull {upstream}; docker tag {upstream} {image}"),
        (None, Some(load)) => write!(formatter, "{load}  # as {image}"),
        (None, None) => write!(formatter, "docker image inspect {image}"),
    }
}
