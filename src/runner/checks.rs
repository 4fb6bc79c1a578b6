//! Looks until a check holds or its time is up.

use super::reports::JournalLost;
use super::shared::{NodeAccess, Shared};
use crate::check::{CommandEvidence, Context, evaluate_command, evaluate_observed, probes_for};
use crate::domain::{
    Check, CheckKind, EventKind, NodeName, Observation, Outcome, PlannedStep, ProbeError, Silent, SkipReason, TaskId,
    Verdict,
};
use crate::probe::observe;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The shortest pause between two looks, whatever a lab says.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// What one look at a check came to.
enum Look {
    Judged(Verdict, Option<Silent>),
    CannotTell {
        reason: String,
        hint: Option<String>,
        silent: Option<Silent>,
    },
}

impl Look {
    fn unknown(reason: impl Into<String>) -> Self {
        Self::CannotTell {
            reason: reason.into(),
            hint: None,
            silent: None,
        }
    }

    /// Makes the look at a `node` that cannot be reached.
    fn at_silent(node: &NodeName, reason: String, hint: Option<String>) -> Self {
        let silent = Silent::Node {
            node: node.clone(),
            reason: reason.clone(),
            hint: hint.clone(),
        };
        let is_named = reason.contains(node.as_str());
        Self::CannotTell {
            reason: if is_named { reason } else { format!("{node}: {reason}") },
            hint,
            silent: Some(silent),
        }
    }

    fn holds(&self) -> bool {
        matches!(self, Self::Judged(verdict, _) if verdict.holds)
    }

    /// Says whether somebody looked and saw something else; an engine that does not answer has not been looked at.
    fn is_seen_false(&self) -> bool {
        matches!(self, Self::Judged(verdict, None) if !verdict.holds)
    }

    fn is_judged_false(&self) -> bool {
        matches!(self, Self::Judged(verdict, _) if !verdict.holds)
    }
}

/// Judges the checks of `step` one after the other; `command` is what its action left behind. Every check is judged, also
/// after one that does not hold, so that a person sees all that is wrong at once; only the first waits its full time.
pub(super) async fn judge_checks(
    shared: &Shared,
    step: &PlannedStep,
    command: Option<&CommandEvidence>,
) -> Result<Outcome, JournalLost> {
    if step.checks.is_empty() {
        let reason = "the step has no check, so nothing can be said of it".to_owned();
        return Ok(Outcome::CannotTell { reason, hint: None });
    }
    let mut outcome = Outcome::Passed;
    for (index, check) in step.checks.iter().enumerate() {
        let started = Instant::now();
        let within = if outcome == Outcome::Passed {
            check.within
        } else {
            Duration::ZERO
        };
        let (look, attempts) = poll(shared, step, index, within, command).await;
        let holds = look.holds();
        if !holds && shared.stop.is_cancelled() {
            // It might have come to hold: nobody waited for it.
            return Ok(Outcome::Cancelled);
        }
        if look.is_seen_false()
            && let Some(by) = superseding_task(shared, step, check).await
        {
            outcome = first_of(outcome, Outcome::Superseded { by });
            continue;
        }
        if look.is_judged_false() {
            outcome = first_of(outcome, Outcome::FailedCheck);
        }
        let (verdict, silent) = match look {
            Look::Judged(verdict, silent) => (Some(masked(shared, verdict)), silent),
            Look::CannotTell { reason, hint, silent } => {
                let reason = shared.redactor().text(&reason);
                let hint = hint.map(|hint| shared.redactor().text(&hint));
                outcome = first_of(outcome, Outcome::CannotTell { reason, hint });
                (None, silent)
            }
        };
        let silent = silent.map(|silent| masked_silence(shared, silent));
        let (step, took) = (step.key.clone(), started.elapsed());
        shared
            .reports
            .event(EventKind::CheckJudged {
                step,
                check: index,
                verdict,
                silent,
                attempts,
                took,
            })
            .await?;
    }
    Ok(outcome)
}

/// Keeps the first thing that went wrong; being superseded gives way to a failure.
fn first_of(outcome: Outcome, found: Outcome) -> Outcome {
    match (&outcome, &found) {
        (Outcome::Passed, _) => found,
        (Outcome::Superseded { .. }, found_now) if !matches!(found_now, Outcome::Superseded { .. }) => found,
        _ => outcome,
    }
}

/// Returns the task that changes on purpose what `check` of `step` wants, where it has begun: as this instance tells, or as the
/// nodes show. A task that changes what an earlier step of its own wants has not begun by what it did before: only the nodes tell.
async fn superseding_task(shared: &Shared, step: &PlannedStep, check: &Check) -> Option<TaskId> {
    let task = check.superseded_by.as_ref()?;
    let has_begun = *task != step.task && shared.state().has_begun(task) || sign_shows(shared, check).await;
    has_begun.then(|| task.clone())
}

/// Says whether a node shows that the task has begun that supersedes `check`.
async fn sign_shows(shared: &Shared, check: &Check) -> bool {
    for sign in &check.superseded_signs {
        if look_at(shared, &sign.node, &sign.kind).await.holds() {
            return true;
        }
    }
    false
}

