//! The steps of a plan that have not begun, and which of them wait for nothing any more. What one step costs here does not grow with the
//! number of the others.

use crate::domain::{NodeName, PlannedStep, StepKey};
use std::collections::{BTreeSet, HashMap};

/// Steps that have not begun, in the order of their plan.
#[derive(Debug)]
pub(super) struct Queue {
    /// `None` where it has begun, or never will.
    steps: Vec<Option<PlannedStep>>,
    /// For how many steps each still waits.
    awaited: Vec<usize>,
    /// Which wait for a step.
    waiting: HashMap<StepKey, Vec<usize>>,
    /// Those that wait for none.
    ripe: BTreeSet<usize>,
}

impl Queue {
    /// Takes in all `steps`.
    pub(super) fn new(steps: &[PlannedStep]) -> Self {
        let mut waiting: HashMap<StepKey, Vec<usize>> = HashMap::new();
        for (at, step) in steps.iter().enumerate() {
            for key in &step.after {
                waiting.entry(key.clone()).or_default().push(at);
            }
        }
        let awaited: Vec<usize> = steps.iter().map(|step| step.after.len()).collect();
        let ripe = awaited.iter().enumerate().filter(|(_, awaited)| **awaited == 0);
        Self {
            ripe: ripe.map(|(at, _)| at).collect(),
            steps: steps.iter().cloned().map(Some).collect(),
            awaited,
            waiting,
        }
    }

    /// Notes that `key` has ended, however it did.
    pub(super) fn note_end(&mut self, key: &StepKey) {
        for at in self.waiting.remove(key).unwrap_or_default() {
            let Some(awaited) = self.awaited.get_mut(at) else {
                continue;
            };
            *awaited = awaited.saturating_sub(1);
            if *awaited == 0 {
                self.ripe.insert(at);
            }
        }
    }

    /// Returns where the steps stand that wait for nothing.
    pub(super) fn ripe(&self) -> Vec<usize> {
        self.ripe.iter().copied().collect()
    }

    /// Returns the step at `at`; `None` where it has left.
    pub(super) fn get(&self, at: usize) -> Option<&PlannedStep> {
        self.steps.get(at)?.as_ref()
    }

    /// Takes the step at `at` out.
    pub(super) fn take(&mut self, at: usize) -> Option<PlannedStep> {
        self.ripe.remove(&at);
        self.steps.get_mut(at)?.take()
    }

    /// Takes out all steps of `node`.
    pub(super) fn take_node(&mut self, node: &NodeName) -> Vec<PlannedStep> {
        let is_there = |step: &Option<PlannedStep>| step.as_ref().is_some_and(|step| step.key.node == *node);
        let found: Vec<usize> = (0..self.steps.len()).filter(|at| is_there(&self.steps[*at])).collect();
        found.into_iter().filter_map(|at| self.take(at)).collect()
    }

    /// Takes out all that is left.
    pub(super) fn take_all(&mut self) -> Vec<PlannedStep> {
        self.ripe.clear();
        self.steps.iter_mut().filter_map(Option::take).collect()
    }
}
