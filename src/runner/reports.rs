//! The channel from executors to the dispatcher.

use crate::domain::{EventKind, Notice, StepKey, Stream, Verdict};
use tokio::sync::{mpsc, oneshot};

/// What an executor tells the dispatcher.
pub(super) enum Report {
    /// An event for the journal; `written` is answered once it is on disk.
    Event {
        kind: Box<EventKind>,
        written: oneshot::Sender<()>,
    },
    /// Something too fleeting for the journal.
    Fleeting(Box<Notice>),
}

/// The journal did not take an event: the run is over, whatever was about to be done must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the journal cannot be written")]
pub(super) struct JournalLost;

/// An executor's end of the channel.
#[derive(Clone)]
pub(super) struct Reports {
    sender: mpsc::Sender<Report>,
}

impl Reports {
    pub(super) fn new(sender: mpsc::Sender<Report>) -> Self {
        Self { sender }
    }

    /// Hands `kind` over and waits until it is on disk.
    pub(super) async fn event(&self, kind: EventKind) -> Result<(), JournalLost> {
        let (written, on_disk) = oneshot::channel();
        let report = Report::Event {
            kind: Box::new(kind),
            written,
        };
        self.sender.send(report).await.map_err(|_| JournalLost)?;
        on_disk.await.map_err(|_| JournalLost)
    }

    /// Shows output. Where whoever watches is slower than the node, the output is left out of the display: the file has
    /// all of it, and memory stays bounded.
    pub(super) fn output(&self, step: &StepKey, stream: Stream, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let notice = Notice::Output {
            step: step.clone(),
            stream,
            bytes,
        };
        let _ = self.sender.try_send(Report::Fleeting(Box::new(notice)));
    }

    /// Says what a step still waits for.
    pub(super) fn still_waiting(&self, step: &StepKey, check: usize, verdict: Option<Verdict>, attempts: u32) {
        let notice = Notice::StillWaiting {
            step: step.clone(),
            check,
            verdict,
            attempts,
        };
        let _ = self.sender.try_send(Report::Fleeting(Box::new(notice)));
    }
}
