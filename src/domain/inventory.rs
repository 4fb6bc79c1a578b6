//! The machines a lab runs on: an inventory as the rest of labctl sees it, resolved and valid.

use super::NodeName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The nodes of a lab and what the user says about them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// Where it was read from, for messages; for example `inventories/aws.toml` or `the playground`.
    pub source: String,
    /// The nodes in the file's order; at least one, names are unique.
    pub nodes: Vec<Node>,
    /// Values for the lab's variables.
    pub vars: BTreeMap<String, String>,
    /// Where each secret comes from; never its value.
    pub secrets: BTreeMap<String, SecretSource>,
    /// A registry other than the lab's own.
    pub registry: Option<Registry>,
    /// Images other than the lab's own, by the name the lab gives them.
    pub images: BTreeMap<String, String>,
}

impl Inventory {
    /// Returns the node called `name`.
    pub fn node(&self, name: &NodeName) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == *name)
    }
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// What the lab calls it.
    pub name: NodeName,
    /// What the nodes call each other by: a private address or a DNS name.
    pub private_ip: String,
    /// Where ssh goes.
    pub address: String,
    /// What people's browsers are told, where it differs from `address`.
    pub public_address: Option<String>,
    /// The groups that `@group` selectors name.
    pub groups: Vec<String>,
    /// Values for the lab's variables on this node only.
    pub vars: BTreeMap<String, String>,
    /// How to log in.
    pub login: Login,
}

impl Node {
    /// Returns the address to print in links: `public_address` where there is one, else `address`.
    pub fn browser_address(&self) -> &str {
        self.public_address.as_deref().unwrap_or(&self.address)
    }
}

/// How ssh reaches a node; `None` leaves a choice to the user's own ssh configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Login {
    /// The login user.
    pub user: Option<String>,
    /// The TCP port of sshd.
    pub port: Option<u16>,
    /// The private key's path.
    pub identity_file: Option<PathBuf>,
    /// `user@host:port` of a machine to jump through.
    pub proxy_jump: Option<String>,
    /// What to do with a host key not seen before.
    pub host_key: HostKeyPolicy,
    /// The known_hosts file, where it is not the user's own.
    pub known_hosts: Option<PathBuf>,
    /// Whether `sudo -n` is used for root; `false` when the login user is root.
    pub sudo: bool,
    /// How long connecting may take.
    pub connect_timeout: Duration,
}

impl Default for Login {
    fn default() -> Self {
        Self {
            user: None,
            port: None,
            identity_file: None,
            proxy_jump: None,
            host_key: HostKeyPolicy::AcceptNew,
            known_hosts: None,
            sudo: true,
            connect_timeout: Duration::from_secs(15),
        }
    }
}

/// What to do with a host key not seen before. A changed key is always an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostKeyPolicy {
    /// Remember it and go on.
    AcceptNew,
    /// Refuse the node.
    Strict,
}

/// Where a secret's value is read from when it is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// An environment variable of labctl.
    Env(String),
    /// The first line of a file.
    File(PathBuf),
    /// The first line that a command prints.
    Command(Vec<String>),
    /// Asked of the user, with this text.
    Prompt(String),
}

/// A container registry that the user brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// `host` or `host:port`, with a path prefix where the registry wants one.
    pub host: String,
    /// The login name.
    pub user: Option<String>,
    /// The name of the secret that holds the password.
    pub password_secret: Option<String>,
}
