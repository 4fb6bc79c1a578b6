//! Opening the instance of a run: the one on these nodes, or a new one that goes again where nothing is begun in it.

use super::failure::Failure;
use super::run::Prepared;
use super::session::Session;
use super::target::ChosenLab;
use crate::domain::{Facts, InstanceId, Inventory, Node, NodeName, RunId, State};
use crate::exit::Exit;
use crate::journal::{EventWriter, Instance, InstanceLock, InstanceRecord, JOURNAL_VERSION, JournalError};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How long another labctl that opens an instance of its own is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// An instance whose lock is held.
pub(super) struct Opened {
    pub(super) instance: Instance,
    pub(super) journal: Box<dyn EventWriter>,
    pub(super) state: State,
    provisional: bool,
}

impl Opened {
    /// Says that from now on something may be changed: the instance stays, and remembers the variables it was given.
    pub(super) fn begin(&mut self, vars: &BTreeMap<String, String>) -> Result<(), Failure> {
        if self.instance.record().vars != *vars {
            self.instance.remember_vars(vars.clone())?;
        }
        self.provisional = false;
        Ok(())
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if self.provisional {
            // The lock is still held. What cannot be removed is an instance that owes nothing.
            let _ = self.instance.discard();
        }
    }
}

/// Finds the instance on the nodes of `prepared`, or opens a new one, and takes its lock for `run`.
pub(super) async fn open_instance(session: &Session, prepared: &Prepared, run: &RunId) -> Result<Opened, Failure> {
    session.store.create()?;
    let _opening = opening_lock(session).await?;
    let opened = loop {
        let found = refuse_busy_nodes(session, &prepared.lab, &prepared.inventory)?;
        let provisional = found.is_none();
        let instance = match found {
            Some(instance) => instance,
            None => new_instance(session, prepared)?,
        };
        match instance.writer(run.clone(), "run") {
            Ok(journal) => {
                let state = instance.state()?;
                break Opened {
                    instance,
                    journal,
                    state,
                    provisional,
                };
            }
            // Its owner was done with it in between.
            Err(JournalError::Io(error)) if error.kind() == io::ErrorKind::NotFound && !provisional => {}
            Err(error) => return Err(error.into()),
        }
    };
    let id = &opened.instance.record().id;
    refuse_foreign_instances(&prepared.facts, id)?;
    refuse_lost_journal(&prepared.facts, id, &opened.state)?;
    Ok(opened)
}

/// Takes the lock under which instances are opened: two labctl that start at the same time must not open two on the same
/// nodes.
pub(super) async fn opening_lock(session: &Session) -> Result<InstanceLock, Failure> {
    let deadline = Instant::now() + PATIENCE;
    let mut ticks = interval(Duration::from_millis(50));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match InstanceLock::take(session.store.root(), "run") {
            Err(JournalError::Locked { .. }) if Instant::now() < deadline => {}
            taken => return Ok(taken?),
        }
    }
}

/// Returns the open instance on the nodes of `inventory`. Refuses where another lab is on them, another labctl is at work,
/// or the instance knows them as other machines.
pub(super) fn refuse_busy_nodes(
    session: &Session,
    lab: &ChosenLab,
    inventory: &Inventory,
) -> Result<Option<Instance>, Failure> {
    let mut instances = session.store.instances_on(inventory)?;
    if instances.len() > 1 {
        let ids: Vec<&str> = instances.iter().map(|found| found.record().id.as_str()).collect();
        let message = format!("these nodes are in use by several instances: {}", ids.join(", "));
        return Err(Failure::usage(message).hint("run `labctl cleanup --instance ID` for each, or choose other nodes"));
    }
    let Some(instance) = instances.pop() else {
        return Ok(None);
    };
    let record = instance.record();
    if !lab.is_of(record) {
        return Err(in_use(record, lab));
    }
    refuse_other_machines(record, inventory, lab.definition.nodes())?;
    if let Some(holder) = InstanceLock::holder(instance.directory()).map_err(JournalError::from)? {
        return Err(JournalError::Locked { holder }.into());
    }
    Ok(Some(instance))
}

