//! How much is under way at once, over all nodes of a run: handshakes, requests, open connections.
//!
//! A handshake costs this machine more than anything that comes after it, and with hundreds at once none of them is done in time. Each
//! connection also takes descriptors of this process: where there are too few for all nodes, the one that has been idle for the longest
//! is closed, and opened again when its node is asked for something.

use async_trait::async_trait;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

/// How many descriptors a connection takes at the most: the way to ssh's socket, three streams of the agent's session, and what is
/// open for a moment while it is made.
const EACH: u64 = 8;

/// How many descriptors all else may take: terminal, journal, output files, ways to Docker Engines.
const ALL_ELSE: u64 = 128;

/// How often is looked whether a connection has become idle, where no more can be open.
const LOOKING: Duration = Duration::from_millis(50);

/// A connection that can be closed while nobody uses it.
#[async_trait]
pub(super) trait Idling: fmt::Debug + Send + Sync {
    /// Returns since when nothing was asked over it; `None` where something is under way or it is not open.
    async fn idle_since(&self) -> Option<Instant>;

    /// Closes it, unless something is under way by now; returns whether it is closed.
    async fn hang_up(&self) -> bool;
}

/// Bounds what is under way at once. Clones are one gate.
#[derive(Debug, Clone)]
pub struct Gate {
    handshakes: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    open: Arc<Mutex<Vec<Weak<dyn Idling>>>>,
    most: usize,
}

impl Gate {
    /// The usual number of nodes that are worked on at once: more handshakes than that make a laptop slower, not faster.
    pub const USUAL: NonZeroUsize = NonZeroUsize::new(20).unwrap();

    /// Makes a gate for `forks` nodes at once, and raises the limit of this process's descriptors as far as it may.
    pub fn new(forks: NonZeroUsize) -> Self {
        Self::with_descriptors(forks, raised_limit())
    }

    /// Makes a gate for `forks` nodes at once in a process that may have so many `descriptors`.
    pub fn with_descriptors(forks: NonZeroUsize, descriptors: u64) -> Self {
        let most = descriptors.saturating_sub(ALL_ELSE) / EACH;
        Self {
            handshakes: Arc::new(Semaphore::new(forks.get())),
            requests: Arc::new(Semaphore::new(forks.get())),
            open: Arc::default(),
            most: usize::try_from(most).unwrap_or(usize::MAX).max(1),
        }
    }

    /// Waits until a connection may be opened. It may take as long as the returned value is kept.
    pub(super) async fn handshake(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.handshakes).acquire_owned().await.ok()
    }

    /// Waits until a node may be asked for something, which is under way as long as the returned value is kept. Recorded commands are not
    /// counted: the nodes work on them, and one that waits for its turn here would wait for its deadline as well.
    pub(super) async fn request(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.requests).acquire_owned().await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<dyn Idling>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room for one more open connection, and counts `connection` as open. Others that are idle are closed for it.
    pub(super) async fn admit(&self, connection: &Arc<dyn Idling>) {
        loop {
            let others = {
                let mut open = self.lock();
                open.retain(|other| other.strong_count() > 0);
                let own = Arc::downgrade(connection);
                let is_counted = open.iter().any(|other| other.ptr_eq(&own));
                if is_counted || open.len() < self.most {
                    if !is_counted {
                        open.push(own);
                    }
                    return;
                }
                open.clone()
            };
            if !self.close_the_idlest(&others).await {
                sleep(LOOKING).await;
            }
        }
    }

    /// Counts `connection` as open no longer.
    pub(super) fn leave(&self, connection: &Arc<dyn Idling>) {
        let own = Arc::downgrade(connection);
        self.lock().retain(|other| !other.ptr_eq(&own));
    }

    /// Closes the one of `open` that has been idle for the longest; returns whether there was one.
    async fn close_the_idlest(&self, open: &[Weak<dyn Idling>]) -> bool {
        let mut idlest: Option<(Instant, Arc<dyn Idling>)> = None;
        for connection in open.iter().filter_map(Weak::upgrade) {
            if let Some(since) = connection.idle_since().await
                && idlest.as_ref().is_none_or(|(before, _)| since < *before)
            {
                idlest = Some((since, connection));
            }
        }
        let Some((_, connection)) = idlest else { return false };
        let is_closed = connection.hang_up().await;
        if is_closed {
            self.leave(&connection);
        }
        is_closed
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new(Self::USUAL)
    }
}

/// Raises the limit of this process's descriptors as far as it may, and returns it.
fn raised_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let raised = limit.maximum.unwrap_or(u64::MAX);
    limit.current = limit.maximum;
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => raised,
        Err(_) => getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[derive(Debug)]
    struct Fake {
        since: Mutex<Option<Instant>>,
        is_closed: AtomicBool,
    }

    impl Fake {
        fn new(since: Option<Instant>) -> Arc<Self> {
            Arc::new(Self {
                since: Mutex::new(since),
                is_closed: AtomicBool::new(false),
            })
        }

        fn is_closed(&self) -> bool {
            self.is_closed.load(Ordering::Relaxed)
        }
    }

    #[async_trait]
    impl Idling for Fake {
        async fn idle_since(&self) -> Option<Instant> {
            *self.since.lock().unwrap()
        }

        async fn hang_up(&self) -> bool {
            self.is_closed.store(true, Ordering::Relaxed);
            true
        }
    }

    fn gate(connections: u64) -> Gate {
        Gate::with_descriptors(Gate::USUAL, ALL_ELSE + connections * EACH)
    }

    #[tokio::test(start_paused = true)]
    async fn the_idlest_connection_makes_room() {
        let gate = gate(3);
        let began = Instant::now();
        let idle = |ago: u64| Fake::new(began.checked_sub(Duration::from_secs(ago)));
        let (young, old, busy, new) = (idle(1), idle(9), Fake::new(None), idle(0));
        for connection in [&young, &old, &busy, &new] {
            let connection: Arc<dyn Idling> = Arc::<Fake>::clone(connection);
            gate.admit(&connection).await;
        }
        assert!(old.is_closed() && !young.is_closed() && !busy.is_closed() && !new.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_are_busy_one_is_waited_for() {
        let gate = gate(1);
        let busy = Fake::new(None);
        let connection: Arc<dyn Idling> = Arc::<Fake>::clone(&busy);
        gate.admit(&connection).await;
        // The same once more, as after a lost connection, takes no more room.
        gate.admit(&connection).await;
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move {
                let next: Arc<dyn Idling> = Fake::new(None);
                gate.admit(&next).await;
            }
        });
        sleep(Duration::from_secs(5)).await;
        assert!(!waiting.is_finished() && !busy.is_closed());
        *busy.since.lock().unwrap() = Some(Instant::now());
        waiting.await.unwrap();
        assert!(busy.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_gone_takes_no_room() {
        let gate = gate(1);
        for _ in 0..3 {
            let connection: Arc<dyn Idling> = Fake::new(None);
            gate.admit(&connection).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_under_way_than_was_said() {
        let gate = Gate::with_descriptors(NonZeroUsize::new(2).unwrap(), 10_000);
        let held = [gate.handshake().await, gate.handshake().await];
        let wait = Duration::from_secs(1);
        assert!(tokio::time::timeout(wait, gate.handshake()).await.is_err());
        drop(held);
        assert!(tokio::time::timeout(wait, gate.handshake()).await.is_ok());
    }
}
