//! Dependencies: containers and networks that must be on the same node.

use super::Question;
use crate::swarm::manager::scheduler::node::Node;

/// What `node` lacks of the containers that are linked to or shared with.
pub(super) fn lack(question: Question<'_>, node: &Node) -> Option<String> {
    let request = question.request;
    let missing = request
        .dependencies
        .iter()
        .find(|dependency| node.container(&dependency.container).is_none());
    if let Some(dependency) = missing {
        return Some(format!("has no container {}", dependency.container));
    }
    let network = question.network()?;
    (!node.has_network(network)).then(|| format!("has no network {network}"))
}

/// The options that ask for something of the same node.
pub(super) fn conditions(question: Question<'_>) -> Vec<String> {
    let options = question.request.dependencies.iter();
    options
        .map(|dependency| format!("dependency:{}", dependency.option))
        .chain(question.network().map(|network| format!("dependency:--net={network}")))
        .collect()
}

impl<'a> Question<'a> {
    /// The network that must be there. One that no node has is left to the engine, which knows better why.
    fn network(self) -> Option<&'a str> {
        self.request.network.as_deref().filter(|_| self.network_is_known)
    }
}
