//! One loop: starts what is ready, writes what is reported, ends when nothing is left.

use super::baseline::touched_paths;
use super::executor::execute;
use super::hosts;
use super::last_look::last_look;
use super::notices::NoticeSender;
use super::queue::Queue;
use super::quieten::quieten;
use super::reports::{JournalLost, Report, Reports};
use super::shared::{Run, Shared};
use crate::domain::{
    Counts, Event, EventKind, HostWork, HostsFault, NodeName, Notice, Outcome, Plan, PlannedStep, Silent, SkipReason,
    State, StepKey, Verb, findings,
};
use crate::journal::{EventWriter, JournalError};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How many reports may wait for the dispatcher before output is left out of the display.
const WAITING_REPORTS: usize = 512;

/// How long executors get to kill what they started when the journal is lost.
const FAREWELL: Duration = Duration::from_secs(20);

/// Why a run could not go on. Whatever a step or a node does wrong is an [`Outcome`] instead.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Events could no longer be made durable, so nothing more may be changed.
    #[error("the journal could not be written, so the run was stopped")]
    Journal(#[source] JournalError),
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct RunSummary {
    /// How each step ended.
    pub outcomes: BTreeMap<StepKey, Outcome>,
    /// How many ended how.
    pub counts: Counts,
    /// Whether the user stopped it.
    pub stopped: bool,
    /// What went wrong with the hosts file of this machine.
    pub hosts: Vec<HostsFault>,
    /// The instance's state afterwards.
    pub state: State,
}

type Ended = Result<(tokio::task::Id, Result<Outcome, JournalLost>), tokio::task::JoinError>;

struct Dispatcher<'a> {
    verb: Verb,
    keep_going: bool,
    queue: Queue,
    outcomes: BTreeMap<StepKey, Outcome>,
    /// Who did not answer at which check.
    silent: BTreeMap<StepKey, Silent>,
    counts: Counts,
    lost: BTreeSet<NodeName>,
    failed: bool,
    hosts: Vec<HostsFault>,
    running: JoinSet<Result<Outcome, JournalLost>>,
    tasks: HashMap<tokio::task::Id, PlannedStep>,
    reports: mpsc::Receiver<Report>,
    shared: Arc<Shared>,
    journal: &'a mut dyn EventWriter,
    notices: NoticeSender,
}

/// Carries `plan` out on the nodes of `run`. Every event goes to `journal` first and to `notices` then.
pub async fn carry_out(
    plan: &Plan,
    run: Run,
    journal: &mut dyn EventWriter,
    notices: NoticeSender,
) -> Result<RunSummary, RunError> {
    let started = run.began;
    let (sender, reports) = mpsc::channel(WAITING_REPORTS);
    let keep_going = run.keep_going || plan.verb != Verb::Run;
    let shared = Arc::new(Shared::new(run, Reports::new(sender), touched_paths(plan)));
    let mut dispatcher = Dispatcher {
        verb: plan.verb,
        keep_going,
        queue: Queue::new(&plan.steps),
        outcomes: BTreeMap::new(),
        silent: BTreeMap::new(),
        counts: Counts::default(),
        lost: BTreeSet::new(),
        failed: false,
        hosts: Vec::new(),
        running: JoinSet::new(),
        tasks: HashMap::new(),
        reports,
        shared,
        journal,
        notices,
    };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    dispatcher
        .write(EventKind::RunStarted {
            plan: Box::new(plan.clone()),
            labctl_version: version,
        })
        .await?;
    dispatcher.quieten().await?;
    dispatcher.take_host_lines_out(plan).await?;
    let carried = dispatcher.carry_out().await;
    if carried.is_err() {
        dispatcher.farewell().await;
    }
    carried?;
    dispatcher.add_host_lines(plan).await?;
    if plan.verb == Verb::Verify {
        let findings = findings(plan, &dispatcher.outcomes, &dispatcher.silent);
        dispatcher.write(EventKind::CausesFound { findings }).await?;
    }
    dispatcher.finish(started.elapsed()).await
}

