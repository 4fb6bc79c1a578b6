//! Connects to the nodes of an inventory, all at once, and gathers their facts.

use super::failure::Failure;
use super::session::Session;
use crate::domain::{Facts, Inventory, Node, NodeName, ProbeError};
use crate::exit::Exit;
use crate::node::{ConnectNotices, ControlDirectory, Gate, NodeError, SshNode, SshOptions, Transport};
use crate::probe::{self, Need};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A node that answered.
pub(super) struct Reached {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) facts: Result<Facts, ProbeError>,
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
    let awaited = format!("connecting to {}", names.join(", "));
    let mut waiting = session.wait_for(&awaited);
    let (notices, mut told) = ConnectNotices::channel();
    let gate = Gate::new(session.common.forks);
    let mut tasks = tokio::task::JoinSet::new();
    for node in meant {
        let mut options = SshOptions::new(control.path());
        options.notices = notices.clone();
        options.gate = gate.clone();
        options.withheld_variables = inventory.secret_variables();
        tasks.spawn(async move {
            let reached = reach(&node, &options, need).await;
            (node.name, reached)
        });
    }
    let mut nodes = BTreeMap::new();
    loop {
        let joined = tokio::select! {
            joined = tasks.join_next() => joined,
            Some(notice) = told.recv() => {
                drop(waiting);
                session.tell(&notice);
                waiting = session.wait_for(&awaited);
                continue;
            }
        };
        let Some(joined) = joined else { break };
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
    let facts = probe::facts(transport.as_ref(), &node.private_ip, need).await;
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

/// What is wrong with nodes, each with the next thing to try.
#[derive(Default)]
struct Problems(Vec<(String, Option<String>)>);

impl Problems {
    fn add(&mut self, name: &NodeName, problem: &str, hint: Option<&str>) {
        self.0.push((naming(name, problem), hint.map(str::to_owned)));
    }

    /// Returns one failure that tells of all of them, of `all` nodes; a hint that is the same for all once. `None` where there are none.
    fn failure(self, what: &str, all: usize) -> Option<Failure> {
        let (_, first) = self.0.first()?;
        let first = first.clone();
        let is_same = self.0.iter().all(|(_, hint)| *hint == first);
        let lines = self.0.iter().map(|(problem, hint)| match hint {
            Some(hint) if !is_same => format!("{problem}\n  hint: {hint}"),
            _ => problem.clone(),
        });
        let mut lines: Vec<String> = lines.collect();
        if self.0.len() > 1 {
            lines.insert(0, format!("{} of {all} nodes {what}:", self.0.len()));
        }
        let failure = Failure::could_not_run(lines.join("\n"));
        Some(failure.maybe_hint(first.filter(|_| is_same)))
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
        let mut problems = Problems::default();
        for (name, reached) in &self.nodes {
            match reached {
                Ok(reached) => {
                    transports.insert(name.clone(), Arc::clone(&reached.transport));
                }
                Err(error) => problems.add(name, &error.message, error.hint.as_deref()),
            }
        }
        match problems.failure("cannot be used", self.nodes.len()) {
            Some(failure) => Err(failure),
            None => Ok(transports),
        }
    }

    /// Returns the facts, or one failure that names every node whose facts could not be gathered.
    pub(super) fn facts(&self) -> Result<BTreeMap<NodeName, Facts>, Failure> {
        let mut facts = BTreeMap::new();
        let mut problems = Problems::default();
        for (name, reached) in &self.nodes {
            match reached {
                Ok(Reached { facts: Ok(found), .. }) => {
                    facts.insert(name.clone(), found.clone());
                }
                Ok(Reached { facts: Err(error), .. }) => problems.add(name, &error.to_string(), error.hint()),
                Err(_) => {}
            }
        }
        match problems.failure("cannot be looked at", self.nodes.len()) {
            Some(failure) => Err(failure),
            None => Ok(facts),
        }
    }

    /// Ends all connections.
    pub(super) async fn close(self) {
        let reached: Vec<Reached> = self.nodes.into_values().flatten().collect();
        join_all(reached.iter().map(|reached| reached.transport.close())).await;
    }
}
