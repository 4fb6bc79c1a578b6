//! Judges a lab as a whole: names that are used twice or not at all, what waits for what, nodes that do not exist.

use super::faults::Faults;
use super::graph::{Graph, positions};
use super::selection::selected;
use super::step_order::StepOrder;
use super::suggest;
use super::verifications::examine_verifications;
use super::written::{WrittenCheck, WrittenCheckKind, WrittenLab, WrittenTask};
use crate::domain::{LEFT_OUT, NodeName, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use toml::Spanned;

/// What waits for what in a lab, by the positions of tasks and steps in the file.
#[derive(Debug, Default)]
pub(super) struct Structure {
    needs: Graph,
    /// What tasks need, and what they come after where that runs too.
    order: Graph,
    steps: StepOrder,
}

impl Structure {
    /// Returns the tasks in an order in which each comes after what it waits for; those that wait for each other come last.
    pub(super) fn task_order(&self) -> Vec<usize> {
        self.order.complete_order()
    }

    /// Returns the tasks that are done before `task` for certain, as it needs them.
    pub(super) fn tasks_before(&self, task: usize) -> BTreeSet<usize> {
        self.needs.ancestors(task)
    }

    /// Says what steps wait for.
    pub(super) fn steps(&self) -> &StepOrder {
        &self.steps
    }
}

/// Judges `lab` as a whole.
pub(super) fn examine(lab: &WrittenLab, faults: &mut Faults) -> Structure {
    refuse_duplicates(
        "node",
        lab.nodes.iter().map(|node| (node.get_ref().as_str(), node.span())),
        faults,
    );
    let task_ids = lab
        .tasks
        .iter()
        .map(|task| (task.id.get_ref().as_str(), task.id.span()));
    refuse_duplicates("task", task_ids, faults);
    refuse_duplicates("step or verification", step_ids(lab), faults);
    let needs = task_graph(lab, |task| task.needs.iter().collect(), faults);
    let order = task_graph(lab, |task| task.after.iter().collect(), faults).joined(&needs);
    refuse_task_cycles(lab, &order, faults);
    let steps = StepOrder::examine(lab, &needs, &order, faults);
    let structure = Structure { needs, order, steps };
    examine_captures(lab, faults);
    examine_verifications(lab, &structure.task_order(), faults);
    let nodes: Vec<NodeName> = lab.nodes.iter().map(|node| node.get_ref().clone()).collect();
    for task in &lab.tasks {
        examine_task(lab, task, &nodes, faults);
    }
    structure
}

fn step_ids(lab: &WrittenLab) -> impl Iterator<Item = (&str, Range<usize>)> {
    lab.tasks.iter().flat_map(|task| {
        let steps = task.steps.iter().map(|step| &step.id);
        let verifications = task.verify.iter().map(|verification| &verification.id);
        steps.chain(verifications).map(|id| (id.get_ref().as_str(), id.span()))
    })
}

fn refuse_duplicates<'a>(what: &str, names: impl Iterator<Item = (&'a str, Range<usize>)>, faults: &mut Faults) {
    let mut seen = BTreeMap::new();
    for (name, place) in names {
        let first: &mut Range<usize> = seen.entry(name).or_insert_with(|| place.clone());
        if *first != place {
            let text = &faults.source().text;
            let line = 1 + text.get(..first.start).unwrap_or_default().matches('\n').count();
            let fault = faults
                .fault(place, format!("a second {what} is called `{name}`"))
                .label(format!("the first is in line {line}"));
            faults.push(fault);
        }
    }
}

fn unknown_task(task: &Spanned<TaskId>, lab: &WrittenLab, faults: &mut Faults) {
    let name = task.get_ref().as_str();
    let mut fault = faults
        .fault(task.span(), format!("there is no task `{name}`"))
        .label("not a task of this lab");
    fault.hint = suggest::hint(name, lab.tasks.iter().map(|task| task.id.get_ref().as_str()));
    faults.push(fault);
}

/// Draws the edges from each task to the tasks of `names`.
fn task_graph(lab: &WrittenLab, names: impl Fn(&WrittenTask) -> Vec<&Spanned<TaskId>>, faults: &mut Faults) -> Graph {
    let index = positions(lab.tasks.iter().map(|task| task.id.get_ref().as_str()));
    let mut edges = Vec::new();
    for task in &lab.tasks {
        let mut before = Vec::new();
        for name in names(task) {
            match index.get(name.get_ref().as_str()) {
                Some(position) => before.push(*position),
                None => unknown_task(name, lab, faults),
            }
        }
        edges.push(before);
    }
    Graph::new(edges)
}

fn refuse_task_cycles(lab: &WrittenLab, order: &Graph, faults: &mut Faults) {
    for cycle in order.cycles() {
        let names: Vec<&str> = cycle
            .iter()
            .map(|task| lab.tasks[*task].id.get_ref().as_str())
            .collect();
        let place = cycle
            .iter()
            .flat_map(|task| lab.tasks[*task].needs.iter().chain(&lab.tasks[*task].after))
            .find(|other| names.contains(&other.get_ref().as_str()));
        let place = place.map_or(0..0, Spanned::span);
        faults.push(faults.fault(place, format!("these tasks need each other: {}", circle(&names))));
    }
}

pub(super) fn circle(names: &[&str]) -> String {
    let mut names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.extend(names.first().cloned());
    names.join(" needs ")
}

