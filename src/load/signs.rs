//! Tells checks by what they know that the task has begun that changes on purpose what they want.

use crate::domain::{Check, Sign, Task, TaskId};
use std::collections::BTreeMap;

/// Gives every check of `tasks` that a task supersedes the signs of that task's having begun.
pub(super) fn put_signs(tasks: &mut [Task]) {
    let mut signs: BTreeMap<TaskId, Vec<Sign>> = BTreeMap::new();
    for task in tasks.iter() {
        let begun = task.verify.iter().filter(|look| look.begun);
        let of_task = begun.map(|look| Sign {
            node: look.node.clone(),
            kind: look.check.kind.clone(),
        });
        signs.insert(task.id.clone(), of_task.collect());
    }
    for check in tasks.iter_mut().flat_map(checks) {
        if let Some(found) = check.superseded_by.as_ref().and_then(|task| signs.get(task)) {
            check.superseded_signs.clone_from(found);
        }
    }
}

fn checks(task: &mut Task) -> impl Iterator<Item = &mut Check> {
    let of_steps = task.steps.iter_mut().flat_map(|step| &mut step.on);
    let of_steps = of_steps.flat_map(|on| &mut on.expect);
    of_steps.chain(task.verify.iter_mut().map(|look| &mut look.check))
}
