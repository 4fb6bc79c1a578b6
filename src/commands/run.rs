//! `run` and `plan`: from lab and inventory to a plan, and on to the nodes.

use super::carry_out::{Carried, carry_out_and_show};
use super::connect::{Connections, connect};
use super::failure::Failure;
use super::images::BinaryImages;
use super::session::Session;
use super::target;
use crate::cli;
use crate::domain::{Counts, Facts, Inventory, Lab, NodeName, Plan, RunId, SecretSource, State, Values};
use crate::exit::Exit;
use crate::journal::{Instance, InstanceLock, InstanceRecord, JOURNAL_VERSION, JournalError};
use crate::load::{self, LabDefinition, ResolveContext};
use crate::planner::{Outline, Selection, plan_run};
use crate::report;
use crate::runner::{NodeAccess, Run, RunSummary};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A secret shorter than this would be masked in the middle of ordinary words, or not at all.
const SHORTEST_SECRET: usize = 6;

/// Everything that was found out before the plan.
struct Prepared {
    lab_name: String,
    definition: LabDefinition,
    inventory: Inventory,
    vars: BTreeMap<String, String>,
    context: ResolveContext,
    connections: Connections,
    facts: BTreeMap<NodeName, Facts>,
}

/// Shows what `run` would do.
pub(super) async fn show_plan(session: &Session, options: &cli::Run) -> Result<Exit, Failure> {
    let prepared = prepare(session, options, false).await?;
    let instance = session.store.instance_on(&prepared.inventory)?;
    let (id, state) = match &instance {
        Some(instance) => (instance.record().id.to_string(), instance.state()?),
        None => ("new".to_owned(), State::default()),
    };
    let plan = plan_run(&resolve(&prepared, &id)?, &state, &selection(options))?;
    prepared.connections.close().await;
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
pub(super) async fn run(session: &Session, options: &cli::Run) -> Result<Exit, Failure> {
    let prepared = prepare(session, options, true).await?;
    let transports = prepared.connections.all_reached()?;
    let (instance, is_new) = open_instance(session, &prepared)?;
    let id = instance.record().id.clone();
    let run = new_run_id()?;
    let mut journal = instance.writer(run.clone(), "run")?;
    let state = instance.state()?;
    let planned = refuse_foreign_instances(&prepared.facts, id.as_str())
        .and_then(|()| resolve(&prepared, id.as_str()))
        .and_then(|lab| Ok(plan_run(&lab, &state, &selection(options))?))
        .and_then(|plan| Ok((values(session, &plan, &prepared.inventory, &state)?, plan)));
    let (values, plan) = match planned {
        Ok(planned) => planned,
        Err(failure) => {
            if is_new {
                instance.discard()?;
            }
            return Err(failure);
        }
    };
    let engine = Run {
        instance: Some(id),
        id: run,
        directory: instance.directory().to_owned(),
        nodes: transports
            .into_iter()
            .map(|(name, transport)| (name, NodeAccess::Connected(transport)))
            .collect(),
        values,
        state,
        images: Arc::new(BinaryImages),
        keep_going: options.keep_going,
        stop: CancellationToken::new(),
    };
    let carried = carry_out_and_show(session, &plan, engine, journal.as_mut()).await?;
    let Carried::Ended(summary) = carried else {
        return Ok(Exit::Interrupted);
    };
    prepared.connections.close().await;
    drop(journal);
    if !summary.state.owes_anything() {
        instance.discard()?;
    }
    Ok(exit_of(&summary))
}

/// Returns how a run ended.
pub(super) fn exit_of(summary: &RunSummary) -> Exit {
    let Counts {
        failed,
        could_not_run,
        already_held,
        checks,
        ..
    } = summary.counts;
    match () {
        () if summary.stopped => Exit::Interrupted,
        () if failed > 0 => Exit::CheckFailed,
        () if could_not_run > 0 => Exit::CouldNotRun,
        () if checks == 0 && already_held == 0 => Exit::NothingToCheck,
        () => Exit::Success,
    }
}

/// Reads everything, reports every fault of it, and only then connects; brings the playground up where `start` allows it.
async fn prepare(session: &Session, options: &cli::Run, start: bool) -> Result<Prepared, Failure> {
    let (lab_name, definition) = target::lab(session, options.lab.as_deref())?;
    selection(options).judge(&outline(&definition))?;
    let vars = target::vars(session)?;
    let target::Machines { inventory, places } = target::machines(session, start).await?;
    let context = ResolveContext {
        instance: "new".to_owned(),
        inventory_places: places,
    };
    load::validate(&definition, &inventory, &vars, &context)?;
    if start {
        refuse_busy_nodes(session, &inventory, &lab_name)?;
    }
    let nodes: Vec<NodeName> = definition.nodes().cloned().collect();
    let connections = connect(&inventory, Some(&nodes)).await?;
    connections.all_reached()?;
    let facts = connections.facts()?;
    Ok(Prepared {
        lab_name,
        definition,
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
        definition,
        inventory,
        facts,
        vars,
        ..
    } = prepared;
    Ok(load::resolve(definition, inventory, facts, vars, &context)?)
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

/// Finds the instance on these nodes, or opens a new one. Says whether it is new.
fn open_instance(session: &Session, prepared: &Prepared) -> Result<(Instance, bool), Failure> {
    let root = session.store.root();
    session.store.create()?;
    // Two labctl that start at the same time must not open two instances on the same nodes.
    let _opening = InstanceLock::take(root, "run")?;
    if let Some(instance) = refuse_busy_nodes(session, &prepared.inventory, &prepared.lab_name)? {
        return Ok((instance, false));
    }
    let id = format!("{}-{}", prepared.definition.id(), random_digits()?);
    let id = crate::domain::InstanceId::new(id).map_err(|error| Failure::new(Exit::Usage, error))?;
    let record = InstanceRecord {
        format: JOURNAL_VERSION,
        id: id.clone(),
        lab: prepared.lab_name.clone(),
        inventory: prepared.inventory.clone(),
        vars: prepared.vars.clone(),
        opened: Timestamp::now(),
    };
    Ok((Instance::create(session.store.directory(&id), record)?, true))
}

/// Returns the open instance on these nodes; refuses where another lab is on them, or another labctl at work.
fn refuse_busy_nodes(session: &Session, inventory: &Inventory, lab: &str) -> Result<Option<Instance>, Failure> {
    let Some(instance) = session.store.instance_on(inventory)? else {
        return Ok(None);
    };
    let record = instance.record();
    if record.lab != lab {
        let message = format!("these nodes are in use by lab {} (instance {})", record.lab, record.id);
        return Err(Failure::usage(message).hint("run `labctl cleanup` before the next lab"));
    }
    if let Some(holder) = InstanceLock::holder(instance.directory()).map_err(JournalError::from)? {
        return Err(JournalError::Locked { holder }.into());
    }
    Ok(Some(instance))
}

/// Refuses nodes on which another labctl, with another state directory or on another machine, has an instance.
fn refuse_foreign_instances(facts: &BTreeMap<NodeName, Facts>, ours: &str) -> Result<(), Failure> {
    for (node, facts) in facts {
        let foreign = facts.instances.iter().flatten().find(|instance| *instance != ours);
        if let Some(foreign) = foreign {
            let message = format!("{node} holds instance {foreign} of another labctl, and what it owes there");
            return Err(Failure::new(Exit::Locked, anyhow::Error::msg(message))
                .hint("run `labctl cleanup` where that instance was run, or with its --state-dir"));
        }
    }
    Ok(())
}

/// Collects the values that the plan's holes need: what earlier runs captured, and the secrets that are used.
fn values(session: &Session, plan: &Plan, inventory: &Inventory, state: &State) -> Result<Values, Failure> {
    let mut values = Values::default();
    for (name, text) in &state.values {
        values.set(name, text, false);
    }
    for name in plan.secrets() {
        let source = inventory.secrets.get(&name).ok_or_else(|| {
            Failure::usage(format!("the lab needs the secret `{name}`"))
                .hint(format!("say where it comes from in [secrets] of {}", inventory.source))
        })?;
        let secret = load::read_secret(source, &mut |question| session.ask_secret(question))
            .map_err(|error| Failure::new(Exit::Usage, error).hint(format!("the lab needs the secret `{name}`")))?;
        let text = secret.expose_secret();
        if text.chars().count() < SHORTEST_SECRET {
            return Err(Failure::usage(format!(
                "the secret `{name}` ({}) is shorter than {SHORTEST_SECRET} characters, too short to be masked",
                origin(source)
            )));
        }
        values.set(name, text, true);
    }
    Ok(values)
}

fn origin(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("environment variable {name}"),
        SecretSource::File(path) => format!("file {}", path.display()),
        SecretSource::Command(_) => "from a command".to_owned(),
        SecretSource::Prompt(_) => "asked for".to_owned(),
    }
}

/// Returns the id of a new run: when it began, and what tells it from one that began in the same second.
pub(super) fn new_run_id() -> Result<RunId, Failure> {
    let now = Timestamp::now().strftime("%Y%m%d-%H%M%S");
    RunId::new(format!("{now}-{}", &random_digits()?[..4])).map_err(|error| Failure::new(Exit::CouldNotRun, error))
}

/// Returns eight random hex digits.
fn random_digits() -> Result<String, Failure> {
    let mut bytes = [0_u8; 4];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| Failure::new(Exit::CouldNotRun, std::io::Error::from(error)))?;
    Ok(format!("{:08x}", u32::from_le_bytes(bytes)))
}
