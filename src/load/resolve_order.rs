//! Says what a step can count on: the values captured before it, and the steps it waits for.

use super::resolve::{Resolver, Scene};
use super::template::{Capturing, Scope};
use crate::domain::{NodeName, StepId};
use std::collections::{BTreeMap, BTreeSet};

impl Resolver<'_> {
    pub(super) fn scene<'s>(&self, task: usize, step: usize, node: &'s NodeName) -> Scene<'s> {
        let structure = &self.definition.structure;
        let mut done: BTreeSet<(usize, usize)> = structure
            .steps_before(task, step)
            .into_iter()
            .map(|other| (task, other))
            .collect();
        done.extend(self.steps_of(&structure.tasks_before(task)));
        let scope =
            |done: &BTreeSet<(usize, usize)>| Scope::new(self.values.on(node), self.captures(done), self.secrets());
        let before = scope(&done);
        let captures_itself = !self.definition.written.tasks[task].steps[step].captures.is_empty();
        let after = captures_itself.then(|| {
            done.insert((task, step));
            scope(&done)
        });
        Scene { node, before, after }
    }

    fn steps_of(&self, tasks: &BTreeSet<usize>) -> Vec<(usize, usize)> {
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
    fn captures(&self, done: &BTreeSet<(usize, usize)>) -> BTreeMap<String, Capturing> {
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

    /// Returns the steps that a step waits for; where one of them is left out, those that it waits for.
    pub(super) fn after(&self, task: usize, step: usize) -> Vec<StepId> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut open = self.waits_for(task, step);
        open.reverse();
        while let Some((task, step)) = open.pop() {
            if !seen.insert((task, step)) {
                continue;
            }
            if self.active[task][step].is_empty() {
                open.extend(self.waits_for(task, step));
            } else {
                found.push(self.definition.written.tasks[task].steps[step].id.get_ref().clone());
            }
        }
        found
    }

    fn waits_for(&self, task: usize, step: usize) -> Vec<(usize, usize)> {
        let tasks = &self.definition.written.tasks;
        let Some(after) = &tasks[task].steps[step].after else {
            return step.checked_sub(1).map(|before| (task, before)).into_iter().collect();
        };
        let position = |id: &StepId| {
            tasks.iter().enumerate().find_map(|(task, written)| {
                let step = written.steps.iter().position(|step| step.id.get_ref() == id)?;
                Some((task, step))
            })
        };
        after.iter().filter_map(|id| position(id.get_ref())).collect()
    }
}
