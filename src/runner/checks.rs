//! Looks until a check holds or its time is up.

use super::reports::JournalLost;
use super::shared::{NodeAccess, Shared};
use crate::check::{CommandEvidence, Context, evaluate_command, evaluate_observed, probes_for};
use crate::domain::{Check, EventKind, Outcome, PlannedStep, ProbeError, Verdict};
use crate::probe::observe;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

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
    let mut outcome = Outcome::Passed;
    for (index, check) in step.checks.iter().enumerate() {
        if shared.stop.is_cancelled() {
            return Ok(Outcome::Cancelled);
        }
        let started = Instant::now();
        let within = if outcome == Outcome::Passed {
            check.within
        } else {
            Duration::ZERO
        };
        let (look, attempts) = poll(shared, step, index, within, command).await;
        let verdict = match look {
            Look::Judged(verdict) => {
                if !verdict.holds && outcome == Outcome::Passed {
                    outcome = Outcome::FailedCheck;
                }
                Some(masked(shared, verdict))
            }
            Look::CannotTell(reason) => {
                if outcome == Outcome::Passed {
                    outcome = Outcome::CannotTell {
                        reason: shared.redactor().text(&reason),
                    };
                }
                None
            }
        };
        let key = step.key.clone();
        let took = started.elapsed();
        shared
            .reports
            .event(EventKind::CheckJudged {
                step: key,
                check: index,
                verdict,
                attempts,
                took,
            })
            .await?;
    }
    Ok(outcome)
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
    let mut ticks = interval(check.every.max(Duration::from_millis(50)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut attempts = 0;
    loop {
        ticks.tick().await;
        attempts += 1;
        let look = look_once(shared, step, check, command).await;
        if matches!(&look, Look::Judged(verdict) if verdict.holds) {
            return (look, attempts);
        }
        let next = Instant::now() + check.every;
        if next > deadline || check.kind.judges_the_command() || shared.stop.is_cancelled() {
            return (look, attempts);
        }
        let verdict = match &look {
            Look::Judged(verdict) => Some(masked(shared, verdict.clone())),
            Look::CannotTell(_) => None,
        };
        shared.reports.still_waiting(&step.key, index, verdict, attempts);
    }
}

async fn look_once(shared: &Shared, step: &PlannedStep, check: &Check, command: Option<&CommandEvidence>) -> Look {
    let values = shared.values();
    if check.kind.judges_the_command() {
        let judged = command.map(|evidence| evaluate_command(&check.kind, &values, evidence));
        return match judged {
            Some(Ok(Some(verdict))) => Look::Judged(verdict),
            Some(Err(missing)) => Look::CannotTell(missing.to_string()),
            Some(Ok(None)) | None => Look::CannotTell("the step ran no command to judge".to_owned()),
        };
    }
    let node = check.on.as_ref().unwrap_or(&step.key.node);
    let transport = match shared.access(node) {
        NodeAccess::Connected(transport) => transport,
        NodeAccess::Unreachable(reason) => return Look::CannotTell(format!("{node}: {reason}")),
    };
    let probes = match probes_for(&check.kind, &values) {
        Ok(probes) => probes,
        Err(missing) => return Look::CannotTell(missing.to_string()),
    };
    let mut observations = Vec::new();
    for probe in &probes {
        match observe(transport.as_ref(), probe).await {
            Ok(observation) => observations.push(observation),
            Err(ProbeError::Unreachable { reason, .. } | ProbeError::CannotLook { reason, .. }) => {
                return Look::CannotTell(format!("{node}: {reason}"));
            }
        }
    }
    let ours = shared.ours(node);
    match evaluate_observed(
        &check.kind,
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