impl Dispatcher<'_> {
    async fn carry_out(&mut self) -> Result<(), RunError> {
        loop {
            // Only the end of a step lets others begin.
            self.start_what_is_ready().await?;
            if self.running.is_empty() {
                return self.skip_the_rest().await;
            }
            loop {
                tokio::select! {
                    Some(report) = self.reports.recv() => self.take(report).await?,
                    Some(ended) = self.running.join_next_with_id() => {
                        self.note_end(ended).await?;
                        break;
                    }
                }
            }
        }
    }

    /// Ends what an earlier labctl left running on the nodes.
    async fn quieten(&mut self) -> Result<(), RunError> {
        let stop = self.shared.stop.clone();
        let quieting = quieten(&self.shared, self.verb);
        let Some(leftovers) = stop.run_until_cancelled(quieting).await else {
            return Ok(());
        };
        for (node, containers) in leftovers {
            self.write(EventKind::LeftoversRemoved { node, containers }).await?;
        }
        Ok(())
    }

    async fn take(&mut self, report: Report) -> Result<(), RunError> {
        match report {
            Report::Event { kind, written } => {
                self.write(*kind).await?;
                // The executor may have been aborted meanwhile; the event stands all the same.
                let _ = written.send(());
            }
            Report::Fleeting(notice) => {
                self.notices.send(*notice);
            }
        }
        Ok(())
    }

    async fn write(&mut self, kind: EventKind) -> Result<(), RunError> {
        let event: Event = self.journal.append(kind).map_err(RunError::Journal)?;
        self.shared.state().apply(&event);
        if let EventKind::StepFinished { outcome, .. } = &event.kind {
            self.counts.count(outcome);
        }
        if let EventKind::CheckJudged {
            step, verdict, silent, ..
        } = &event.kind
        {
            self.counts.checks += usize::from(verdict.is_some());
            self.silent.extend(silent.clone().map(|silent| (step.clone(), silent)));
        }
        self.notices.send(Notice::Event(event));
        Ok(())
    }

    async fn note_end(&mut self, ended: Ended) -> Result<(), RunError> {
        let (task, outcome) = match ended {
            Ok((task, Ok(outcome))) => (task, Some(outcome)),
            Ok((task, Err(JournalLost))) => {
                self.shared.stop.cancel();
                (task, None)
            }
            Err(error) => (error.id(), None),
        };
        let Some(PlannedStep { key, .. }) = self.tasks.remove(&task) else {
            return Ok(());
        };
        let outcome = match outcome {
            Some(outcome) => outcome,
            None => {
                let reason = "labctl itself failed here; please report it".to_owned();
                let outcome = Outcome::CouldNotStart { reason, hint: None };
                self.write(finished(&key, &outcome)).await?;
                outcome
            }
        };
        if matches!(outcome, Outcome::LostConnection { .. }) {
            self.lost.insert(key.node.clone());
        }
        self.failed |= !outcome.lets_others_go_on();
        self.settle(key, outcome);
        Ok(())
    }

    /// Notes how a step ended, and lets go on what waited for it.
    fn settle(&mut self, key: StepKey, outcome: Outcome) {
        self.queue.note_end(&key);
        self.outcomes.insert(key, outcome);
    }

    fn is_stopping(&self) -> bool {
        self.shared.stop.is_cancelled() || (self.failed && !self.keep_going)
    }

    async fn start_what_is_ready(&mut self) -> Result<(), RunError> {
        // What a stopped run did not get to is told as that, not as the consequence of something cancelled.
        if self.shared.stop.is_cancelled() {
            return Ok(());
        }
        for node in self.lost.clone() {
            for step in self.queue.take_node(&node) {
                self.skip(&step, SkipReason::NodeLost).await?;
            }
        }
        loop {
            let mut changed = false;
            for at in self.queue.ripe() {
                let Some(step) = self.queue.get(at) else { continue };
                let readiness = self.readiness(step);
                if matches!(readiness, Readiness::Waits) {
                    continue;
                }
                let Some(step) = self.queue.take(at) else { continue };
                match readiness {
                    Readiness::Skip(reason) => {
                        changed = true;
                        self.skip(&step, reason).await?;
                    }
                    _ => self.start(step),
                }
            }
            if !changed {
                return Ok(());
            }
        }
    }

    fn start(&mut self, step: PlannedStep) {
        let shared = Arc::clone(&self.shared);
        let started = step.clone();
        let task = self.running.spawn(async move { execute(&shared, &step).await });
        self.tasks.insert(task.id(), started);
    }

    /// Says whether `step`, which waits for no other, may begin.
    fn readiness(&self, step: &PlannedStep) -> Readiness {
        let failed = |key: &&StepKey| !self.outcomes.get(*key).is_some_and(Outcome::lets_others_go_on);
        match step.after.iter().find(failed) {
            // Undo goes on past failures: what can be taken back is.
            Some(key) if self.verb != Verb::Cleanup => {
                Readiness::Skip(SkipReason::NeedsFailed { step: key.to_string() })
            }
            // One more look is quick, and tells more of what is wrong at once.
            _ if self.is_stopping() && !looks_once(step) => Readiness::Waits,
            _ if self.tasks.values().any(|running| disturb_each_other(running, step)) => Readiness::Waits,
            _ => Readiness::Ready,
        }
    }

    async fn skip(&mut self, step: &PlannedStep, reason: SkipReason) -> Result<(), RunError> {
        let outcome = Outcome::Skipped { reason };
        let finished = finished(&step.key, &outcome);
        self.settle(step.key.clone(), outcome);
        self.write(finished).await
    }

    async fn skip_the_rest(&mut self) -> Result<(), RunError> {
        for step in self.queue.take_all() {
            self.skip(&step, SkipReason::Stopping).await?;
        }
        Ok(())
    }

    /// Adds the lines of the tasks whose steps all hold. That each is to be taken out again is in the journal before.
    async fn add_host_lines(&mut self, plan: &Plan) -> Result<(), RunError> {
        for host in &plan.hosts {
            let HostWork::Add(line) = &host.work else { continue };
            let steps = plan.steps.iter().filter(|step| step.task == host.task);
            let mut outcomes = steps.map(|step| self.outcomes.get(&step.key));
            let holds = outcomes.all(|outcome| outcome.is_some_and(Outcome::lets_others_go_on));
            if !holds || self.shared.stop.is_cancelled() {
                continue;
            }
            let line = line.clone();
            self.write(EventKind::HostLineOwed { line: line.clone() }).await?;
            let failed = hosts::add(&line).err();
            self.hosts.extend(failed.clone());
            self.write(EventKind::HostLineAdded { line, failed }).await?;
        }
        Ok(())
    }

    async fn take_host_lines_out(&mut self, plan: &Plan) -> Result<(), RunError> {
        for line in &plan.host_lines {
            let failed = hosts::take_out(line).err();
            self.hosts.extend(failed.clone());
            let line = line.clone();
            self.write(EventKind::HostLineTakenOut { line, failed }).await?;
        }
        Ok(())
    }

    /// Lets executors kill what they started, although nothing can be written down any more.
    async fn farewell(&mut self) {
        self.shared.stop.cancel();
        self.reports.close();
        let all_ended = async {
            loop {
                tokio::select! {
                    // Refusing to answer tells an executor that its event is lost.
                    Some(_) = self.reports.recv() => {}
                    ended = self.running.join_next() => if ended.is_none() { break },
                }
            }
        };
        let _ = tokio::time::timeout(FAREWELL, all_ended).await;
    }

    /// Tells what a report needs that no step told: what the nodes have now, and where it goes.
    async fn prepare_report(&mut self) -> Result<(), RunError> {
        let Some(place) = self.shared.report.clone() else {
            return Ok(());
        };
        let nodes = last_look(&self.shared, &self.lost).await;
        self.write(EventKind::ClusterSeen { nodes }).await?;
        let changed = self.shared.state().owes_anything();
        let html = if changed { place.kept } else { place.closed };
        let html = html.display().to_string();
        self.write(EventKind::ReportNamed { html }).await
    }

    async fn finish(mut self, took: Duration) -> Result<RunSummary, RunError> {
        let stopped = self.shared.stop.is_cancelled();
        self.prepare_report().await?;
        let last = if stopped {
            EventKind::RunAborted {
                reason: "interrupted".to_owned(),
                took,
            }
        } else {
            EventKind::RunFinished {
                verb: self.verb,
                counts: self.counts,
                took,
            }
        };
        self.write(last).await?;
        let state = self.shared.state().clone();
        Ok(RunSummary {
            outcomes: self.outcomes,
            counts: self.counts,
            stopped,
            hosts: self.hosts,
            state,
        })
    }
}

/// Says whether `step` only looks, and waits for nothing to become true.
fn looks_once(step: &PlannedStep) -> bool {
    !step.changes() && step.checks.iter().all(|check| check.within.is_zero())
}

/// Says whether one of two steps restarts an engine that the other one works with.
fn disturb_each_other(one: &PlannedStep, other: &PlannedStep) -> bool {
    let disturbs = |one: &PlannedStep, other: &PlannedStep| one.restarts_engine() && other.concerns(&one.key.node);
    disturbs(one, other) || disturbs(other, one)
}

/// Returns the end of a step that nobody else has reported.
fn finished(step: &StepKey, outcome: &Outcome) -> EventKind {
    EventKind::StepFinished {
        step: step.clone(),
        outcome: outcome.clone(),
        took: Duration::ZERO,
        output: Vec::new(),
    }
}

enum Readiness {
    Ready,
    Waits,
    Skip(SkipReason),
}
