//! The exit codes: a documented contract, one table in the README, one test per code.

use std::process::ExitCode;

/// How labctl ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All well.
    Success = 0,
    /// A check failed.
    CheckFailed = 1,
    /// Wrong usage or definition; nothing was touched.
    Usage = 2,
    /// A node or the engine could not be reached, or an action could not run.
    CouldNotRun = 3,
    /// Cleanup is done but something of ours is left.
    Left = 4,
    /// There was nothing to check.
    NothingToCheck = 5,
    /// Another run holds the lock.
    Locked = 6,
    /// Interrupted by the user.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
