//! Follows a run: a fold over its notices into what is running, what ended how, and what is counted.

use super::ended::cause;
use super::tail::Tail;
use super::tally::{CleanupTally, Tally};
use super::turns::Turns;
use crate::domain::{
    Event, EventKind, Finding, Notice, Outcome, OutputRecord, Plan, PlannedStep, SkipReason, StepKey, Stream, Undo,
    Verb, Verdict,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many of the steps are told of that are skipped as they need one that failed: dozens would hide why.
const SKIPPED_SHOWN: usize = 3;

/// What is known of a run so far.
#[derive(Debug, Default)]
pub(crate) struct Story {
    pub(crate) plan: Option<Plan>,
    steps: BTreeMap<StepKey, Arc<PlannedStep>>,
    /// The running steps in the order of their starts.
    pub(crate) running: Vec<Running>,
    pub(crate) tally: Tally,
    pub(crate) cleanup: CleanupTally,
    /// What is wrong, of all that was looked at.
    pub(crate) findings: Vec<Finding>,
    /// The checks of a verify that have ended: they are shown in order when all have.
    pub(crate) ended: BTreeMap<StepKey, Ended>,
    /// The first step that did not pass, and why.
    pub(crate) first_failed: Option<(Arc<PlannedStep>, String)>,
    /// How many steps were skipped as they need one that failed.
    skipped: usize,
    /// The steps that hold.
    held: BTreeSet<StepKey>,
    turns: Turns,
    pub(crate) began: Option<(Timestamp, Instant)>,
    /// Where its report is.
    pub(crate) report: Option<String>,
    pub(crate) end: Option<End>,
}

/// How a run came to its end.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) took: Duration,
    /// Why it was stopped, where it was.
    pub(crate) aborted: Option<String>,
}

/// A step that has started.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) step: Arc<PlannedStep>,
    pub(crate) since: Instant,
    pub(crate) tail: Tail,
    /// Since when a check is being looked at.
    pub(crate) checking_since: Option<Instant>,
    pub(crate) waiting: Option<Waiting>,
    judged: Vec<Judged>,
    undos_failed: Vec<(Undo, String)>,
}

/// A check that does not hold yet.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) check: usize,
    pub(crate) verdict: Option<Verdict>,
}

/// A check that was judged.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    pub(crate) check: usize,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) attempts: u32,
    pub(crate) took: Duration,
}

/// A step that has ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) step: Arc<PlannedStep>,
    pub(crate) outcome: Outcome,
    pub(crate) took: Duration,
    pub(crate) judged: Vec<Judged>,
    pub(crate) undos_failed: Vec<(Undo, String)>,
    pub(crate) output: Vec<OutputRecord>,
    /// The last lines of its output.
    pub(crate) tail: Vec<String>,
    /// How many lines of output there were.
    pub(crate) lines: u64,
}

/// What a notice means to whoever prints lines.
#[derive(Debug)]
pub(crate) enum Happening {
    Began,
    StepBegan(Arc<PlannedStep>),
    Output(StepKey, Vec<String>),
    /// A step ended; the lines are what its output still held back.
    StepEnded(Box<Ended>, Vec<String>),
    Undone(StepKey, Undo),
    Told(String),
    Finished,
}

impl Story {
    /// Takes in a `notice` that arrived `now` and returns what is to be told now, in the order of the tasks.
    pub(crate) fn follow_in_turn(&mut self, notice: &Notice, now: Instant) -> Vec<Happening> {
        let happening = self.follow(notice, now);
        happening.map_or_else(Vec::new, |happening| self.turns.take(happening, &self.steps))
    }

    /// Takes in a `notice` that arrived `now` and says what it means.
    pub(crate) fn follow(&mut self, notice: &Notice, now: Instant) -> Option<Happening> {
        match notice {
            Notice::Event(event) => self.follow_event(event, now),
            Notice::Told { text } => Some(Happening::Told(text.clone())),
            Notice::Output { step, stream, bytes } => self.follow_output(step, *stream, bytes),
            Notice::StillWaiting {
                step, check, verdict, ..
            } => {
                let running = self.running_mut(step)?;
                running.checking_since.get_or_insert(now);
                running.waiting = Some(Waiting {
                    check: *check,
                    verdict: verdict.clone(),
                });
                None
            }
        }
    }

