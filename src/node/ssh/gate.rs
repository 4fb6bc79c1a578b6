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
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
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
    room: Arc<Semaphore>,
    known: Arc<Mutex<Vec<Weak<dyn Idling>>>>,
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
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Self {
            handshakes: Arc::new(Semaphore::new(forks.get())),
            requests: Arc::new(Semaphore::new(forks.get())),
            room: Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS))),
            known: Arc::default(),
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

    fn known(&self) -> MutexGuard<'_, Vec<Weak<dyn Idling>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in `connection`, which may be closed while it is idle.
    pub(super) fn know(&self, connection: &Arc<dyn Idling>) {
        let mut known = self.known();
        known.retain(|other| other.strong_count() > 0);
        known.push(Arc::downgrade(connection));
    }

    /// Waits until there is room for one more open connection; it is taken until the returned value is dropped. Connections that are idle
    /// are closed for it.
    pub(super) async fn admit(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            match Arc::clone(&self.room).try_acquire_owned() {
                Ok(place) => return Some(place),
                // It is never closed.
                Err(TryAcquireError::Closed) => return None,
                Err(TryAcquireError::NoPermits) => {}
            }
            if !self.close_the_idlest().await {
                sleep(LOOKING).await;
            }
        }
    }

    /// Closes the one that has been idle for the longest; returns whether there was one.
    async fn close_the_idlest(&self) -> bool {
        let known = self.known().clone();
        let mut idlest: Option<(Instant, Arc<dyn Idling>)> = None;
        for connection in known.iter().filter_map(Weak::upgrade) {
            if let Some(since) = connection.idle_since().await
                && idlest.as_ref().is_none_or(|(before, _)| since < *before)
            {
                idlest = Some((since, connection));
            }
        }
        match idlest {
            Some((_, connection)) => connection.hang_up().await,
            None => false,
        }
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

    /// A connection that holds its place until it is closed.
    #[derive(Debug)]
    struct Fake {
        since: Mutex<Option<Instant>>,
        place: Mutex<Option<OwnedSemaphorePermit>>,
    }

    impl Fake {
        async fn open(gate: &Gate, since: Option<Instant>) -> Arc<Self> {
            let place = gate.admit().await;
            let fake = Arc::new(Self {
                since: Mutex::new(since),
                place: Mutex::new(place),
            });
            let connection: Arc<dyn Idling> = Arc::<Self>::clone(&fake);
            gate.know(&connection);
            fake
        }

        fn is_closed(&self) -> bool {
            self.place.lock().unwrap().is_none()
        }
    }

    #[async_trait]
    impl Idling for Fake {
        async fn idle_since(&self) -> Option<Instant> {
            let since = *self.since.lock().unwrap();
            since.filter(|_| !self.is_closed())
        }

        async fn hang_up(&self) -> bool {
            self.place.lock().unwrap().take().is_some()
        }
    }

    fn gate(connections: u64) -> Gate {
        Gate::with_descriptors(Gate::USUAL, ALL_ELSE + connections * EACH)
    }

    #[tokio::test(start_paused = true)]
    async fn the_idlest_connection_makes_room() {
        let gate = gate(3);
        sleep(Duration::from_secs(10)).await;
        let ago = |seconds: u64| Instant::now().checked_sub(Duration::from_secs(seconds));
        let young = Fake::open(&gate, ago(1)).await;
        let old = Fake::open(&gate, ago(9)).await;
        let busy = Fake::open(&gate, None).await;
        let new = Fake::open(&gate, ago(0)).await;
        assert!(old.is_closed() && !young.is_closed() && !busy.is_closed() && !new.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_are_busy_one_is_waited_for() {
        let gate = gate(1);
        let busy = Fake::open(&gate, None).await;
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { Fake::open(&gate, None).await }
        });
        sleep(Duration::from_secs(5)).await;
        assert!(!waiting.is_finished() && !busy.is_closed());
        *busy.since.lock().unwrap() = Some(Instant::now());
        waiting.await.unwrap();
        assert!(busy.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_gone_or_was_given_up_takes_no_room() {
        let gate = gate(1);
        for _ in 0..3 {
            drop(Fake::open(&gate, None).await);
        }
        let held = gate.admit().await;
        let wait = Duration::from_secs(1);
        assert!(tokio::time::timeout(wait, gate.admit()).await.is_err());
        drop(held);
        assert!(tokio::time::timeout(wait, gate.admit()).await.is_ok());
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
