//! `cleanup`: from the instance's journal alone, without the lab file.

use super::carry_out::{Carried, carry_out_and_show};
use super::connect::connect;
use super::failure::Failure;
use super::images::BinaryImages;
use super::run::new_run_id;
use super::session::Session;
use super::target;
use super::verify::access;
use crate::cli;
use crate::domain::{NodeName, Outcome, Values, Work};
use crate::exit::Exit;
use crate::journal::Instance;
use crate::load::suggestion;
use crate::planner::plan_cleanup;
use crate::runner::{Run, RunSummary};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Takes back what the instance did.
pub(super) async fn cleanup(session: &Session, options: &cli::Cleanup) -> Result<Exit, Failure> {
    let Some(instance) = chosen(session, options)? else {
        session.tell("Nothing to clean up: no lab instance is open here.");
        return Ok(Exit::Success);
    };
    let run = new_run_id()?;
    let mut journal = instance.writer(run.clone(), "cleanup")?;
    let state = instance.state()?;
    let plan = plan_cleanup(&state);
    if plan.steps.is_empty() {
        session.tell("Nothing to clean up: the lab changed nothing.");
        drop(journal);
        instance.discard()?;
        return Ok(Exit::Success);
    }
    let wanted: Vec<NodeName> = state.baselines.keys().cloned().collect();
    let connections = connect(&instance.record().inventory, Some(&wanted)).await?;
    let engine = Run {
        instance: Some(instance.record().id.clone()),
        id: run,
        directory: instance.directory().to_owned(),
        nodes: access(&connections),
        values: Values::default(),
        state,
        images: Arc::new(BinaryImages),
        keep_going: true,
        stop: CancellationToken::new(),
    };
    let carried = carry_out_and_show(session, &plan, engine, journal.as_mut()).await?;
    let Carried::Ended(summary) = carried else {
        return Ok(Exit::Interrupted);
    };
    connections.close().await;
    drop(journal);
    if !summary.state.owes_anything() && !summary.stopped {
        instance.close()?;
        return Ok(Exit::Success);
    }
    Ok(exit_of_cleanup(&plan.steps, &summary))
}

/// A node that could not be reached is not one where something was found to be left.
fn exit_of_cleanup(steps: &[crate::domain::PlannedStep], summary: &RunSummary) -> Exit {
    let compared = steps.iter().filter(|step| step.work == Work::CompareBaseline);
    let outcomes: Vec<&Outcome> = compared.filter_map(|step| summary.outcomes.get(&step.key)).collect();
    match () {
        () if summary.stopped => Exit::Interrupted,
        () if outcomes.iter().any(|outcome| **outcome == Outcome::FailedCheck) => Exit::Left,
        () => Exit::CouldNotRun,
    }
}

fn chosen(session: &Session, options: &cli::Cleanup) -> Result<Option<Instance>, Failure> {
    if let Some(id) = &options.instance {
        let mut instances = session.store.open_instances()?;
        let known: Vec<String> = instances
            .iter()
            .map(|instance| instance.record().id.to_string())
            .collect();
        let Some(position) = known.iter().position(|known| known == id) else {
            let hint = suggestion(id, known.iter().map(String::as_str));
            return Err(Failure::usage(format!("no instance `{id}` is open here")).maybe_hint(hint));
        };
        return Ok(Some(instances.swap_remove(position)));
    }
    match target::named_inventory(session)? {
        Some(machines) => Ok(session.store.instance_on(&machines.inventory)?),
        None => target::only_instance(session),
    }
}
