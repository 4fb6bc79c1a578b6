//! Says what a step can count on: the values captured before it, and the steps it waits for.

use super::resolve::{Resolver, Scene};
use super::step_order::StepAt;
use super::template::{Capturing, Scope};
use crate::domain::{NodeName, StepId};
use std::collections::{BTreeMap, BTreeSet};

impl Resolver<'_> {
    pub(super) fn scene<'s>(&self, task: usize, step: usize, node: &'s NodeName) -> Scene<'s> {
        let mut done = self.definition.structure.steps().before(task, step);
        let scope = |done: &BTreeSet<StepAt>| Scope::new(self.values.on(node), self.captures(done), self.secrets());
        let before = scope(&done);
        let captures_itself = !self.definition.written.tasks[task].steps[step].captures.is_empty();
        let after = captures_itself.then(|| {
            done.insert((task, step));
            scope(&done)
        });
        Scene { node, before, after }
    }

    fn steps_of(&self, tasks: &BTreeSet<usize>) -> Vec<StepAt> {
        let written = &self.definition.written.tasks;
        tasks
            .iter()
            .flat_map(|task| (0..written[*task].steps.len()).map(|step| (*task, step)))
            .collect()
    }

    pub(super) fn captures_after(&self, task: usize) -> BTreeMap<String, Capturing> {
        let mut tasks = self.definition.structure.tasks_before(task);
        tasks.insert(task);
        self.captures(&self.steps_of(&tasks).into_iter().collect())
    }

    /// Says of every captured value whether one of the steps that are `done` captures it.
    fn captures(&self, done: &BTreeSet<StepAt>) -> BTreeMap<String, Capturing> {
        let mut captures = BTreeMap::new();
        for (task_index, task) in self.definition.written.tasks.iter().enumerate() {
            for (step_index, step) in task.steps.iter().enumerate() {
                for capture in &step.captures {
                    let is_active = !self.active[task_index][step_index].is_empty() || !self.judges;
                    let name = capture.name.get_ref().clone();
                    if done.contains(&(task_index, step_index)) && is_active {
                        captures.insert(name, Capturing::Done { secret: capture.secret });
                    } else {
                        let step = step.id.get_ref().to_string();
                        captures.entry(name).or_insert(Capturing::Later { step });
                    }
                }
            }
        }
        captures
    }

    pub(super) fn secrets(&self) -> BTreeMap<String, bool> {
        let secrets = self.secrets.iter();
        // What is left out needs no secret.
        secrets
            .map(|(name, is_given)| (name.clone(), *is_given || !self.judges))
            .collect()
    }

    /// Returns the steps that a step waits for, none where it begins with its task; where one of them is left out, those that
    /// it waits for.
    pub(super) fn after(&self, task: usize, step: usize) -> Vec<StepId> {
        let order = self.definition.structure.steps();
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut open = order.named(task, step);
        open.reverse();
        while let Some((task, step)) = open.pop() {
            if !seen.insert((task, step)) {
                continue;
            }
            if !self.active[task][step].is_empty() {
                found.push(self.definition.written.tasks[task].steps[step].id.get_ref().clone());
                continue;
            }
            let before = order.named(task, step);
            open.extend(if before.is_empty() {
                order.beginning(task)
            } else {
                before
            });
        }
        found
    }
}
