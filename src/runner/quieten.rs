//! Ends what earlier runs left running, on all nodes before anything is looked at, changed or taken back on any: a client on one node
//! may still be at work on another.

use super::baseline::engine_contents;
use super::builds::let_commits_end;
use super::engine::Engine;
use super::printed::proofs;
use super::shared::{NodeAccess, Shared};
use crate::domain::{Baseline, NodeName, Undo, Verb};
use crate::node::Transport;
use futures_util::future::join_all;
use std::sync::Arc;

/// What was removed from a node: the names of containers.
pub(super) type Leftovers = (NodeName, Vec<String>);

/// Ends all commands of the instance on all its nodes. For a run, the containers of builds that were broken off go as well: a lab may want
/// nodes without containers. What does not work here is told by the steps of that node, which meet it again.
pub(super) async fn quieten(shared: &Shared, verb: Verb) -> Vec<Leftovers> {
    let Some(instance) = &shared.instance else {
        return Vec::new();
    };
    let nodes = known_nodes(shared);
    let stopping = nodes.iter().map(|node| async {
        node.transport.open_instance(instance).await?;
        node.transport.stop_execs().await
    });
    join_all(stopping).await;
    if verb != Verb::Run || !shared.left_half_done {
        return Vec::new();
    }
    let removing = nodes.iter().map(|node| async {
        let removed = remove_builds(shared, node).await.unwrap_or_default();
        (node.baseline.node.clone(), removed)
    });
    let mut removed = join_all(removing).await;
    removed.retain(|(_, containers)| !containers.is_empty());
    removed
}

/// A node that was changed before, and answers.
struct Known {
    transport: Arc<dyn Transport>,
    baseline: Baseline,
    made: Vec<Undo>,
}

fn known_nodes(shared: &Shared) -> Vec<Known> {
    let state = shared.state();
    let known = state.baselines.iter().filter_map(|(name, baseline)| {
        let NodeAccess::Connected(transport) = shared.nodes.get(name)? else {
            return None;
        };
        Some(Known {
            transport: transport.clone(),
            baseline: baseline.clone(),
            made: state.made.get(name).cloned().unwrap_or_default(),
        })
    });
    known.collect()
}

async fn remove_builds(shared: &Shared, node: &Known) -> Result<Vec<String>, String> {
    let makes_images = |undo: &Undo| matches!(undo, Undo::RemovePrinted { .. });
    if !node.made.iter().any(makes_images) {
        return Ok(Vec::new());
    }
    let transport = node.transport.as_ref();
    let proofs = proofs(shared, transport, &node.made, false).await?;
    let_commits_end(transport, &proofs, &node.baseline, &shared.stop).await?;
    let contents = engine_contents(transport).await.map_err(|error| error.to_string())?;
    let engine = Engine::connect(transport).await.map_err(|fault| fault.to_string())?;
    let mut removed = Vec::new();
    for container in proofs.containers_of_builds(&contents, &node.baseline) {
        // One that is removed already is one less.
        if engine.remove_container(&container.id).await.is_ok() {
            removed.push(container.name.clone());
        }
    }
    Ok(removed)
}
