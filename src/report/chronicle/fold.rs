//! The fold: from a journal's events to the chronicle of one run.

use super::super::describe::describe_check;
use super::{
    CheckChronicle, Chronicle, HostChronicle, KeptOutput, LinkChronicle, RunVerdict, ShownCommand, StepChronicle,
    TaskChronicle, UndoneChronicle,
};
use crate::domain::{
    Check, Counts, Event, EventKind, Excerpt, NodeName, Outcome, OutputRecord, Plan, PlannedStep, RunId, StepKey, Verb,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

impl Chronicle {
    /// Folds those of a journal's `events` that belong to `run`; `None` where it never began.
    pub fn of(events: &[Event], run: &RunId) -> Option<Self> {
        let mut events = events.iter().filter(|event| event.run == *run);
        let mut fold = events.find_map(Fold::begun)?;
        for event in events {
            fold.apply(event);
        }
        Some(fold.finish())
    }

    /// Returns the runs of a journal's `events` that were for `verb`, oldest first.
    pub fn runs(events: &[Event], verb: Verb) -> Vec<&RunId> {
        let begun = events
            .iter()
            .filter(|event| matches!(&event.kind, EventKind::RunStarted { plan, .. } if plan.verb == verb));
        begun.map(|event| &event.run).collect()
    }

    /// Takes in what the steps said, as `read` finds it; where it cannot be read any more, that is what is told.
    pub fn read_output(&mut self, read: impl Fn(&OutputRecord) -> io::Result<Excerpt>) {
        let steps = self.tasks.iter_mut().flat_map(|task| &mut task.steps);
        for output in steps.flat_map(|step| &mut step.output) {
            output.take_in(read(&output.record));
        }
    }
}

struct Fold {
    chronicle: Chronicle,
    plan: Plan,
    /// Where each step is: its task's place, and its own in that.
    places: BTreeMap<StepKey, (usize, usize)>,
    /// What the run itself counted.
    counted: Option<Counts>,
}

impl Fold {
    fn begun(event: &Event) -> Option<Self> {
        let EventKind::RunStarted { plan, labctl_version } = &event.kind else {
            return None;
        };
        let mut fold = Self {
            chronicle: Chronicle {
                run: event.run.clone(),
                verb: plan.verb,
                lab: plan.lab.clone(),
                lab_title: plan.lab_title.clone(),
                labctl_version: labctl_version.clone(),
                verdict: RunVerdict::Unfinished,
                stopped: None,
                began: event.at,
                ended: None,
                took: Duration::ZERO,
                planned: plan.steps.len(),
                counts: Counts::default(),
                first_failed: None,
                nodes: Vec::new(),
                tasks: Vec::new(),
                values: BTreeMap::new(),
                links: Vec::new(),
                hosts: Vec::new(),
                cluster: Vec::new(),
            },
            plan: (**plan).clone(),
            places: BTreeMap::new(),
            counted: None,
        };
        for step in &plan.steps {
            fold.plan_step(step);
        }
        let nodes: BTreeSet<&NodeName> = plan.steps.iter().map(|step| &step.key.node).collect();
        fold.chronicle.nodes = nodes.into_iter().cloned().collect();
        Some(fold)
    }

    fn plan_step(&mut self, step: &PlannedStep) {
        let tasks = &mut self.chronicle.tasks;
        let place = tasks.iter().position(|task| task.id == step.task).unwrap_or_else(|| {
            tasks.push(TaskChronicle {
                id: step.task.clone(),
                title: step.task_title.clone(),
                counts: Counts::default(),
                span: None,
                steps: Vec::new(),
            });
            tasks.len() - 1
        });
        let Some(task) = tasks.get_mut(place) else { return };
        self.places.insert(step.key.clone(), (place, task.steps.len()));
        task.steps.push(StepChronicle {
            key: step.key.clone(),
            title: step.title.clone(),
            command: ShownCommand::of(step),
            began: None,
            checks_began: None,
            ended: None,
            took: Duration::ZERO,
            outcome: None,
            checks: step.checks.iter().map(planned_check).collect(),
            undone: Vec::new(),
            output: Vec::new(),
        });
    }

    fn step_mut(&mut self, key: &StepKey) -> Option<&mut StepChronicle> {
        let (task, step) = self.places.get(key)?;
        self.chronicle.tasks.get_mut(*task)?.steps.get_mut(*step)
    }

    fn apply(&mut self, event: &Event) {
        self.chronicle.took = since(self.chronicle.began, event.at);
        match &event.kind {
            EventKind::StepStarted { step, .. } => {
                if let Some(step) = self.step_mut(step) {
                    step.began = Some(event.at);
                }
            }
            EventKind::ChecksStarted { step } => {
                if let Some(step) = self.step_mut(step) {
                    step.checks_began.get_or_insert(event.at);
                }
            }
            EventKind::StepFinished { step, .. } => self.end_step(step, event),
            EventKind::CheckJudged { step, .. } => self.judge(step, &event.kind),
            EventKind::ValueCaptured {
                name,
                value: Some(value),
                ..
            } => {
                self.chronicle.values.insert(name.clone(), value.clone());
            }
            EventKind::Undone { step, undo, failed } => {
                let undone = UndoneChronicle {
                    what: undo.to_string(),
                    failed: failed.clone(),
                };
                self.step_mut(step)
                    .into_iter()
                    .for_each(|step| step.undone.push(undone.clone()));
            }
            EventKind::HostLineAdded { line, failed } => self.chronicle.hosts.push(HostChronicle {
                file: line.file.clone(),
                text: line.text.clone(),
                fault: failed.as_ref().map(ToString::to_string),
            }),
            EventKind::ClusterSeen { nodes } => self.chronicle.cluster.clone_from(nodes),
            EventKind::RunFinished { counts, took, .. } => {
                self.counted = Some(*counts);
                self.end(event.at, *took);
            }
            EventKind::RunAborted { reason, took } => {
                self.chronicle.stopped = Some(reason.clone());
                self.end(event.at, *took);
            }
            _ => {}
        }
    }

    fn judge(&mut self, key: &StepKey, kind: &EventKind) {
        let EventKind::CheckJudged {
            check,
            verdict,
            attempts,
            took,
            ..
        } = kind
        else {
            return;
        };
        let looked = usize::from(verdict.is_some());
        self.chronicle.counts.checks += looked;
        let Some((task, step)) = self.places.get(key).copied() else {
            return;
        };
        let Some(task) = self.chronicle.tasks.get_mut(task) else {
            return;
        };
        task.counts.checks += looked;
        let check = task.steps.get_mut(step).and_then(|step| step.checks.get_mut(*check));
        if let Some(check) = check {
            check.judged = true;
            check.verdict.clone_from(verdict);
            check.attempts = *attempts;
            check.took = *took;
        }
    }

    fn end_step(&mut self, key: &StepKey, event: &Event) {
        let EventKind::StepFinished {
            outcome, took, output, ..
        } = &event.kind
        else {
            return;
        };
        self.chronicle.counts.count(outcome);
        let Some((task, step)) = self.places.get(key).copied() else {
            return;
        };
        let Some(task) = self.chronicle.tasks.get_mut(task) else {
            return;
        };
        task.counts.count(outcome);
        let Some(step) = task.steps.get_mut(step) else { return };
        step.ended = Some(event.at);
        step.took = *took;
        step.outcome = Some(outcome.clone());
        step.output = output.iter().cloned().map(KeptOutput::new).collect();
        if let Some(first) = step.began {
            let (from, until) = task.span.unwrap_or((first, event.at));
            task.span = Some((from.min(first), until.max(event.at)));
        }
        let went_wrong = *outcome == Outcome::FailedCheck || outcome.could_not_run();
        if went_wrong && self.chronicle.first_failed.is_none() {
            self.chronicle.first_failed = Some(key.clone());
        }
    }

    fn end(&mut self, at: Timestamp, took: Duration) {
        self.chronicle.ended = Some(at);
        self.chronicle.took = took;
    }

    fn finish(mut self) -> Chronicle {
        // What the run counted itself is what its exit code was made of.
        if let Some(counted) = self.counted {
            self.chronicle.counts = counted;
        }
        self.chronicle.verdict = verdict(&self.chronicle);
        self.chronicle.links = self.links();
        self.chronicle
    }

    /// Returns the addresses of the tasks whose steps all passed.
    fn links(&self) -> Vec<LinkChronicle> {
        let all_good = |id| {
            let mut tasks = self.chronicle.tasks.iter().filter(|task| task.id == id);
            tasks.all(|task| {
                let mut outcomes = task.steps.iter().map(|step| step.outcome.as_ref());
                outcomes.all(|outcome| outcome.is_some_and(Outcome::lets_others_go_on))
            })
        };
        let links = self.plan.links.iter().filter(|link| all_good(link.task.clone()));
        links
            .map(|link| LinkChronicle {
                label: link.label.clone(),
                address: link.address.to_string(),
            })
            .collect()
    }
}

fn planned_check(check: &Check) -> CheckChronicle {
    CheckChronicle {
        what: describe_check(check),
        hint: check.hint.clone(),
        judged: false,
        verdict: None,
        attempts: 0,
        took: Duration::ZERO,
    }
}

/// Says what the exit code says.
fn verdict(chronicle: &Chronicle) -> RunVerdict {
    let counts = &chronicle.counts;
    match () {
        () if chronicle.ended.is_none() => RunVerdict::Unfinished,
        () if chronicle.stopped.is_some() => RunVerdict::Stopped,
        () if counts.failed > 0 => RunVerdict::Failed,
        () if counts.could_not_run > 0 || chronicle.hosts.iter().any(|line| line.fault.is_some()) => {
            RunVerdict::CouldNotRun
        }
        () if chronicle.verb != Verb::Cleanup && counts.checks + counts.already_held + counts.superseded == 0 => {
            RunVerdict::NothingChecked
        }
        () => RunVerdict::Passed,
    }
}

fn since(began: Timestamp, at: Timestamp) -> Duration {
    at.duration_since(began).try_into().unwrap_or_default()
}
