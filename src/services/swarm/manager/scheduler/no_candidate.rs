//! Why no node can have a container: what every node lacked.

use std::fmt;

use super::filter::Filter;

/// What stopped the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No node passed this filter.
    Filter(Filter),
    /// Nodes passed all filters, and none has the CPUs or the memory.
    Resources,
}

/// What one node lacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// The node's name, its address where it has none yet.
    pub node: String,
    /// The filter that left it out; none for the strategy, which looks at resources.
    pub filter: Option<Filter>,
    /// What it lacked, for a person: `has environment=production`.
    pub what: String,
}

/// No node can have the container. Shown, it is upstream's sentence and then a line for each node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoCandidate {
    /// What stopped the search.
    pub reason: Reason,
    /// What was asked for, up to the filter that stopped the search: `constraint:environment==staging (soft=false)`.
    pub conditions: Vec<String>,
    /// What each node lacked, by name.
    pub nodes: Vec<Lack>,
}

impl std::error::Error for NoCandidate {}

impl fmt::Display for NoCandidate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Reason::Filter(Filter::Health) => write!(formatter, "No healthy node available in the cluster")?,
            Reason::Resources => write!(formatter, "no resources available to schedule container")?,
            Reason::Filter(_) => {
                write!(
                    formatter,
                    "Unable to find a node that satisfies the following conditions:"
                )?;
                for condition in &self.conditions {
                    write!(formatter, " [{condition}]")?;
                }
            }
        }
        if self.nodes.is_empty() {
            write!(formatter, "\nno engine has joined the cluster")?;
        }
        for Lack { node, filter, what } in &self.nodes {
            let filter = filter.map_or_else(|| "resources".to_owned(), |filter| filter.to_string());
            write!(formatter, "\n{node}: {what} ({filter})")?;
        }
        Ok(())
    }
}
