//! Says what each step waits for: the steps and tasks that it names, the step before it, or all that its task comes after.

use super::faults::Faults;
use super::graph::{Graph, positions};
use super::structure::circle;
use super::suggest;
use super::written::{WrittenLab, WrittenStep};
use crate::domain::StepId;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// A step by the positions of its task in the lab and of itself in the task.
pub(super) type StepAt = (usize, usize);

/// What waits for what among the steps of a lab, counted over all of its tasks.
#[derive(Debug, Default)]
pub(super) struct StepOrder {
    /// What each step waits for itself; nothing where it begins with its task.
    named: Graph,
    /// The same; a step that begins with its task waits for all steps of the tasks that this needs.
    certain: Graph,
    /// For each task the steps that one waits for that begins with it.
    beginnings: Vec<Vec<usize>>,
    at: Vec<StepAt>,
    /// The number of steps in the tasks before each task.
    offsets: Vec<usize>,
}

impl StepOrder {
    /// Judges what the steps of `lab` wait for. The tasks that each task `needs`, and the `order` that tasks have altogether, are
    /// known already.
    pub(super) fn examine(lab: &WrittenLab, needs: &Graph, order: &Graph, faults: &mut Faults) -> Self {
        let offsets = offsets(lab);
        let steps_of = |task: usize| offsets[task]..offsets[task] + lab.tasks[task].steps.len();
        let named = Examination::new(lab, needs, &offsets).examine(faults);
        let certain = lab.tasks.iter().enumerate().flat_map(|(task, written)| {
            let before: Vec<usize> = needs.ancestors(task).into_iter().flat_map(steps_of).collect();
            vec![before; written.steps.len()]
        });
        let certain = certain.enumerate().map(|(step, beginning)| match named.direct(step) {
            [] => beginning,
            named => named.to_vec(),
        });
        let certain = Graph::new(certain.collect());
        let beginnings = (0..lab.tasks.len()).map(|task| {
            let before = with_steps_before(lab, order, task);
            before.into_iter().flat_map(steps_of).collect()
        });
        let at = (0..lab.tasks.len()).flat_map(|task| (0..lab.tasks[task].steps.len()).map(move |step| (task, step)));
        Self {
            beginnings: beginnings.collect(),
            at: at.collect(),
            named,
            certain,
            offsets,
        }
    }

    /// Returns the `count` steps of `task` in an order in which each comes after what it waits for; those that wait for
    /// each other come last.
    pub(super) fn of_task(&self, task: usize, count: usize) -> Vec<usize> {
        let start = self.offsets[task];
        let order = self.named.complete_order();
        order
            .into_iter()
            .filter(|index| (start..start + count).contains(index))
            .map(|index| index - start)
            .collect()
    }

    /// Returns the steps that are done before `step` of `task` for certain.
    pub(super) fn before(&self, task: usize, step: usize) -> BTreeSet<StepAt> {
        let before = self.certain.ancestors(self.offsets[task] + step);
        before.into_iter().map(|index| self.at[index]).collect()
    }

    /// Returns what `step` of `task` waits for itself; nothing where it begins with its task.
    pub(super) fn named(&self, task: usize, step: usize) -> Vec<StepAt> {
        let named = self.named.direct(self.offsets[task] + step);
        named.iter().map(|index| self.at[*index]).collect()
    }

    /// Returns the steps that one waits for that begins with `task`.
    pub(super) fn beginning(&self, task: usize) -> Vec<StepAt> {
        self.beginnings[task].iter().map(|index| self.at[*index]).collect()
    }
}

fn offsets(lab: &WrittenLab) -> Vec<usize> {
    let mut count = 0;
    let mut offsets = Vec::new();
    for task in &lab.tasks {
        offsets.push(count);
        count += task.steps.len();
    }
    offsets
}

/// Returns the tasks that `task` comes after itself; one without a step stands for those that it comes after.
fn with_steps_before(lab: &WrittenLab, order: &Graph, task: usize) -> BTreeSet<usize> {
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut open = order.direct(task).to_vec();
    while let Some(next) = open.pop() {
        if !seen.insert(next) {
            continue;
        }
        if lab.tasks[next].steps.is_empty() {
            open.extend(order.direct(next));
        } else {
            found.insert(next);
        }
    }
    found
}

