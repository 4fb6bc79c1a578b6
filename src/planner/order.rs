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

/// Returns what `step` of `task` waits for: its own `after`, and for a task's first steps all of the tasks it needs or
/// comes after. A task without a step in the plan, as `planned` says, is looked through: what it waits for itself is waited for.
pub(super) fn waits_for(lab: &Lab, task: &Task, step: &Step, planned: &BTreeSet<TaskId>) -> Vec<StepKey> {
    let mut after: BTreeSet<StepKey> = task
        .steps
        .iter()
        .filter(|earlier| step.after.contains(&earlier.id))
        .flat_map(keys)
        .collect();
    if after.is_empty() {
        let earlier = earlier_tasks(lab, task, planned);
        after.extend(earlier.iter().flat_map(|other| other.steps.iter().flat_map(keys)));
    }
    after.into_iter().collect()
}

fn earlier_tasks<'a>(lab: &'a Lab, task: &'a Task, planned: &BTreeSet<TaskId>) -> Vec<&'a Task> {
    let (mut earlier, mut open) = (Vec::new(), vec![task]);
    let mut seen: BTreeSet<&TaskId> = BTreeSet::new();
    while let Some(task) = open.pop() {
        let comes_before = |other: &Task| task.needs.contains(&other.id) || task.after.contains(&other.id);
        for other in lab.tasks.iter().filter(|other| comes_before(other)) {
            if !seen.insert(&other.id) {
                continue;
            }
            if planned.contains(&other.id) {
                earlier.push(other);
            } else {
                open.push(other);
            }
        }
    }
    earlier
}

/// Drops the edges to steps that are not part of the plan.
pub(super) fn keep_edges_within(steps: &mut [PlannedStep]) {
    let known: BTreeSet<StepKey> = steps.iter().map(|step| step.key.clone()).collect();
    for step in steps {
        step.after.retain(|key| known.contains(key));
    }
}
