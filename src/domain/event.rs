//! What happened, as data. The journal has each event before any reporter; state is a fold over them.
//!
//! Contract: the first event of a run is [`EventKind::RunStarted`], the last exactly one of [`EventKind::RunFinished`]
//! and [`EventKind::RunAborted`]; both of these are terminal. Indexes grow by one within an instance's journal. Between
//! a step's `StepStarted` and its `StepFinished` stand only its own checks and captures, among those of other steps that
//! overlap with it. A verify tells its [`EventKind::CausesFound`] just before its end, a run that is reported what the
//! nodes had, and where its report goes. No event has text made for the screen.

use super::{
    Baseline, Difference, Finding, HostLine, HostsFault, NodeName, NodeSeen, Outcome, Plan, Removable, RunId, Silent,
    StepKey, Stream, Undo, Verb, Verdict,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One entry of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Grows by one within an instance.
    pub index: u64,
    /// When it happened on the controller's clock.
    pub at: Timestamp,
    /// The run it belongs to.
    pub run: RunId,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum EventKind {
    /// A run begins; what it will do.
    RunStarted {
        /// The whole plan.
        plan: Box<Plan>,
        /// The labctl that runs it.
        labctl_version: String,
    },
    /// A node was looked at before its first change.
    BaselineTaken {
        /// What it had.
        baseline: Baseline,
    },
    /// What a step that was broken off had left on a node was removed, before anything else: containers of a build.
    LeftoversRemoved {
        /// The node.
        node: NodeName,
        /// The containers' names.
        containers: Vec<String>,
    },
    /// A line is about to be added to the hosts file of the machine that labctl runs on; taking it out is owed.
    HostLineOwed {
        /// The line.
        line: HostLine,
    },
    /// The line was added, or could not be.
    HostLineAdded {
        /// The line.
        line: HostLine,
        /// Why not, where it was not.
        failed: Option<HostsFault>,
    },
    /// The line was taken out, or could not be.
    HostLineTakenOut {
        /// The line.
        line: HostLine,
        /// Why not, where it was not.
        failed: Option<HostsFault>,
    },
    /// A step that is about to start will make something on another node; the undo of that is safe, here and there.
    OwedElsewhere {
        /// Which step, where.
        step: StepKey,
        /// The other node.
        node: NodeName,
        /// What takes it back there.
        undo: Vec<Undo>,
    },
    /// A step's action is about to start; its undo is safe.
    StepStarted {
        /// Which step, where.
        step: StepKey,
        /// The name of its exec's record on the node, where it has one.
        exec: Option<String>,
        /// What takes it back.
        undo: Vec<Undo>,
    },
    /// A step waits for its checks to hold.
    ChecksStarted {
        /// Which step, where.
        step: StepKey,
    },
    /// A check was judged for good.
    CheckJudged {
        /// Which step, where.
        step: StepKey,
        /// Which of the step's checks, from 0.
        check: usize,
        /// What was found; `None` where nothing could be looked at.
        verdict: Option<Verdict>,
        /// Who did not answer, where that is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        silent: Option<Silent>,
        /// How often it was looked at.
        attempts: u32,
        /// How long it took.
        took: Duration,
    },
    /// A value was captured.
    ValueCaptured {
        /// The step it came from.
        step: StepKey,
        /// Its name.
        name: String,
        /// Its text; `None` for a secret.
        value: Option<String>,
    },
    /// A step ended.
    StepFinished {
        /// Which step, where.
        step: StepKey,
        /// How it ended.
        outcome: Outcome,
        /// How long it took.
        took: Duration,
        /// Its output, where it had any.
        output: Vec<OutputRecord>,
    },
    /// Something to be undone on a node was done, or could not be.
    Undone {
        /// Which step of the cleanup, where.
        step: StepKey,
        /// What was to be undone.
        undo: Undo,
        /// Why it could not be, where it could not.
        failed: Option<String>,
    },
    /// A node was compared with its baseline.
    BaselineCompared {
        /// The node.
        node: NodeName,
        /// What is left of ours.
        ours: Vec<Difference>,
        /// What is different and not ours.
        others: Vec<Difference>,
    },
    /// A node was cleared of all that Docker had on it, whoever made it.
    NodeCleared {
        /// The node.
        node: NodeName,
        /// What is left all the same.
        left: Vec<Removable>,
    },
    /// Nothing of ours is left on a node.
    NodeReleased {
        /// The node.
        node: NodeName,
    },
    /// What is wrong, of all that a verify looked at; once, just before its end.
    CausesFound {
        /// What is wrong, in the plan's order.
        findings: Vec<Finding>,
    },
    /// What the nodes had when the run came to its end; once, just before it.
    ClusterSeen {
        /// The nodes, by name.
        nodes: Vec<NodeSeen>,
    },
    /// Where the report of the run is when the run has ended; once, just before its end.
    ReportNamed {
        /// The HTML file; what programs read is beside it.
        html: String,
    },
    /// The run came to its end.
    RunFinished {
        /// What it was for.
        verb: Verb,
        /// The steps by how they ended.
        counts: Counts,
        /// How long it took.
        took: Duration,
    },
    /// The run was stopped, or could not go on.
    RunAborted {
        /// Why.
        reason: String,
        /// How long it took.
        took: Duration,
    },
}

impl EventKind {
    /// Says whether it must be safe from a crash of the machine before anything else is done. What protects no undo need not be: where it
    /// is lost, a step is looked at, or done, once more.
    pub fn protects_an_undo(&self) -> bool {
        match self {
            Self::StepStarted { undo, .. } => !undo.is_empty(),
            Self::ChecksStarted { .. } | Self::CheckJudged { .. } | Self::StepFinished { .. } => false,
            _ => true,
        }
    }
}

/// The output of a step, kept in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputRecord {
    /// Which stream.
    pub stream: Stream,
    /// The file, relative to the instance's directory.
    pub path: String,
    /// How many bytes it has.
    pub size: u64,
    /// How many bytes were cut off its end.
    pub cut: u64,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
}

/// The beginning and the end of a step's output.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Excerpt {
    /// Its first bytes.
    pub head: Vec<u8>,
    /// Its last bytes, where not all of it is in `head`.
    pub tail: Vec<u8>,
    /// How many bytes stand between both.
    pub left_out: u64,
}

/// How many steps ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Passed.
    pub passed: usize,
    /// Left as they were, because they held.
    pub already_held: usize,
    /// Failed a check.
    pub failed: usize,
    /// Could not be run or looked at.
    pub could_not_run: usize,
    /// Skipped or cancelled.
    pub skipped: usize,
    /// Superseded by a later task.
    pub superseded: usize,
    /// Checks that were judged.
    pub checks: usize,
}

impl Counts {
    /// Counts one step's `outcome`.
    pub fn count(&mut self, outcome: &Outcome) {
        use super::SkipReason;
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::FailedCheck => self.failed += 1,
            Outcome::Skipped {
                reason: SkipReason::AlreadyHolds,
            } => self.already_held += 1,
            Outcome::Skipped { .. } | Outcome::Cancelled => self.skipped += 1,
            Outcome::Superseded { .. } => self.superseded += 1,
            outcome if outcome.could_not_run() => self.could_not_run += 1,
            _ => {}
        }
    }
}
