//! The connection to one node over its whole life: opened, found broken, opened again, closed.
//!
//! Whoever finds it broken says which connection they mean, so that ten waiting callers open one new connection.

use super::boot::BootError;
use super::failure::{broken, is_for_want_of_descriptors, no_agent, no_descriptors};
use super::gate::{Gate, Idling};
use super::launch::{Master, launch};
use super::options::{ConnectNotices, SshOptions};
use super::session::AgentSession;
use super::target::Target;
use crate::node::{NodeError, NodeErrorKind};
use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedSemaphorePermit, RwLock};
use tokio::time::{Instant, timeout, timeout_at};

/// How long the local master may take to say whether it lives.
const CHECK: Duration = Duration::from_secs(3);

/// How long the agent may take to be there, beyond what connecting may take: a login shell with a slow profile is part of it.
const BOOTING: Duration = Duration::from_secs(30);

/// The connection to one node.
#[derive(Debug)]
pub(super) struct Link {
    pub target: Target,
    /// Whether sudo may be used.
    pub sudo: bool,
    directory: PathBuf,
    /// How long it is tried again where nothing else says how long.
    pub patience: Duration,
    notices: ConnectNotices,
    gate: Gate,
    slot: Arc<Slot>,
    renewing: Mutex<()>,
}

/// What is open at the moment. The gate may close it while it is idle.
#[derive(Debug)]
struct Slot(RwLock<Current>);

#[derive(Debug, Clone)]
struct Current {
    generation: u64,
    connected: Option<Connected>,
}

/// A connection, and the agent at its other end.
#[derive(Debug, Clone)]
pub(super) struct Connected {
    master: Arc<Master>,
    pub agent: Arc<AgentSession>,
    /// Its place among the open connections.
    _place: Arc<Option<OwnedSemaphorePermit>>,
}

#[async_trait]
impl Idling for Slot {
    async fn idle_since(&self) -> Option<Instant> {
        self.0.read().await.connected.as_ref()?.agent.idle_since()
    }

    async fn hang_up(&self) -> bool {
        let mut current = self.0.write().await;
        let connected = current
            .connected
            .take_if(|connected| connected.agent.idle_since().is_some());
        drop(current);
        match connected {
            Some(connected) => {
                connected.end().await;
                true
            }
            None => false,
        }
    }
}

impl Connected {
    async fn end(self) {
        self.agent.finish().await;
        self.master.exit().await;
    }
}

impl Link {
    /// Connects to `target`.
    pub async fn connect(target: Target, sudo: bool, options: &SshOptions) -> Result<Self, NodeError> {
        let link = Self {
            target,
            sudo,
            directory: options.control_directory.clone(),
            patience: options.patience,
            notices: options.notices.clone(),
            gate: options.gate.clone(),
            slot: Arc::new(Slot(RwLock::new(Current {
                generation: 1,
                connected: None,
            }))),
            renewing: Mutex::new(()),
        };
        let slot: Arc<dyn Idling> = Arc::<Slot>::clone(&link.slot);
        link.gate.know(&slot);
        let connected = link.open().await?;
        link.slot.0.write().await.connected = Some(connected);
        Ok(link)
    }

    /// Opens a connection, and starts the agent, as soon as there is room for it.
    async fn open(&self) -> Result<Connected, NodeError> {
        let place = self.gate.admit().await;
        let _turn = self.gate.handshake().await;
        self.open_in(place).await
    }

    async fn open_in(&self, place: Option<OwnedSemaphorePermit>) -> Result<Connected, NodeError> {
        let master = Arc::new(launch(&self.target, &self.directory, &self.notices).await?);
        let deadline = Instant::now() + self.target.connect_timeout + BOOTING;
        let error = match AgentSession::start(&master.session, self.sudo, deadline).await {
            Ok(agent) => {
                return Ok(Connected {
                    master,
                    agent: Arc::new(agent),
                    _place: Arc::new(place),
                });
            }
            Err(error) => error,
        };
        if let BootError::Session(reason) = &error
            && let Some(error) = no_descriptors(&self.target, reason)
        {
            return Err(error);
        }
        Err(match (why_broken(&master).await, error) {
            (Some(said), BootError::Session(_) | BootError::Ended(_)) => broken(&self.target, &said),
            (None, BootError::Ended(ended)) => no_agent(&self.target, &ended),
            (None, BootError::Session(reason)) => self.no_session(&reason, None),
            (_, BootError::Refused { reason, hint }) => self.no_session(&reason, hint),
        })
    }