/// Says why `step` need not be done: all that it wants of its node's state holds already, or a later task has changed on purpose
/// what does not, as the nodes themselves show. `None` where it is to be done, and where it wants nothing of the node.
pub(super) async fn needless(shared: &Shared, step: &PlannedStep) -> Option<Outcome> {
    let of_state = |check: &&Check| !check.kind.judges_the_command() && !check.only_in_run;
    let mut outcome = None;
    for check in step.checks.iter().filter(of_state) {
        let look = look_once(shared, step, check, None).await;
        if look.holds() {
            outcome.get_or_insert(Outcome::Skipped {
                reason: SkipReason::AlreadyHolds,
            });
        } else if look.is_seen_false() && sign_shows(shared, check).await {
            let by = check.superseded_by.clone()?;
            outcome = Some(Outcome::Superseded { by });
        } else {
            return None;
        }
    }
    outcome
}

fn masked(shared: &Shared, verdict: Verdict) -> Verdict {
    let redactor = shared.redactor();
    Verdict {
        holds: verdict.holds,
        expected: redactor.text(&verdict.expected),
        actual: redactor.text(&verdict.actual),
        counts: verdict
            .counts
            .iter()
            .map(|(server, count)| (redactor.text(server), *count))
            .collect(),
    }
}

fn masked_silence(shared: &Shared, mut silent: Silent) -> Silent {
    let redactor = shared.redactor();
    let (Silent::Node { reason, .. } | Silent::Engine { reason, .. }) = &mut silent;
    *reason = redactor.text(reason);
    if let Silent::Node { hint: Some(hint), .. } = &mut silent {
        *hint = redactor.text(hint);
    }
    silent
}

async fn poll(
    shared: &Shared,
    step: &PlannedStep,
    index: usize,
    within: Duration,
    command: Option<&CommandEvidence>,
) -> (Look, u32) {
    let check = &step.checks[index];
    let deadline = Instant::now() + within;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let began = Instant::now();
        // A network answer may take long; nobody has to wait for it who wants to stop.
        let look = tokio::select! {
            biased;
            look = look_once(shared, step, check, command) => look,
            () = shared.stop.cancelled() => Look::unknown("the run was stopped while this was looked at"),
        };
        if look.holds() || began >= deadline || check.kind.judges_the_command() || shared.stop.is_cancelled() {
            return (look, attempts);
        }
        let verdict = match &look {
            Look::Judged(verdict, _) => Some(masked(shared, verdict.clone())),
            Look::CannotTell { .. } => None,
        };
        shared.reports.still_waiting(&step.key, index, verdict, attempts);
        // The last look is at the deadline itself.
        let next = (Instant::now() + check.every.max(SHORTEST_PAUSE)).min(deadline.max(Instant::now()));
        tokio::select! {
            () = sleep_until(next) => {}
            () = shared.stop.cancelled() => return (look, attempts),
        }
    }
}

async fn look_once(shared: &Shared, step: &PlannedStep, check: &Check, command: Option<&CommandEvidence>) -> Look {
    if check.kind.judges_the_command() {
        let values = shared.values();
        let judged = command.map(|evidence| evaluate_command(&check.kind, &values, evidence));
        return match judged {
            Some(Ok(Some(verdict))) => Look::Judged(verdict, None),
            Some(Err(missing)) => Look::unknown(missing.to_string()),
            Some(Ok(None)) | None => Look::unknown("the step ran no command to judge"),
        };
    }
    look_at(shared, check.on.as_ref().unwrap_or(&step.key.node), &check.kind).await
}

/// Looks whether `kind` holds on `node`.
async fn look_at(shared: &Shared, node: &NodeName, kind: &CheckKind) -> Look {
    let values = shared.values();
    let transport = match shared.access(node) {
        NodeAccess::Connected(transport) => transport,
        NodeAccess::Unreachable { reason, hint } => return Look::at_silent(node, reason, hint),
    };
    let probes = match probes_for(kind, &values) {
        Ok(probes) => probes,
        Err(missing) => return Look::unknown(missing.to_string()),
    };
    let mut observations = Vec::new();
    let mut silent = None;
    for probe in &probes {
        match observe(transport.as_ref(), probe).await {
            Ok(Observation::EngineDown { reason }) => {
                let engine = silent_engine(node, reason.clone());
                if !matches!(kind, CheckKind::Engine { .. }) {
                    return Look::CannotTell {
                        reason: format!("{node}: the Docker Engine does not answer: {reason}"),
                        hint: None,
                        silent: Some(engine),
                    };
                }
                silent = Some(engine);
                observations.push(Observation::EngineDown { reason });
            }
            Ok(observation) => observations.push(observation),
            Err(ProbeError::Unreachable { reason, hint }) => return Look::at_silent(node, reason, hint),
            Err(ProbeError::CannotLook { reason, hint }) => {
                return Look::CannotTell {
                    reason: format!("{node}: {reason}"),
                    hint,
                    silent: None,
                };
            }
        }
    }
    let ours = shared.ours(node);
    let context = Context {
        values: &values,
        ours: &ours,
    };
    match evaluate_observed(kind, context, &observations) {
        Ok(verdict) => Look::Judged(verdict, silent),
        Err(missing) => Look::unknown(missing.to_string()),
    }
}

fn silent_engine(node: &NodeName, reason: String) -> Silent {
    let node = node.clone();
    Silent::Engine { node, reason }
}
