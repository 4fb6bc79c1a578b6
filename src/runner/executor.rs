//! One step on one node, from its undo to its checks.

use super::action::{Scene, perform};
use super::baseline::{engine_contents, take_baseline};
use super::checks::{judge_checks, needless};
use super::clear::clear_node;
use super::comparison::compare_baseline;
use super::elsewhere::{keep_undo, owe_elsewhere};
use super::engine::{Engine, EngineFault};
use super::output::StepOutput;
use super::ownership::Proofs;
use super::reports::JournalLost;
use super::reset::reset_node;
use super::shared::{NodeAccess, Shared};
use super::undo::undo_all;
use super::undo_steps::{Refusal, plan_undo};
use crate::check::CommandEvidence;
use crate::domain::{
    Action, Capture, CaptureFrom, CheckKind, Ending, EventKind, NodeName, Outcome, OutputRecord, PlannedStep,
    ProbeError, Redactor, Undo, UndoText, WhenDone, Work, without_control_sequences,
};
use crate::node::Transport;
use regex::RegexBuilder;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

/// What a step came to, before it is reported.
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) output: Vec<OutputRecord>,
}

impl From<Outcome> for Done {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            output: Vec::new(),
        }
    }
}

/// Does `step` and reports how it ended.
pub(super) async fn execute(shared: &Arc<Shared>, step: &PlannedStep) -> Result<Outcome, JournalLost> {
    let started = Instant::now();
    let mut done = do_step(shared, step).await?;
    mask(shared, &mut done.outcome);
    let finished = EventKind::StepFinished {
        step: step.key.clone(),
        outcome: done.outcome.clone(),
        took: started.elapsed(),
        output: done.output,
    };
    shared.reports.event(finished).await?;
    Ok(done.outcome)
}

/// Masks secrets in what a node said about an ending.
fn mask(shared: &Shared, outcome: &mut Outcome) {
    match outcome {
        Outcome::CouldNotStart { reason, hint }
        | Outcome::LostConnection { reason, hint }
        | Outcome::CannotTell { reason, hint } => {
            let redactor = shared.redactor();
            *reason = redactor.text(reason);
            *hint = hint.take().map(|hint| redactor.text(&hint));
        }
        _ => {}
    }
}

async fn do_step(shared: &Arc<Shared>, step: &PlannedStep) -> Result<Done, JournalLost> {
    let Work::Action(action) = &step.work else {
        return do_to_the_node(shared, step).await;
    };
    // A restart that a labctl left behind goes on by itself; nothing can be asked of the engine before it has ended.
    if shared.instance.is_some()
        && shared.may_be_restarting(&step.key.node)
        && let Err(outcome) = reach(shared, step).await?
    {
        return Ok(outcome.into());
    }
    if step.changes()
        && step.when_done == WhenDone::Skip
        && let Some(outcome) = needless(shared, step).await
    {
        return Ok(outcome.into());
    }
    if !step.changes() {
        let started = EventKind::StepStarted {
            step: step.key.clone(),
            exec: None,
            undo: Vec::new(),
        };
        shared.reports.event(started).await?;
        shared
            .reports
            .event(EventKind::ChecksStarted { step: step.key.clone() })
            .await?;
        return Ok(judge_checks(shared, step, None).await?.into());
    }
    let transport = match reach(shared, step).await? {
        Ok(transport) => transport,
        Err(outcome) => return Ok(outcome.into()),
    };
    change(shared, step, action, transport.as_ref()).await
}

/// Does what is not a lab's action: undo, comparison, reset, clearing.
async fn do_to_the_node(shared: &Arc<Shared>, step: &PlannedStep) -> Result<Done, JournalLost> {
    let started = EventKind::StepStarted {
        step: step.key.clone(),
        exec: None,
        undo: Vec::new(),
    };
    shared.reports.event(started).await?;
    let transport = match shared.access(&step.key.node) {
        NodeAccess::Connected(transport) => transport,
        NodeAccess::Unreachable { reason, hint } => return Ok(Outcome::LostConnection { reason, hint }.into()),
    };
    if !matches!(step.work, Work::Reset | Work::Clear)
        && let Err(outcome) = prepare(shared, step, &step.key.node, transport.as_ref()).await?
    {
        return Ok(outcome.into());
    }
    match &step.work {
        Work::Undo(undos) => undo_all(shared, step, transport.as_ref(), undos).await,
        Work::CompareBaseline => compare_baseline(shared, step, transport.as_ref()).await,
        Work::Clear => clear_node(shared, step, transport.as_ref()).await,
        Work::Reset | Work::Action(_) => reset_node(shared, step, transport.as_ref()).await,
    }
}