    fn follow_event(&mut self, event: &Event, now: Instant) -> Option<Happening> {
        match &event.kind {
            EventKind::RunStarted { plan, .. } => {
                let steps = plan.steps.iter();
                self.steps = steps.map(|step| (step.key.clone(), Arc::new(step.clone()))).collect();
                self.plan = Some((**plan).clone());
                self.began = Some((event.at, now));
                self.tally.expect(plan);
                Some(Happening::Began)
            }
            EventKind::StepStarted { step, .. } => {
                let step = self.step(step)?;
                self.running.push(Running::new(Arc::clone(&step), now));
                (self.verb() != Verb::Verify).then_some(Happening::StepBegan(step))
            }
            EventKind::ChecksStarted { step } => {
                self.running_mut(step)?.checking_since = Some(now);
                None
            }
            EventKind::CheckJudged {
                step,
                check,
                verdict,
                attempts,
                took,
                ..
            } => {
                let running = self.running_mut(step)?;
                running.checking_since = Some(now);
                running.waiting = None;
                let (check, verdict) = (*check, verdict.clone());
                running.judged.push(Judged {
                    check,
                    verdict,
                    attempts: *attempts,
                    took: *took,
                });
                None
            }
            EventKind::StepFinished {
                step,
                outcome,
                took,
                output,
            } => self.end_step(
                step,
                Ending {
                    outcome,
                    took: *took,
                    output,
                    at: event.at,
                },
                now,
            ),
            EventKind::Undone { .. }
            | EventKind::BaselineCompared { .. }
            | EventKind::NodeCleared { .. }
            | EventKind::NodeReleased { .. } => self.follow_cleanup(&event.kind),
            EventKind::RunFinished { counts, took, .. } => {
                self.tally.counts = *counts;
                self.end = Some(End {
                    took: *took,
                    aborted: None,
                });
                Some(Happening::Finished)
            }
            EventKind::RunAborted { reason, took } => {
                self.running.clear();
                self.end = Some(End {
                    took: *took,
                    aborted: Some(reason.clone()),
                });
                Some(Happening::Finished)
            }
            EventKind::CausesFound { findings } => {
                self.findings.clone_from(findings);
                None
            }
            EventKind::HostLineAdded { line, failed } => {
                self.tally.host_lines.push((line.clone(), failed.clone()));
                None
            }
            EventKind::HostLineTakenOut { line, failed } => {
                self.cleanup.host_lines.push((line.clone(), failed.clone()));
                None
            }
            EventKind::ReportNamed { html } => {
                self.report = Some(html.clone());
                None
            }
            EventKind::LeftoversRemoved { node, containers } => {
                let containers = containers.join(", ");
                Some(Happening::Told(format!(
                    "{node}: removed what a run that broke off had left there: {containers}"
                )))
            }
            EventKind::HostLineOwed { .. }
            | EventKind::BaselineTaken { .. }
            | EventKind::OwedElsewhere { .. }
            | EventKind::ValueCaptured { .. }
            | EventKind::ClusterSeen { .. } => None,
        }
    }

    fn follow_cleanup(&mut self, kind: &EventKind) -> Option<Happening> {
        match kind {
            EventKind::Undone {
                step,
                undo,
                failed: None,
            } => {
                self.cleanup.undone.push((step.node.clone(), undo.clone()));
                return Some(Happening::Undone(step.clone(), undo.clone()));
            }
            EventKind::Undone {
                step,
                undo,
                failed: Some(reason),
            } => {
                self.cleanup
                    .failed
                    .push((step.node.clone(), undo.clone(), reason.clone()));
                let running = self.running_mut(step)?;
                running.undos_failed.push((undo.clone(), reason.clone()));
            }
            EventKind::BaselineCompared { node, ours, others } => {
                let on_node = |found: &crate::domain::Difference| (node.clone(), found.clone());
                if ours.is_empty() {
                    self.cleanup.clean.insert(node.clone());
                }
                self.cleanup.ours.extend(ours.iter().map(on_node));
                self.cleanup.others.extend(others.iter().map(on_node));
            }
            EventKind::NodeCleared { node, left } => self.cleanup.clear(node, left),
            EventKind::NodeReleased { node } => {
                self.cleanup.released.insert(node.clone());
            }
            _ => {}
        }
        None
    }

