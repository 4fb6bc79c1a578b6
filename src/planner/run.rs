//! The plan of `run`.

use super::order::{keep_edges_within, waits_for};
use super::selection::{PlanError, Selection, find_task, range};
use crate::domain::{
    Check, Environment, Lab, NodeName, Plan, PlannedLink, PlannedStep, State, Step, StepId, StepKey, StepOnNode, Task,
    TaskId, Verb, WhenDone, Work,
};
use std::time::Duration;

/// How long a reset may take: an engine's restart is part of it.
const RESET_DEADLINE: Duration = Duration::from_secs(120);

/// Plans the steps of `lab` that `selection` asks for and that `state` does not show as done where they are only needed
/// by others.
pub fn plan_run(lab: &Lab, state: &State, selection: &Selection) -> Result<Plan, PlanError> {
    let wanted = wanted_tasks(lab, state, selection)?;
    let range = range(&lab.into(), selection)?;
    let mut steps = Vec::new();
    let mut position = 0;
    for (index, task) in lab.tasks.iter().enumerate() {
        for step in &task.steps {
            if wanted[index] && (range.first..=range.last).contains(&position) {
                steps.extend(step.on.iter().map(|on| planned(lab, task, step, on)));
            }
            position += 1;
        }
    }
    keep_edges_within(&mut steps);
    if selection.reset_nodes {
        prepend_resets(lab, &mut steps);
    }
    if steps.iter().all(|step| step.checks.is_empty()) {
        return Err(PlanError::NothingToCheck {
            what: format!("what was selected of lab {}", lab.id),
        });
    }
    let links = lab
        .tasks
        .iter()
        .filter(|task| steps.iter().any(|step| step.task == task.id))
        .flat_map(|task| {
            task.links.iter().map(|(label, address)| PlannedLink {
                task: task.id.clone(),
                label: label.clone(),
                address: address.clone(),
            })
        })
        .collect();
    Ok(Plan {
        verb: Verb::Run,
        lab: lab.id.clone(),
        lab_title: lab.title.clone(),
        steps,
        links,
    })
}

fn planned(lab: &Lab, task: &Task, step: &Step, on: &StepOnNode) -> PlannedStep {
    PlannedStep {
        key: StepKey {
            step: step.id.clone(),
            node: on.node.clone(),
        },
        task: task.id.clone(),
        task_title: task.title.clone(),
        title: step.title.clone(),
        work: Work::Action(on.action.clone()),
        environment: on.environment.clone(),
        as_root: on.as_root,
        timeout: on.timeout,
        captures: on.captures.clone(),
        checks: on.expect.iter().map(|check| at_home(check, &on.node)).collect(),
        undo: on.undo.clone(),
        when_done: on.when_done,
        after: waits_for(lab, task, step),
    }
}

/// Returns `check` without naming the node it looks at, where that is the step's own: equal steps stay equal.
fn at_home(check: &Check, node: &NodeName) -> Check {
    let on = check.on.clone().filter(|on| on != node);
    Check { on, ..check.clone() }
}

/// Says for each of the lab's tasks whether it belongs to the plan.
fn wanted_tasks(lab: &Lab, state: &State, selection: &Selection) -> Result<Vec<bool>, PlanError> {
    if let Some(name) = &selection.only {
        let only = find_task(&lab.into(), name)?;
        return Ok((0..lab.tasks.len()).map(|index| index == only).collect());
    }
    let Some(name) = &selection.task else {
        return Ok(vec![true; lab.tasks.len()]);
    };
    let mut wanted = vec![false; lab.tasks.len()];
    let mut open = vec![find_task(&lab.into(), name)?];
    while let Some(index) = open.pop() {
        if std::mem::replace(&mut wanted[index], true) {
            continue;
        }
        for (needed, task) in lab.tasks.iter().enumerate() {
            let only_looks = task
                .steps
                .iter()
                .all(|step| step.on.iter().all(|on| !on.action.changes()));
            if lab.tasks[index].needs.contains(&task.id) && (only_looks || !state.task_passed(&task.id)) {
                open.push(needed);
            }
        }
    }
    Ok(wanted)
}

/// Puts a reset of every node before everything else on it.
fn prepend_resets(lab: &Lab, steps: &mut Vec<PlannedStep>) {
    let (Ok(id), Ok(task)) = (StepId::new("reset-nodes"), TaskId::new("reset")) else {
        return;
    };
    let key = |node: &NodeName| StepKey {
        step: id.clone(),
        node: node.clone(),
    };
    let resets: Vec<PlannedStep> = lab
        .nodes
        .iter()
        .map(|node| PlannedStep {
            key: key(node),
            task: task.clone(),
            task_title: "Reset".to_owned(),
            title: "remove running containers and engine options".to_owned(),
            work: Work::Reset,
            environment: Environment::new(),
            as_root: true,
            timeout: RESET_DEADLINE,
            captures: Vec::new(),
            checks: Vec::new(),
            undo: Vec::new(),
            when_done: WhenDone::Repeat,
            after: Vec::new(),
        })
        .collect();
    for step in steps.iter_mut() {
        step.after.extend(lab.nodes.iter().map(key));
    }
    steps.splice(0..0, resets);
}
