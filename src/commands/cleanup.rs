//! `cleanup`: from the instance's journal alone, without the lab file; where the journal is lost, from what the nodes keep.

use super::carry_out::{Carried, carry_out_and_show};
use super::clearing;
use super::connect::{Connections, connect};
use super::failure::Failure;
use super::hosts;
use super::images::BinaryImages;
use super::opening::{new_run_id, opening_lock};
use super::playground;
use super::recover::{Recovered, is_the_machine, recover, unproven};
use super::session::Session;
use super::target;
use super::verify::access;
use crate::cli::{self, Scope};
use crate::domain::{HostsFault, InstanceId, Inventory, NodeName, Outcome, Plan, State, Values, Work};
use crate::exit::Exit;
use crate::journal::{Instance, InstanceRecord, JOURNAL_VERSION};
use crate::load::suggestion;
use crate::planner::{clear_everything, plan_cleanup};
use crate::probe::Need;
use crate::runner::{NodeAccess, Run, RunSummary};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Takes back what the instance did, and with `--scope all` takes the rest as well.
pub(super) async fn cleanup(session: &Session, options: &cli::Cleanup) -> Result<Exit, Failure> {
    let named = target::named_inventory(session)?.map(|machines| machines.inventory);
    let mut chosen = chosen(session, options, named.as_ref())?;
    let inventory = match (&named, &chosen) {
        (Some(inventory), _) => Some(inventory.clone()),
        (None, Some(instance)) => Some(instance.record().inventory.clone()),
        (None, None) => playground::running(session).await,
    };
    let all = match &inventory {
        _ if options.scope == Scope::Ours => None,
        None => return Err(no_machines()),
        Some(inventory) => match clearing::agreed(session, options, inventory, chosen.as_ref()).await? {
            Some(listed) => Some((inventory, listed)),
            None => {
                session.tell(&format!(
                    "Nothing to remove: nothing is on the nodes of {}.",
                    inventory.source
                ));
                return Ok(Exit::Success);
            }
        },
    };
    if let (None, Some(inventory)) = (&chosen, &inventory) {
        chosen = adopted(session, options, inventory.clone()).await?;
    }
    match (chosen, all) {
        (Some(instance), all) => take_back(session, &instance, named, all.map(|(_, listed)| listed)).await,
        (None, Some((inventory, listed))) => clearing::clear(session, inventory, &listed).await,
        (None, None) => {
            session.tell(&nothing_open(session, named.as_ref())?);
            Ok(Exit::Success)
        }
    }
}

fn no_machines() -> Failure {
    Failure::usage("no inventory is given, no lab instance is open, and no playground is up")
        .hint("name the machines with --inventory")
}

fn nothing_open(session: &Session, named: Option<&Inventory>) -> Result<String, Failure> {
    let Some(named) = named else {
        return Ok("Nothing to clean up: no lab instance is open here.".to_owned());
    };
    let open = session.store.open_instances()?;
    let mut text = format!(
        "Nothing to clean up: no lab instance is on the nodes of {}.",
        named.source
    );
    for instance in open {
        let record = instance.record();
        text.push_str(&format!(
            " Instance {} is open on {}.",
            record.id, record.inventory.source
        ));
    }
    Ok(text)
}

