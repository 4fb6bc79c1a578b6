//! When a service is told to stop.
//!
//! Responsible for SIGTERM and SIGINT. As process 1 of a container a service has no default actions: it must wait for
//! signals before it does anything else.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end a service.
#[derive(Debug)]
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Begins to listen.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Returns the name of the first signal that comes.
    pub(crate) async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
