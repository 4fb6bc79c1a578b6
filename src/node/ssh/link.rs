//! The connection to one node over its whole life: opened, found broken, opened again, closed.
//!
//! Whoever finds it broken says which connection they mean, so that ten waiting callers open one new connection.

use super::boot::BootError;
use super::failure::last_words;
use super::launch::{Master, Target, launch};
use super::options::SshOptions;
use super::session::AgentSession;
use crate::node::printable::printable;
use crate::node::{NodeError, NodeErrorKind};
use backon::{ExponentialBuilder, Retryable};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, RwLock};
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
    current: RwLock<Current>,
    renewing: Mutex<()>,
}

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
}

impl Link {
    /// Connects to `target`.
    pub async fn connect(target: Target, sudo: bool, options: &SshOptions) -> Result<Self, NodeError> {
        let mut link = Self {
            target,
            sudo,
            directory: options.control_directory.clone(),
            patience: options.patience,
            current: RwLock::new(Current {
                generation: 1,
                connected: None,
            }),
            renewing: Mutex::new(()),
        };
        let connected = link.open().await?;
        link.current.get_mut().connected = Some(connected);
        Ok(link)
    }

    /// Opens a connection, and starts the agent.
    async fn open(&self) -> Result<Connected, NodeError> {
        let master = Arc::new(launch(&self.target, &self.directory).await?);
        let deadline = Instant::now() + self.target.connect_timeout + BOOTING;
        match AgentSession::start(&master.session, self.sudo, deadline).await {
            Ok(agent) => Ok(Connected {
                master,
                agent: Arc::new(agent),
            }),
            Err(BootError::Session(why)) => Err(match why_broken(&master).await {
                Some(said) => self.unreachable(&said),
                None => self.fault(&why),
            }),
            Err(BootError::Refused { reason, hint }) => {
                let mut error = self.fault(&reason);
                error.hint = hint;
                Err(error)
            }
        }
    }

    /// Returns the number of the current connection, and the agent at its other end; `None` where the connection was found broken and
    /// no new one has been opened.
    pub async fn agent(&self) -> (u64, Option<Arc<AgentSession>>) {
        let current = self.current.read().await;
        let agent = current.connected.as_ref().map(|connected| Arc::clone(&connected.agent));
        (current.generation, agent)
    }

    /// Opens a new connection unless somebody has replaced `generation` already; tries until `deadline`.
    pub async fn renew(&self, generation: u64, deadline: Instant) -> Result<(), NodeError> {
        let Ok(_alone) = timeout_at(deadline, self.renewing.lock()).await else {
            return Err(self.unreachable("somebody else was still trying"));
        };
        if self.current.read().await.generation > generation {
            return Ok(());
        }
        // Frees the old one's socket now rather than when the last user of it is dropped.
        let old = self.current.write().await.connected.take();
        if let Some(old) = old {
            old.master.exit().await;
        }
        let connected = self.open_until(deadline).await?;
        let mut current = self.current.write().await;
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
        let current = self.current.read().await.clone();
        match current.connected {
            Some(connected) if current.generation == generation => {
                why_broken(&connected.master).await.unwrap_or(reason)
            }
            _ => reason,
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
        let connected = self.current.write().await.connected.take();
        if let Some(Connected { master, agent }) = connected {
            agent.finish().await;
            master.exit().await;
        }
    }
}

/// Returns why a connection no longer works; `None` where it works.
async fn why_broken(master: &Master) -> Option<String> {
    match timeout(CHECK, master.session.check()).await {
        Ok(Ok(())) => None,
        _ => {
            let said = last_words(&printable(&master.log()));
            Some(if said.is_empty() {
                "the connection was lost".to_owned()
            } else {
                said
            })
        }
    }
}
