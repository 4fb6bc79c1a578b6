//! What the scheduler knows of a node: facts, without any way to reach it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ports::PortBinding;

/// CPUs and memory, reserved or available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resources {
    /// CPUs in units of 10⁻⁹ CPU.
    pub nano_cpus: u64,
    /// Memory in bytes.
    pub memory: u64,
}

impl Resources {
    /// Adds `other`, without overflow.
    pub fn plus(self, other: Self) -> Self {
        Self {
            nano_cpus: self.nano_cpus.saturating_add(other.nano_cpus),
            memory: self.memory.saturating_add(other.memory),
        }
    }
}

/// What the state of a container means to a scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// It is being created: a reservation, which the engine does not list yet.
    Reserved,
    /// It was created and never started.
    Created,
    /// It runs, is paused, or restarts.
    Running,
    /// It ran once.
    Stopped,
}

/// What the scheduler needs to know of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerFacts {
    /// The engine's id; empty for a reservation.
    pub id: String,
    /// The id the manager gave it, if a manager created it.
    pub swarm_id: Option<String>,
    /// Names without the leading slash; the container's own first, then aliases by links such as `web/db`.
    pub names: Vec<String>,
    /// The container's labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it runs.
    pub state: ContainerState,
    /// Host ports it asked for, and those it was given.
    pub ports: Vec<PortBinding>,
    /// Ports it exposes while on the host's network, such as `80/tcp`; empty on any other network.
    pub host_network_ports: Vec<String>,
    /// What it reserves.
    pub reserved: Resources,
}

impl ContainerFacts {
    /// The container's own name, without slash; empty if it has none.
    pub fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

/// What the scheduler needs to know of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// The image's id, `sha256:...` where the engine has it so.
    pub id: String,
    /// Tags, such as `redis:latest`.
    pub tags: Vec<String>,
    /// Digests, such as `redis@sha256:...`.
    pub digests: Vec<String>,
}

impl ImageFacts {
    /// Tells whether `reference` is its id, a tag, a digest, or a name whose `latest` it is.
    pub fn is_called(&self, reference: &str) -> bool {
        let latest = format!("{reference}:latest");
        let named = |name: &String| name == reference || *name == latest;
        self.id == reference || self.tags.iter().chain(&self.digests).any(named)
    }
}

/// A node as the scheduler sees it.
#[derive(Debug, Clone)]
pub struct Node {
    /// The engine's id, unique in the cluster.
    pub id: String,
    /// The host's name.
    pub name: String,
    /// `ip:port` of the engine.
    pub addr: String,
    /// The engine's labels and those built in.
    pub labels: BTreeMap<String, String>,
    /// Its containers and reservations, in any order.
    pub containers: Vec<Arc<ContainerFacts>>,
    /// Its images.
    pub images: Vec<Arc<ImageFacts>>,
    /// Names and ids of the networks that users made on it.
    pub networks: Vec<String>,
    /// What its containers reserve, reservations included.
    pub used: Resources,
    /// What it has, overcommitment included.
    pub total: Resources,
    /// 0 for a node that takes no containers, 100 for one whose last answer came; between after failures.
    pub health: u8,
    /// What is wrong with it, where something is.
    pub trouble: Option<String>,
}

impl Node {
    /// Tells whether a network of that name or id is there; `node/name` names this node's.
    pub fn has_network(&self, reference: &str) -> bool {
        let name = self.without_own_name(reference);
        self.networks.iter().any(|network| network == name)
    }

    /// The one container that `reference` means: its id, the manager's id, its name, `node/name`, or the only one
    /// whose id begins so.
    pub fn container(&self, reference: &str) -> Option<&ContainerFacts> {
        let reference = reference.trim_start_matches('/');
        if reference.is_empty() {
            return None;
        }
        let containers = || self.containers.iter().map(AsRef::as_ref);
        let by_id = |container: &&ContainerFacts| {
            container.id == reference || container.swarm_id.as_deref().is_some_and(|id| id == reference)
        };
        let name = self.without_own_name(reference);
        let by_name =
            |container: &&ContainerFacts| container.names.iter().any(|known| known == name || known == reference);
        containers()
            .find(by_id)
            .or_else(|| containers().find(by_name))
            .or_else(|| {
                let mut by_prefix = containers().filter(|container| container.id.starts_with(reference));
                by_prefix.next().filter(|_| by_prefix.next().is_none())
            })
    }

    /// The name that is left of `node/name` where the node is this one.
    pub(super) fn without_own_name<'a>(&self, reference: &'a str) -> &'a str {
        let rest = reference
            .strip_prefix(self.name.as_str())
            .and_then(|rest| rest.strip_prefix('/'));
        rest.unwrap_or(reference)
    }
}
