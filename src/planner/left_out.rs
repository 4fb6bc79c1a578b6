//! What a run from the middle of a lab stands on: tasks that were done by hand, or are missing.

use super::verify::looking_steps;
use crate::domain::{LEFT_OUT, Lab, PlannedStep, StepKey, Task, TaskId};
use std::collections::BTreeSet;

/// Puts before `steps`, which begin in the task `first`, the verifications of the tasks that those in `planned` need and
/// that are neither in the plan themselves nor, as `has_passed` says, done: nothing is changed unless they hold.
pub(super) fn prepend_what_is_left_out(
    lab: &Lab,
    first: &Task,
    planned: &BTreeSet<TaskId>,
    has_passed: impl Fn(&Task) -> bool,
    steps: &mut Vec<PlannedStep>,
) {
    let needed = needed(lab, planned);
    let is_left_out = |index: usize| {
        let task = &lab.tasks[index];
        needed.contains(&task.id) && !planned.contains(&task.id) && !has_passed(task)
    };
    let Ok(id) = TaskId::new(LEFT_OUT) else { return };
    let mut looks = looking_steps(lab, is_left_out);
    let keys: Vec<StepKey> = looks.iter().map(|look| look.key.clone()).collect();
    for look in &mut looks {
        look.task = id.clone();
        look.task_title = format!("What {} stands on", first.id);
        // What cannot hold without another is not looked at where that one fails.
        look.after = std::mem::take(&mut look.stands_on);
    }
    for step in steps.iter_mut() {
        step.after.extend(keys.iter().cloned());
    }
    steps.splice(0..0, looks);
}

/// Returns the tasks that those in `planned` need, and what these need in turn.
fn needed<'a>(lab: &'a Lab, planned: &'a BTreeSet<TaskId>) -> BTreeSet<&'a TaskId> {
    let mut needed = BTreeSet::new();
    let mut open: Vec<&TaskId> = planned.iter().collect();
    while let Some(id) = open.pop() {
        let tasks = lab.tasks.iter().filter(|task| task.id == *id);
        open.extend(tasks.flat_map(|task| &task.needs).filter(|need| needed.insert(*need)));
    }
    needed
}
