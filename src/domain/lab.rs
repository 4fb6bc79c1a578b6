//! A lab whose texts are rendered for the nodes it will run on.

use super::{Action, Check, Environment, NodeName, StepId, TaskId, Text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A lab, ready to be planned.
#[derive(Debug, Clone, PartialEq)]
pub struct Lab {
    /// Its id, such as `lab2`.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The nodes it needs.
    pub nodes: Vec<NodeName>,
    /// Its tasks in the file's order, which is a valid order of `needs` and `after`.
    pub tasks: Vec<Task>,
}

/// A part of a lab that makes sense to a learner.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its id, such as `task1`.
    pub id: TaskId,
    /// Its title.
    pub title: String,
    /// The tasks that must hold before it.
    pub needs: Vec<TaskId>,
    /// The tasks it comes after where they run too, though it needs nothing of them.
    pub after: Vec<TaskId>,
    /// Its steps in order.
    pub steps: Vec<Step>,
    /// What must hold after it, only looked at.
    pub verify: Vec<Verification>,
    /// Addresses for a browser, printed when it passed: label and address.
    pub links: Vec<Link>,
    /// Names that are to lead to a node from the operator's machine when it passed: name and address.
    pub hosts: Vec<(String, String)>,
}

/// What a person may open in a browser once a task is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// What is there.
    pub label: String,
    /// Where it is.
    pub address: Text,
    /// The task that takes it away again.
    pub superseded_by: Option<TaskId>,
}

/// A check of `verify`, on one node.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    /// Unique within the task.
    pub id: StepId,
    /// What it proves, for a person.
    pub title: String,
    /// Where it looks.
    pub node: NodeName,
    /// The check.
    pub check: Check,
    /// The verifications that it cannot hold without: on its own node where they look there, else on all of theirs.
    pub needs: Vec<StepId>,
    /// Whether its task has begun where it holds.
    pub begun: bool,
}

/// A unit of doing and of undoing.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Unique within the lab.
    pub id: StepId,
    /// What it does, for a person.
    pub title: String,
    /// The steps it waits for, also of other tasks; where there are none, all steps of the tasks that its own needs or comes
    /// after.
    pub after: Vec<StepId>,
    /// What it is on each of its nodes.
    pub on: Vec<StepOnNode>,
}

/// A step as it is on one node.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOnNode {
    /// The node.
    pub node: NodeName,
    /// What is done.
    pub action: Action,
    /// Environment variables of its command.
    pub environment: Environment,
    /// Whether root does it.
    pub as_root: bool,
    /// How long the action may take.
    pub timeout: Duration,
    /// Values to take from its output.
    pub captures: Vec<Capture>,
    /// What must hold after it.
    pub expect: Vec<Check>,
    /// What its command makes, so that cleanup can take it away.
    pub undo: Vec<UndoText>,
    /// What its command makes an engine of another node make.
    pub undo_elsewhere: BTreeMap<NodeName, Vec<UndoText>>,
    /// Whether it is done again where its checks hold already.
    pub when_done: WhenDone,
}

/// Whether a step whose checks already hold is done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenDone {
    /// It is left as it is.
    Skip,
    /// It is done again.
    Repeat,
}

/// A value to take from a step's standard output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// The value's name.
    pub name: String,
    /// Where it stands.
    pub from: CaptureFrom,
    /// Whether it must never be shown.
    pub secret: bool,
}

/// Where a captured value stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureFrom {
    /// The first group of this regular expression, or the whole match.
    Regex(String),
    /// A JSON pointer (RFC 6901) into the output.
    Json(String),
}

/// What undoes a step, as the lab's author wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoText {
    /// A directory that the step makes.
    Directory(Text),
    /// A file that the step makes.
    File(Text),
    /// A Compose project whose containers, networks and volumes the step makes.
    Project(Text),
    /// Images that the step builds, pulls or loads.
    Images(Vec<Text>),
    /// A container that the step makes, by name.
    Container(Text),
    /// A command that takes the step back; it must do no harm when there is nothing to take back.
    Run {
        /// Program and arguments.
        command: Vec<Text>,
        /// Whether root runs it.
        as_root: bool,
    },
}
