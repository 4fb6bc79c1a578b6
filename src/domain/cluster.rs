//! What the machines of a lab had on them when a run came to its end: enough for a picture, and no more.

use super::{ContainerSeen, EngineSeen, NodeName, PortSeen};
use serde::{Deserialize, Serialize};

/// A node as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSeen {
    /// The node.
    pub node: NodeName,
    /// The version of its engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The labels of its engine, each `name=value`.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Its containers, by name.
    #[serde(default)]
    pub containers: Vec<ContainerPlace>,
    /// Why there is nothing to tell, where there is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A container where it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerPlace {
    /// The start of its id, as people use it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The image as it was asked for.
    pub image: String,
    /// `running`, `exited`, and so on.
    pub state: String,
    /// The Compose project it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The Compose service it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The ports of the node that lead to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortSeen>,
}

impl NodeSeen {
    /// Says what was seen of the engine of `node`.
    pub fn of(node: NodeName, engine: &EngineSeen, containers: &[ContainerSeen]) -> Self {
        Self {
            node,
            version: Some(engine.version.clone()),
            labels: engine.labels.clone(),
            containers: containers.iter().map(ContainerPlace::of).collect(),
            problem: None,
        }
    }

    /// Says that `node` could not be looked at because of `problem`.
    pub fn unseen(node: NodeName, problem: impl Into<String>) -> Self {
        Self {
            node,
            version: None,
            labels: Vec::new(),
            containers: Vec::new(),
            problem: Some(problem.into()),
        }
    }

    /// Returns the same with every text as `masked` makes it.
    #[must_use]
    pub fn masked(mut self, masked: impl Fn(&str) -> String) -> Self {
        let of_engine = self.version.iter_mut().chain(&mut self.labels).chain(&mut self.problem);
        let of_containers = self.containers.iter_mut().flat_map(ContainerPlace::texts);
        for text in of_engine.chain(of_containers) {
            *text = masked(text);
        }
        self
    }
}

impl ContainerPlace {
    fn of(seen: &ContainerSeen) -> Self {
        let published = seen.ports.iter().filter(|port| port.published.is_some());
        Self {
            id: seen.id.chars().take(12).collect(),
            name: seen.name.clone(),
            image: seen.image.clone(),
            state: seen.state.clone(),
            project: seen.project().map(str::to_owned),
            service: seen.service().map(str::to_owned),
            ports: published.cloned().collect(),
        }
    }

    fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        let names = [&mut self.name, &mut self.image, &mut self.state];
        names.into_iter().chain(&mut self.project).chain(&mut self.service)
    }

    /// Says whether it ran.
    pub fn is_running(&self) -> bool {
        self.state == "running"
    }
}
