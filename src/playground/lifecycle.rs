//! Brings the playground up and down. Everything here may be done twice in a row, and mends what is half there.

use super::container::{self, Found, Wanted};
use super::engine::Engine;
use super::hand_over::{Receiver, hand_over, lacking};
use super::host::Host;
use super::keys::Keys;
use super::lock::Lock;
use super::network::{self, NodeNetwork};
use super::progress::{Listener, Progress};
use super::ready::wait_until_ready;
use super::suite::NodeKinds;
use super::{
    NodeInit, NodeState, PlaygroundError, PlaygroundNode, PlaygroundStatus, Suite, WantedNodes, archive, image,
};
use crate::domain::NodeName;
use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// The label on everything in the engine that belongs to a playground; its value is the playground's id.
pub(super) const LABEL: &str = "labctl.playground";

/// The names of the nodes, in their order.
pub(super) const NODES: [&str; 3] = ["node-0", "node-1", "node-2"];
const SSH_PORT: u16 = 22;
const USER: &str = "ubuntu";

/// Three nodes on this machine. Which playground it is, its state directory tells: another directory is another one, with
/// its own keys, network and nodes.
#[derive(Debug, Clone)]
pub struct Playground {
    state_dir: PathBuf,
    id: String,
}

impl Playground {
    /// Names the playground whose keys are in `state_dir`; touches nothing yet.
    pub fn new(state_dir: PathBuf) -> Self {
        // The same directory must be the same playground from wherever it is named.
        let state_dir = std::path::absolute(&state_dir).unwrap_or(state_dir);
        let hash = Sha256::digest(state_dir.as_os_str().as_encoded_bytes());
        let id = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Self { state_dir, id }
    }