    /// Makes the error for a node that lets labctl in, and on which no agent can be started.
    fn no_session(&self, reason: &str, hint: Option<String>) -> NodeError {
        let message = format!("{}: {reason}", self.target.name);
        self.target.error(NodeErrorKind::NoAgent, message, hint)
    }

    /// Returns the number of the current connection, and the agent at its other end; `None` where the connection was found broken and
    /// no new one has been opened.
    pub async fn agent(&self) -> (u64, Option<Arc<AgentSession>>) {
        let current = self.slot.0.read().await;
        let agent = current.connected.as_ref().map(|connected| Arc::clone(&connected.agent));
        (current.generation, agent)
    }

    /// Opens a new connection unless somebody has replaced `generation` already; tries until `deadline`.
    pub async fn renew(&self, generation: u64, deadline: Instant) -> Result<(), NodeError> {
        let Ok(_alone) = timeout_at(deadline, self.renewing.lock()).await else {
            return Err(self.unreachable("somebody else was still trying"));
        };
        if self.slot.0.read().await.generation > generation {
            return Ok(());
        }
        // Frees the old one's socket now rather than when the last user of it is dropped.
        let old = self.slot.0.write().await.connected.take();
        if let Some(old) = old {
            old.master.exit().await;
        }
        let connected = self.open_until(deadline).await?;
        let mut current = self.slot.0.write().await;
        current.generation = generation + 1;
        current.connected = Some(connected);
        Ok(())
    }

    async fn open_until(&self, deadline: Instant) -> Result<Connected, NodeError> {
        let mut last = None;
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(2))
            .without_max_times();
        let attempts = (|| self.open())
            .retry(pauses)
            .when(|error: &NodeError| error.kind != NodeErrorKind::HostKey)
            .notify(|error: &NodeError, _| last = Some(error.clone()));
        match timeout_at(deadline, attempts).await {
            Ok(result) => result,
            Err(_) => Err(last.unwrap_or_else(|| self.unreachable("the node did not answer in time"))),
        }
    }

    /// Returns what ssh says of a connection that is broken, else what the conversation with the agent ended with.
    pub async fn words_of(&self, generation: u64, reason: String) -> String {
        self.why_broken(generation).await.unwrap_or(reason)
    }

    /// Waits until the node may be asked for something.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.gate.request().await
    }

    /// Makes the error for a conversation with the agent that ended with `reason`. Only where ssh says so, the connection is broken.
    pub async fn ended(&self, generation: u64, reason: &str) -> NodeError {
        match self.why_broken(generation).await {
            Some(said) => broken(&self.target, &said),
            None => self.fault(reason),
        }
    }

    async fn why_broken(&self, generation: u64) -> Option<String> {
        let current = self.slot.0.read().await.clone();
        match current.connected {
            Some(connected) if current.generation == generation => why_broken(&connected.master).await,
            _ => None,
        }
    }

    /// Makes the error for a node that does not answer.
    pub fn unreachable(&self, why: &str) -> NodeError {
        broken(&self.target, why)
    }

    /// Makes the error for a node that answers but does not work.
    pub fn fault(&self, why: &str) -> NodeError {
        self.target
            .error(NodeErrorKind::NodeFault, format!("{}: {why}", self.target.name), None)
    }

    /// Ends the connection.
    pub async fn close(&self) {
        let _alone = self.renewing.lock().await;
        let connected = self.slot.0.write().await.connected.take();
        if let Some(connected) = connected {
            connected.end().await;
        }
    }
}

/// Returns why a connection no longer works; `None` where it works, or ssh does not say: a busy master is no broken connection, and
/// one whose peer is gone ends by itself.
async fn why_broken(master: &Master) -> Option<String> {
    match timeout(CHECK, master.session.check()).await {
        Ok(Ok(())) | Err(_) => None,
        Ok(Err(error)) if is_for_want_of_descriptors(&error.to_string()) => None,
        Ok(Err(_)) => {
            let said = master.said().words();
            Some(if said.is_empty() {
                "the connection was lost".to_owned()
            } else {
                said
            })
        }
    }
}