/// Takes back what `instance` owes, on the machines of `named` where there is one, and everything else on the nodes `to_clear`.
async fn take_back(
    session: &Session,
    instance: &Instance,
    named: Option<Inventory>,
    to_clear: Option<BTreeSet<NodeName>>,
) -> Result<Exit, Failure> {
    let record = instance.record();
    let inventory = named.unwrap_or_else(|| record.inventory.clone());
    let events = instance.events()?;
    let unproven = unproven(instance, &events);
    let mut wanted: BTreeSet<NodeName> = State::of(&events).baselines.into_keys().collect();
    wanted.extend(unproven.iter().cloned());
    let wanted: Vec<NodeName> = wanted.into_iter().collect();
    let connections = connect(
        session,
        &inventory,
        to_clear.is_none().then_some(wanted.as_slice()),
        Need::Instances,
    )
    .await?;
    let mut recovered = Recovered::default();
    if !unproven.is_empty() {
        recovered = recover(instance, &unproven, &connections).await?;
        for node in &recovered.nodes {
            session.tell(&format!(
                "The journal knows nothing of {node}: reading what is owed from the node itself."
            ));
        }
    }

    let run = new_run_id()?;
    let mut journal = instance.writer(run.clone(), "cleanup")?;
    let state = instance.state()?;
    let mut plan = plan_cleanup(&state);
    if !unproven.is_empty() {
        plan.host_lines.extend(hosts::marked(session, &record.id));
    }
    if to_clear.is_some() {
        clear_everything(&mut plan, connections.nodes.keys());
    }
    if plan.steps.is_empty() && plan.host_lines.is_empty() {
        return nothing_owed(session, instance, &recovered);
    }
    let mut nodes = same_machines(record, &inventory, &state, &connections).await?;
    if let Some(listed) = &to_clear {
        clearing::only_listed(&mut nodes, listed);
    }
    let engine = Run {
        instance: Some(record.id.clone()),
        id: run,
        directory: instance.directory().to_owned(),
        nodes,
        values: Values::default(),
        state,
        images: Arc::<BinaryImages>::default(),
        keeps_records: !recovered.unknown.is_empty(),
        keep_going: true,
        report: None,
        stop: CancellationToken::new(),
        began: Instant::now(),
    };
    let carried = carry_out_and_show(session, &plan, engine, journal.as_mut()).await?;
    let Carried::Ended(summary) = carried else {
        return Ok(Exit::Interrupted);
    };
    let exit = settled(instance, &plan, &summary, &recovered);
    drop(journal);
    connections.close().await;
    exit
}

/// Ends an instance that owes nothing.
fn nothing_owed(session: &Session, instance: &Instance, recovered: &Recovered) -> Result<Exit, Failure> {
    refuse_unknown(instance, recovered)?;
    let did_something = instance
        .events()?
        .iter()
        .any(|event| matches!(event.kind, crate::domain::EventKind::BaselineTaken { .. }));
    if did_something {
        session.tell("Nothing to clean up: everything was taken back before.");
        instance.close()?;
    } else {
        session.tell("Nothing to clean up: the lab changed nothing.");
        instance.discard()?;
    }
    Ok(Exit::Success)
}

/// Closes the instance where nothing is left, and says how the cleanup ended.
fn settled(instance: &Instance, plan: &Plan, summary: &RunSummary, recovered: &Recovered) -> Result<Exit, Failure> {
    let all_done = summary.outcomes.values().all(Outcome::lets_others_go_on);
    if all_done && !summary.stopped {
        refuse_unknown(instance, recovered)?;
    }
    if summary.state.owes_anything() || summary.stopped || !summary.hosts.is_empty() {
        return Ok(exit_of_cleanup(&plan.steps, summary));
    }
    refuse_unknown(instance, recovered)?;
    instance.close()?;
    Ok(clearing::exit_of_clearing(plan, summary))
}

/// Refuses to let go of an instance when a node that may hold a part of it could not be asked.
fn refuse_unknown(instance: &Instance, recovered: &Recovered) -> Result<(), Failure> {
    if recovered.unknown.is_empty() {
        return Ok(());
    }
    let message = format!(
        "what instance {} owes on these nodes is not known:\n{}",
        instance.record().id,
        recovered.unknown.join("\n")
    );
    Err(Failure::could_not_run(message).hint(format!(
        "run `labctl cleanup` again when they answer; where they are gone for good, remove {}",
        instance.directory().display()
    )))
}

/// Returns the way to every node. Where an inventory leads to another address than the one the instance was opened with, it
/// must be the same machine: another one would be cleaned by this one's baseline.
async fn same_machines(
    record: &InstanceRecord,
    inventory: &Inventory,
    state: &State,
    connections: &Connections,
) -> Result<BTreeMap<NodeName, NodeAccess>, Failure> {
    let place = |inventory: &Inventory, name: &NodeName| {
        let node = inventory.node(name)?;
        Some((node.address.clone(), node.login.port.unwrap_or(22)))
    };
    let mut nodes = access(connections);
    for name in state.baselines.keys() {
        let Some(Ok(reached)) = connections.nodes.get(name) else {
            continue;
        };
        let moved = place(inventory, name) != place(&record.inventory, name);
        if moved && !is_the_machine(reached, &record.id, name).await? {
            let reason = format!(
                "the machine that {} calls {name} does not hold instance {}",
                inventory.source, record.id
            );
            nodes.insert(name.clone(), NodeAccess::Unreachable { reason, hint: None });
        }
    }
    Ok(nodes)
}

