//! How things end. Every way has a name of its own; none is guessed from another.

use super::TaskId;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// How a command on a node ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Ending {
    /// It returned `code`.
    Exited {
        /// The exit status, 0 to 255.
        code: i32,
    },
    /// A signal that was not ours ended it.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// Its deadline passed and its process group was killed on the node.
    TimedOut {
        /// The deadline it had.
        after: Duration,
    },
    /// It never ran: no such program, no such directory, no permission.
    CouldNotStart {
        /// What the node said.
        reason: String,
        /// The next thing to try, where one is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// The node could not be reached again before the deadline; what became of the command is unknown.
    LostConnection {
        /// What ssh said.
        reason: String,
        /// The next thing to try, where one is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// We killed its process group because the run was cancelled.
    Cancelled,
}

/// Which output stream a chunk came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a step on a node ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// The action was done and every check held.
    Passed,
    /// The action was done, a check did not hold.
    FailedCheck,
    /// The command returned a status that no check asked for.
    Exited {
        /// The exit status.
        code: i32,
    },
    /// A signal that was not ours ended the command.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// The deadline passed; the process group was killed on the node.
    TimedOut {
        /// The deadline.
        after: Duration,
    },
    /// The action never ran.
    CouldNotStart {
        /// Why.
        reason: String,
        /// The next thing to try.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// The node could not be reached; what became of the action is unknown.
    LostConnection {
        /// What ssh said.
        reason: String,
        /// The next thing to try, where one is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// Nothing could be looked at, so nothing can be said.
    CannotTell {
        /// Why.
        reason: String,
        /// The next thing to try, where one is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// The run was cancelled.
    Cancelled,
    /// It was not tried.
    Skipped {
        /// Why.
        reason: SkipReason,
    },
    /// A later task changes on purpose what this checks.
    Superseded {
        /// That task.
        by: TaskId,
    },
}

/// Why a step was not tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum SkipReason {
    /// All its checks held before it was begun, and the lab says that doing it again is of no use.
    AlreadyHolds,
    /// A step that it waits for did not pass.
    NeedsFailed {
        /// That step, as `step@node`.
        step: String,
    },
    /// The node could not be reached earlier in this run.
    NodeLost,
    /// The run was stopping.
    Stopping,
}

impl Outcome {
    /// Says whether steps that wait for this one may go on.
    pub fn lets_others_go_on(&self) -> bool {
        matches!(
            self,
            Self::Passed
                | Self::Superseded { .. }
                | Self::Skipped {
                    reason: SkipReason::AlreadyHolds
                }
        )
    }

    /// Says whether a step that ended like this was certainly not broken off: its command, where there was one, came to its own end.
    pub fn came_to_its_own_end(&self) -> bool {
        match self {
            // A shell tells so of a signal.
            Self::Exited { code } => *code < 128,
            Self::Passed
            | Self::FailedCheck
            | Self::CannotTell { .. }
            | Self::Superseded { .. }
            | Self::Skipped { .. } => true,
            Self::Signalled { .. }
            | Self::TimedOut { .. }
            | Self::CouldNotStart { .. }
            | Self::LostConnection { .. }
            | Self::Cancelled => false,
        }
    }

    /// Says whether this is a failure of the node or the action, as against a check that did not hold.
    pub fn could_not_run(&self) -> bool {
        matches!(
            self,
            Self::Exited { .. }
                | Self::Signalled { .. }
                | Self::TimedOut { .. }
                | Self::CouldNotStart { .. }
                | Self::LostConnection { .. }
                | Self::CannotTell { .. }
        )
    }

    /// Returns the outcome's name, a stable word for reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::FailedCheck => "failed its check",
            Self::Exited { .. } => "exited",
            Self::Signalled { .. } => "signalled",
            Self::TimedOut { .. } => "timed out",
            Self::CouldNotStart { .. } => "could not start",
            Self::LostConnection { .. } => "lost the connection",
            Self::CannotTell { .. } => "cannot tell",
            Self::Cancelled => "cancelled",
            Self::Skipped { .. } => "skipped",
            Self::Superseded { .. } => "superseded",
        }
    }
}

impl From<Ending> for Outcome {
    /// Turns the ending of a command that no check judged into the step's outcome.
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Exited { code: 0 } => Self::Passed,
            Ending::Exited { code } => Self::Exited { code },
            Ending::Signalled { signal } => Self::Signalled { signal },
            Ending::TimedOut { after } => Self::TimedOut { after },
            Ending::CouldNotStart { reason, hint } => Self::CouldNotStart { reason, hint },
            Ending::LostConnection { reason, hint } => Self::LostConnection { reason, hint },
            Ending::Cancelled => Self::Cancelled,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(formatter, "exit status {code}"),
            Self::Signalled { signal } => write!(formatter, "killed by signal {signal}"),
            Self::TimedOut { after } => write!(formatter, "timed out after {} s", after.as_secs_f32()),
            Self::CouldNotStart { reason, .. } => write!(formatter, "could not start: {reason}"),
            Self::LostConnection { reason, .. } => write!(formatter, "lost the connection: {reason}"),
            Self::Cancelled => formatter.write_str("cancelled"),
        }
    }
}
