//! What takes a step back, complete in itself: it stands in the journal and on the node before the step's action starts,
//! and cleanup needs nothing else.

use super::NodeName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing to take back on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "undo")]
pub enum Undo {
    /// Removes a directory that was not there before the step.
    RemoveDirectory {
        /// Its absolute path.
        path: String,
    },
    /// Removes the directories from `deepest` up to `topmost` that are empty by then: parents that a step had to make.
    RemoveEmptyDirectories {
        /// The topmost that was missing; an absolute path.
        topmost: String,
        /// The deepest that was missing.
        deepest: String,
    },
    /// Puts a file back as it was, where it is still as the step left it.
    RestoreFile {
        /// Its absolute path.
        path: String,
        /// What was there.
        before: FileBefore,
        /// SHA-256 of what the step writes, in hex; `None` where a command writes the file.
        after_sha256: Option<String>,
    },
    /// Takes a lab's options from the node's engine, and restarts it where they were in force.
    RestoreEngineOptions(Box<EngineOptionsUndo>),
    /// Removes the containers, networks and volumes of a Compose project that the baseline does not have.
    RemoveProject {
        /// The project's name.
        project: String,
    },
    /// Removes a container by name.
    RemoveContainer {
        /// Its name.
        name: String,
    },
    /// Removes images by reference; one that the baseline has under this tag gets its tag back.
    RemoveImages {
        /// The references.
        references: Vec<String>,
    },
    /// Removes the containers and images whose ids the exec printed, and untagged images that descend from those.
    RemovePrinted {
        /// The name of the exec's record.
        exec: String,
        /// The node that has the record, where it is another: what a client there made an engine here make.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<NodeName>,
    },
    /// Runs a command of the lab's author.
    Run {
        /// Program and arguments.
        command: Vec<String>,
        /// Whether root runs it.
        as_root: bool,
    },
}

/// What takes a lab's options from an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineOptionsUndo {
    /// The file they stand in; an absolute path.
    pub path: String,
    /// What was there.
    pub before: FileBefore,
    /// SHA-256 of what the step writes, in hex.
    pub after_sha256: String,
    /// The line of ours in a file that others write to as well; `None` where the whole file is ours.
    pub line: Option<String>,
    /// The hosts and labels that the engine has only since.
    pub added: Vec<String>,
}

/// A file as it was before a step wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "before")]
pub enum FileBefore {
    /// It was not there.
    Absent,
    /// It is kept on the node.
    Kept {
        /// The name of its copy in the instance's directory on the node.
        backup: String,
        /// SHA-256 of its content, in hex.
        sha256: String,
        /// Its permission bits.
        mode: u32,
        /// Its owner's name or number.
        owner: String,
        /// Its group's name or number.
        group: String,
    },
}

/// The order in which kinds of undo are done: what runs first, what it stands on last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoPhase {
    /// The author's own commands.
    Commands,
    /// Containers, networks and volumes.
    Containers,
    /// Images.
    Images,
    /// Files.
    Files,
    /// The engine's own options, with one restart.
    Engine,
    /// Directories.
    Directories,
}

impl Undo {
    /// Returns the hash of the options that were written to the file at `path`.
    pub fn written_options(&self, path: &str) -> Option<String> {
        match self {
            Self::RestoreEngineOptions(undo) if undo.path == path => Some(undo.after_sha256.clone()),
            _ => None,
        }
    }

    /// Returns the phase it belongs to.
    pub fn phase(&self) -> UndoPhase {
        match self {
            Self::Run { .. } => UndoPhase::Commands,
            Self::RemoveProject { .. } | Self::RemoveContainer { .. } => UndoPhase::Containers,
            Self::RemoveImages { .. } | Self::RemovePrinted { .. } => UndoPhase::Images,
            Self::RestoreFile { .. } => UndoPhase::Files,
            Self::RestoreEngineOptions(_) => UndoPhase::Engine,
            Self::RemoveDirectory { .. } | Self::RemoveEmptyDirectories { .. } => UndoPhase::Directories,
        }
    }
}

/// Says whether cleanup may take away a directory at `path`: it is absolute, has no detours, and is not right below the root.
pub fn may_be_removed(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let has_detours = parts.iter().any(|part| matches!(*part, "." | ".."));
    path.starts_with('/') && !path.ends_with('/') && parts.len() >= 2 && !has_detours
}

/// Says whether a lab may make a directory at `path`, which cleanup then takes away with all that is in it. A home is never a lab's.
pub fn may_be_made(path: &str) -> bool {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let is_home = parts.next() == Some("home") && parts.count() == 1;
    may_be_removed(path) && !is_home
}

impl fmt::Display for Undo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RemoveDirectory { path } => write!(formatter, "remove the directory {path}"),
            Self::RemoveEmptyDirectories { topmost, .. } => {
                write!(formatter, "remove the directory {topmost}, where it is empty")
            }
            Self::RestoreFile {
                path,
                before: FileBefore::Absent,
                ..
            } => write!(formatter, "remove the file {path}"),
            Self::RestoreFile { path, .. } => write!(formatter, "put the file {path} back as it was"),
            Self::RestoreEngineOptions(undo) => write!(
                formatter,
                "take the lab's options out of {} and restart the engine",
                undo.path
            ),
            Self::RemoveProject { project } => write!(formatter, "remove what Compose made for project {project}"),
            Self::RemoveContainer { name } => write!(formatter, "remove the container {name}"),
            Self::RemoveImages { references } => {
                write!(
                    formatter,
                    "remove the images {}, where they are new",
                    references.join(", ")
                )
            }
            Self::RemovePrinted { .. } => formatter.write_str("remove the layers and containers that the build made"),
            Self::Run { command, .. } => write!(formatter, "run {}", command.join(" ")),
        }
    }
}
