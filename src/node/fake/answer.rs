//! How a fake node answers.

use crate::domain::NodeName;
use crate::node::{Ending, NodeError, NodeErrorKind};
use labctl_agent::Ending as Told;
use std::time::Duration;

/// How the fake node answers one command.
#[derive(Debug, Clone)]
pub struct FakeAnswer {
    /// How the command ends, or how the node fails.
    pub result: Result<Ending, NodeError>,
    /// What it writes on standard output, chunk by chunk.
    pub stdout: Vec<Vec<u8>>,
    /// What it writes on standard error.
    pub stderr: Vec<u8>,
    /// How long it takes; tokio's paused time makes that no time at all. Deadlines and cancelling are obeyed meanwhile.
    pub takes: Duration,
}

impl FakeAnswer {
    /// A command that returns `code` at once.
    pub fn exited(code: i32) -> Self {
        Self::ended(Ending::Exited { code })
    }

    /// A command that ends as `ending` at once.
    pub fn ended(ending: Ending) -> Self {
        Self {
            result: Ok(ending),
            stdout: Vec::new(),
            stderr: Vec::new(),
            takes: Duration::ZERO,
        }
    }

    /// A node that fails as `kind`, saying `message`; the node's name is filled in.
    pub fn failed(kind: NodeErrorKind, message: &str) -> Self {
        #[expect(clippy::expect_used, reason = "a constant, valid name")]
        let node = NodeName::new("unnamed").expect("a valid name");
        Self {
            result: Err(NodeError {
                node,
                kind,
                message: message.to_owned(),
                hint: None,
            }),
            ..Self::exited(0)
        }
    }

    /// Adds a chunk of standard output.
    pub fn stdout(mut self, text: impl AsRef<[u8]>) -> Self {
        self.stdout.push(text.as_ref().to_vec());
        self
    }

    /// Sets standard error.
    pub fn stderr(mut self, text: impl AsRef<[u8]>) -> Self {
        self.stderr = text.as_ref().to_vec();
        self
    }

    /// Sets how long it takes.
    pub fn takes(mut self, time: Duration) -> Self {
        self.takes = time;
        self
    }
}

/// Returns how a command ended as an agent says it.
pub(super) fn told(ending: Ending) -> Told {
    match ending {
        Ending::Exited { code } => Told::Exited(code),
        Ending::Signalled { signal } => Told::Signalled(signal),
        Ending::TimedOut { .. } => Told::TimedOut,
        Ending::Cancelled => Told::Cancelled,
        Ending::CouldNotStart { reason, .. } => Told::CouldNotStart(reason),
        Ending::LostConnection { reason, .. } => Told::Lost(reason),
    }
}
