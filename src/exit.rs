//! The exit codes: a documented contract, one table in the README, one test per code.

use std::process::ExitCode;

/// How labctl ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All well.
    Success,
    /// A check failed.
    CheckFailed,
    /// Wrong usage or definition; nothing was touched.
    Usage,
    /// A node or the engine could not be reached, or an action could not run.
    CouldNotRun,
    /// Cleanup is done but something of ours is left.
    Left,
    /// There was nothing to check.
    NothingToCheck,
    /// Another run holds the lock.
    Locked,
    /// Interrupted by the user.
    Interrupted,
    /// The status of the command that `ssh NODE COMMAND` ran.
    OfCommand(u8),
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::CheckFailed => 1,
            Self::Usage => 2,
            Self::CouldNotRun => 3,
            Self::Left => 4,
            Self::NothingToCheck => 5,
            Self::Locked => 6,
            Self::Interrupted => 130,
            Self::OfCommand(status) => status,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
