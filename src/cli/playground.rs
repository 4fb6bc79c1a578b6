//! What `labctl playground` takes.

use super::Ssh;
use clap::{Subcommand, ValueEnum};

/// What starts the services of a node of the playground.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NodeInit {
    /// sysvinit.
    Sysvinit,
    /// systemd, with Debian's unit for the engine.
    Systemd,
    /// systemd, with Docker's own unit for the engine.
    DockerCe,
}

/// What a node of the playground is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// Debian 12.
    Bookworm,
    /// Debian 13.
    Trixie,
}

/// What to do with the playground.
#[derive(Debug, Clone, Subcommand)]
pub enum Playground {
    /// Starts three real nodes on this machine; harmless where they run already.
    Up {
        /// What starts the services: sysvinit, systemd, or docker-ce (systemd with Docker's own unit, which ignores
        /// /etc/default/docker); one for all nodes, or three with commas [default: what the nodes have, else sysvinit].
        #[arg(
            long,
            value_name = "INIT",
            value_delimiter = ',',
            hide_possible_values = true,
            env = "LABCTL_INIT",
            hide_env = true
        )]
        init: Vec<NodeInit>,

        /// What the nodes are made of: bookworm (Docker Engine 20.10, docker-compose 1.29) or trixie (26.1 and 2.26, only
        /// with sysvinit); one for all nodes, or three with commas [default: what the nodes have, else bookworm].
        #[arg(
            long,
            value_name = "SUITE",
            value_delimiter = ',',
            hide_possible_values = true,
            env = "LABCTL_SUITE",
            hide_env = true
        )]
        suite: Vec<Suite>,
    },
    /// Removes the nodes, their network, volumes and keys.
    Down,
    /// Shows the nodes, their addresses, and how to log in.
    Status,
    /// Opens a shell on a node of the playground.
    Ssh(Ssh),
}
