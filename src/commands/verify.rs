//! `verify`: looks at what is there, changes nothing, needs no instance.

use super::carry_out::{Carried, Results, carry_out_and_report};
use super::connect::{Connections, connect, naming};
use super::failure::Failure;
use super::images::BinaryImages;
use super::junit::JunitFile;
use super::opening::new_run_id;
use super::run::{exit_of, outline};
use super::session::Session;
use super::target;
use super::values::captured;
use crate::cli;
use crate::domain::{Facts, Inventory, NodeName};
use crate::exit::Exit;
use crate::journal::{Instance, MemoryJournal};
use crate::load::{self, LabDefinition, ResolveContext, TaskOutline};
use crate::planner::{PlanError, Selection, nothing_to_check, plan_verify};
use crate::probe::Need;
use crate::runner::{NodeAccess, Run};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Verifies tasks.
pub(super) async fn verify(session: &Session, options: &cli::Verify) -> Result<Exit, Failure> {
    let target::ChosenLab { definition, .. } = target::lab(session, options.lab.as_deref())?;
    judge(&definition, &options.tasks)?;
    let junit = options.junit.as_deref().map(JunitFile::prepare).transpose()?;
    let target::Machines { inventory, places } = target::machines(session, false).await?;
    let instance = session.store.instance_on(&inventory)?;
    let mut vars = instance
        .as_ref()
        .map(|instance| instance.record().vars.clone())
        .unwrap_or_default();
    vars.extend(target::vars(session)?);
    let mut context = ResolveContext {
        instance: "none".to_owned(),
        inventory_places: places,
        // Nothing is opened by looking.
        exposes_engines: true,
    };
    load::validate(&definition, &inventory, &vars, &context)?;

    let connections = connect(
        session,
        &inventory,
        Some(&definition.nodes().cloned().collect::<Vec<_>>()),
        Need::Plan {
            compose: definition.may_use_compose(),
        },
    )
    .await?;
    // A program that reads the results gets them, also where there are none.
    if connections.none_reached() && !session.common.json && junit.is_none() {
        connections.all_reached()?;
    }
    let facts = known_or_assumed_facts(&connections, &inventory);
    let state = instance.as_ref().map(Instance::state).transpose()?.unwrap_or_default();
    if let Some(instance) = &instance {
        context.instance = instance.record().id.to_string();
    }
    let lab = load::resolve(&definition, &inventory, &facts, &vars, &context)?;
    let plan = plan_verify(&lab, &options.tasks)?;

    let scratch = tempfile::tempdir().map_err(|error| Failure::new(Exit::CouldNotRun, error))?;
    let id = new_run_id()?;
    let mut journal = MemoryJournal::new(id.clone());
    let run = Run {
        instance: None,
        id,
        directory: scratch.path().to_owned(),
        nodes: access(&connections),
        values: captured(&state),
        state,
        images: Arc::<BinaryImages>::default(),
        keeps_records: false,
        keep_going: true,
        report: None,
        stop: CancellationToken::new(),
        began: session.began,
    };
    let results = Results {
        junit: junit.as_ref(),
        report: None,
    };
    let carried = carry_out_and_report(session, &plan, run, &mut journal, results).await?;
    connections.close().await;
    Ok(match carried {
        Carried::Ended(summary) => exit_of(&summary),
        Carried::Left => Exit::Interrupted,
    })
}

/// Refuses tasks that the lab does not have, and those that have nothing to look at, before a node is asked.
fn judge(definition: &LabDefinition, names: &[String]) -> Result<(), PlanError> {
    for name in names {
        let selection = Selection {
            task: Some(name.clone()),
            ..Selection::default()
        };
        selection.judge(&outline(definition))?;
    }
    let is_meant = |task: &TaskOutline<'_>| names.is_empty() || names.iter().any(|name| name == task.id.as_str());
    let mut meant = definition.tasks().filter(is_meant);
    if meant.all(|task| task.verify.is_empty()) {
        return Err(nothing_to_check(definition.id(), names));
    }
    Ok(())
}

/// Returns the way to every node, or why there is none.
pub(super) fn access(connections: &Connections) -> BTreeMap<NodeName, NodeAccess> {
    let access = |reached: &Result<super::connect::Reached, crate::node::NodeError>| match reached {
        Ok(reached) => NodeAccess::Connected(Arc::clone(&reached.transport)),
        Err(error) => NodeAccess::Unreachable {
            reason: naming(&error.node, &error.to_string()),
            hint: error.hint.clone(),
        },
    };
    connections
        .nodes
        .iter()
        .map(|(name, reached)| (name.clone(), access(reached)))
        .collect()
}

/// Returns what is known of each node; what cannot be known of one that does not answer is assumed, and nothing is judged
/// by it.
fn known_or_assumed_facts(connections: &Connections, inventory: &Inventory) -> BTreeMap<NodeName, Facts> {
    let known = |name: &NodeName| {
        let reached = connections.nodes.get(name)?.as_ref().ok()?;
        reached.facts.as_ref().ok().cloned()
    };
    let nodes = inventory.nodes.iter();
    nodes
        .map(|node| (node.name.clone(), known(&node.name).unwrap_or_else(load::assumed_facts)))
        .collect()
}
