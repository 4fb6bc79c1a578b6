//! `run` and `plan`: from lab and inventory to a plan, and on to the nodes.

use super::carry_out::{Carried, Results, carry_out_and_report};
use super::connect::{Connections, connect};
use super::failure::Failure;
use super::hosts;
use super::images::BinaryImages;
use super::junit::JunitFile;
use super::opening::{new_run_id, open_instance, refuse_busy_nodes};
use super::report_files::{ReportFiles, report_place};
use super::session::Session;
use super::target::{self, ChosenLab};
use super::values::values;
use crate::cli;
use crate::domain::{Counts, Facts, InstanceId, Inventory, Lab, NodeName, State};
use crate::exit::Exit;
use crate::load::{self, LabDefinition, ResolveContext};
use crate::planner::{Outline, Selection, plan_run};
use crate::probe::Need;
use crate::report;
use crate::runner::{NodeAccess, Run, RunSummary};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Everything that was found out before the plan.
pub(super) struct Prepared {
    pub(super) lab: ChosenLab,
    pub(super) inventory: Inventory,
    /// The variables that were given, now or when the open instance was run before.
    pub(super) vars: BTreeMap<String, String>,
    context: ResolveContext,
    connections: Connections,
    pub(super) facts: BTreeMap<NodeName, Facts>,
}

/// Shows what `run` would do.
pub(super) async fn show_plan(session: &Session, options: &cli::Run) -> Result<Exit, Failure> {
    let prepared = prepare(session, options, false).await?;
    let instance = session.store.instance_on(&prepared.inventory)?;
    let (id, state) = match &instance {
        Some(instance) => (instance.record().id.to_string(), instance.state()?),
        None => ("new".to_owned(), State::default()),
    };
    let mut plan = plan_run(&resolve(&prepared, &id)?, &state, &selection(options))?;
    prepared.connections.close().await;
    let id = InstanceId::new(id).map_err(|error| Failure::new(Exit::Usage, error))?;
    hosts::decide(session, &mut plan, &id, options.hosts).await?;
    if session.common.json {
        session.print_json(&plan)?;
    } else {
        let style = report::Style {
            colour: session.colour_on_stdout,
            width: session.width,
        };
        session.print(&report::plan_listing(&plan, &style));
    }
    Ok(Exit::Success)
}

/// Runs a lab.
pub(super) async fn run(session: &Session, options: &cli::RunAndReport) -> Result<Exit, Failure> {
    let junit = options.junit.as_deref().map(JunitFile::prepare).transpose()?;
    let options = &options.run;
    let prepared = prepare(session, options, true).await?;
    let transports = prepared.connections.all_reached()?;
    let run = new_run_id()?;
    let mut opened = open_instance(session, &prepared, &run).await?;
    let id = opened.instance.record().id.clone();
    let lab = resolve(&prepared, id.as_str())?;
    let mut plan = plan_run(&lab, &opened.state, &selection(options))?;
    // What a person types to go on is what was typed to begin: a lab of their own is found by its path, not by its id.
    plan.lab.clone_from(&prepared.lab.name);
    hosts::decide(session, &mut plan, &id, options.hosts).await?;
    let values = values(session, &plan, &prepared, &opened.state).await?;
    opened.begin(&prepared.vars)?;
    let engine = Run {
        instance: Some(id),
        id: run.clone(),
        directory: opened.instance.directory().to_owned(),
        nodes: transports
            .into_iter()
            .map(|(name, transport)| (name, NodeAccess::Connected(transport)))
            .collect(),
        values,
        state: opened.state.clone(),
        images: Arc::<BinaryImages>::default(),
        keeps_records: false,
        keep_going: options.keep_going,
        report: Some(report_place(&opened.instance, &run)),
        stop: CancellationToken::new(),
        began: Instant::now(),
    };
    let files = ReportFiles::new(opened.instance.directory(), &run);
    let results = Results {
        junit: junit.as_ref(),
        report: Some(&files),
    };
    let carried = carry_out_and_report(session, &plan, engine, opened.journal.as_mut(), results).await?;
    let Carried::Ended(summary) = carried else {
        return Ok(Exit::Interrupted);
    };
    if !summary.state.owes_anything() {
        opened.instance.close()?;
    }
    drop(opened);
    prepared.connections.close().await;
    Ok(exit_of(&summary))
}

/// Returns how a run ended.
pub(super) fn exit_of(summary: &RunSummary) -> Exit {
    let Counts {
        failed,
        could_not_run,
        already_held,
        superseded,
        checks,
        ..
    } = summary.counts;
    match () {
        () if summary.stopped => Exit::Interrupted,
        () if failed > 0 => Exit::CheckFailed,
        () if could_not_run > 0 || !summary.hosts.is_empty() => Exit::CouldNotRun,
        () if checks + already_held + superseded == 0 => Exit::NothingToCheck,
        () => Exit::Success,
    }
}

/// Reads everything, reports every fault of it, and only then connects; brings the playground up where `start` allows it.
async fn prepare(session: &Session, options: &cli::Run, start: bool) -> Result<Prepared, Failure> {
    let lab = target::lab(session, options.lab.as_deref())?;
    let definition = &lab.definition;
    selection(options).judge(&outline(definition))?;
    let given = target::vars(session)?;
    let target::Machines { inventory, places } = target::machines(session, start).await?;
    let mut vars = match session.store.instance_on(&inventory)? {
        Some(instance) if lab.is_of(instance.record()) => instance.record().vars.clone(),
        _ => BTreeMap::new(),
    };
    vars.extend(given);
    let context = ResolveContext {
        instance: "new".to_owned(),
        inventory_places: places,
        exposes_engines: options.expose_docker,
    };
    load::validate(definition, &inventory, &vars, &context)?;
    if start {
        refuse_busy_nodes(session, &lab, &inventory)?;
    }
    let nodes: Vec<NodeName> = definition.nodes().cloned().collect();
    let connections = connect(
        session,
        &inventory,
        Some(&nodes),
        Need::Plan {
            compose: definition.may_use_compose(),
        },
    )
    .await?;
    connections.all_reached()?;
    let facts = connections.facts()?;
    Ok(Prepared {
        lab,
        inventory,
        vars,
        context,
        connections,
        facts,
    })
}

fn resolve(prepared: &Prepared, instance: &str) -> Result<Lab, Failure> {
    let context = ResolveContext {
        instance: instance.to_owned(),
        ..prepared.context.clone()
    };
    let Prepared {
        lab,
        inventory,
        facts,
        vars,
        ..
    } = prepared;
    Ok(load::resolve(&lab.definition, inventory, facts, vars, &context)?)
}

fn selection(options: &cli::Run) -> Selection {
    Selection {
        task: options.task.clone(),
        only: options.only.clone(),
        from: options.from.clone(),
        until: options.until.clone(),
        reset_nodes: options.reset_nodes,
    }
}

/// Returns what selections of tasks and steps are judged by.
pub(super) fn outline(definition: &LabDefinition) -> Outline<'_> {
    let tasks = definition.tasks().map(|task| {
        let steps = task.steps.iter().map(|step| step.id.as_str());
        (task.id.as_str(), steps.collect())
    });
    Outline {
        lab: definition.id(),
        tasks: tasks.collect(),
    }
}
