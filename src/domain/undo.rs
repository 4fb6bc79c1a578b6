//! What takes a step back, complete in itself: it stands in the journal and on the node before the step's action starts,
//! and cleanup needs nothing else.

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
        /// The exec's record on the node.
        exec: String,
    },
    /// Runs a command of the lab's author.
    Run {
        /// Program and arguments.
        command: Vec<String>,
        /// Whether root runs it.
        as_root: bool,
    },
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
    /// Directories.
    Directories,
}

impl Undo {
    /// Returns the phase it belongs to.
    pub fn phase(&self) -> UndoPhase {
        match self {
            Self::Run { .. } => UndoPhase::Commands,
            Self::RemoveProject { .. } | Self::RemoveContainer { .. } => UndoPhase::Containers,
            Self::RemoveImages { .. } | Self::RemovePrinted { .. } => UndoPhase::Images,
            Self::RestoreFile { .. } => UndoPhase::Files,
            Self::RemoveDirectory { .. } | Self::RemoveEmptyDirectories { .. } => UndoPhase::Directories,
        }
    }
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
            Self::RemoveProject { project } => write!(formatter, "remove what Compose made for project {project}"),
            Self::RemoveContainer { name } => write!(formatter, "remove the container {name}"),
            Self::RemoveImages { references } => write!(formatter, "remove the images {}", references.join(", ")),
            Self::RemovePrinted { .. } => formatter.write_str("remove the layers and containers that the build made"),
            Self::Run { command, .. } => write!(formatter, "run {}", command.join(" ")),
        }
    }
}
