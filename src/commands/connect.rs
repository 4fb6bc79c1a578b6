//! Connects to the nodes of an inventory, all at once, and gathers their facts.

use super::failure::Failure;
use super::session::Session;
use crate::domain::{Facts, Inventory, Node, NodeName};
use crate::exit::Exit;
use crate::node::{ControlDirectory, NodeError, SshNode, SshOptions, Transport};
use crate::probe::{self, Need};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A node that answered.
pub(super) struct Reached {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) facts: Result<Facts, String>,
}

/// The nodes of an inventory, each reached or not.
pub(super) struct Connections {
    pub(super) nodes: BTreeMap<NodeName, Result<Reached, NodeError>>,
    _control: ControlDirectory,
}

/// Connects to the nodes called `wanted`, all nodes where it is `None`, and gathers the facts that `need` says.
pub(super) async fn connect(
    session: &Session,
    inventory: &Inventory,
    wanted: Option<&[NodeName]>,
    need: Need,
) -> Result<Connections, Failure> {
    let control = ControlDirectory::create().map_err(|error| Failure::new(Exit::CouldNotRun, error))?;
    let is_wanted = |node: &&Node| wanted.is_none_or(|names| names.contains(&node.name));
    let meant: Vec<Node> = inventory.nodes.iter().filter(is_wanted).cloned().collect();
    let names: Vec<&str> = meant.iter().map(|node| node.name.as_str()).collect();
    let _waiting = session.wait_for(&format!("connecting to {}", names.join(", ")));
    let mut tasks = tokio::task::JoinSet::new();
    for node in meant {
        let mut options = SshOptions::new(control.path());
        options.withheld_variables = inventory.secret_variables();
        tasks.spawn(async move {
            let reached = reach(&node, &options, need).await;
            (node.name, reached)
        });
    }
    let mut nodes = BTreeMap::new();
    while let Some(joined) = tasks.join_next().await {
        let (name, reached) = joined.map_err(|error| Failure::new(Exit::CouldNotRun, error))?;
        nodes.insert(name, reached);
    }
    Ok(Connections {
        nodes,
        _control: control,
    })
}

async fn reach(node: &Node, options: &SshOptions, need: Need) -> Result<Reached, NodeError> {
    let transport: Arc<dyn Transport> = Arc::new(SshNode::connect(node, options).await?);
    let facts = probe::facts(transport.as_ref(), &node.private_ip, need)
        .await
        .map_err(|error| error.to_string());
    Ok(Reached { transport, facts })
}

/// Returns `problem`, with the node's name before it where it does not tell it itself.
pub(super) fn naming(name: &NodeName, problem: &str) -> String {
    if problem.contains(name.as_str()) {
        problem.to_owned()
    } else {
        format!("{name}: {problem}")
    }
}

impl Connections {
    /// Says whether no node at all answered.
    pub(super) fn none_reached(&self) -> bool {
        self.nodes.values().all(Result::is_err)
    }

    /// Returns the transports, or one failure that names every node that could not be reached.
    pub(super) fn all_reached(&self) -> Result<BTreeMap<NodeName, Arc<dyn Transport>>, Failure> {
        let mut transports = BTreeMap::new();
        let mut problems = Vec::new();
        let mut hint = None;
        for (name, reached) in &self.nodes {
            match reached {
                Ok(reached) => {
                    transports.insert(name.clone(), Arc::clone(&reached.transport));
                }
                Err(error) => {
                    problems.push(naming(name, &error.to_string()));
                    hint = hint.or_else(|| error.hint.clone());
                }
            }
        }
        if problems.is_empty() {
            return Ok(transports);
        }
        if problems.len() > 1 {
            let title = format!("{} of {} nodes cannot be used:", problems.len(), self.nodes.len());
            problems.insert(0, title);
        }
        Err(Failure::could_not_run(problems.join("\n")).maybe_hint(hint))
    }

    /// Returns the facts, or one failure that names every node whose facts could not be gathered.
    pub(super) fn facts(&self) -> Result<BTreeMap<NodeName, Facts>, Failure> {
        let mut facts = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, reached) in &self.nodes {
            match reached {
                Ok(Reached { facts: Ok(found), .. }) => {
                    facts.insert(name.clone(), found.clone());
                }
                Ok(Reached { facts: Err(reason), .. }) => problems.push(naming(name, reason)),
                Err(_) => {}
            }
        }
        if problems.is_empty() {
            Ok(facts)
        } else {
            Err(Failure::could_not_run(problems.join("\n")))
        }
    }

    /// Ends all connections.
    pub(super) async fn close(self) {
        let reached: Vec<Reached> = self.nodes.into_values().flatten().collect();
        join_all(reached.iter().map(|reached| reached.transport.close())).await;
    }
}
