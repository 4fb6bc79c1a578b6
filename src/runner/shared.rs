//! What all executors of a run share.

use super::StandInImages;
use super::reports::Reports;
use crate::check::Ours;
use crate::domain::{InstanceId, NodeName, Outcome, Redactor, RunId, State, Undo, Values};
use crate::node::Transport;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// How a run gets to a node.
#[derive(Clone)]
pub enum NodeAccess {
    /// It answered.
    Connected(Arc<dyn Transport>),
    /// It could not be reached.
    Unreachable {
        /// Why.
        reason: String,
        /// The next thing to try, where one is known.
        hint: Option<String>,
    },
}

/// Everything about a run that is known when it begins.
pub struct Run {
    /// The instance it belongs to; `None` where nothing may be changed.
    pub instance: Option<InstanceId>,
    /// Its own id.
    pub id: RunId,
    /// The instance's directory on this machine, where outputs go.
    pub directory: PathBuf,
    /// The nodes of the plan.
    pub nodes: BTreeMap<NodeName, NodeAccess>,
    /// Values known so far: secrets, and what earlier runs captured.
    pub values: Values,
    /// The instance's state so far.
    pub state: State,
    /// Makes the images that the lab brings.
    pub images: Arc<dyn StandInImages>,
    /// Whether nodes are kept hold of though nothing is left there: others, which could not be asked what they owe, may need to know
    /// what commands on these printed.
    pub keeps_records: bool,
    /// Whether steps that do not depend on a failed one are still begun.
    pub keep_going: bool,
    /// Where its report goes; `None` where none is made.
    pub report: Option<ReportPlace>,
    /// Fires when the user wants to stop.
    pub stop: CancellationToken,
    /// When the person who waits for it began to wait: connecting is a part of it.
    pub began: Instant,
}

/// Where the report of a run is found when the run has ended.
#[derive(Debug, Clone)]
pub struct ReportPlace {
    /// Where something was changed on a node.
    pub kept: PathBuf,
    /// Where nothing was, and the instance is closed again.
    pub closed: PathBuf,
}

/// The same, as executors see it.
pub(super) struct Shared {
    pub(super) instance: Option<InstanceId>,
    pub(super) id: RunId,
    pub(super) directory: PathBuf,
    pub(super) nodes: BTreeMap<NodeName, NodeAccess>,
    pub(super) images: Arc<dyn StandInImages>,
    pub(super) keeps_records: bool,
    pub(super) report: Option<ReportPlace>,
    pub(super) stop: CancellationToken,
    pub(super) reports: Reports,
    /// The paths that the plan touches on each node, for the baseline.
    pub(super) paths: BTreeMap<NodeName, Vec<String>>,
    prepared: BTreeMap<NodeName, tokio::sync::Mutex<bool>>,
    undo_plans: BTreeMap<NodeName, tokio::sync::Mutex<()>>,
    interrupted: BTreeSet<NodeName>,
    /// Whether a step was broken off and has not been done again since.
    pub(super) left_half_done: bool,
    /// Whether a command of an earlier run may not have come to its own end.
    pub(super) may_have_broken_off: bool,
    values: Mutex<Values>,
    /// What masks the secrets among the values; made anew when one is learnt.
    redactor: Mutex<Redactor>,
    state: Mutex<State>,
}

/// Returns the nodes with a step that has not ended, where a step has set options of the engine.
fn interrupted(state: &State) -> BTreeSet<NodeName> {
    let unfinished = state.steps.iter().filter(|(_, outcome)| outcome.is_none());
    let nodes = unfinished.map(|(step, _)| step.node.clone());
    let sets_options = |node: &NodeName| {
        let mut owed = state.owed.get(node).into_iter().flatten();
        owed.any(|undo| matches!(undo, Undo::RestoreEngineOptions(_)))
    };
    nodes.filter(sets_options).collect()
}

/// Says whether a step did not come to its own end when it was last begun.
fn left_half_done(state: &State) -> bool {
    let mut outcomes = state.steps.values();
    outcomes.any(|outcome| !outcome.as_ref().is_some_and(Outcome::came_to_its_own_end))
}

/// Says whether a command of an earlier run may not have come to its own end. Of an instance that was read from its nodes, nobody knows.
fn may_have_broken_off(state: &State) -> bool {
    !state.broken_off.is_empty() || left_half_done(state) || state.tasks.is_empty()
}

impl Shared {
    pub(super) fn new(run: Run, reports: Reports, paths: BTreeMap<NodeName, Vec<String>>) -> Self {
        let nodes = run.nodes.keys();
        let prepared = nodes.clone().map(|node| (node.clone(), tokio::sync::Mutex::new(false)));
        let undo_plans = nodes.map(|node| (node.clone(), tokio::sync::Mutex::new(())));
        let (prepared, undo_plans) = (prepared.collect(), undo_plans.collect());
        Self {
            instance: run.instance,
            id: run.id,
            directory: run.directory,
            nodes: run.nodes,
            images: run.images,
            keeps_records: run.keeps_records,
            report: run.report,
            stop: run.stop,
            reports,
            paths,
            prepared,
            undo_plans,
            interrupted: interrupted(&run.state),
            left_half_done: left_half_done(&run.state),
            may_have_broken_off: may_have_broken_off(&run.state),
            redactor: Mutex::new(Redactor::new(run.values.secrets())),
            values: Mutex::new(run.values),
            state: Mutex::new(run.state),
        }
    }

    /// Returns the state; the dispatcher keeps it up to date.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held cannot leave a state half folded: folding does not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a copy of the values as they are now.
    pub(super) fn values(&self) -> Values {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_value(&self, name: &str, text: &str, secret: bool) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.set(name, text, secret);
        let redactor = Redactor::new(values.secrets());
        *self.redactor.lock().unwrap_or_else(PoisonError::into_inner) = redactor;
    }

    /// Returns what masks the secrets known so far.
    pub(super) fn redactor(&self) -> Redactor {
        self.redactor.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn access(&self, node: &NodeName) -> NodeAccess {
        self.nodes
            .get(node)
            .cloned()
            .unwrap_or_else(|| NodeAccess::Unreachable {
                reason: format!("the inventory has no node {node}"),
                hint: None,
            })
    }

    /// Says whether an earlier labctl may have died while it restarted the engine of `node`.
    pub(super) fn may_be_restarting(&self, node: &NodeName) -> bool {
        self.interrupted.contains(node)
    }

    /// Returns the lock that makes preparing `node` happen once.
    pub(super) fn preparation(&self, node: &NodeName) -> Option<&tokio::sync::Mutex<bool>> {
        self.prepared.get(node)
    }

    /// Returns the lock that one step at a time holds while it plans its undo on `node` and until that is in the journal: what
    /// another step is just making there must not be taken for something that was there before.
    pub(super) fn undo_plan(&self, node: &NodeName) -> Option<&tokio::sync::Mutex<()>> {
        self.undo_plans.get(node)
    }

    /// Returns what the instance owns on `node`, as far as checks want to know.
    pub(super) fn ours(&self, node: &NodeName) -> Ours {
        let mut ours = Ours::default();
        for undo in self.state().made.get(node).into_iter().flatten() {
            match undo {
                Undo::RemoveProject { project } => ours.projects.insert(project.clone()),
                Undo::RemoveContainer { name } => ours.containers.insert(name.clone()),
                Undo::RestoreEngineOptions(options) => {
                    ours.option_lines.extend(options.line.clone());
                    ours.engine_options.extend(options.added.iter().cloned());
                    continue;
                }
                _ => continue,
            };
        }
        ours
    }
}
