//! Time that goes by fast, and never by itself.
//!
//! tokio's paused time jumps to the next timer whenever nothing can run, and so past the timeout of an exchange over a
//! socket that only needs another poll. A blocking task that is always under way keeps it from jumping; each time one
//! ends, time goes on by a small step.

use std::time::Duration;
use tokio::task::JoinHandle;

/// How far time goes on at each tick.
const STEP: Duration = Duration::from_millis(200);
/// How long a tick takes.
const TICK: Duration = Duration::from_micros(500);

/// Makes time go by for as long as it lives.
pub struct Clock {
    ticking: JoinHandle<()>,
}

impl Clock {
    /// Starts in a runtime whose time is paused.
    pub fn hasten() -> Self {
        let ticking = tokio::spawn(async {
            loop {
                tokio::task::spawn_blocking(|| std::thread::sleep(TICK)).await.unwrap();
                tokio::time::advance(STEP).await;
            }
        });
        Self { ticking }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}
