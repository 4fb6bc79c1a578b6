//! What ends a verb early: an exit code, an error for a person, the next thing to try.

use crate::diagnostics::{WithHint, render_error};
use crate::domain::Diagnostics;
use crate::exit::Exit;
use crate::journal::JournalError;
use crate::load::suggestion;
use crate::node::NodeError;
use crate::planner::PlanError;
use std::io::Write;

/// Why a verb could not be carried out.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    pub(super) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
        }
    }

    /// Makes a failure of wrong usage.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, anyhow::Error::msg(message.into()))
    }

    /// Makes a failure of something that could not be reached or run.
    pub(super) fn could_not_run(message: impl Into<String>) -> Self {
        Self::new(Exit::CouldNotRun, anyhow::Error::msg(message.into()))
    }

    #[must_use]
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        let error = match Err::<(), _>(self.error).hint(hint) {
            Err(error) => error,
            Ok(()) => anyhow::Error::msg(""),
        };
        Self { exit: self.exit, error }
    }

    #[must_use]
    pub(super) fn maybe_hint(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Shows the failure on standard error and returns its exit code.
    pub(super) fn show(&self, colour: bool) -> Exit {
        let text = render_error(&self.error, colour);
        // Where even standard error is gone, the exit code still speaks.
        let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
        self.exit
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::new(Exit::Usage, diagnostics)
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        match &error {
            PlanError::NothingToCheck { .. } => Self::new(Exit::NothingToCheck, error),
            PlanError::Unknown { name, known, .. } => {
                let hint = suggestion(name, known.iter().map(String::as_str));
                Self::new(Exit::Usage, error).maybe_hint(hint)
            }
            PlanError::Empty { .. } => Self::new(Exit::Usage, error),
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let (exit, hint) = match &error {
            JournalError::Locked { .. } => (Exit::Locked, "wait until it has ended, or stop it with Ctrl-C"),
            JournalError::Newer { .. } => (Exit::Usage, "use the labctl that wrote it, or a newer one"),
            JournalError::Io(_) => (
                Exit::Usage,
                "make the state directory writable, or name another with --state-dir",
            ),
            JournalError::Damaged { .. } => (
                Exit::CouldNotRun,
                "move the file away: `labctl cleanup --inventory FILE` then asks the nodes themselves what is owed there",
            ),
        };
        Self::new(exit, error).hint(hint)
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        let hint = error.hint.clone();
        Self::new(Exit::CouldNotRun, error).maybe_hint(hint)
    }
}
