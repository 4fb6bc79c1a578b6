//! Limits of a lab's and an inventory's size. They are far above what people write, and keep labctl quick whatever it is given.

use super::faults::Faults;
use super::written::{WrittenLab, WrittenStep};
use crate::domain::{Diagnostic, Inventory};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;

/// The most nodes of a lab.
pub(super) const MOST_NODES: usize = 100;

/// The most nodes of an inventory.
pub(super) const MOST_MACHINES: usize = 1000;

/// The most tasks of a lab.
pub(super) const MOST_TASKS: usize = 200;

/// The most steps and verifications of a lab.
pub(super) const MOST_STEPS: usize = 1000;

/// The most checks of a step, and whatever else it has many of.
pub(super) const MOST_ENTRIES: usize = 200;

/// The longest value of a variable, an image, or of what `values` and `with` give to other texts.
pub(super) const LONGEST_VALUE: usize = 64 * 1024;

/// Judges how large `lab` is. Says whether the rest of it may be judged.
pub(super) fn lab_fits(lab: &WrittenLab, faults: &mut Faults) -> bool {
    let before = faults.count();
    let place = |place: Option<Range<usize>>| place.unwrap_or(0..0);
    let mut refuse = |what: &str, count: usize, most: usize, at: Range<usize>| {
        if count > most {
            let fault = faults.fault(at, format!("a lab has at most {most} {what}, and this one has {count}"));
            faults.push(fault);
        }
    };
    refuse(
        "nodes",
        lab.nodes.len(),
        MOST_NODES,
        place(lab.nodes.get(MOST_NODES).map(Spanned::span)),
    );
    let names = [lab.vars.len(), lab.images.len(), lab.secrets.len(), lab.values.len()];
    refuse(
        "variables, images, secrets and values",
        names.iter().sum(),
        MOST_ENTRIES,
        0..0,
    );
    refuse(
        "tasks",
        lab.tasks.len(),
        MOST_TASKS,
        place(lab.tasks.get(MOST_TASKS).map(|task| task.id.span())),
    );
    let steps = lab.tasks.iter().flat_map(|task| {
        let steps = task.steps.iter().map(|step| step.id.span());
        steps.chain(task.verify.iter().map(|look| look.id.span()))
    });
    let steps: Vec<Range<usize>> = steps.collect();
    refuse(
        "steps and verifications",
        steps.len(),
        MOST_STEPS,
        place(steps.get(MOST_STEPS).cloned()),
    );
    for task in &lab.tasks {
        let of_task = [task.needs.len(), task.after.len(), task.links.len(), task.hosts.len()];
        refuse("names in one list", largest(&of_task), MOST_ENTRIES, task.id.span());
        for step in &task.steps {
            refuse(
                "entries of one kind in a step",
                largest(&of_step(step)),
                MOST_ENTRIES,
                step.id.span(),
            );
        }
        for look in &task.verify {
            refuse(
                "names in one list",
                look.on.len().max(look.needs.len()),
                MOST_ENTRIES,
                look.id.span(),
            );
        }
    }
    faults.count() == before
}

fn of_step(step: &WrittenStep) -> [usize; 5] {
    [
        step.on.len(),
        step.environment.len(),
        step.captures.len(),
        step.expect.len(),
        step.undo.len(),
    ]
}

fn largest(counts: &[usize]) -> usize {
    counts.iter().copied().max().unwrap_or_default()
}

/// Judges the length of the values that `vars` of the command line, `inventory` and `lab` give.
pub(super) fn judge_lengths(
    lab: &WrittenLab,
    inventory: &Inventory,
    vars: &BTreeMap<String, String>,
    faults: &mut Faults,
) {
    let given = inventory.nodes.iter().map(|node| &node.vars);
    let given = given.chain([vars, &inventory.vars, &inventory.images]).flatten();
    let defaults = lab.vars.iter().chain(&lab.images);
    let defaults = defaults.filter_map(|value| Some((value.name.get_ref(), value.default.as_ref()?)));
    for (name, value) in given.chain(defaults) {
        if value.len() > LONGEST_VALUE {
            let most = LONGEST_VALUE / 1024;
            faults.push(Diagnostic::new(format!(
                "the value of `{name}` is {} kB long, and at most {most} are allowed",
                value.len() / 1024
            )));
        }
    }
}
