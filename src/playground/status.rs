//! What there is of a playground, and how it looks as an inventory.

use super::{NodeInit, Suite};
use crate::domain::{HostKeyPolicy, Inventory, Login, Node, NodeName};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// What there is of a playground.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaygroundStatus {
    /// The nodes; none where there is no playground.
    pub nodes: Vec<PlaygroundNode>,
}

/// A node of the playground, and how to log in to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaygroundNode {
    /// Its name.
    pub name: NodeName,
    /// What starts its services.
    pub init: NodeInit,
    /// What it is made of.
    pub suite: Suite,
    /// Its address, for ssh and for the other nodes.
    pub address: Ipv4Addr,
    /// The TCP port of its sshd.
    pub port: u16,
    /// The login user.
    pub user: String,
    /// The private key to log in with.
    pub identity_file: PathBuf,
    /// The file that knows its host key.
    pub known_hosts: PathBuf,
    /// Whether it is there.
    pub state: NodeState,
}

/// Whether a node is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    /// It runs.
    Running,
    /// It exists and is down.
    Stopped,
    /// It is gone; bringing the playground up makes it anew.
    Missing,
}

impl PlaygroundStatus {
    /// Tells whether there is a playground and every node of it runs.
    pub fn is_up(&self) -> bool {
        !self.nodes.is_empty() && self.nodes.iter().all(|node| node.state == NodeState::Running)
    }

    /// Returns the nodes as an inventory: from here on they are machines like any other.
    pub fn inventory(&self) -> Inventory {
        Inventory {
            source: "the playground".to_owned(),
            nodes: self.nodes.iter().map(PlaygroundNode::inventory_node).collect(),
            vars: BTreeMap::new(),
            secrets: BTreeMap::new(),
            registry: None,
            images: BTreeMap::new(),
        }
    }
}

impl PlaygroundNode {
    fn inventory_node(&self) -> Node {
        Node {
            name: self.name.clone(),
            private_ip: self.address.to_string(),
            address: self.address.to_string(),
            public_address: None,
            groups: Vec::new(),
            vars: BTreeMap::new(),
            login: Login {
                user: Some(self.user.clone()),
                port: Some(self.port),
                identity_file: Some(self.identity_file.clone()),
                host_key: HostKeyPolicy::Strict,
                known_hosts: Some(self.known_hosts.clone()),
                ..Login::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(state: NodeState) -> PlaygroundNode {
        PlaygroundNode {
            name: NodeName::new("node-0").unwrap(),
            init: NodeInit::Sysvinit,
            suite: Suite::Bookworm,
            address: Ipv4Addr::new(10, 77, 0, 10),
            port: 22,
            user: "ubuntu".to_owned(),
            identity_file: "/state/identity".into(),
            known_hosts: "/state/known_hosts".into(),
            state,
        }
    }

    #[test]
    fn a_playground_is_up_only_when_every_node_runs() {
        assert!(!PlaygroundStatus { nodes: vec![] }.is_up());
        assert!(
            PlaygroundStatus {
                nodes: vec![node(NodeState::Running)]
            }
            .is_up()
        );
        assert!(
            !PlaygroundStatus {
                nodes: vec![node(NodeState::Running), node(NodeState::Stopped)]
            }
            .is_up()
        );
    }

    #[test]
    fn the_inventory_trusts_only_the_host_keys_made_for_it() {
        let inventory = PlaygroundStatus {
            nodes: vec![node(NodeState::Running)],
        }
        .inventory();
        let login = &inventory.nodes[0].login;
        assert_eq!(login.host_key, HostKeyPolicy::Strict);
        assert_eq!(login.known_hosts.as_deref(), Some("/state/known_hosts".as_ref()));
        assert_eq!(inventory.nodes[0].private_ip, "10.77.0.10");
    }
}