fn examine_captures(lab: &WrittenLab, faults: &mut Faults) {
    let mut seen: BTreeMap<&str, bool> = BTreeMap::new();
    for step in lab.tasks.iter().flat_map(|task| &task.steps) {
        for capture in &step.captures {
            let name = capture.name.get_ref();
            if lab.secrets.iter().any(|secret| secret.name.get_ref() == name) {
                faults.push(faults.fault(capture.name.span(), format!("`{name}` is a secret of the lab already")));
            }
            let is_optional = step.when.is_some();
            // Two steps of which only one is done may capture the same value.
            if seen
                .insert(capture.name.get_ref(), is_optional)
                .is_some_and(|other| !other || !is_optional)
            {
                let message = format!("`{}` is captured by two steps", capture.name.get_ref());
                let fault = faults.fault(capture.name.span(), message);
                faults.push(fault.hint("give it another name, or both steps a `when` so that only one is done"));
            }
        }
    }
}

fn examine_task(lab: &WrittenLab, task: &WrittenTask, nodes: &[NodeName], faults: &mut Faults) {
    if task.id.get_ref().as_str() == LEFT_OUT {
        let fault = faults.fault(
            task.id.span(),
            format!("`{LEFT_OUT}` is what labctl calls the tasks that a run leaves out"),
        );
        faults.push(fault.hint("give the task another id"));
    }
    let links = task.links.iter().filter_map(|link| link.superseded_by.as_ref());
    for other in task.superseded_by.iter().chain(links) {
        refuse_unknown_task(other, lab, faults);
    }
    for step in &task.steps {
        examine_selectors(&step.on, nodes, faults);
        for undo in &step.undo {
            examine_selectors(&undo.on, nodes, faults);
        }
        let has_output = step
            .action
            .as_ref()
            .is_none_or(super::written::WrittenAction::has_output);
        for check in &step.expect {
            examine_check(lab, check, nodes, faults);
            refuse_check_of_command(check, has_output, faults);
        }
    }
    for verification in &task.verify {
        examine_selectors(&verification.on, nodes, faults);
        if let Some(check) = &verification.check {
            examine_check(lab, check, nodes, faults);
            refuse_check_of_command(check, false, faults);
        }
    }
}

fn examine_selectors(selectors: &[Spanned<String>], nodes: &[NodeName], faults: &mut Faults) {
    for selector in selectors {
        if !selected(selector.get_ref(), nodes, None).is_empty() {
            continue;
        }
        let mut fault = faults
            .fault(
                selector.span(),
                format!("`{}` is no node of this lab", selector.get_ref()),
            )
            .label("not among `nodes` of `[lab]`");
        fault.hint = suggest::hint(selector.get_ref(), nodes.iter().map(NodeName::as_str));
        faults.push(fault);
    }
}

fn examine_check(lab: &WrittenLab, check: &WrittenCheck, nodes: &[NodeName], faults: &mut Faults) {
    if let Some(on) = &check.on {
        refuse_unknown_node(on, nodes, faults);
    }
    match &check.kind {
        Some(WrittenCheckKind::Captured(name)) => examine_captured(lab, name, faults),
        Some(WrittenCheckKind::Swarm { nodes: wanted, .. }) => {
            for node in wanted {
                refuse_unknown_node(&node.node, nodes, faults);
            }
        }
        _ => {}
    }
    if let Some(superseded) = &check.superseded_by {
        refuse_unknown_task(&superseded.task, lab, faults);
        for node in &superseded.on {
            refuse_unknown_node(node, nodes, faults);
        }
    }
}

fn refuse_unknown_task(other: &Spanned<TaskId>, lab: &WrittenLab, faults: &mut Faults) {
    if !lab.tasks.iter().any(|task| task.id.get_ref() == other.get_ref()) {
        unknown_task(other, lab, faults);
    }
}

fn refuse_unknown_node(node: &Spanned<NodeName>, nodes: &[NodeName], faults: &mut Faults) {
    if nodes.contains(node.get_ref()) {
        return;
    }
    let mut fault = faults
        .fault(node.span(), format!("`{}` is no node of this lab", node.get_ref()))
        .label("not among `nodes` of `[lab]`");
    fault.hint = suggest::hint(node.get_ref().as_str(), nodes.iter().map(NodeName::as_str));
    faults.push(fault);
}

fn examine_captured(lab: &WrittenLab, name: &Spanned<String>, faults: &mut Faults) {
    let steps = lab.tasks.iter().flat_map(|task| &task.steps);
    let known: Vec<&str> = steps
        .flat_map(|step| &step.captures)
        .map(|capture| capture.name.get_ref().as_str())
        .collect();
    if known.contains(&name.get_ref().as_str()) {
        return;
    }
    let mut fault = faults.fault(name.span(), format!("no step captures `{}`", name.get_ref()));
    fault.hint = suggest::hint(name.get_ref(), known);
    faults.push(fault);
}

fn refuse_check_of_command(check: &WrittenCheck, has_output: bool, faults: &mut Faults) {
    let judges_the_command = matches!(
        check.kind,
        Some(WrittenCheckKind::Exit(_) | WrittenCheckKind::Stdout(_) | WrittenCheckKind::Stderr(_))
    );
    if !judges_the_command {
        return;
    }
    if !has_output {
        let fault = faults
            .fault(
                check.place.clone(),
                "there is no command here whose status or output could be judged",
            )
            .hint("use a `command` check, which brings its own command");
        faults.push(fault);
    }
    if check.on.is_some() || check.within.is_some() {
        let fault = faults
            .fault(check.place.clone(), "a command is judged once, where it ran")
            .label("`on` and `within` have no meaning here");
        faults.push(fault);
    }
}
