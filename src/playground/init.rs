//! What starts the services of a node, and with it where the node's engine reads its options.

use super::per_node::{NodeChoice, PerNode};
use serde::Serialize;

/// What starts the services of a node.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeInit {
    /// sysvinit; the engine's script reads /etc/default/docker.
    #[default]
    Sysvinit,
    /// systemd, and the engine's unit as Debian has it: it reads /etc/default/docker.
    Systemd,
    /// systemd, and the engine's unit as Docker's own packages have it: it ignores /etc/default/docker.
    DockerCe,
}

impl NodeChoice for NodeInit {
    const ALL: &'static [Self] = &[Self::Sysvinit, Self::Systemd, Self::DockerCe];

    fn name(self) -> &'static str {
        match self {
            Self::Sysvinit => "sysvinit",
            Self::Systemd => "systemd",
            Self::DockerCe => "docker-ce",
        }
    }
}

/// The init of each node of a playground.
pub type Inits = PerNode<NodeInit>;