/// Returns the way to the step's node, which is ready for changes then.
async fn reach(shared: &Shared, step: &PlannedStep) -> Result<Result<Arc<dyn Transport>, Outcome>, JournalLost> {
    let transport = match shared.access(&step.key.node) {
        NodeAccess::Connected(transport) => transport,
        NodeAccess::Unreachable { reason, hint } => return Ok(Err(Outcome::LostConnection { reason, hint })),
    };
    let prepared = prepare(shared, step, &step.key.node, transport.as_ref()).await?;
    Ok(prepared.map(|()| transport))
}

/// Makes `node`, on which `step` changes something, ready for that, once a run: its baseline is in the journal and on the
/// node before anything else, and what a labctl that died left running there is stopped.
pub(super) async fn prepare(
    shared: &Shared,
    step: &PlannedStep,
    node: &NodeName,
    transport: &dyn Transport,
) -> Result<Result<(), Outcome>, JournalLost> {
    let (Some(instance), Some(preparation)) = (&shared.instance, shared.preparation(node)) else {
        return Ok(Err(not_started("nothing may be changed outside an instance")));
    };
    let mut prepared = preparation.lock().await;
    if *prepared {
        return Ok(Ok(()));
    }
    let known = shared.state().baselines.get(node).cloned();
    let is_new = known.is_none();
    let baseline = match known {
        Some(baseline) => baseline,
        None => {
            let paths = shared.paths.get(node).map(Vec::as_slice).unwrap_or_default();
            let baseline = match take_baseline(transport, paths).await {
                Ok(baseline) => baseline,
                Err(ProbeError::Unreachable { reason, hint }) => {
                    return Ok(Err(Outcome::LostConnection { reason, hint }));
                }
                Err(error) => return Ok(Err(not_started(&format!("the baseline could not be taken: {error}")))),
            };
            shared
                .reports
                .event(EventKind::BaselineTaken {
                    baseline: baseline.clone(),
                })
                .await?;
            baseline
        }
    };
    let kept = serde_json::to_vec(&baseline).unwrap_or_default();
    let ready = async {
        transport.open_instance(instance).await?;
        transport.stop_execs().await?;
        // Whatever is changed needs it there, also where labctl died before it was. Cleanup does not: a node whose disk is
        // full must still be cleaned up.
        if is_new || matches!(step.work, Work::Action(_)) {
            transport.keep("baseline.json", &kept).await
        } else {
            Ok(())
        }
    };
    match ready.await {
        Ok(()) => *prepared = true,
        Err(error) => return Ok(Err(Ending::from(error).into())),
    }
    Ok(Ok(()))
}

pub(super) fn not_started(reason: &str) -> Outcome {
    Outcome::CouldNotStart {
        reason: reason.to_owned(),
        hint: None,
    }
}

/// Does an action that changes the node: undo first, then the action, then its checks.
async fn change(
    shared: &Arc<Shared>,
    step: &PlannedStep,
    action: &Action,
    transport: &dyn Transport,
) -> Result<Done, JournalLost> {
    let exec = format!("{}-{}", shared.id, step.key.step);
    let planning = match shared.undo_plan(&step.key.node) {
        Some(lock) => Some(lock.lock().await),
        None => None,
    };
    let undo = match plan_undo(shared, step, transport, &exec).await {
        Ok(undo) => undo,
        Err(Refusal(outcome)) => return Ok(outcome.into()),
    };
    // What this step is about to make proves nothing yet.
    let made_before = shared.state().made.get(&step.key.node).cloned().unwrap_or_default();
    if let Err(error) = keep_undo(transport, &exec, &undo).await {
        return Ok(Outcome::from(Ending::from(error)).into());
    }
    if let Err(outcome) = owe_elsewhere(shared, step, &exec).await? {
        return Ok(outcome.into());
    }
    let started = EventKind::StepStarted {
        step: step.key.clone(),
        exec: Some(exec.clone()),
        undo,
    };
    shared.reports.event(started).await?;
    drop(planning);

    let captures_a_secret = step.captures.iter().any(|capture| capture.secret);
    let mut output = StepOutput::new(shared, &step.key, captures_a_secret);
    let scene = Scene {
        shared,
        step,
        transport,
        exec: &exec,
        values: shared.values(),
    };
    let ending = match replace_own_containers(&scene, &made_before, &mut output).await {
        Ok(()) => perform(scene, action, &mut output).await,
        Err(fault) => fault.into(),
    };
    let held = output.held();
    let evidence = CommandEvidence {
        ending,
        stdout: without_control_sequences(&held.stdout).into_owned(),
        stderr: without_control_sequences(&held.stderr).into_owned(),
        complete: held.complete,
    };
    let outcome = match learn_secrets(shared, step, &evidence.stdout) {
        Ok(()) => judge(shared, step, &evidence).await?,
        Err(reason) => {
            // No check may quote an output that has an unknown secret in it.
            output.hide_stdout();
            match &evidence.ending {
                Ending::Exited { code: 0 } => Outcome::CannotTell { reason, hint: None },
                ending => ending.clone().into(),
            }
        }
    };
    if captures_a_secret {
        // The record on the node holds the secret in clear; nothing needs it any more.
        if let Err(error) = transport.forget_output(&exec).await {
            output.say(&format!("the output could not be removed from the node: {error}"));
        }
    }
    let output = match output.finish() {
        Ok(output) => output,
        Err(error) => return Ok(not_started(&format!("the output could not be kept: {error}")).into()),
    };
    Ok(Done { outcome, output })
}

