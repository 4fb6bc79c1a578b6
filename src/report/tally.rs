//! Counts a run's steps by task and node, and what a cleanup did.

use crate::domain::{
    Counts, Difference, HostLine, HostsFault, NodeName, Outcome, Plan, PlannedStep, Removable, TaskId, Undo,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The counts of a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The tasks of which a step has ended, in the plan's order.
    pub(crate) tasks: Vec<TaskTally>,
    /// All tasks of the plan.
    planned: Vec<TaskId>,
    /// All steps.
    pub(crate) counts: Counts,
    /// Steps that the run was stopped in.
    pub(crate) cancelled: usize,
    /// The lines that were added to the hosts file of this machine, or could not be.
    pub(crate) host_lines: Vec<(HostLine, Option<HostsFault>)>,
}

/// The counts of a task.
#[derive(Debug)]
pub(crate) struct TaskTally {
    pub(crate) id: TaskId,
    pub(crate) nodes: BTreeMap<NodeName, Counts>,
    /// From the first step's start to the last one's end, without those that may run ahead of it.
    span: Option<(Timestamp, Timestamp)>,
    /// The same of its steps that may run ahead of it.
    span_ahead: Option<(Timestamp, Timestamp)>,
}

impl Tally {
    /// Learns the order of the tasks from `plan`.
    pub(crate) fn expect(&mut self, plan: &Plan) {
        self.planned = plan.steps.iter().map(|step| step.task.clone()).collect();
        self.planned.dedup();
    }

    /// Counts the `outcome` of `step`, which ended `at` after it `took` some time.
    pub(crate) fn count(&mut self, step: &PlannedStep, outcome: &Outcome, at: Timestamp, took: Duration) {
        self.counts.count(outcome);
        if *outcome == Outcome::Cancelled {
            self.cancelled += 1;
        }
        let turn = |id: &TaskId| self.planned.iter().position(|task| task == id);
        let place = match self.tasks.iter().position(|task| task.id == step.task) {
            Some(place) => place,
            None => {
                let place = self.tasks.partition_point(|task| turn(&task.id) <= turn(&step.task));
                self.tasks.insert(place, TaskTally::new(step.task.clone()));
                place
            }
        };
        let Some(task) = self.tasks.get_mut(place) else { return };
        task.nodes.entry(step.key.node.clone()).or_default().count(outcome);
        let began = at.checked_sub(took).unwrap_or(at);
        let span = if step.ahead {
            &mut task.span_ahead
        } else {
            &mut task.span
        };
        let (first, last) = span.unwrap_or((began, at));
        *span = Some((first.min(began), last.max(at)));
    }

    /// Returns how many steps have ended.
    pub(crate) fn ended(&self) -> usize {
        let counts = &self.counts;
        counts.passed + counts.already_held + counts.failed + counts.could_not_run + counts.skipped + counts.superseded
    }
}

impl TaskTally {
    fn new(id: TaskId) -> Self {
        Self {
            id,
            nodes: BTreeMap::new(),
            span: None,
            span_ahead: None,
        }
    }

    /// Returns how long the task took.
    pub(crate) fn took(&self) -> Duration {
        self.span
            .or(self.span_ahead)
            .and_then(|(first, last)| last.duration_since(first).try_into().ok())
            .unwrap_or_default()
    }
}

/// What a cleanup did and found.
#[derive(Debug, Default)]
pub(crate) struct CleanupTally {
    pub(crate) undone: Vec<(NodeName, Undo)>,
    pub(crate) failed: Vec<(NodeName, Undo, String)>,
    pub(crate) ours: Vec<(NodeName, Difference)>,
    pub(crate) others: Vec<(NodeName, Difference)>,
    /// The nodes on which nothing of ours was found.
    pub(crate) clean: BTreeSet<NodeName>,
    /// Those of them that hold nothing for others, either.
    pub(crate) released: BTreeSet<NodeName>,
    /// The nodes that could not be worked on, and why.
    pub(crate) unreached: BTreeMap<NodeName, String>,
    /// The lines that were taken out of the hosts file of this machine, or could not be.
    pub(crate) host_lines: Vec<(HostLine, Option<HostsFault>)>,
    /// The nodes that were cleared of everything.
    pub(crate) cleared: Vec<NodeName>,
    /// What is left where everything was to go.
    pub(crate) not_cleared: Vec<(NodeName, Removable)>,
}

impl CleanupTally {
    /// Says whether something is told to be left, with the command that tries again.
    pub(crate) fn leaves_something(&self) -> bool {
        self.owes_still() || !self.not_cleared.is_empty()
    }

    /// Says whether something of the lab's is left, on a node or here.
    pub(crate) fn owes_still(&self) -> bool {
        let is_left = |(_, failed): &(HostLine, Option<HostsFault>)| failed.is_some();
        let on_nodes = self.ours.is_empty() && self.failed.is_empty() && self.unreached.is_empty();
        !on_nodes || self.host_lines.iter().any(is_left)
    }

    /// Notes that `node` was cleared, but for what is `left`. What was found there before and left alone went, too.
    pub(crate) fn clear(&mut self, node: &NodeName, left: &[Removable]) {
        let went = |difference: &Difference| match difference {
            Difference::FileAppeared { .. }
            | Difference::FileGone { .. }
            | Difference::FileChanged { .. }
            | Difference::NetworkAppeared { .. }
            | Difference::NetworkGone { .. }
            | Difference::VolumeAppeared { .. }
            | Difference::VolumeGone { .. } => false,
            Difference::ContainerAppeared { .. }
            | Difference::ContainerGone { .. }
            | Difference::ContainerStopped { .. }
            | Difference::ImageAppeared { .. }
            | Difference::ImageGone { .. }
            | Difference::TagAppeared { .. }
            | Difference::TagGone { .. } => true,
        };
        for list in [&mut self.ours, &mut self.others] {
            list.retain(|(on, difference)| on != node || !went(difference));
        }
        if left.is_empty() {
            self.cleared.push(node.clone());
        }
        let left = left.iter().map(|left| (node.clone(), left.clone()));
        self.not_cleared.extend(left);
    }
}
