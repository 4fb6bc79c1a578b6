//! A last look at all nodes, for the picture of the cluster in a run's report. Changes nothing, and holds up nothing for long.

use super::shared::{NodeAccess, Shared};
use crate::domain::{EngineAt, NodeName, NodeSeen, Observation, Probe};
use crate::node::Transport;
use crate::probe::observe;
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::timeout;

/// How long the look at a node may take: the run is over, and somebody waits for its last line.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at the containers and the engine of every node of the run but those that were `lost`, at all of them at once.
pub(super) async fn last_look(shared: &Shared, lost: &BTreeSet<NodeName>) -> Vec<NodeSeen> {
    let redactor = shared.redactor();
    let looks = shared.nodes.iter().map(|(node, access)| async {
        let seen = match access {
            NodeAccess::Unreachable { reason, .. } => NodeSeen::unseen(node.clone(), reason),
            NodeAccess::Connected(_) if lost.contains(node) => {
                NodeSeen::unseen(node.clone(), "the connection was lost during the run")
            }
            NodeAccess::Connected(transport) => look(node, transport.as_ref()).await,
        };
        seen.masked(|text| redactor.text(text))
    });
    join_all(looks).await
}

async fn look(node: &NodeName, transport: &dyn Transport) -> NodeSeen {
    let engine = Probe::Engine { at: EngineAt::Socket };
    let containers = Probe::Containers {
        at: EngineAt::Socket,
        labels: Vec::new(),
        all: true,
    };
    let both = async { tokio::join!(observe(transport, &engine), observe(transport, &containers)) };
    let problem = match timeout(PATIENCE, both).await {
        Ok((Ok(Observation::Engine(engine)), Ok(Observation::Containers { containers }))) => {
            return NodeSeen::of(node.clone(), &engine, &containers);
        }
        Ok((Ok(Observation::EngineDown { reason }), _) | (_, Ok(Observation::EngineDown { reason }))) => {
            format!("the Docker Engine does not answer: {reason}")
        }
        Ok((Err(error), _) | (_, Err(error))) => error.to_string(),
        Ok(_) => "the node answered something that was not asked".to_owned(),
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    NodeSeen::unseen(node.clone(), problem)
}
