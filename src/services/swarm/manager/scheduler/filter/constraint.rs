//! Constraints: conditions on a node's labels and its name.

use super::Question;
use crate::swarm::manager::scheduler::node::Node;

/// What `node` lacks of the labels that are asked for.
pub(super) fn lack(question: Question<'_>, node: &Node) -> Option<String> {
    let constraint =
        question
            .counted(&question.request.constraints)
            .find(|constraint| match constraint.key.as_str() {
                "node" => !constraint.holds_for([node.id.as_str(), engine_id(node), node.name.as_str()]),
                key => !constraint.holds_for([node.labels.get(key).map_or("", String::as_str)]),
            })?;
    let key = &constraint.key;
    Some(match node.labels.get(key) {
        _ if key == "node" => format!("is node {}", node.name),
        Some(value) => format!("has {key}={value}"),
        None => format!("has no label {key}"),
    })
}

/// The engine's own id: upstream's node id is that and the address.
fn engine_id(node: &Node) -> &str {
    node.id.split('|').next().unwrap_or_default()
}
