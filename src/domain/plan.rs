//! A plan: every step, node, command, check, deadline and undo, decided. Executing it decides nothing more.

use super::{
    Action, Capture, Check, Environment, HostLine, NodeName, PlannedHost, StepId, TaskId, Text, Undo, UndoText,
    WhenDone,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Does the lab's steps.
    Run,
    /// Only looks.
    Verify,
    /// Takes steps back.
    Cleanup,
}

/// A step on a node; written `step@node`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepKey {
    /// The step.
    pub step: StepId,
    /// The node.
    pub node: NodeName,
}

impl fmt::Display for StepKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.step, self.node)
    }
}

/// The task of a plan under which stand the verifications of tasks that it leaves out.
pub const LEFT_OUT: &str = "left-out";

/// Everything that will be done, in an order that satisfies every `after`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What it is for.
    pub verb: Verb,
    /// What the lab is called on the command line: its id, or where it is.
    pub lab: String,
    /// The lab's title.
    pub lab_title: String,
    /// The steps.
    pub steps: Vec<PlannedStep>,
    /// Addresses to print when all of a task's steps passed.
    pub links: Vec<PlannedLink>,
    /// The tasks of which it has some steps only.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub in_part: BTreeSet<TaskId>,
    /// Names that are to lead to a node from the machine that labctl runs on, when all of a task's steps passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<PlannedHost>,
    /// Lines to take out of the hosts file of that machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_lines: Vec<HostLine>,
    /// Whether the lab has anything that only looks, for `verify`.
    #[serde(default = "verifiable")]
    pub verifiable: bool,
}

/// Plans from before this was said were of labs that had verifications.
fn verifiable() -> bool {
    true
}

/// An address for a browser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedLink {
    /// The task after which it answers.
    pub task: TaskId,
    /// What is seen there.
    pub label: String,
    /// The address.
    pub address: Text,
}

/// One step on one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Which step, on which node.
    pub key: StepKey,
    /// The task it belongs to.
    pub task: TaskId,
    /// The task's title.
    pub task_title: String,
    /// What it does, for a person.
    pub title: String,
    /// What is done.
    pub work: Work,
    /// Environment variables of its command.
    pub environment: Environment,
    /// Whether root does it.
    pub as_root: bool,
    /// How long the action may take.
    pub timeout: Duration,
    /// Values to take from its output.
    pub captures: Vec<Capture>,
    /// What must hold after it.
    pub checks: Vec<Check>,
    /// What takes it back.
    pub undo: Vec<UndoText>,
    /// What takes back what it makes on other nodes, as a client of their engines.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub undo_elsewhere: BTreeMap<NodeName, Vec<UndoText>>,
    /// Whether it is done where its checks already hold.
    pub when_done: WhenDone,
    /// The steps it waits for.
    pub after: Vec<StepKey>,
    /// Whether it may begin before the tasks have ended that its own task comes after.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ahead: bool,
    /// What it cannot hold without, so that one broken thing is told once; nothing waits for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stands_on: Vec<StepKey>,
}

/// What a planned step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A lab's action.
    Action(Action),
    /// Removes the containers that run on the node and puts its engine's options back to their defaults: what
    /// `--reset-nodes` asks for by name. There is no undo.
    Reset,
    /// Undo of earlier steps; goes on past failures.
    Undo(Vec<Undo>),
    /// Removes every container and every image of the node, whoever made them, and puts its engine's options back to their
    /// defaults: what `cleanup --scope all` asks for by name. There is no undo.
    Clear,
    /// Compares the node with its baseline and lets go of it where nothing of ours is left.
    CompareBaseline,
}

impl Plan {
    /// Returns the step from which a run goes on after `open` did not hold: that step, or, where it only looked at what the run leaves
    /// out, the first one that it does not.
    pub fn goes_on_at<'a>(&'a self, open: &'a StepKey) -> &'a StepId {
        let is_left_out = |step: &&PlannedStep| step.task.as_str() == LEFT_OUT;
        let looked = self.steps.iter().any(|step| step.key == *open && is_left_out(&step));
        let first = self.steps.iter().find(|step| looked && !is_left_out(step));
        first.map_or(&open.step, |step| &step.key.step)
    }

    /// Returns the names of the secrets that the plan needs from outside: those that no step of it captures.
    pub fn secrets(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for step in &self.steps {
            let private = match &step.work {
                Work::Action(action) => action.private_texts(),
                Work::Reset | Work::Clear | Work::Undo(_) | Work::CompareBaseline => Vec::new(),
            };
            let holes = step.environment.values().chain(private).flat_map(Text::holes);
            names.extend(holes.filter(|hole| hole.secret).map(|hole| hole.name.clone()));
        }
        for capture in self.steps.iter().flat_map(|step| &step.captures) {
            names.remove(&capture.name);
        }
        names
    }
}

impl PlannedStep {
    /// Returns the other nodes on which it makes something.
    pub fn elsewhere(&self) -> impl Iterator<Item = &NodeName> {
        self.undo_elsewhere.keys().filter(|node| **node != self.key.node)
    }

    /// Says whether it restarts the Docker Engine of its node.
    pub fn restarts_engine(&self) -> bool {
        matches!(self.work, Work::Action(Action::SetEngineOptions(_)) | Work::Reset)
    }

    /// Says whether it works with `node`, makes something there or looks there.
    pub fn concerns(&self, node: &NodeName) -> bool {
        let looks_there = self.checks.iter().any(|check| check.on.as_ref() == Some(node));
        self.key.node == *node || self.undo_elsewhere.contains_key(node) || looks_there
    }

    /// Says whether it changes anything on a node.
    pub fn changes(&self) -> bool {
        match &self.work {
            Work::Action(action) => action.changes() || self.checks.iter().any(|check| check.only_in_run),
            Work::Reset | Work::Clear | Work::Undo(_) | Work::CompareBaseline => true,
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action(action) => write!(formatter, "{action}"),
            Self::Undo(undos) => {
                let lines: Vec<String> = undos.iter().map(Undo::to_string).collect();
                formatter.write_str(&lines.join("; "))
            }
            Self::Reset => formatter.write_str("docker rm -f -v (all that runs); comment DOCKER_OPTS out"),
            Self::Clear => formatter
                .write_str("docker rm -f -v (all there are); docker rmi -f (all there are); comment DOCKER_OPTS out"),
            Self::CompareBaseline => formatter.write_str("compare with the baseline"),
        }
    }
}
