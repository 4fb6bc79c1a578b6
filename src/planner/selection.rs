//! Which part of a lab is meant.

use crate::domain::{Lab, Task};

/// What the user asked for; everything where nothing is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// This task and what it needs that does not hold yet.
    pub task: Option<String>,
    /// This task alone.
    pub only: Option<String>,
    /// From this task or step on.
    pub from: Option<String>,
    /// Up to and with this task or step.
    pub until: Option<String>,
    /// Whether the nodes are first freed of running containers and engine options.
    pub reset_nodes: bool,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A selector names nothing in the lab.
    #[error("lab {lab} has no {wanted} `{name}`")]
    Unknown {
        /// The lab.
        lab: String,
        /// `task`, or `task or step`.
        wanted: &'static str,
        /// What was asked for.
        name: String,
        /// What could be asked for.
        known: Vec<String>,
    },
    /// `from` comes after `until`.
    #[error("`--from {from}` comes after `--until {until}` in lab {lab}: there is nothing between them")]
    Empty {
        /// The lab.
        lab: String,
        /// The beginning.
        from: String,
        /// The end.
        until: String,
    },
    /// The selected part has no check.
    #[error("there is nothing to check in {what}")]
    NothingToCheck {
        /// What was selected.
        what: String,
    },
}

/// The ids of a lab's tasks and steps, in order: all that a selection is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline<'a> {
    /// The lab.
    pub lab: &'a str,
    /// Its tasks, each with its steps.
    pub tasks: Vec<(&'a str, Vec<&'a str>)>,
}

impl<'a> From<&'a Lab> for Outline<'a> {
    fn from(lab: &'a Lab) -> Self {
        let steps = |task: &'a Task| task.steps.iter().map(|step| step.id.as_str()).collect();
        Self {
            lab: &lab.id,
            tasks: lab.tasks.iter().map(|task| (task.id.as_str(), steps(task))).collect(),
        }
    }
}

impl Selection {
    /// Says whether what is selected is there, before any node is asked.
    pub fn judge(&self, outline: &Outline<'_>) -> Result<(), PlanError> {
        for name in [&self.task, &self.only].into_iter().flatten() {
            find_task(outline, name)?;
        }
        range(outline, self).map(|_| ())
    }
}

/// Finds the task called `name`.
pub(super) fn find_task(outline: &Outline<'_>, name: &str) -> Result<usize, PlanError> {
    let position = outline.tasks.iter().position(|(task, _)| *task == name);
    position.ok_or_else(|| PlanError::Unknown {
        lab: outline.lab.to_owned(),
        wanted: "task",
        name: name.to_owned(),
        known: outline.tasks.iter().map(|(task, _)| (*task).to_owned()).collect(),
    })
}

/// A range of steps, counted over the whole lab.
pub(super) struct Range {
    pub(super) first: usize,
    pub(super) last: usize,
}

/// Turns `from` and `until` into positions among all the lab's steps.
pub(super) fn range(outline: &Outline<'_>, selection: &Selection) -> Result<Range, PlanError> {
    let flat: Vec<(&str, &str)> = outline
        .tasks
        .iter()
        .flat_map(|(task, steps)| steps.iter().map(move |step| (*task, *step)))
        .collect();
    let names = |name: &str, position: Option<usize>| {
        position.ok_or_else(|| PlanError::Unknown {
            lab: outline.lab.to_owned(),
            wanted: "task or step",
            name: name.to_owned(),
            known: outline
                .tasks
                .iter()
                .flat_map(|(task, steps)| std::iter::once(task).chain(steps))
                .map(|id| (*id).to_owned())
                .collect(),
        })
    };
    let is = |entry: &(&str, &str), name: &str| entry.0 == name || entry.1 == name;
    let first = match &selection.from {
        Some(name) => names(name, flat.iter().position(|entry| is(entry, name)))?,
        None => 0,
    };
    let last = match &selection.until {
        Some(name) => names(name, flat.iter().rposition(|entry| is(entry, name)))?,
        None => flat.len().saturating_sub(1),
    };
    match (&selection.from, &selection.until) {
        (Some(from), Some(until)) if first > last => Err(PlanError::Empty {
            lab: outline.lab.to_owned(),
            from: from.clone(),
            until: until.clone(),
        }),
        _ => Ok(Range { first, last }),
    }
}
