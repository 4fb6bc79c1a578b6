//! Which nodes `on` means: a name, a pattern such as `node-*`, `@group`, or `all`.

use crate::domain::{Inventory, NodeName, matches_pattern};

/// Says whether `selector` means the node `name`, which is in `groups`.
fn selects(selector: &str, name: &NodeName, groups: &[String]) -> bool {
    match selector.strip_prefix('@') {
        Some(pattern) => groups.iter().any(|group| matches_pattern(pattern, group)),
        None => selector == "all" || matches_pattern(selector, name.as_str()),
    }
}

/// Returns the ones of `nodes` that `selector` means, in their order. Groups are those of `inventory`; without one,
/// every group has every node, because a lab alone does not know them.
pub(super) fn selected(selector: &str, nodes: &[NodeName], inventory: Option<&Inventory>) -> Vec<NodeName> {
    let is_meant = |name: &&NodeName| match inventory {
        Some(inventory) => {
            let groups = inventory.node(name).map_or(&[][..], |node| &node.groups);
            selects(selector, name, groups)
        }
        None => selector.starts_with('@') || selects(selector, name, &[]),
    };
    nodes.iter().filter(is_meant).cloned().collect()
}