/// Removes the containers that an earlier run of the step made under the names it is to make again: an engine gives no name twice.
/// What the baseline has, or nothing proves to be ours, stays and stands in the way.
async fn replace_own_containers(
    scene: &Scene<'_>,
    made_before: &[Undo],
    output: &mut StepOutput,
) -> Result<(), EngineFault> {
    let mut names = BTreeSet::new();
    for undo in &scene.step.undo {
        if let UndoText::Container(name) = undo {
            names.extend(name.fill(&scene.values));
        }
    }
    if names.is_empty() || made_before.is_empty() {
        return Ok(());
    }
    let contents = engine_contents(scene.transport).await?;
    let baseline = scene.shared.state().baselines.get(&scene.step.key.node).cloned();
    let Some(baseline) = baseline else { return Ok(()) };
    let proofs = Proofs::new(made_before, Vec::new());
    for container in proofs.containers(&contents, &baseline) {
        if names.contains(&container.name) {
            output.say(&format!("removing container {} of an earlier run", container.name));
            let engine = Engine::connect(scene.transport).await?;
            engine.remove_container(&container.id).await?;
        }
    }
    Ok(())
}

/// Judges what the action left: its own ending, what is to be captured, its checks.
async fn judge(shared: &Shared, step: &PlannedStep, evidence: &CommandEvidence) -> Result<Outcome, JournalLost> {
    let judges_exit = step
        .checks
        .iter()
        .any(|check| matches!(check.kind, CheckKind::Exit { .. }));
    let outcome = match &evidence.ending {
        Ending::Exited { code: 0 } => Outcome::Passed,
        Ending::Exited { .. } if judges_exit => Outcome::Passed,
        ending => ending.clone().into(),
    };
    if outcome != Outcome::Passed {
        return Ok(outcome);
    }
    if evidence.ending == (Ending::Exited { code: 0 }) {
        for capture in &step.captures {
            let Some(text) = captured(capture, &evidence.stdout) else {
                let reason = no_value(capture);
                return Ok(Outcome::CannotTell { reason, hint: None });
            };
            // A value with a secret in it is one, whatever the lab says.
            let secret = capture.secret || shared.redactor().text(&text) != text;
            shared.set_value(&capture.name, &text, secret);
            let value = (!secret).then_some(text);
            let step = step.key.clone();
            shared
                .reports
                .event(EventKind::ValueCaptured {
                    step,
                    name: capture.name.clone(),
                    value,
                })
                .await?;
        }
    }
    shared
        .reports
        .event(EventKind::ChecksStarted { step: step.key.clone() })
        .await?;
    judge_checks(shared, step, Some(evidence)).await
}

/// Takes the secrets that `step` captures out of what it printed, whatever its end was: only a known one can be masked.
fn learn_secrets(shared: &Shared, step: &PlannedStep, stdout: &[u8]) -> Result<(), String> {
    for capture in step.captures.iter().filter(|capture| capture.secret) {
        let text = captured(capture, stdout).ok_or_else(|| no_value(capture))?;
        if !Redactor::can_mask(&text) {
            return Err(format!(
                "the value for `{}` is too short to be kept secret",
                capture.name
            ));
        }
        shared.set_value(&capture.name, &text, true);
    }
    Ok(())
}

fn no_value(capture: &Capture) -> String {
    let wanted = match &capture.from {
        CaptureFrom::Regex(pattern) => format!("nothing in it matches `{pattern}`"),
        CaptureFrom::Json(pointer) => format!("it is not JSON with something at `{pointer}`"),
    };
    format!("the output has no value for `{}`: {wanted}", capture.name)
}

fn captured(capture: &Capture, stdout: &[u8]) -> Option<String> {
    match &capture.from {
        CaptureFrom::Regex(pattern) => {
            let text = String::from_utf8_lossy(stdout);
            let found = RegexBuilder::new(pattern)
                .multi_line(true)
                .build()
                .ok()?
                .captures(&text)?;
            Some(found.get(1).or_else(|| found.get(0))?.as_str().to_owned())
        }
        CaptureFrom::Json(pointer) => {
            let value: serde_json::Value = serde_json::from_slice(stdout).ok()?;
            Some(match value.pointer(pointer)? {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            })
        }
    }
}
