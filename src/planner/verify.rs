//! The plan of `verify`: checks that only look, all independent of each other.

use super::selection::{PlanError, find_task};
use crate::domain::{Action, Environment, Lab, Plan, PlannedStep, StepKey, Task, Verb, Verification, WhenDone, Work};
use std::collections::BTreeMap;
use std::time::Duration;

/// Plans the looking-only checks of the tasks called `names`, of all tasks where there is none.
pub fn plan_verify(lab: &Lab, names: &[String]) -> Result<Plan, PlanError> {
    let tasks: Vec<&Task> = if names.is_empty() {
        lab.tasks.iter().collect()
    } else {
        names
            .iter()
            .map(|name| find_task(&lab.into(), name).map(|index| &lab.tasks[index]))
            .collect::<Result<_, _>>()?
    };
    let steps: Vec<PlannedStep> = tasks
        .iter()
        .flat_map(|task| {
            task.verify
                .iter()
                .filter(|look| !look.check.only_in_run)
                .map(|look| planned(task, look))
        })
        .collect();
    if steps.is_empty() {
        return Err(nothing_to_check(&lab.id, names));
    }
    Ok(Plan {
        verb: Verb::Verify,
        lab: lab.id.clone(),
        lab_title: lab.title.clone(),
        steps,
        links: Vec::new(),
    })
}

/// Makes the error for the tasks called `names`, all of `lab` where there is none, having nothing to look at.
pub fn nothing_to_check(lab: &str, names: &[String]) -> PlanError {
    let what = if names.is_empty() {
        format!("lab {lab}")
    } else {
        names.join(", ")
    };
    PlanError::NothingToCheck { what }
}

fn planned(task: &Task, look: &Verification) -> PlannedStep {
    // Verify asks what holds now: an instructor does not wait for it to become true.
    let check = crate::domain::Check {
        within: Duration::ZERO,
        ..look.check.clone()
    };
    PlannedStep {
        key: StepKey {
            step: look.id.clone(),
            node: look.node.clone(),
        },
        task: task.id.clone(),
        task_title: task.title.clone(),
        title: look.title.clone(),
        work: Work::Action(Action::Wait),
        environment: Environment::new(),
        as_root: false,
        timeout: Duration::ZERO,
        captures: Vec::new(),
        checks: vec![check],
        undo: Vec::new(),
        undo_elsewhere: BTreeMap::new(),
        when_done: WhenDone::Repeat,
        after: Vec::new(),
    }
}
