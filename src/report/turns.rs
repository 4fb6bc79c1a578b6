//! Tells of steps that run ahead of their task when the task's turn has come, so that a run reads in the order of its tasks.
//! What failed is told at once.

use super::story::Happening;
use crate::domain::{PlannedStep, StepKey, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is not told yet.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// The tasks of which a step was told that does not run ahead.
    begun: BTreeSet<TaskId>,
    waiting: Vec<Waiting>,
    /// How many lines of output each step has waiting, and how many were left out.
    lines: BTreeMap<StepKey, (usize, usize)>,
}

/// How many lines of output of a step wait at the most.
const WAITING_LINES: usize = 1000;

#[derive(Debug)]
struct Waiting {
    task: TaskId,
    step: StepKey,
    happening: Happening,
}

impl Turns {
    /// Takes in what happened to one of `steps`, or to the run, and returns what is to be told now.
    pub(crate) fn take(&mut self, happening: Happening, steps: &BTreeMap<StepKey, Arc<PlannedStep>>) -> Vec<Happening> {
        let step = match &happening {
            Happening::StepBegan(step) => Some(step),
            Happening::StepEnded(ended, _) => Some(&ended.step),
            Happening::Output(key, _) => steps.get(key),
            Happening::Finished => {
                let mut told = self.rest();
                told.push(happening);
                return told;
            }
            Happening::Began | Happening::Undone(..) | Happening::Told(_) => None,
        };
        match step.cloned() {
            Some(step) => self.take_of_step(&step, happening),
            None => vec![happening],
        }
    }

    fn take_of_step(&mut self, step: &PlannedStep, happening: Happening) -> Vec<Happening> {
        if !step.ahead && self.begun.insert(step.task.clone()) {
            let mut told = self.release(|waiting| waiting.task == step.task);
            told.push(happening);
            return told;
        }
        if !step.ahead || self.begun.contains(&step.task) {
            return vec![happening];
        }
        let failed = matches!(&happening, Happening::StepEnded(ended, _) if !ended.outcome.lets_others_go_on());
        self.hold(step, happening);
        if failed {
            self.release(|waiting| waiting.step == step.key)
        } else {
            Vec::new()
        }
    }

    /// Keeps `happening` of `step` for later; of much output its beginning, and how much more there was.
    fn hold(&mut self, step: &PlannedStep, mut happening: Happening) {
        if let Happening::Output(_, lines) = &mut happening {
            let (waiting, left_out) = self.lines.entry(step.key.clone()).or_default();
            let room = WAITING_LINES - *waiting;
            *left_out += lines.len().saturating_sub(room);
            lines.truncate(room);
            *waiting += lines.len();
            if lines.is_empty() {
                return;
            }
        }
        self.waiting.push(Waiting {
            task: step.task.clone(),
            step: step.key.clone(),
            happening,
        });
    }

    /// Returns all that is not told yet, as the run has ended.
    fn rest(&mut self) -> Vec<Happening> {
        let mut told = Vec::new();
        while let Some(task) = self.waiting.first().map(|first| first.task.clone()) {
            told.extend(self.release(|waiting| waiting.task == task));
        }
        told
    }

    fn release(&mut self, is_released: impl Fn(&Waiting) -> bool) -> Vec<Happening> {
        let waiting = std::mem::take(&mut self.waiting);
        let (released, left): (Vec<Waiting>, Vec<Waiting>) = waiting.into_iter().partition(is_released);
        self.waiting = left;
        let mut told = Vec::new();
        // Backwards: what was left out of a step's output stands behind the last of it.
        for Waiting { step, happening, .. } in released.into_iter().rev() {
            if matches!(happening, Happening::Output(..))
                && let Some((_, left_out @ 1..)) = self.lines.remove(&step)
            {
                let note = format!("({left_out} more lines; all are in its file)");
                told.push(Happening::Output(step, vec![note]));
            }
            told.push(happening);
        }
        told.reverse();
        told
    }
}