    /// Brings every node up: makes what is missing, starts what is down, waits until all are ready. Tells `progress` what
    /// it does; nothing where all is there already. What `wanted` does not say stays as it was, or is the default where
    /// there were no nodes; nodes that are there and are something else are left alone, and that is an error.
    pub async fn up(
        &self,
        wanted: WantedNodes,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<PlaygroundStatus, PlaygroundError> {
        let listener = Listener::new(progress);
        let engine = Engine::connect().await?;
        let _lock = Lock::take(&self.state_dir, &listener).await?;
        let network = network::find(&engine, &self.id).await?;
        let kinds = NodeKinds::agreed(network.as_ref().map(|network| network.kinds), wanted)?;
        let keys = self.keys();
        if keys.ensure(&NODES).await? {
            listener.tell(Progress::KeysMade);
        }
        let mut found = container::find_all(&engine, &self.id).await?;
        let stale = self.take_stale(network.is_some(), &mut found)?;
        for suite in suites_to_make(kinds, &found) {
            image::ensure_node_image(&engine, &listener, suite).await?;
        }
        for node in stale {
            container::remove(&engine, &node.id, &node.node).await?;
            listener.tell(Progress::NodeRemoved { node: node.node });
        }
        let host = Host::look();
        let network = match network {
            Some(network) => network,
            None => network::create(&engine, &self.id, kinds, &host, &listener).await?,
        };
        let addresses: Vec<_> = NODES
            .iter()
            .zip(0..)
            .map(|(node, index)| (*node, network.node_address(index)))
            .collect();
        keys.write_known_hosts(&addresses)?;
        let work = Work {
            playground: self,
            engine: &engine,
            network: &network,
            host: &host,
            listener: &listener,
        };
        let nodes = addresses.iter().zip(kinds.each());
        let receivers =
            try_join_all(nodes.map(|((node, address), kind)| work.bring_up(node, kind, *address, &found))).await?;
        self.hand_over_debian(&engine, receivers, &listener).await?;
        self.status_in(&engine).await
    }

    /// Removes every trace: containers with their volumes, network, keys. The images stay for the next time.
    pub async fn down(&self, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<(), PlaygroundError> {
        let listener = Listener::new(progress);
        let engine = Engine::connect().await?;
        if !self.state_dir.exists() && !self.exists_in(&engine).await? {
            return Ok(());
        }
        let _lock = Lock::take(&self.state_dir, &listener).await?;
        let found = container::find_all(&engine, &self.id).await?;
        try_join_all(found.iter().map(|node| async {
            container::remove(&engine, &node.id, &node.node).await?;
            listener.tell(Progress::NodeRemoved {
                node: node.node.clone(),
            });
            Ok::<(), PlaygroundError>(())
        }))
        .await?;
        if network::remove(&engine, &self.id).await? {
            listener.tell(Progress::NetworkRemoved);
        }
        if self.keys().remove()? {
            listener.tell(Progress::KeysRemoved);
        }
        Ok(())
    }

    /// Tells what there is of this playground; changes nothing.
    pub async fn status(&self) -> Result<PlaygroundStatus, PlaygroundError> {
        self.status_in(&Engine::connect().await?).await
    }

    /// Shuts the node called `name` down, as if its plug were pulled after a short while.
    pub async fn stop_node(&self, name: &NodeName) -> Result<(), PlaygroundError> {
        let engine = Engine::connect().await?;
        let node = self.find(&engine, name).await?;
        container::stop(&engine, &node.id, &node.node).await
    }

    /// Starts the node called `name` again and waits until it is ready.
    pub async fn start_node(&self, name: &NodeName) -> Result<(), PlaygroundError> {
        let engine = Engine::connect().await?;
        let node = self.find(&engine, name).await?;
        container::start(&engine, &node.id, &node.node).await?;
        let status = self.status_in(&engine).await?;
        match status.nodes.iter().find(|candidate| candidate.name == *name) {
            Some(known) => wait_until_ready(&engine, &node.id, &node.node, known.address)
                .await
                .map(drop),
            None => Err(PlaygroundError::NoSuchNode { node: name.to_string() }),
        }
    }

    fn keys(&self) -> Keys {
        Keys::new(&self.state_dir)
    }

    async fn find(&self, engine: &Engine, name: &NodeName) -> Result<Found, PlaygroundError> {
        let found = container::find_all(engine, &self.id).await?;
        let node = found.into_iter().find(|node| node.node == name.as_str());
        node.ok_or_else(|| PlaygroundError::NoSuchNode { node: name.to_string() })
    }

    async fn exists_in(&self, engine: &Engine) -> Result<bool, PlaygroundError> {
        Ok(
            network::find(engine, &self.id).await?.is_some()
                || !container::find_all(engine, &self.id).await?.is_empty(),
        )
    }

    async fn status_in(&self, engine: &Engine) -> Result<PlaygroundStatus, PlaygroundError> {
        let Some(network) = network::find(engine, &self.id).await? else {
            return Ok(PlaygroundStatus { nodes: Vec::new() });
        };
        let found = container::find_all(engine, &self.id).await?;
        let nodes = NODES
            .iter()
            .zip(0..)
            .zip(network.kinds.each())
            .filter_map(|((name, index), kind)| self.node(name, kind, network.node_address(index), &found));
        Ok(PlaygroundStatus { nodes: nodes.collect() })
    }

    fn node(
        &self,
        name: &str,
        (init, suite): (NodeInit, Suite),
        address: Ipv4Addr,
        found: &[Found],
    ) -> Option<PlaygroundNode> {
        let container = found.iter().find(|container| container.node == name);
        Some(PlaygroundNode {
            name: NodeName::new(name).ok()?,
            init,
            suite,
            address,
            port: SSH_PORT,
            user: USER.to_owned(),
            identity_file: self.keys().identity_file(),
            known_hosts: self.keys().known_hosts(),
            state: container.map_or(NodeState::Missing, |container| container.state),
        })
    }

    /// Takes out of `found` what cannot be used: half made, made for keys or a network that are gone, or no node of ours.
    fn take_stale(&self, has_network: bool, found: &mut Vec<Found>) -> Result<Vec<Found>, PlaygroundError> {
        let keys = self.keys();
        let mut marks = Vec::new();
        for node in NODES {
            marks.push((node, keys.mark(node)?));
        }
        let is_usable = |container: &Found| {
            has_network
                && !container.is_half_made
                && marks
                    .iter()
                    .any(|(node, mark)| container.node == *node && container.keys_mark == *mark)
        };
        let (usable, stale) = std::mem::take(found).into_iter().partition(is_usable);
        *found = usable;
        Ok(stale)
    }

    async fn hand_over_debian(
        &self,
        engine: &Engine,
        receivers: Vec<Receiver>,
        listener: &Listener<'_>,
    ) -> Result<(), PlaygroundError> {
        let lacking = lacking(engine, image::DEBIAN, receivers, listener).await?;
        if lacking.is_empty() {
            return Ok(());
        }
        image::ensure_debian(engine, listener).await?;
        hand_over(engine, image::DEBIAN, &lacking, listener).await
    }
}

/// Returns the suites of the nodes that are not there yet, each once.
fn suites_to_make(kinds: NodeKinds, found: &[Found]) -> Vec<Suite> {
    let mut suites = Vec::new();
    for (node, (_, suite)) in NODES.iter().zip(kinds.each()) {
        if !suites.contains(&suite) && !found.iter().any(|container| container.node == *node) {
            suites.push(suite);
        }
    }
    suites
}

/// What bringing up one node needs besides the node.
struct Work<'a> {
    playground: &'a Playground,
    engine: &'a Engine,
    network: &'a NodeNetwork,
    host: &'a Host,
    listener: &'a Listener<'a>,
}

impl Work<'_> {
    async fn bring_up(
        &self,
        node: &str,
        kind: (NodeInit, Suite),
        address: Ipv4Addr,
        found: &[Found],
    ) -> Result<Receiver, PlaygroundError> {
        let existing = found.iter().find(|container| container.node == node);
        let id = match existing {
            Some(container) => container.id.clone(),
            None => self.make(node, kind, address).await?,
        };
        let runs = existing.is_some_and(|container| container.state == NodeState::Running);
        if !runs {
            container::start(self.engine, &id, node).await?;
            self.listener.tell(Progress::NodeStarted { node: node.to_owned() });
        }
        let engine = wait_until_ready(self.engine, &id, node, address).await?;
        self.listener.tell(Progress::NodeReady {
            node: node.to_owned(),
            engine,
        });
        Ok(Receiver {
            node: node.to_owned(),
            container: id,
        })
    }

    async fn make(
        &self,
        node: &str,
        (init, suite): (NodeInit, Suite),
        address: Ipv4Addr,
    ) -> Result<String, PlaygroundError> {
        let keys = self.playground.keys();
        let files = archive::first_files(&keys, node, init, &self.host.resolvers, self.host.packet_size)?;
        let wanted = Wanted {
            playground: &self.playground.id,
            node,
            init,
            image: &image::node_image(suite),
            keys_mark: &keys.mark(node)?,
            network: self.network,
            address,
            capabilities: &self.host.capabilities,
        };
        let id = container::create(self.engine, &wanted, files).await?;
        self.listener.tell(Progress::NodeMade {
            node: node.to_owned(),
            address,
        });
        Ok(id)
    }
}
