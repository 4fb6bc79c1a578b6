//! The parts of a chronicle. Its JSON is the report that programs read.

use super::{KeptOutput, ShownCommand};
use crate::domain::{Counts, NodeName, NodeSeen, Outcome, RunId, StepKey, TaskId, Verb, Verdict};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::time::Duration;

/// A run, as its journal tells it.
#[derive(Debug, Clone, Serialize)]
pub struct Chronicle {
    /// The run.
    pub run: RunId,
    /// What it was for.
    pub verb: Verb,
    /// What the lab is called on the command line.
    pub lab: String,
    /// The lab's title.
    pub lab_title: String,
    /// The labctl that ran it.
    pub labctl_version: String,
    /// How it came out.
    pub verdict: RunVerdict,
    /// Why it was stopped, where it was.
    pub stopped: Option<String>,
    /// When it began.
    pub began: Timestamp,
    /// When it ended; `None` where the journal knows of no end.
    pub ended: Option<Timestamp>,
    /// How long it took.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub took: Duration,
    /// How many steps the plan has.
    pub planned: usize,
    /// The steps by how they ended.
    pub counts: Counts,
    /// The first step that went wrong.
    pub first_failed: Option<StepKey>,
    /// The nodes it has steps on, by name.
    pub nodes: Vec<NodeName>,
    /// The tasks, in the plan's order.
    pub tasks: Vec<TaskChronicle>,
    /// What it captured and may be shown.
    pub values: BTreeMap<String, String>,
    /// The addresses that answer now.
    pub links: Vec<LinkChronicle>,
    /// The lines that hosts files of this machine were given.
    pub hosts: Vec<HostChronicle>,
    /// What the nodes had at its end; nothing where nobody looked.
    pub cluster: Vec<NodeSeen>,
}

/// How a run came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunVerdict {
    /// Everything held.
    Passed,
    /// A check did not hold.
    Failed,
    /// A node did not answer, or an action could not be done.
    CouldNotRun,
    /// Somebody stopped it.
    Stopped,
    /// Nothing was checked.
    NothingChecked,
    /// There is no end of it: it still goes on, or labctl died in it.
    Unfinished,
}

/// A task of a run.
#[derive(Debug, Clone, Serialize)]
pub struct TaskChronicle {
    /// The task.
    pub id: TaskId,
    /// Its title.
    pub title: String,
    /// Its steps by how they ended.
    pub counts: Counts,
    /// From the start of its first step to the end of its last.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Its steps on their nodes, in the plan's order.
    pub steps: Vec<StepChronicle>,
}

/// A step on a node.
#[derive(Debug, Clone, Serialize)]
pub struct StepChronicle {
    /// Which step, on which node.
    pub key: StepKey,
    /// What it does.
    pub title: String,
    /// What was done, as a person would type it; nothing for a step that only looks.
    pub command: Option<ShownCommand>,
    /// When it began; `None` where it never did.
    pub began: Option<Timestamp>,
    /// When it had done its work and waited for its checks.
    pub checks_began: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How long it took.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub took: Duration,
    /// How it ended; `None` where it did not.
    pub outcome: Option<Outcome>,
    /// What had to hold.
    pub checks: Vec<CheckChronicle>,
    /// What was taken back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undone: Vec<UndoneChronicle>,
    /// What it said.
    pub output: Vec<KeptOutput>,
}

/// A check of a step.
#[derive(Debug, Clone, Serialize)]
pub struct CheckChronicle {
    /// What had to hold.
    pub what: String,
    /// What to do where it does not.
    pub hint: Option<String>,
    /// Whether it was judged.
    pub judged: bool,
    /// What was found; `None` where nothing could be looked at.
    pub verdict: Option<Verdict>,
    /// How often it was looked at.
    pub attempts: u32,
    /// How long that took.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub took: Duration,
}

/// Something that was to be taken back.
#[derive(Debug, Clone, Serialize)]
pub struct UndoneChronicle {
    /// What.
    pub what: String,
    /// Why it could not be, where it could not.
    pub failed: Option<String>,
}

/// A line that a hosts file of this machine was to be given.
#[derive(Debug, Clone, Serialize)]
pub struct HostChronicle {
    /// The file.
    pub file: String,
    /// The line.
    pub text: String,
    /// Why it is not there, where it is not.
    pub fault: Option<String>,
}

/// An address for a browser.
#[derive(Debug, Clone, Serialize)]
pub struct LinkChronicle {
    /// What is seen there.
    pub label: String,
    /// The address.
    pub address: String,
}

impl Chronicle {
    /// Returns the steps in the plan's order.
    pub fn steps(&self) -> impl Iterator<Item = &StepChronicle> {
        self.tasks.iter().flat_map(|task| &task.steps)
    }

    /// Returns the step that went wrong first.
    pub(crate) fn first_failure(&self) -> Option<&StepChronicle> {
        let key = self.first_failed.as_ref()?;
        self.steps().find(|step| step.key == *key)
    }

    /// Returns the moment when the last thing happened that is known.
    pub(crate) fn last_moment(&self) -> Timestamp {
        let steps = self.steps().filter_map(|step| step.ended);
        let ends = steps.chain(self.began.checked_add(self.took).ok());
        ends.fold(self.began, Timestamp::max)
    }
}

impl TaskChronicle {
    /// Returns how long it took.
    pub(crate) fn took(&self) -> Duration {
        let span = self
            .span
            .and_then(|(first, last)| last.duration_since(first).try_into().ok());
        span.unwrap_or_default()
    }
}

impl StepChronicle {
    /// Says whether it went wrong by itself.
    pub(crate) fn went_wrong(&self) -> bool {
        let outcome = self.outcome.as_ref();
        outcome.is_some_and(|outcome| *outcome == Outcome::FailedCheck || outcome.could_not_run())
    }
}

impl CheckChronicle {
    /// Says whether it was looked at and holds.
    pub(crate) fn holds(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| verdict.holds)
    }

    /// Says whether it was judged and does not hold, or could not be looked at.
    pub(crate) fn is_wrong(&self) -> bool {
        self.judged && !self.holds()
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
