//! Which part of a lab is meant.

use crate::domain::{Lab, StepId, TaskId};

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

/// Finds the task called `name`.
pub(super) fn find_task(lab: &Lab, name: &str) -> Result<usize, PlanError> {
    lab.tasks
        .iter()
        .position(|task| task.id.as_str() == name)
        .ok_or_else(|| PlanError::Unknown {
            lab: lab.id.clone(),
            wanted: "task",
            name: name.to_owned(),
            known: lab.tasks.iter().map(|task| task.id.to_string()).collect(),
        })
}

/// A range of steps, counted over the whole lab.
pub(super) struct Range {
    pub(super) first: usize,
    pub(super) last: usize,
}

/// Turns `from` and `until` into positions among all the lab's steps.
pub(super) fn range(lab: &Lab, selection: &Selection) -> Result<Range, PlanError> {
    let flat: Vec<(&TaskId, &StepId)> = lab
        .tasks
        .iter()
        .flat_map(|task| task.steps.iter().map(move |step| (&task.id, &step.id)))
        .collect();
    let names = |name: &str, position: Option<usize>| {
        position.ok_or_else(|| PlanError::Unknown {
            lab: lab.id.clone(),
            wanted: "task or step",
            name: name.to_owned(),
            known: lab
                .tasks
                .iter()
                .flat_map(|task| {
                    std::iter::once(task.id.to_string()).chain(task.steps.iter().map(|step| step.id.to_string()))
                })
                .collect(),
        })
    };
    let is = |entry: &(&TaskId, &StepId), name: &str| entry.0.as_str() == name || entry.1.as_str() == name;
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
            lab: lab.id.clone(),
            from: from.clone(),
            until: until.clone(),
        }),
        _ => Ok(Range { first, last }),
    }
}
