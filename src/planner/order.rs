//! The graph of what waits for what.

use crate::domain::{Lab, PlannedStep, Step, StepKey, Task};
use std::collections::BTreeSet;

/// Returns the keys of `step` on all of its nodes.
fn keys(step: &Step) -> impl Iterator<Item = StepKey> + '_ {
    step.on.iter().map(|on| StepKey {
        step: step.id.clone(),
        node: on.node.clone(),
    })
}

/// Returns what `step` of `task` waits for: its own `after`, and for a task's first steps all of the tasks it needs.
pub(super) fn waits_for(lab: &Lab, task: &Task, step: &Step) -> Vec<StepKey> {
    let mut after: BTreeSet<StepKey> = task
        .steps
        .iter()
        .filter(|earlier| step.after.contains(&earlier.id))
        .flat_map(keys)
        .collect();
    if after.is_empty() {
        let needed = lab.tasks.iter().filter(|other| task.needs.contains(&other.id));
        after.extend(needed.flat_map(|other| other.steps.iter().flat_map(keys)));
    }
    after.into_iter().collect()
}

/// Drops the edges to steps that are not part of the plan.
pub(super) fn keep_edges_within(steps: &mut [PlannedStep]) {
    let known: BTreeSet<StepKey> = steps.iter().map(|step| step.key.clone()).collect();
    for step in steps {
        step.after.retain(|key| known.contains(key));
    }
}