/// Looks for an instance that is not known here on the machines of `inventory`, and opens it here.
async fn adopted(session: &Session, options: &cli::Cleanup, inventory: Inventory) -> Result<Option<Instance>, Failure> {
    let connections = connect(session, &inventory, None, Need::Instances).await?;
    let facts = connections.facts()?;
    let mut held: BTreeSet<&String> = facts
        .values()
        .flat_map(|facts| facts.instances.iter().flatten())
        .collect();
    if let Some(id) = &options.instance {
        held.retain(|held| *held == id);
    }
    let id = match held.iter().collect::<Vec<_>>().as_slice() {
        [] => {
            if options.scope == Scope::All {
                // The others are cleared all the same; what a node that is away holds is found when it is back.
                connections.close().await;
                return Ok(None);
            }
            connections.all_reached()?;
            if let Some((node, _)) = facts.iter().find(|(_, facts)| facts.instances.is_none()) {
                let message = format!("{node}: root could not look whether there is an instance");
                return Err(Failure::could_not_run(message));
            }
            connections.close().await;
            return Ok(None);
        }
        [id] => InstanceId::new(id).map_err(|error| Failure::new(Exit::CouldNotRun, error))?,
        ids => {
            let ids: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
            let message = format!(
                "the nodes of {} hold several instances: {}",
                inventory.source,
                ids.join(", ")
            );
            return Err(Failure::usage(message).hint("say which one with --instance"));
        }
    };
    connections.close().await;
    session.tell(&format!(
        "The nodes of {} hold instance {id}, which was opened elsewhere: taking it over.",
        inventory.source
    ));
    session.store.create()?;
    let _opening = opening_lock(session).await?;
    let lab = id
        .as_str()
        .rsplit_once('-')
        .map_or(id.as_str(), |(lab, _)| lab)
        .to_owned();
    let record = InstanceRecord {
        format: JOURNAL_VERSION,
        id: id.clone(),
        lab,
        lab_file: None,
        inventory,
        vars: BTreeMap::new(),
        opened: Timestamp::now(),
    };
    Ok(Some(Instance::create(session.store.directory(&id), record)?))
}

/// A node that could not be reached is not one where something was found to be left.
fn exit_of_cleanup(steps: &[crate::domain::PlannedStep], summary: &RunSummary) -> Exit {
    let compared = steps
        .iter()
        .filter(|step| matches!(step.work, Work::CompareBaseline | Work::Clear));
    let outcomes: Vec<&Outcome> = compared.filter_map(|step| summary.outcomes.get(&step.key)).collect();
    match () {
        () if summary.stopped => Exit::Interrupted,
        () if outcomes.iter().any(|outcome| **outcome == Outcome::FailedCheck) => Exit::Left,
        () if summary
            .hosts
            .iter()
            .any(|fault| matches!(fault, HostsFault::Changed { .. })) =>
        {
            Exit::Left
        }
        () => Exit::CouldNotRun,
    }
}

fn chosen(session: &Session, options: &cli::Cleanup, named: Option<&Inventory>) -> Result<Option<Instance>, Failure> {
    if let Some(id) = &options.instance {
        let mut instances = session.store.open_instances()?;
        let known: Vec<String> = instances
            .iter()
            .map(|instance| instance.record().id.to_string())
            .collect();
        return match known.iter().position(|known| known == id) {
            Some(position) => Ok(Some(instances.swap_remove(position))),
            // The nodes may know it.
            None if named.is_some() => Ok(None),
            None => {
                let hint = suggestion(id, known.iter().map(String::as_str));
                Err(Failure::usage(format!("no instance `{id}` is open here")).maybe_hint(hint))
            }
        };
    }
    match named {
        Some(inventory) => Ok(session.store.instance_on(inventory)?),
        None => target::only_instance(session),
    }
}
