//! What can go wrong between the manager and its engines.

use std::time::Duration;

use thiserror::Error;

use crate::swarm::manager::scheduler::NoCandidate;

/// An engine did not do what it was asked.
#[derive(Debug, Error)]
pub enum EngineError {
    /// No connection came about.
    #[error("Cannot connect to the docker engine endpoint {addr}: {source}")]
    Connect {
        /// `ip:port` of the engine.
        addr: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Connecting or answering took too long.
    #[error("the docker engine at {addr} did not {what} within {after:?}")]
    TooSlow {
        /// `ip:port` of the engine.
        addr: String,
        /// `connect` or `answer`.
        what: &'static str,
        /// The deadline.
        after: Duration,
    },
    /// The connection broke, or what came is no HTTP.
    #[error("the connection to the docker engine at {addr} failed: {source}")]
    Http {
        /// `ip:port` of the engine.
        addr: String,
        /// What broke.
        source: hyper::Error,
    },
    /// The engine refused.
    #[error("{message}")]
    Refused {
        /// The engine's status code.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// The answer is larger than any honest one.
    #[error("the docker engine at {addr} answered {path} with more than {limit} bytes")]
    TooLarge {
        /// `ip:port` of the engine.
        addr: String,
        /// What was asked.
        path: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The answer is not what an engine says.
    #[error("the docker engine at {addr} answered {path} with what it should not: {what}")]
    Nonsense {
        /// `ip:port` of the engine.
        addr: String,
        /// What was asked.
        path: String,
        /// What was wrong.
        what: String,
    },
    /// The engine is not fit for the cluster.
    #[error("{0}")]
    Unfit(String),
}

impl EngineError {
    /// Tells whether the engine could not be reached at all, as opposed to one that answered.
    pub fn is_connection(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::TooSlow { .. } | Self::Http { .. })
    }
}

/// A reference that does not lead to one container.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum LookupError {
    /// Nothing is called so.
    #[error("No such container: {0}")]
    NotFound(String),
    /// Several are called so.
    #[error("{reference} is ambiguous: {}", found.join(", "))]
    Ambiguous {
        /// What was looked for.
        reference: String,
        /// What it may mean, as `node/name`.
        found: Vec<String>,
    },
}

/// A container that cannot be created.
#[derive(Debug, Error)]
pub enum ScheduleError {
    /// The name is taken.
    #[error(
        "Conflict: The name {0} is already assigned. You have to delete (or rename) that container to be able to \
         assign {0} to a container again."
    )]
    NameTaken(String),
    /// No node can have it.
    #[error(transparent)]
    NoCandidate(#[from] NoCandidate),
    /// The chosen engine was just taken out of the cluster.
    #[error("the engine at {0} has just left the cluster; try again")]
    EngineLeft(String),
}
