//! The plan of `cleanup`: from the state alone, without the lab file.
//!
//! Undo is planned, not replayed: on each node the author's commands first, then containers, images, files, the engine's
//! options with one restart, directories, each phase in the reverse order of the steps that owe it, and at last the comparison with the baseline. The nodes are
//! independent of each other.

use crate::domain::{
    Environment, NodeName, Plan, PlannedStep, State, StepId, StepKey, TaskId, Undo, UndoPhase, Verb, WhenDone, Work,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long one phase of undo may take on a node.
const PHASE_DEADLINE: Duration = Duration::from_secs(180);

/// How long clearing a node may take: an engine's restart is part of it, and an engine may have many images.
const CLEARING_DEADLINE: Duration = Duration::from_secs(600);

/// Returns what a person reads for `phase`; `None` stands for the comparison with the baseline.
pub fn cleanup_step_title(phase: Option<UndoPhase>) -> &'static str {
    match phase {
        Some(UndoPhase::Commands) => "undo what commands did",
        Some(UndoPhase::Containers) => "remove containers, networks and volumes",
        Some(UndoPhase::Images) => "remove images",
        Some(UndoPhase::Files) => "put files back",
        Some(UndoPhase::Engine) => "give the engine its own options back",
        Some(UndoPhase::Directories) => "remove directories",
        None => "compare with the baseline",
    }
}

fn step_name(phase: Option<UndoPhase>) -> &'static str {
    match phase {
        Some(UndoPhase::Commands) => "undo-commands",
        Some(UndoPhase::Containers) => "undo-containers",
        Some(UndoPhase::Images) => "undo-images",
        Some(UndoPhase::Files) => "undo-files",
        Some(UndoPhase::Engine) => "undo-engine-options",
        Some(UndoPhase::Directories) => "undo-directories",
        None => "compare-baseline",
    }
}

/// Plans everything that `state` still owes.
pub fn plan_cleanup(state: &State) -> Plan {
    let mut steps = Vec::new();
    for node in state.baselines.keys() {
        let owed = state.owed.get(node).map(Vec::as_slice).unwrap_or_default();
        steps.extend(plan_node(node, owed));
    }
    keep_records_until_read(state, &mut steps);
    let (lab, lab_title) = match &state.plan {
        Some(plan) => (plan.lab.clone(), plan.lab_title.clone()),
        None => (String::new(), String::new()),
    };
    Plan {
        verb: Verb::Cleanup,
        lab,
        lab_title,
        steps,
        links: Vec::new(),
        in_part: Default::default(),
        hosts: Vec::new(),
        host_lines: state.host_lines.iter().cloned().collect(),
        verifiable: state.plan.as_ref().is_none_or(|plan| plan.verifiable),
    }
}

/// Lets a node that has records of what its commands made on other nodes be let go of only after those.
fn keep_records_until_read(state: &State, steps: &mut [PlannedStep]) {
    let all: Vec<StepKey> = steps.iter().map(|step| step.key.clone()).collect();
    let comparisons = steps.iter_mut().filter(|step| step.work == Work::CompareBaseline);
    for comparison in comparisons {
        let own = comparison.key.clone();
        let readers = state.readers_of(&own.node);
        // A comparison asks for those records as well. Nodes that have records for each other cannot both be last.
        let waits_for = |key: &&StepKey| {
            let is_last_itself = key.step == own.step && !state.readers_of(&key.node).is_empty();
            readers.contains(&key.node) && !is_last_itself
        };
        comparison.after.extend(all.iter().filter(waits_for).cloned());
    }
}

/// Adds to the cleanup `plan` that every one of `nodes` is cleared of all that Docker has there, once what is the lab's was taken back.
pub fn clear_everything<'a>(plan: &mut Plan, nodes: impl IntoIterator<Item = &'a NodeName>) {
    let (Ok(id), Ok(task)) = (StepId::new("clear-node"), TaskId::new("everything")) else {
        return;
    };
    for node in nodes {
        let of_node = plan.steps.iter().filter(|step| step.key.node == *node);
        let after = of_node.map(|step| step.key.clone()).collect();
        let key = StepKey {
            step: id.clone(),
            node: node.clone(),
        };
        let mut step = step(key, task.clone(), Work::Clear, after);
        step.task_title = "Everything, whoever made it".to_owned();
        step.title = "remove all containers and images, and the engine's options".to_owned();
        step.timeout = CLEARING_DEADLINE;
        plan.steps.push(step);
    }
}

fn plan_node(node: &NodeName, owed: &[Undo]) -> Vec<PlannedStep> {
    let mut by_phase: BTreeMap<UndoPhase, Vec<Undo>> = BTreeMap::new();
    for undo in owed.iter().rev() {
        by_phase.entry(undo.phase()).or_default().push(undo.clone());
    }
    if let Some(directories) = by_phase.get_mut(&UndoPhase::Directories) {
        // Several steps may have made parts of one directory: whether it is empty shows after all of them. What another has made in it
        // begins further down.
        directories.sort_by_key(|undo| match undo {
            Undo::RemoveEmptyDirectories { topmost, .. } => (1, std::cmp::Reverse(topmost.len())),
            _ => (0, std::cmp::Reverse(0)),
        });
    }
    let phases = by_phase
        .into_iter()
        .map(|(phase, undos)| (Some(phase), Work::Undo(undos)));
    let mut steps: Vec<PlannedStep> = Vec::new();
    for (phase, work) in phases.chain(std::iter::once((None, Work::CompareBaseline))) {
        let after = steps.last().map(|step| step.key.clone()).into_iter().collect();
        let (Ok(step), Ok(task)) = (StepId::new(step_name(phase)), TaskId::new("cleanup")) else {
            continue;
        };
        let key = StepKey {
            step,
            node: node.clone(),
        };
        let mut step = self::step(key, task, work, after);
        step.title = cleanup_step_title(phase).to_owned();
        steps.push(step);
    }
    steps
}

/// Returns a step of a cleanup that does `work`.
fn step(key: StepKey, task: TaskId, work: Work, after: Vec<StepKey>) -> PlannedStep {
    PlannedStep {
        key,
        task,
        task_title: "Cleanup".to_owned(),
        title: String::new(),
        work,
        environment: Environment::new(),
        as_root: true,
        timeout: PHASE_DEADLINE,
        captures: Vec::new(),
        checks: Vec::new(),
        undo: Vec::new(),
        undo_elsewhere: BTreeMap::new(),
        when_done: WhenDone::Repeat,
        after,
        ahead: false,
        stands_on: Vec::new(),
    }
}
