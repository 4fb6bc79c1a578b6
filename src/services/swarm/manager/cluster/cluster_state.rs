//! The cluster as a whole: its engines, and what is asked of all of them.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::error::{LookupError, ScheduleError};
use super::lookup;
use super::membership::{self, EngineSource};
use super::options::ClusterOptions;
use super::registry::Registry;
use super::reservation::{Hold, Reservation, Reserved, lock};
use super::snapshot::{Container, Image, Network, Snapshot, Volume};
use crate::swarm::manager::scheduler::{Node, Request, Scheduler};

/// An event of one engine, or of the manager about it.
#[derive(Debug, Clone)]
pub struct ClusterEvent {
    /// Where it happened.
    pub engine: Arc<Engine>,
    /// The event as the engine sent it.
    pub raw: Arc<Value>,
}

/// Something of an engine, with the engine and the picture it was taken from.
#[derive(Debug)]
pub struct Placed<T> {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The engine's picture that has the item.
    pub snapshot: Arc<Snapshot>,
    /// The item.
    pub item: Arc<T>,
}

impl<T> Clone for Placed<T> {
    fn clone(&self) -> Self {
        Self {
            engine: Arc::clone(&self.engine),
            snapshot: Arc::clone(&self.snapshot),
            item: Arc::clone(&self.item),
        }
    }
}

/// A cluster of engines. Clones are the same cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    registry: Arc<Registry>,
    reserved: Arc<Mutex<Reserved>>,
}

impl Cluster {
    /// Begins to look after the engines that `source` names, until `cancellation`.
    pub fn start(source: Arc<dyn EngineSource>, options: ClusterOptions, cancellation: CancellationToken) -> Self {
        let registry = Arc::new(Registry::new(options, cancellation));
        tokio::spawn(membership::watch(source, Arc::clone(&registry)));
        Self {
            registry,
            reserved: Arc::default(),
        }
    }

    /// How it is looked after.
    pub fn options(&self) -> &ClusterOptions {
        &self.registry.options
    }

    /// Waits until a manager that has just begun knows the engines there are, but not for ever.
    pub async fn settled(&self) {
        // An engine that neither answers nor fails holds up nobody for longer.
        let _ = tokio::time::timeout(self.registry.options.settling, self.registry.settled()).await;
    }

    /// What decides where containers go.
    pub fn scheduler(&self) -> &Scheduler {
        &self.registry.options.scheduler
    }

    /// All engines, those that never answered included, by host name and address.
    pub fn engines(&self) -> Vec<Arc<Engine>> {
        self.registry.engines()
    }

    /// The engines that answer, by host name and address.
    pub fn healthy_engines(&self) -> Vec<Arc<Engine>> {
        let mut engines = self.engines();
        engines.retain(|engine| engine.snapshot().is_healthy());
        engines
    }

    /// The engine of that host name, id (`ID` or `ID|addr`) or address.
    pub fn engine(&self, reference: &str) -> Option<Arc<Engine>> {
        self.engines().into_iter().find(|engine| {
            let snapshot = engine.snapshot();
            let known = [snapshot.name.as_str(), &snapshot.id, &snapshot.addr];
            known.contains(&reference) || snapshot.id.split('|').next() == Some(reference) && !reference.is_empty()
        })
    }

    /// All containers, of unhealthy engines too.
    pub fn containers(&self) -> Vec<Placed<Container>> {
        self.gather(|snapshot| snapshot.containers.values().cloned().collect())
    }

    /// All images.
    pub fn images(&self) -> Vec<Placed<Image>> {
        self.gather(|snapshot| snapshot.images.to_vec())
    }

    /// All networks.
    pub fn networks(&self) -> Vec<Placed<Network>> {
        self.gather(|snapshot| snapshot.networks.to_vec())
    }

    /// All volumes.
    pub fn volumes(&self) -> Vec<Placed<Volume>> {
        self.gather(|snapshot| snapshot.volumes.to_vec())
    }

    /// The container that `reference` means: an id, the beginning of one, a name, or `node/name`.
    pub fn container(&self, reference: &str) -> Result<Placed<Container>, LookupError> {
        lookup::find(self.containers(), reference)
    }

    /// The engine of the container that `reference` means.
    pub fn engine_for_container(&self, reference: &str) -> Result<Arc<Engine>, LookupError> {
        Ok(self.container(reference)?.engine)
    }

    /// What happens from now on, on all engines. The picture has a change before its event comes.
    pub fn events(&self) -> broadcast::Receiver<ClusterEvent> {
        self.registry.subscribe()
    }

