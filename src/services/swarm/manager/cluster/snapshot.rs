//! What is known of an engine at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::health::{Health, HealthState};
use super::version::ApiRange;
use crate::swarm::manager::scheduler::{ContainerFacts, ImageFacts, Resources};

/// A container of an engine. An engine may have very many: what it says of each is not kept, only what is needed of that.
#[derive(Debug, Clone)]
pub struct Container {
    /// What the scheduler needs of its entry in the engine's list and of inspecting it.
    pub facts: Arc<ContainerFacts>,
    /// When it was made.
    pub created: Option<jiff::Timestamp>,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead` or `unknown`.
    pub state: &'static str,
    /// Tells its entry in the list from another; nothing where it is to be inspected each time.
    pub(super) mark: Option<u64>,
}

impl Container {
    /// The engine's id, 64 hex digits.
    pub fn id(&self) -> &str {
        &self.facts.id
    }

    /// Its name without slash.
    pub fn name(&self) -> &str {
        self.facts.name()
    }
}

/// An image of an engine.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its entry in `GET /images/json?all=1`.
    pub listed: Value,
    /// Id, tags and digests.
    pub facts: Arc<ImageFacts>,
}

/// A network of an engine.
#[derive(Debug, Clone)]
pub struct Network {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its entry in `GET /networks`.
    pub listed: Value,
}

/// A volume of an engine.
#[derive(Debug, Clone)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Its entry in `GET /volumes`.
    pub listed: Value,
}

/// What is known of an engine at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// `ip:port` as discovery names it.
    pub addr: String,
    /// The ip alone, for what is shown in place of 0.0.0.0.
    pub ip: String,
    /// Its id and address, `ID|ip:port`; empty until it answered.
    pub id: String,
    /// The host's name; empty until it answered.
    pub name: String,
    /// Its labels, and the built-in ones: storagedriver, kernelversion, operatingsystem, ostype.
    pub labels: BTreeMap<String, String>,
    /// CPUs.
    pub cpus: u64,
    /// Memory in bytes.
    pub memory: u64,
    /// The engine's version, such as `20.10.24`.
    pub server_version: String,
    /// The API versions it speaks; none until it answered.
    pub versions: Option<ApiRange>,
    /// Its answer to `GET /info`.
    pub info: Arc<Value>,
    /// Its answer to `GET /version`.
    pub version: Arc<Value>,
    /// Whether it can be counted on.
    pub health: Health,
    /// Its containers by id.
    pub containers: Arc<BTreeMap<String, Arc<Container>>>,
    /// Its images, in its own order.
    pub images: Arc<Vec<Arc<Image>>>,
    /// Its networks, in its own order.
    pub networks: Arc<Vec<Arc<Network>>>,
    /// Its volumes, in its own order.
    pub volumes: Arc<Vec<Arc<Volume>>>,
    /// What it may promise, overcommitment included.
    pub total: Resources,
}

impl Snapshot {
    /// The picture of an engine that nothing is known of but its address.
    pub(in super::super) fn unknown(addr: String, health: Health) -> Self {
        Self {
            ip: addr.rsplit_once(':').map_or("", |(host, _)| host).to_owned(),
            addr,
            id: String::new(),
            name: String::new(),
            labels: BTreeMap::new(),
            cpus: 0,
            memory: 0,
            server_version: String::new(),
            versions: None,
            info: Arc::default(),
            version: Arc::default(),
            health,
            containers: Arc::default(),
            images: Arc::default(),
            networks: Arc::default(),
            volumes: Arc::default(),
            total: Resources::default(),
        }
    }

    /// Tells whether it answers.
    pub fn is_healthy(&self) -> bool {
        self.health.state == HealthState::Healthy
    }

    /// The name to show: the host's, or `(unknown)`.
    pub fn shown_name(&self) -> &str {
        if self.name.is_empty() { "(unknown)" } else { &self.name }
    }

    /// What its containers reserve.
    pub fn used(&self) -> Resources {
        self.containers.values().fold(Resources::default(), |sum, container| {
            sum.plus(container.facts.reserved)
        })
    }
}
