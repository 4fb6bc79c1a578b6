//! Judges what the verifications of a lab stand on: that it is there, looked at no later, and in no circle.

use super::faults::Faults;
use super::graph::{Graph, positions};
use super::structure::circle;
use super::suggest;
use super::written::{WrittenLab, WrittenVerification};
use crate::domain::StepId;
use std::collections::BTreeSet;
use toml::Spanned;

/// The verifications of a lab, each with its task's position in the file.
struct Looks<'a> {
    all: Vec<(usize, &'a WrittenVerification)>,
    /// The place of each task in the order in which tasks come.
    turns: Vec<usize>,
}

/// Judges the `needs` of the verifications of `lab`, whose tasks come in `order`.
pub(super) fn examine_verifications(lab: &WrittenLab, order: &[usize], faults: &mut Faults) {
    let tasks = lab.tasks.iter().enumerate();
    let mut turns = vec![0; lab.tasks.len()];
    for (turn, task) in order.iter().enumerate() {
        turns[*task] = turn;
    }
    let looks = Looks {
        all: tasks
            .flat_map(|(task, written)| written.verify.iter().map(move |look| (task, look)))
            .collect(),
        turns,
    };
    let index = positions(looks.all.iter().map(|(_, look)| look.id.get_ref().as_str()));
    let mut edges = Vec::new();
    for (task, look) in &looks.all {
        let mut stands_on = Vec::new();
        for need in &look.needs {
            match index.get(need.get_ref().as_str()) {
                Some(found) if looks.turns[looks.all[*found].0] <= looks.turns[*task] => stands_on.push(*found),
                Some(found) => refuse_later(lab, need, looks.all[*found].0, faults),
                None => refuse_unknown(lab, need, faults),
            }
        }
        edges.push(stands_on);
    }
    for cycle in Graph::new(edges).cycles() {
        refuse_cycle(&cycle, &looks, faults);
    }
}

fn refuse_unknown(lab: &WrittenLab, need: &Spanned<StepId>, faults: &mut Faults) {
    let name = need.get_ref();
    let mut steps = lab.tasks.iter().flat_map(|task| &task.steps);
    let is_step = steps.any(|step| step.id.get_ref() == name);
    let label = if is_step {
        "that is a step, which is done and not looked at"
    } else {
        "not a verification of this lab"
    };
    let mut fault = faults
        .fault(need.span(), format!("there is no verification `{name}` to stand on"))
        .label(label);
    let looks = lab.tasks.iter().flat_map(|task| &task.verify);
    fault.hint = suggest::hint(name.as_str(), looks.map(|look| look.id.get_ref().as_str()));
    faults.push(fault);
}

fn refuse_later(lab: &WrittenLab, need: &Spanned<StepId>, task: usize, faults: &mut Faults) {
    let (name, later) = (need.get_ref(), lab.tasks[task].id.get_ref());
    let fault = faults
        .fault(
            need.span(),
            format!("the verification `{name}` belongs to `{later}`, which comes after this task"),
        )
        .hint(format!("let the one of `{later}` need this one instead"));
    faults.push(fault);
}

fn refuse_cycle(cycle: &[usize], looks: &Looks<'_>, faults: &mut Faults) {
    let written = |at: usize| looks.all[at].1;
    let names: Vec<&str> = cycle.iter().map(|at| written(*at).id.get_ref().as_str()).collect();
    let in_circle: BTreeSet<&str> = names.iter().copied().collect();
    let mut closing = cycle.iter().flat_map(|at| &written(*at).needs);
    let closing = closing.rfind(|need| in_circle.contains(need.get_ref().as_str()));
    let place = closing.map_or(0..0, Spanned::span);
    let fault = faults
        .fault(
            place,
            format!("these verifications need each other: {}", circle(&names)),
        )
        .label("this closes the circle");
    faults.push(fault);
}