    fn follow_output(&mut self, step: &StepKey, stream: Stream, bytes: &[u8]) -> Option<Happening> {
        let lines = self.running_mut(step)?.tail.push(stream, bytes);
        (!lines.is_empty()).then(|| Happening::Output(step.clone(), lines))
    }

    fn end_step(&mut self, key: &StepKey, ending: Ending<'_>, now: Instant) -> Option<Happening> {
        let place = self.running.iter().position(|running| running.step.key == *key);
        let mut running = match place {
            Some(place) => self.running.remove(place),
            None => Running::new(self.step(key)?, now),
        };
        let rest = running.tail.finish();
        let (tail, lines) = running.tail.into_kept();
        self.tally.count(&running.step, ending.outcome, ending.at, ending.took);
        if ending.outcome.lets_others_go_on() {
            self.held.insert(key.clone());
        }
        let ended = Ended {
            step: running.step,
            outcome: ending.outcome.clone(),
            took: ending.took,
            judged: running.judged,
            undos_failed: running.undos_failed,
            output: ending.output.to_vec(),
            tail,
            lines,
        };
        let is_failure = ended.outcome == Outcome::FailedCheck || ended.outcome.could_not_run();
        if is_failure && self.first_failed.is_none() {
            self.first_failed = Some((Arc::clone(&ended.step), cause(&ended)));
        }
        if self.verb() == Verb::Cleanup && ended.outcome.could_not_run() {
            self.cleanup
                .unreached
                .entry(key.node.clone())
                .or_insert_with(|| cause(&ended));
        }
        if self.verb() == Verb::Verify {
            self.ended.insert(key.clone(), ended);
            return None;
        }
        // What a stopped run did not get to is told as a number, at its end.
        if matches!(
            ended.outcome,
            Outcome::Skipped {
                reason: SkipReason::Stopping
            }
        ) {
            return None;
        }
        if matches!(
            &ended.outcome,
            Outcome::Skipped {
                reason: SkipReason::NeedsFailed { .. }
            }
        ) {
            self.skipped += 1;
            if self.skipped > SKIPPED_SHOWN {
                return None;
            }
        }
        Some(Happening::StepEnded(Box::new(ended), rest))
    }

    fn running_mut(&mut self, key: &StepKey) -> Option<&mut Running> {
        self.running.iter_mut().find(|running| running.step.key == *key)
    }

    /// Returns the planned step; a step that the plan does not have is not told of.
    pub(crate) fn step(&self, key: &StepKey) -> Option<Arc<PlannedStep>> {
        self.steps.get(key).cloned()
    }

    /// Returns the columns that the longest node name takes.
    pub(crate) fn node_columns(&self) -> usize {
        let names = self.steps.keys().map(|key| key.node.as_str().len());
        names.max().unwrap_or(0).min(16)
    }

    /// Returns how many skipped steps were not told of.
    pub(crate) fn skipped_unseen(&self) -> usize {
        self.skipped.saturating_sub(SKIPPED_SHOWN)
    }

    /// Returns the first step, in the plan's order, that does not hold: one that failed, or that waits for one.
    pub(crate) fn first_open(&self) -> Option<&StepKey> {
        let steps = self.plan.iter().flat_map(|plan| &plan.steps);
        steps.map(|step| &step.key).find(|key| !self.held.contains(*key))
    }

    /// Returns how many steps the plan has.
    pub(crate) fn planned(&self) -> usize {
        self.steps.len()
    }

    /// Returns what the run is for.
    pub(crate) fn verb(&self) -> Verb {
        self.plan.as_ref().map_or(Verb::Run, |plan| plan.verb)
    }
}

struct Ending<'a> {
    outcome: &'a Outcome,
    took: Duration,
    output: &'a [OutputRecord],
    at: Timestamp,
}

impl Running {
    fn new(step: Arc<PlannedStep>, since: Instant) -> Self {
        Self {
            step,
            since,
            tail: Tail::default(),
            checking_since: None,
            waiting: None,
            judged: Vec::new(),
            undos_failed: Vec::new(),
        }
    }
}
