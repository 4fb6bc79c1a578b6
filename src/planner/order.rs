//! The graph of what waits for what.

use crate::domain::{Lab, PlannedStep, Step, StepId, StepKey, Task};
use std::collections::{BTreeMap, BTreeSet};

/// Returns the keys of `step` on all of its nodes.
pub(super) fn keys(step: &Step) -> impl Iterator<Item = StepKey> + '_ {
    step.on.iter().map(|on| StepKey {
        step: step.id.clone(),
        node: on.node.clone(),
    })
}

/// What the steps of a lab wait for in a plan that has some of them.
pub(super) struct Order<'a> {
    lab: &'a Lab,
    steps: BTreeMap<&'a StepId, (&'a Task, &'a Step)>,
    planned: BTreeSet<&'a StepId>,
}

impl<'a> Order<'a> {
    /// Says what waits for what among the steps of `lab` that are `planned`.
    pub(super) fn new(lab: &'a Lab, planned: impl IntoIterator<Item = &'a Step>) -> Self {
        let of_task = |task: &'a Task| task.steps.iter().map(move |step| (&step.id, (task, step)));
        let planned = planned.into_iter().filter(|step| !step.on.is_empty());
        Self {
            lab,
            steps: lab.tasks.iter().flat_map(of_task).collect(),
            planned: planned.map(|step| &step.id).collect(),
        }
    }

    /// Returns what `step` of `task` waits for. A step that is not planned is looked through: what it waits for itself is waited for.
    pub(super) fn waits_for(&self, task: &'a Task, step: &'a Step) -> Vec<StepKey> {
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut open = self.named(task, step);
        while let Some((task, step)) = open.pop() {
            if !seen.insert(&step.id) {
                continue;
            }
            if self.planned.contains(&step.id) {
                found.extend(keys(step));
            } else {
                open.extend(self.named(task, step));
            }
        }
        found.into_iter().collect()
    }

    /// Returns the steps that `step` of `task` waits for itself.
    fn named(&self, task: &'a Task, step: &'a Step) -> Vec<(&'a Task, &'a Step)> {
        if step.after.is_empty() {
            return self.steps_before(task);
        }
        let named = step.after.iter().filter_map(|id| self.steps.get(id));
        named.copied().collect()
    }

    /// Returns the steps of the tasks that `task` needs or comes after; one without steps stands for those that it comes after.
    fn steps_before(&self, task: &'a Task) -> Vec<(&'a Task, &'a Step)> {
        let (mut found, mut open) = (Vec::new(), vec![task]);
        let mut seen = BTreeSet::new();
        while let Some(task) = open.pop() {
            let comes_before = |other: &&Task| task.needs.contains(&other.id) || task.after.contains(&other.id);
            for other in self.lab.tasks.iter().filter(comes_before) {
                if !seen.insert(&other.id) {
                    continue;
                }
                if other.steps.is_empty() {
                    open.push(other);
                }
                found.extend(other.steps.iter().map(|step| (other, step)));
            }
        }
        found
    }
}

/// Marks the steps that may begin before all planned steps have ended of the tasks that their own task comes after.
pub(super) fn mark_steps_ahead(lab: &Lab, steps: &mut [PlannedStep]) {
    let mut before: BTreeMap<StepKey, BTreeSet<StepKey>> = BTreeMap::new();
    for at in 0..steps.len() {
        let step = &steps[at];
        let mut all: BTreeSet<StepKey> = step.after.iter().cloned().collect();
        all.extend(step.after.iter().filter_map(|key| before.get(key)).flatten().cloned());
        let earlier = tasks_before(lab, step);
        let mut of_earlier = steps.iter().filter(|other| earlier.contains(&other.task));
        let is_ahead = of_earlier.any(|other| !all.contains(&other.key));
        before.insert(step.key.clone(), all);
        steps[at].ahead = is_ahead;
    }
}

/// Returns the tasks that the task of `step` comes after, and those that these come after.
fn tasks_before<'a>(lab: &'a Lab, step: &'a PlannedStep) -> BTreeSet<&'a crate::domain::TaskId> {
    let mut found = BTreeSet::new();
    let mut open = vec![&step.task];
    while let Some(id) = open.pop() {
        let tasks = lab.tasks.iter().filter(|task| task.id == *id);
        let before = tasks.flat_map(|task| task.needs.iter().chain(&task.after));
        open.extend(before.filter(|other| found.insert(*other)));
    }
    found
}
