//! The connection to one node over its whole life: opened, found broken, opened again, closed.
//!
//! Whoever finds it broken says which connection they mean, so that ten waiting callers open one new connection.

use super::failure::last_words;
use super::launch::{Master, Target, launch};
use super::options::SshOptions;
use crate::node::printable::printable;
use crate::node::{NodeError, NodeErrorKind};
use backon::{ExponentialBuilder, Retryable};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, RwLock, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// How long the local master may take to say whether it lives.
const CHECK: Duration = Duration::from_secs(3);

/// The connection to one node.
#[derive(Debug)]
pub(super) struct Link {
    pub target: Target,
    pub directory: PathBuf,
    /// How long it is tried again where nothing else says how long.
    pub patience: Duration,
    current: RwLock<Current>,
    renewing: Mutex<()>,
    lanes: Lanes,
}

/// What channels are for. sshd allows 10 at once by default; each kind has its own share, so that a kill never waits
/// behind what it is to kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Execs, looks and writes.
    Work,
    /// Kills.
    Kill,
    /// Connections to the engine where it cannot be forwarded.
    Engine,
}

#[derive(Debug)]
struct Lanes {
    work: Arc<Semaphore>,
    kill: Arc<Semaphore>,
    engine: Arc<Semaphore>,
}

#[derive(Debug, Clone)]
struct Current {
    generation: u64,
    master: Option<Arc<Master>>,
}

/// A connection, with the number that tells it from the ones before and after.
#[derive(Debug, Clone)]
pub(super) struct Connected {
    pub generation: u64,
    pub master: Arc<Master>,
}

impl Link {
    /// Connects to `target`.
    pub async fn connect(target: Target, options: &SshOptions) -> Result<Self, NodeError> {
        let directory = options.control_directory.clone();
        let master = Arc::new(launch(&target, &directory).await?);
        let current = RwLock::new(Current {
            generation: 1,
            master: Some(master),
        });
        Ok(Self {
            target,
            directory,
            patience: options.patience,
            current,
            renewing: Mutex::new(()),
            lanes: Lanes {
                work: Arc::new(Semaphore::new(6)),
                kill: Arc::new(Semaphore::new(1)),
                engine: Arc::new(Semaphore::new(2)),
            },
        })
    }

    pub fn lane(&self, lane: Lane) -> Arc<Semaphore> {
        match lane {
            Lane::Work => &self.lanes.work,
            Lane::Kill => &self.lanes.kill,
            Lane::Engine => &self.lanes.engine,
        }
        .clone()
    }

    /// Returns the current connection; `None` where it was found broken and no new one has been opened.
    pub async fn connected(&self) -> (u64, Option<Connected>) {
        let current = self.current.read().await.clone();
        let generation = current.generation;
        (
            generation,
            current.master.map(|master| Connected { generation, master }),
        )
    }

    /// Returns why the connection `generation` no longer works; `None` where it works.
    pub async fn broken(&self, connected: &Connected) -> Option<String> {
        match timeout(CHECK, connected.master.session.check()).await {
            Ok(Ok(())) => None,
            _ => {
                let said = last_words(&printable(&connected.master.log()));
                Some(if said.is_empty() {
                    "the connection was lost".to_owned()
                } else {
                    said
                })
            }
        }
    }

    /// Opens a new connection unless somebody has replaced `generation` already; tries until `deadline`.
    pub async fn renew(&self, generation: u64, deadline: Instant) -> Result<(), NodeError> {
        let Ok(_alone) = timeout_at(deadline, self.renewing.lock()).await else {
            return Err(self.unreachable("somebody else was still trying"));
        };
        if self.current.read().await.generation > generation {
            return Ok(());
        }
        // Frees the old one's socket now rather than when the last channel on it is dropped.
        let old = self.current.write().await.master.take();
        if let Some(old) = old {
            old.exit().await;
        }
        let master = self.launch_until(deadline).await?;
        let mut current = self.current.write().await;
        current.generation = generation + 1;
        current.master = Some(Arc::new(master));
        Ok(())
    }

    async fn launch_until(&self, deadline: Instant) -> Result<Master, NodeError> {
        let mut last = None;
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(2))
            .without_max_times();
        let attempts = (|| launch(&self.target, &self.directory))
            .retry(pauses)
            .when(|error: &NodeError| error.kind != NodeErrorKind::HostKey)
            .notify(|error: &NodeError, _| last = Some(error.clone()));
        match timeout_at(deadline, attempts).await {
            Ok(result) => result,
            Err(_) => Err(last.unwrap_or_else(|| self.unreachable("the node did not answer in time"))),
        }
    }

    /// Makes the error for a node that does not answer.
    pub fn unreachable(&self, why: &str) -> NodeError {
        let message = format!("cannot reach {} at {}: {why}", self.target.name, self.target.place());
        self.target.error(NodeErrorKind::Unreachable, message, None)
    }

    /// Makes the error for a node that answers but does not work.
    pub fn fault(&self, why: &str) -> NodeError {
        self.target
            .error(NodeErrorKind::NodeFault, format!("{}: {why}", self.target.name), None)
    }

    /// Ends the connection.
    pub async fn close(&self) {
        let _alone = self.renewing.lock().await;
        let master = self.current.write().await.master.take();
        if let Some(master) = master {
            master.exit().await;
        }
    }
}