    /// Finds a place for what `request` asks for, on no engine whose address is in `except`, and keeps it.
    pub fn schedule(&self, mut request: Request, except: &[String]) -> Result<Reservation, ScheduleError> {
        let mut reserved = lock(&self.reserved);
        if let Some(name) = &request.name {
            self.check_name(&reserved, name)?;
        }
        request.ensure_swarm_id(new_id);
        let mut nodes = self.nodes(&reserved);
        nodes.retain(|node| !except.contains(&node.addr));
        let node = self.scheduler().best(&request, &nodes)?;
        let engine = self.engine_at(&node.addr)?;
        let body = request.body_for(node, engine.snapshot().cpus).to_string().into();
        let place = (node.addr.clone(), Arc::new(request.reservation()));
        let number = reserved.add(request.name, Some(place));
        Ok(Reservation {
            engine,
            body,
            _hold: self.hold(number),
        })
    }

    /// The engine that a build or a network should go to; nothing is reserved.
    pub fn choose(&self, request: &Request) -> Result<Arc<Engine>, ScheduleError> {
        let nodes = self.nodes(&lock(&self.reserved));
        let node = self.scheduler().best(request, &nodes)?;
        self.engine_at(&node.addr)
    }

    /// Keeps `name` for a container that is about to be renamed to it.
    pub fn hold_name(&self, name: &str) -> Result<Hold, ScheduleError> {
        let name = name.trim_start_matches('/');
        let mut reserved = lock(&self.reserved);
        self.check_name(&reserved, name)?;
        let number = reserved.add(Some(name.to_owned()), None);
        Ok(self.hold(number))
    }

    /// All engines as the scheduler sees them, with what is being created on them.
    fn nodes(&self, reserved: &Reserved) -> Vec<Node> {
        let engines = self.engines();
        engines.iter().map(|engine| node(engine, reserved)).collect()
    }

    fn engine_at(&self, addr: &str) -> Result<Arc<Engine>, ScheduleError> {
        let engine = self.registry.at(addr);
        engine.ok_or_else(|| ScheduleError::EngineLeft(addr.to_owned()))
    }

    fn hold(&self, number: u64) -> Hold {
        Hold {
            number,
            reserved: Arc::clone(&self.reserved),
        }
    }

    fn check_name(&self, reserved: &Reserved, name: &str) -> Result<(), ScheduleError> {
        let has_name = |snapshot: &Snapshot| {
            let mut containers = snapshot.containers.values();
            containers.any(|container| container.facts.names.iter().any(|known| known == name))
        };
        let taken = reserved.has_name(name) || self.engines().iter().any(|engine| has_name(&engine.snapshot()));
        if taken {
            return Err(ScheduleError::NameTaken(name.to_owned()));
        }
        Ok(())
    }

    fn gather<T>(&self, items: impl Fn(&Snapshot) -> Vec<Arc<T>>) -> Vec<Placed<T>> {
        let mut found = Vec::new();
        for engine in self.engines() {
            let snapshot = engine.snapshot();
            found.extend(items(&snapshot).into_iter().map(|item| Placed {
                engine: Arc::clone(&engine),
                snapshot: Arc::clone(&snapshot),
                item,
            }));
        }
        found
    }
}

/// `engine` as the scheduler sees it.
fn node(engine: &Engine, reserved: &Reserved) -> Node {
    let snapshot = engine.snapshot();
    let mut containers: Vec<_> = snapshot
        .containers
        .values()
        .map(|container| Arc::clone(&container.facts))
        .collect();
    let mut used = snapshot.used();
    for coming in reserved.on(&snapshot.addr) {
        let is_there = containers
            .iter()
            .any(|container| container.swarm_id.is_some() && container.swarm_id == coming.swarm_id);
        if !is_there {
            used = used.plus(coming.reserved);
            containers.push(Arc::clone(coming));
        }
    }
    Node {
        id: snapshot.id.clone(),
        name: snapshot.name.clone(),
        addr: snapshot.addr.clone(),
        labels: snapshot.labels.clone(),
        containers,
        images: snapshot.images.iter().map(|image| Arc::clone(&image.facts)).collect(),
        networks: snapshot
            .networks
            .iter()
            .flat_map(|network| own_network(network))
            .collect(),
        used,
        total: snapshot.total,
        health: engine.health_indicator(),
        trouble: snapshot.health.error.clone(),
    }
}

/// Name and id of a network that exists on one engine only.
fn own_network(network: &Network) -> Vec<String> {
    if network.listed["Scope"] != "local" {
        return Vec::new();
    }
    vec![network.name.clone(), network.id.clone()]
}

/// An id as engines give them: 64 hex digits that nobody guesses.
fn new_id() -> String {
    let mut bytes = [0_u8; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        // The kernel gives as many bytes as are asked for; it is asked again only after a signal.
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()).unwrap_or(0);
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
