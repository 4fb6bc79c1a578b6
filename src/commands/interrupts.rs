//! The user's Ctrl-C, and a service manager's SIGTERM, for a whole invocation.
//!
//! Before and after a plan is carried out, the first one ends the verb: everything begun so far ends with its future. In
//! between the engine stops in an orderly way at the first one, and at the second everything is left as it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// Counts interrupts and says who answers them.
#[derive(Debug, Clone)]
pub(super) struct Interrupts {
    presses: watch::Receiver<u32>,
    engine_answers: Arc<AtomicBool>,
    _listening: Arc<AbortOnDropHandle<()>>,
}

impl Interrupts {
    /// Begins to listen. Where signals cannot be listened to, none is ever counted, and they do what they do by default.
    pub(super) fn listen() -> Self {
        let (sender, presses) = watch::channel(0);
        let listening = tokio::spawn(async move {
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                sender.send_modify(|presses| *presses += 1);
            }
        });
        Self {
            presses,
            engine_answers: Arc::default(),
            _listening: Arc::new(AbortOnDropHandle::new(listening)),
        }
    }

    /// Returns at an interrupt that the engine does not answer.
    pub(super) async fn unanswered(&self) {
        let mut presses = self.presses.clone();
        loop {
            if presses.changed().await.is_err() {
                return std::future::pending().await;
            }
            if !self.engine_answers.load(Ordering::Acquire) {
                return;
            }
        }
    }

    /// Says whether the engine answers from now on.
    pub(super) fn engine_answers(&self, answers: bool) {
        self.engine_answers.store(answers, Ordering::Release);
    }

    /// Returns at the next interrupt after this call.
    pub(super) async fn next(&mut self) {
        if self.presses.changed().await.is_err() {
            std::future::pending().await
        }
    }
}
