//! The plan of `run`.

use super::left_out::prepend_what_is_left_out;
use super::order::{Order, keys, mark_steps_ahead};
use super::selection::{PlanError, Range, Selection, find_task, range};
use crate::domain::{
    Check, Environment, HostWork, Lab, NodeName, Plan, PlannedHost, PlannedLink, PlannedStep, State, Step, StepId,
    StepKey, StepOnNode, Task, TaskId, Verb, WhenDone, Work,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a reset may take: an engine's restart is part of it.
const RESET_DEADLINE: Duration = Duration::from_secs(120);

/// Plans the steps of `lab` that `selection` asks for and that `state` does not show as done where they are only needed
/// by others.
pub fn plan_run(lab: &Lab, state: &State, selection: &Selection) -> Result<Plan, PlanError> {
    let wanted = wanted_tasks(lab, state, selection)?;
    let range = range(&lab.into(), selection)?;
    let chosen = chosen(lab, &wanted, &range);
    let with_steps: BTreeSet<TaskId> = chosen
        .iter()
        .filter(|(_, step)| !step.on.is_empty())
        .map(|(task, _)| task.id.clone())
        .collect();
    let order = Order::new(lab, chosen.iter().map(|(_, step)| *step));
    let mut steps: Vec<PlannedStep> = Vec::new();
    for (task, step) in &chosen {
        let after = order.waits_for(task, step);
        steps.extend(step.on.iter().map(|on| planned(task, step, on, after.clone())));
    }
    mark_steps_ahead(lab, &mut steps);
    if let (Some(_), Some((first, _))) = (&selection.from, chosen.first()) {
        prepend_what_is_left_out(lab, first, &with_steps, |task| has_passed(task, state), &mut steps);
    }
    if selection.reset_nodes {
        prepend_resets(lab, &mut steps);
    }
    if steps.iter().all(|step| step.checks.is_empty()) {
        return Err(PlanError::NothingToCheck {
            what: format!("what was selected of lab {}", lab.id),
        });
    }
    let links = planned_links(lab, state, &steps);
    let hosts = planned_hosts(lab, &steps);
    Ok(Plan {
        verb: Verb::Run,
        lab: lab.id.clone(),
        lab_title: lab.title.clone(),
        steps,
        links,
        in_part: in_part(lab, &chosen),
        hosts,
        host_lines: Vec::new(),
        verifiable: lab.tasks.iter().any(|task| !task.verify.is_empty()),
    })
}

/// Returns the tasks of which not every step is `chosen`.
fn in_part(lab: &Lab, chosen: &[(&Task, &Step)]) -> BTreeSet<TaskId> {
    let count = |task: &Task| chosen.iter().filter(|(other, _)| other.id == task.id).count();
    let tasks = lab
        .tasks
        .iter()
        .filter(|task| (1..task.steps.len()).contains(&count(task)));
    tasks.map(|task| task.id.clone()).collect()
}

/// Returns what can be opened after `steps`: what a task takes away that is planned too, or was begun before, leads nowhere.
fn planned_links(lab: &Lab, state: &State, steps: &[PlannedStep]) -> Vec<PlannedLink> {
    let is_planned = |task: &TaskId| steps.iter().any(|step| step.task == *task);
    let is_done = |task: &TaskId| is_planned(task) || state.has_begun(task);
    let tasks = lab.tasks.iter().filter(|task| is_planned(&task.id));
    let links = tasks.flat_map(|task| task.links.iter().map(|link| (&task.id, link)));
    links
        .filter(|(_, link)| !link.superseded_by.as_ref().is_some_and(is_done))
        .map(|(task, link)| PlannedLink {
            task: task.clone(),
            label: link.label.clone(),
            address: link.address.clone(),
        })
        .collect()
}

/// Returns the names that are to lead to a node after `steps`.
fn planned_hosts(lab: &Lab, steps: &[PlannedStep]) -> Vec<PlannedHost> {
    let is_planned = |task: &&Task| steps.iter().any(|step| step.task == task.id);
    let of_task = |task: &Task| {
        let hosts = task.hosts.iter().map(|(name, address)| PlannedHost {
            task: task.id.clone(),
            name: name.clone(),
            address: address.clone(),
            work: HostWork::Tell,
        });
        hosts.collect::<Vec<_>>()
    };
    lab.tasks.iter().filter(is_planned).flat_map(of_task).collect()
}

/// Returns the steps that are both wanted and in `range`, in the lab's order.
fn chosen<'a>(lab: &'a Lab, wanted: &[bool], range: &Range) -> Vec<(&'a Task, &'a Step)> {
    let of_task = |(index, task): (usize, &'a Task)| task.steps.iter().map(move |step| (index, task, step));
    let all = lab.tasks.iter().enumerate().flat_map(of_task).enumerate();
    all.filter(|(position, (index, _, _))| wanted[*index] && (range.first..=range.last).contains(position))
        .map(|(_, (_, task, step))| (task, step))
        .collect()
}

fn planned(task: &Task, step: &Step, on: &StepOnNode, after: Vec<StepKey>) -> PlannedStep {
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
        undo_elsewhere: on.undo_elsewhere.clone(),
        when_done: on.when_done,
        after,
        ahead: false,
        stands_on: Vec::new(),
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
            if lab.tasks[index].needs.contains(&task.id) && (only_looks || !has_passed(task, state)) {
                open.push(needed);
            }
        }
    }
    Ok(wanted)
}

/// Says whether every step that `task` has now has passed here, also those that no plan had yet.
fn has_passed(task: &Task, state: &State) -> bool {
    task.steps
        .iter()
        .flat_map(keys)
        .all(|key| matches!(state.steps.get(&key), Some(Some(outcome)) if outcome.lets_others_go_on()))
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
            undo_elsewhere: BTreeMap::new(),
            when_done: WhenDone::Repeat,
            after: Vec::new(),
            ahead: false,
            stands_on: Vec::new(),
        })
        .collect();
    for step in steps.iter_mut() {
        step.after.extend(lab.nodes.iter().map(key));
    }
    steps.splice(0..0, resets);
}
