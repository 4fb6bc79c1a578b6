//! Which engines there are: what discovery says, asked again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::options::ClusterOptions;
use super::registry::Registry;
use crate::swarm::log::log;

/// Why discovery gave no answer.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Something that knows the engines of a cluster.
#[async_trait]
pub trait EngineSource: Send + Sync + 'static {
    /// The engines' addresses, `host:port`, each once. Must end by itself within a deadline.
    async fn addresses(&self) -> Result<Vec<String>, SourceError>;
}

/// The most engines one cluster has: a discovery service that names more is broken or hostile.
const MOST_ENGINES: usize = 10_000;

/// Asks `source` until the registry's cancellation, and adds and removes engines.
pub(super) async fn watch(source: Arc<dyn EngineSource>, registry: Arc<Registry>) {
    let mut members = Members::new(Instant::now());
    let mut trouble = None;
    let asking = async {
        loop {
            match source.addresses().await {
                Ok(named) => {
                    if trouble.take().is_some() {
                        log("info", "Discovery answers again", &[]);
                    }
                    let (added, gone) = members.update(named, Instant::now(), &registry.options);
                    gone.iter().for_each(|addr| registry.remove(addr));
                    added.into_iter().for_each(|addr| registry.add(addr));
                    registry.note_discovery(true);
                }
                // It says nothing about the engines: they stay. The same complaint is made once.
                Err(error) => {
                    let error = error.to_string();
                    if trouble.as_ref() != Some(&error) {
                        log("error", &format!("Discovery error: {error}"), &[]);
                    }
                    trouble = Some(error);
                    registry.note_discovery(false);
                }
            }
            tokio::time::sleep(members.next_in(Instant::now(), &registry.options)).await;
        }
    };
    tokio::select! {
        () = registry.cancellation.cancelled() => {}
        () = asking => {}
    }
}

/// The engines that discovery named, and when it last changed its mind.
#[derive(Debug)]
struct Members {
    /// By address, since when discovery names it no more.
    known: BTreeMap<String, Option<Instant>>,
    changed: Instant,
}

impl Members {
    fn new(now: Instant) -> Self {
        Self {
            known: BTreeMap::new(),
            changed: now,
        }
    }

    /// What is new in `named`, and what was missing in it for a whole heartbeat.
    fn update(&mut self, named: Vec<String>, now: Instant, options: &ClusterOptions) -> (Vec<String>, Vec<String>) {
        let named: BTreeSet<String> = named
            .into_iter()
            .filter(|addr| is_address(addr))
            .take(MOST_ENGINES)
            .collect();
        let mut gone = Vec::new();
        self.known.retain(|addr, missing_since| {
            if named.contains(addr) {
                *missing_since = None;
                return true;
            }
            let since = *missing_since.get_or_insert(now);
            let stays = now.duration_since(since) < options.heartbeat;
            if !stays {
                gone.push(addr.clone());
            }
            stays
        });
        let added: Vec<String> = named
            .into_iter()
            .filter(|addr| !self.known.contains_key(addr))
            .collect();
        self.known.extend(added.iter().map(|addr| (addr.clone(), None)));
        if !added.is_empty() || !gone.is_empty() {
            self.changed = now;
        }
        (added, gone)
    }

    /// How long to wait before discovery is asked again.
    fn next_in(&self, now: Instant, options: &ClusterOptions) -> Duration {
        let eager = self.known.is_empty() || now.duration_since(self.changed) < options.eager_for;
        if eager {
            options.eager_heartbeat.min(options.heartbeat)
        } else {
            options.heartbeat
        }
    }
}

/// `host:port` with nothing in it that could be more than an address.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_.[]:%".contains(character);
    !host.is_empty() && host.chars().all(plain) && port.parse::<u16>().is_ok_and(|port| port != 0)
}
