//! Which engines the cluster has, each with the task that looks after it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde_json::Value;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::cluster_state::ClusterEvent;
use super::engine::Engine;
use super::health::HealthState;
use super::monitor;
use super::options::ClusterOptions;

/// How many events a slow reader may be behind before it misses some.
const EVENTS_KEPT: usize = 4096;

/// What the tasks of a cluster share.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) options: ClusterOptions,
    pub(super) cancellation: CancellationToken,
    engines: RwLock<BTreeMap<String, Watched>>,
    /// By engine id and host name, the address that was first.
    claims: Mutex<HashMap<(String, String), String>>,
    events: broadcast::Sender<ClusterEvent>,
    begun: watch::Sender<Begun>,
}

/// How far a manager is that has just begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    /// Discovery has said nothing yet.
    Asking,
    /// Discovery does not answer: there is nothing to wait for.
    Alone,
    /// Discovery named engines, and not all of them were tried.
    Trying,
    /// Every engine that discovery named at first has answered or failed.
    Done,
}

#[derive(Debug)]
struct Watched {
    engine: Arc<Engine>,
    cancellation: CancellationToken,
}

impl Registry {
    /// No engines yet.
    pub(super) fn new(options: ClusterOptions, cancellation: CancellationToken) -> Self {
        Self {
            options,
            cancellation,
            engines: RwLock::default(),
            claims: Mutex::default(),
            events: broadcast::channel(EVENTS_KEPT).0,
            begun: watch::Sender::new(Begun::Asking),
        }
    }

    /// All engines, by host name and address.
    pub(super) fn engines(&self) -> Vec<Arc<Engine>> {
        let engines = self.engines.read().unwrap_or_else(PoisonError::into_inner);
        let mut named: Vec<_> = engines
            .values()
            .map(|watched| (watched.engine.snapshot().name.clone(), Arc::clone(&watched.engine)))
            .collect();
        named.sort_by(|left, right| (&left.0, &left.1.addr).cmp(&(&right.0, &right.1.addr)));
        named.into_iter().map(|(_, engine)| engine).collect()
    }

    /// The engine at `addr`.
    pub(super) fn at(&self, addr: &str) -> Option<Arc<Engine>> {
        let engines = self.engines.read().unwrap_or_else(PoisonError::into_inner);
        engines.get(addr).map(|watched| Arc::clone(&watched.engine))
    }

    /// Begins to look after the engine at `addr`.
    pub(super) fn add(self: &Arc<Self>, addr: String) {
        let mut engines = self.engines.write().unwrap_or_else(PoisonError::into_inner);
        if engines.contains_key(&addr) {
            return;
        }
        let engine = Arc::new(Engine::new(addr.clone(), self.options.clone()));
        let cancellation = self.cancellation.child_token();
        tokio::spawn(monitor::watch(
            Arc::clone(&engine),
            Arc::clone(self),
            cancellation.clone(),
        ));
        engines.insert(addr, Watched { engine, cancellation });
    }

    /// Looks no more after the engine at `addr`.
    pub(super) fn remove(&self, addr: &str) {
        let mut engines = self.engines.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(watched) = engines.remove(addr) {
            watched.cancellation.cancel();
            self.publish(&watched.engine, monitor::own_event("engine_disconnect"));
        }
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.retain(|_, claimed| claimed != addr);
    }

    /// Notes that the engine `id` on host `name` is at `addr`; returns the other address if it is elsewhere already.
    ///
    /// Cloned machines share ids and are told apart by name. Same id and name are one engine named twice, and its
    /// containers would count twice.
    pub(super) fn claim(&self, addr: &str, id: &str, name: &str) -> Option<String> {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        let claimed = claims
            .entry((id.to_owned(), name.to_owned()))
            .or_insert_with(|| addr.to_owned());
        (claimed != addr).then(|| claimed.clone())
    }

    /// Tells everybody who listens that `event` happened on `engine`.
    pub(super) fn publish(&self, engine: &Arc<Engine>, event: Value) {
        // Nobody listening is no failure.
        let _ = self.events.send(ClusterEvent {
            engine: Arc::clone(engine),
            raw: Arc::new(event),
        });
    }

    /// Notes whether discovery answered.
    pub(super) fn note_discovery(&self, answers: bool) {
        self.begun.send_if_modified(|begun| {
            let now = match (*begun, answers) {
                (Begun::Asking | Begun::Alone, true) => Begun::Trying,
                (Begun::Asking, false) => Begun::Alone,
                (other, _) => other,
            };
            std::mem::replace(begun, now) != now
        });
        self.note_trial();
    }

    /// Notes that an engine answered or failed.
    pub(super) fn note_trial(&self) {
        if *self.begun.borrow() != Begun::Trying {
            return;
        }
        let is_tried = |engine: &Arc<Engine>| {
            let health = &engine.snapshot().health;
            health.state != HealthState::Pending || health.failures > 0
        };
        if self.engines().iter().all(is_tried) {
            self.begun.send_replace(Begun::Done);
        }
    }

    /// Waits until a manager that has just begun knows its engines, or nobody tells it of any.
    pub(super) async fn settled(&self) {
        let mut begun = self.begun.subscribe();
        // It lives as long as this registry.
        let _ = begun
            .wait_for(|begun| matches!(begun, Begun::Alone | Begun::Done))
            .await;
    }

    /// What happens from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<ClusterEvent> {
        self.events.subscribe()
    }
}
