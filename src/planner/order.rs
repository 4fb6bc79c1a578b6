//! The graph of what waits for what.

use crate::domain::{Lab, PlannedStep, Step, StepKey, Task, TaskId};
use std::collections::BTreeSet;

/// Returns the keys of `step` on all of its nodes.
pub(super) fn keys(step: &Step) -> impl Iterator<Item = StepKey> + '_ {
    step.on.iter().map(|on| StepKey {
        step: step.id.clone(),
        node: on.node.clone(),
    })
}

/// Returns what `step` of `task` waits for: its own `after`, and for a task's first steps all of the tasks it needs. A
/// needed task without a step in the plan, as `planned` says, is looked through: what it needs itself is waited for.
pub(super) fn waits_for(lab: &Lab, task: &Task, step: &Step, planned: &BTreeSet<TaskId>) -> Vec<StepKey> {
    let mut after: BTreeSet<StepKey> = task
        .steps
        .iter()
        .filter(|earlier| step.after.contains(&earlier.id))
        .flat_map(keys)
        .collect();
    if after.is_empty() {
        let needed = needed_tasks(lab, task, planned);
        after.extend(needed.iter().flat_map(|other| other.steps.iter().flat_map(keys)));
    }
    after.into_iter().collect()
}

fn needed_tasks<'a>(lab: &'a Lab, task: &'a Task, planned: &BTreeSet<TaskId>) -> Vec<&'a Task> {
    let (mut needed, mut open) = (Vec::new(), vec![task]);
    let mut seen: BTreeSet<&TaskId> = BTreeSet::new();
    while let Some(task) = open.pop() {
        for other in lab.tasks.iter().filter(|other| task.needs.contains(&other.id)) {
            if !seen.insert(&other.id) {
                continue;
            }
            if planned.contains(&other.id) {
                needed.push(other);
            } else {
                open.push(other);
            }
        }
    }
    needed
}

/// Drops the edges to steps that are not part of the plan.
pub(super) fn keep_edges_within(steps: &mut [PlannedStep]) {
    let known: BTreeSet<StepKey> = steps.iter().map(|step| step.key.clone()).collect();
    for step in steps {
        step.after.retain(|key| known.contains(key));
    }
}
