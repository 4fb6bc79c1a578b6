//! Looks until a check holds or its time is up.

use super::reports::JournalLost;
use super::shared::{NodeAccess, Shared};
use crate::check::{CommandEvidence, Context, evaluate_command, evaluate_observed, probes_for};
use crate::domain::{
    Check, CheckKind, EventKind, NodeName, Observation, Outcome, PlannedStep, ProbeError, TaskId, Verdict,
};
use crate::probe::observe;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The shortest pause between two looks, whatever a lab says.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// What one look at a check came to.
enum Look {
    Judged(Verdict),
    CannotTell(String),
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
        return Ok(Outcome::CannotTell { reason });
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
        let holds = matches!(&look, Look::Judged(verdict) if verdict.holds);
        if !holds && shared.stop.is_cancelled() {
            // It might have come to hold: nobody waited for it.
            return Ok(Outcome::Cancelled);
        }
        if !holds && let Some(by) = superseding_task(shared, check).await {
            outcome = first_of(outcome, Outcome::Superseded { by });
            continue;
        }
        let verdict = match look {
            Look::Judged(verdict) => {
                if !verdict.holds {
                    outcome = first_of(outcome, Outcome::FailedCheck);
                }
                Some(masked(shared, verdict))
            }
            Look::CannotTell(reason) => {
                let reason = shared.redactor().text(&reason);
                outcome = first_of(outcome, Outcome::CannotTell { reason });
                None
            }
        };
        let (step, took) = (step.key.clone(), started.elapsed());
        shared
            .reports
            .event(EventKind::CheckJudged {
                step,
                check: index,
                verdict,
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

/// Returns the task that changes on purpose what `check` wants, where it has begun: as this instance tells, or as the
/// nodes show.
async fn superseding_task(shared: &Shared, check: &Check) -> Option<TaskId> {
    let task = check.superseded_by.as_ref()?;
    if was_begun_here(shared, task) {
        return Some(task.clone());
    }
    for sign in &check.superseded_signs {
        if let Look::Judged(verdict) = look_at(shared, &sign.node, &sign.kind).await
            && verdict.holds
        {
            return Some(task.clone());
        }
    }
    None
}

fn was_begun_here(shared: &Shared, task: &TaskId) -> bool {
    let state = shared.state();
    let mut steps = state.tasks.get(task).into_iter().flatten();
    steps.any(|step| matches!(state.steps.get(step), Some(Some(Outcome::Passed))))
}

/// Says whether all that `step` wants of its node's state holds already; false where it wants nothing of it.
pub(super) async fn holds_already(shared: &Shared, step: &PlannedStep) -> bool {
    let mut looked = false;
    for check in step
        .checks
        .iter()
        .filter(|check| !check.kind.judges_the_command() && !check.only_in_run)
    {
        looked = true;
        match look_once(shared, step, check, None).await {
            Look::Judged(verdict) if verdict.holds => {}
            _ => return false,
        }
    }
    looked
}

fn masked(shared: &Shared, verdict: Verdict) -> Verdict {
    let redactor = shared.redactor();
    Verdict {
        holds: verdict.holds,
        expected: redactor.text(&verdict.expected),
        actual: redactor.text(&verdict.actual),
    }
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
        let look = look_once(shared, step, check, command).await;
        let holds = matches!(&look, Look::Judged(verdict) if verdict.holds);
        if holds || began >= deadline || check.kind.judges_the_command() || shared.stop.is_cancelled() {
            return (look, attempts);
        }
        let verdict = match &look {
            Look::Judged(verdict) => Some(masked(shared, verdict.clone())),
            Look::CannotTell(_) => None,
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
            Some(Ok(Some(verdict))) => Look::Judged(verdict),
            Some(Err(missing)) => Look::CannotTell(missing.to_string()),
            Some(Ok(None)) | None => Look::CannotTell("the step ran no command to judge".to_owned()),
        };
    }
    look_at(shared, check.on.as_ref().unwrap_or(&step.key.node), &check.kind).await
}

/// Looks whether `kind` holds on `node`.
async fn look_at(shared: &Shared, node: &NodeName, kind: &CheckKind) -> Look {
    let values = shared.values();
    let transport = match shared.access(node) {
        NodeAccess::Connected(transport) => transport,
        NodeAccess::Unreachable(reason) => return Look::CannotTell(reason),
    };
    let probes = match probes_for(kind, &values) {
        Ok(probes) => probes,
        Err(missing) => return Look::CannotTell(missing.to_string()),
    };
    let mut observations = Vec::new();
    for probe in &probes {
        match observe(transport.as_ref(), probe).await {
            Ok(Observation::EngineDown { reason }) if !matches!(kind, CheckKind::Engine { .. }) => {
                return Look::CannotTell(format!("{node}: the Docker Engine does not answer: {reason}"));
            }
            Ok(observation) => observations.push(observation),
            Err(ProbeError::Unreachable { reason, .. } | ProbeError::CannotLook { reason, .. }) => {
                return Look::CannotTell(format!("{node}: {reason}"));
            }
        }
    }
    let ours = shared.ours(node);
    match evaluate_observed(
        kind,
        Context {
            values: &values,
            ours: &ours,
        },
        &observations,
    ) {
        Ok(verdict) => Look::Judged(verdict),
        Err(missing) => Look::CannotTell(missing.to_string()),
    }
}