/// The names that can stand in an `after`, and what they mean.
struct Examination<'a> {
    lab: &'a WrittenLab,
    needs: &'a Graph,
    offsets: &'a [usize],
    all: Vec<(usize, &'a WrittenStep)>,
    steps: BTreeMap<&'a str, usize>,
    tasks: BTreeMap<&'a str, usize>,
}

impl<'a> Examination<'a> {
    fn new(lab: &'a WrittenLab, needs: &'a Graph, offsets: &'a [usize]) -> Self {
        let of_task = |(task, written): (usize, &'a super::written::WrittenTask)| {
            let steps = written.steps.iter();
            steps.map(move |step| (task, step)).collect::<Vec<_>>()
        };
        let all: Vec<(usize, &WrittenStep)> = lab.tasks.iter().enumerate().flat_map(of_task).collect();
        Self {
            lab,
            needs,
            offsets,
            steps: positions(all.iter().map(|(_, step)| step.id.get_ref().as_str())),
            tasks: positions(lab.tasks.iter().map(|task| task.id.get_ref().as_str())),
            all,
        }
    }

    fn examine(&self, faults: &mut Faults) -> Graph {
        let mut edges = Vec::new();
        for (position, (task, step)) in self.all.iter().enumerate() {
            let Some(after) = &step.after else {
                let is_first = self.offsets[*task] == position;
                edges.push(if is_first { Vec::new() } else { vec![position - 1] });
                continue;
            };
            edges.push(
                after
                    .iter()
                    .flat_map(|entry| self.named(*task, entry, faults))
                    .collect(),
            );
        }
        let graph = Graph::new(edges);
        for cycle in graph.cycles() {
            self.refuse_cycle(&cycle, faults);
        }
        graph
    }

    /// Returns the steps that `entry` in an `after` of a step of `task` means.
    fn named(&self, task: usize, entry: &Spanned<StepId>, faults: &mut Faults) -> Vec<usize> {
        let name = entry.get_ref().as_str();
        let (other, found) = match (self.steps.get(name), self.tasks.get(name)) {
            (Some(step), _) => (self.all[*step].0, vec![*step]),
            (None, Some(other)) if *other == task => {
                let fault = faults
                    .fault(entry.span(), format!("the step waits for its own task `{name}`"))
                    .hint("name the steps of the task that it is to wait for");
                faults.push(fault);
                return Vec::new();
            }
            (None, Some(other)) => {
                let start = self.offsets[*other];
                (*other, (start..start + self.lab.tasks[*other].steps.len()).collect())
            }
            (None, None) => {
                let mut fault = faults
                    .fault(entry.span(), format!("there is no step `{name}` to wait for"))
                    .label("not a step of this lab");
                fault.hint = suggest::hint(name, self.steps.keys().copied());
                faults.push(fault);
                return Vec::new();
            }
        };
        if other != task && !self.needs.ancestors(task).contains(&other) {
            let needed = self.lab.tasks[other].id.get_ref();
            let message = if needed.as_str() == name && !self.steps.contains_key(name) {
                format!("the step waits for the task `{name}`, which its own task does not need")
            } else {
                format!("the step `{name}` belongs to `{needed}`, which this task does not need")
            };
            let fault = faults
                .fault(entry.span(), message)
                .hint(format!("add `needs = [\"{needed}\"]` to the task"));
            faults.push(fault);
        }
        found
    }

    fn refuse_cycle(&self, cycle: &[usize], faults: &mut Faults) {
        let step = |position: &usize| self.all[*position].1;
        let names: Vec<&str> = cycle.iter().map(|at| step(at).id.get_ref().as_str()).collect();
        let entry = cycle
            .iter()
            .filter_map(|at| step(at).after.as_ref())
            .flatten()
            .find(|entry| names.contains(&entry.get_ref().as_str()));
        let place = entry.map_or_else(|| step(&cycle[0]).id.span(), Spanned::span);
        let fault = faults
            .fault(
                place,
                format!(
                    "these steps wait for each other: {}",
                    circle(&names).replace(" needs ", " after ")
                ),
            )
            .label("this closes the circle")
            .hint("a step without `after` waits for the one before it in the file");
        faults.push(fault);
    }
}