/// Tells whose the nodes are that `lab` was wanted on; of two labs with the same name, where each comes from.
fn in_use(record: &InstanceRecord, lab: &ChosenLab) -> Failure {
    let (id, theirs) = (&record.id, &record.lab);
    let place =
        |file: Option<&Path>| file.map_or("built into labctl".to_owned(), |file| format!("in {}", file.display()));
    let message = if record.lab == lab.name {
        let (its, this) = (place(record.lab_file.as_deref()), place(lab.file.as_deref()));
        format!("these nodes are in use by the lab {theirs} that is {its} (instance {id}), and the one here is {this}")
    } else {
        format!("these nodes are in use by lab {theirs} (instance {id})")
    };
    Failure::usage(message)
        .hint("run `labctl cleanup` before the next lab; `labctl run` without a name goes on with the open one")
}

/// Refuses an inventory in which a node of the instance is another machine: state is kept by the node's name.
fn refuse_other_machines<'a>(
    record: &InstanceRecord,
    inventory: &Inventory,
    nodes: impl Iterator<Item = &'a NodeName>,
) -> Result<(), Failure> {
    let place = |node: Option<&Node>| match node {
        Some(node) => format!("at {}:{}", node.address, node.login.port.unwrap_or(22)),
        None => "not there".to_owned(),
    };
    for name in nodes {
        let (before, now) = (place(record.inventory.node(name)), place(inventory.node(name)));
        if before != now {
            let message = format!(
                "{name} is {before} in the open instance {}, and {now} in {}",
                record.id, inventory.source
            );
            return Err(Failure::usage(message).hint(format!(
                "run `labctl cleanup` first; where the same machines have new addresses, `labctl cleanup --instance {} \
                 --inventory FILE` reaches them there",
                record.id
            )));
        }
    }
    Ok(())
}

fn new_instance(session: &Session, prepared: &Prepared) -> Result<Instance, Failure> {
    let id = format!("{}-{}", prepared.lab.definition.id(), random_digits()?);
    let id = InstanceId::new(id).map_err(|error| Failure::new(Exit::Usage, error))?;
    let record = InstanceRecord {
        format: JOURNAL_VERSION,
        id: id.clone(),
        lab: prepared.lab.name.clone(),
        lab_file: prepared.lab.file.clone(),
        inventory: prepared.inventory.clone(),
        vars: prepared.vars.clone(),
        opened: Timestamp::now(),
    };
    Ok(Instance::create(session.store.directory(&id), record)?)
}

/// Refuses nodes on which another labctl, with another state directory or on another machine, has an instance.
fn refuse_foreign_instances(facts: &BTreeMap<NodeName, Facts>, ours: &InstanceId) -> Result<(), Failure> {
    for (node, facts) in facts {
        let mut instances = facts.instances.iter().flatten();
        if let Some(foreign) = instances.find(|instance| *instance != ours.as_str()) {
            let message = format!("{node} holds instance {foreign} of another labctl, and what it owes there");
            return Err(Failure::new(Exit::Locked, anyhow::Error::msg(message)).hint(
                "run `labctl cleanup` where that instance was run, or with its --state-dir; where those are lost, \
                 `labctl cleanup --inventory FILE` takes it back from what the nodes hold",
            ));
        }
    }
    Ok(())
}

/// Refuses nodes that hold what the journal knows nothing of: a new baseline would make the lab's work look like theirs.
fn refuse_lost_journal(facts: &BTreeMap<NodeName, Facts>, id: &InstanceId, state: &State) -> Result<(), Failure> {
    let holds = |facts: &Facts| facts.instances.iter().flatten().any(|held| held == id.as_str());
    for (node, facts) in facts {
        if holds(facts) && !state.baselines.contains_key(node) {
            let message = format!("{node} holds what instance {id} did there, and the journal does not know of it");
            return Err(Failure::could_not_run(message)
                .hint("run `labctl cleanup`: it reads what is owed from the nodes themselves"));
        }
    }
    Ok(())
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
        .map_err(|error| Failure::new(Exit::CouldNotRun, io::Error::from(error)))?;
    Ok(format!("{:08x}", u32::from_le_bytes(bytes)))
}
