//! The plan of `verify`: checks that only look, and what each of them stands on; nothing waits for anything.

use super::selection::{PlanError, find_task};
use crate::domain::{Action, Environment, Lab, Plan, PlannedStep, StepKey, Task, Verb, Verification, WhenDone, Work};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Plans the looking-only checks of the tasks called `names`, of all tasks where there is none, and what these stand on;
/// in the lab's order, and each once.
pub fn plan_verify(lab: &Lab, names: &[String]) -> Result<Plan, PlanError> {
    let mut meant = BTreeSet::new();
    for name in names {
        meant.insert(find_task(&lab.into(), name)?);
    }
    let steps = looking_steps(lab, |index| names.is_empty() || meant.contains(&index));
    if steps.is_empty() {
        return Err(nothing_to_check(&lab.id, names));
    }
    Ok(Plan {
        verb: Verb::Verify,
        lab: lab.id.clone(),
        lab_title: lab.title.clone(),
        steps,
        links: Vec::new(),
        in_part: Default::default(),
        hosts: Vec::new(),
        host_lines: Vec::new(),
        verifiable: true,
    })
}

/// Plans the looking-only checks of the tasks of `lab` that `is_meant` accepts by their positions, and what these stand on.
pub(super) fn looking_steps(lab: &Lab, is_meant: impl Fn(usize) -> bool) -> Vec<PlannedStep> {
    let looks: Vec<Look<'_>> = lab.tasks.iter().enumerate().flat_map(looks_of).collect();
    let chosen: Vec<usize> = (0..looks.len()).filter(|at| is_meant(looks[*at].task_index)).collect();
    let stands_on: Vec<Vec<usize>> = looks.iter().map(|look| stands_on(look, &looks)).collect();
    let wanted = with_what_they_stand_on(chosen, &stands_on);
    let steps = wanted.into_iter().map(|at| {
        let keys = stands_on[at].iter().map(|other| looks[*other].key());
        planned(&looks[at], keys.collect())
    });
    steps.collect()
}

/// A verification on one of its nodes.
#[derive(Clone, Copy)]
struct Look<'a> {
    task_index: usize,
    task: &'a Task,
    verification: &'a Verification,
}

impl Look<'_> {
    fn key(&self) -> StepKey {
        StepKey {
            step: self.verification.id.clone(),
            node: self.verification.node.clone(),
        }
    }
}

fn looks_of((task_index, task): (usize, &Task)) -> impl Iterator<Item = Look<'_>> {
    let only_looks = task.verify.iter().filter(|look| !look.check.only_in_run);
    only_looks.map(move |verification| Look {
        task_index,
        task,
        verification,
    })
}

/// Returns the positions among `all` of what `look` stands on: on its own node where that is looked at there, else on all
/// of its nodes.
fn stands_on(look: &Look<'_>, all: &[Look<'_>]) -> Vec<usize> {
    let mut found = Vec::new();
    for need in &look.verification.needs {
        let on_nodes = (0..all.len()).filter(|at| all[*at].verification.id == *need);
        let on_nodes: Vec<usize> = on_nodes.collect();
        let here = on_nodes
            .iter()
            .find(|at| all[**at].verification.node == look.verification.node);
        match here {
            Some(at) => found.push(*at),
            None => found.extend(on_nodes),
        }
    }
    found
}

fn with_what_they_stand_on(chosen: Vec<usize>, stands_on: &[Vec<usize>]) -> BTreeSet<usize> {
    let mut wanted = BTreeSet::new();
    let mut open = chosen;
    while let Some(at) = open.pop() {
        if wanted.insert(at) {
            open.extend(&stands_on[at]);
        }
    }
    wanted
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

fn planned(look: &Look<'_>, stands_on: Vec<StepKey>) -> PlannedStep {
    let Look { task, verification, .. } = look;
    // Verify asks what holds now: an instructor does not wait for it to become true.
    let check = crate::domain::Check {
        within: Duration::ZERO,
        ..verification.check.clone()
    };
    PlannedStep {
        key: look.key(),
        task: task.id.clone(),
        task_title: task.title.clone(),
        title: verification.title.clone(),
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
        ahead: false,
        stands_on,
    }
}
