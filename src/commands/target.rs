//! Which lab, on which machines: from the command line, the open instance, or the playground.

use super::failure::Failure;
use super::playground::bring_up;
use super::session::Session;
use crate::domain::{Diagnostics, Inventory};
use crate::journal::{Instance, InstanceRecord};
use crate::load::{self, DEFAULT_LAB, InventoryPlaces, LabDefinition, LabSource};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The machines to use.
pub(super) struct Machines {
    pub(super) inventory: Inventory,
    /// Where its entries stand, where it was read from a file.
    pub(super) places: Option<InventoryPlaces>,
}

/// The lab to use.
pub(super) struct ChosenLab {
    /// How it was named.
    pub(super) name: String,
    /// Its file; `None` where it is built in.
    pub(super) file: Option<PathBuf>,
    pub(super) definition: LabDefinition,
    source: LabSource,
}

impl ChosenLab {
    /// Says whether the instance of `record` is of this lab, or of a copy of it: the one in a clone of labctl's repository is built in, too.
    pub(super) fn is_of(&self, record: &InstanceRecord) -> bool {
        let is_copy = || source_of(record, Path::new("/")).is_ok_and(|theirs| self.source.is_copy_of(&theirs));
        record.is_of_lab(&self.name, self.file.as_deref()) || is_copy()
    }
}

impl From<Inventory> for Machines {
    fn from(inventory: Inventory) -> Self {
        Self {
            inventory,
            places: None,
        }
    }
}

/// Returns the only open instance; an error where there are several and nothing chooses.
pub(super) fn only_instance(session: &Session) -> Result<Option<Instance>, Failure> {
    let mut instances = session.store.open_instances()?;
    if instances.len() > 1 {
        let ids: Vec<String> = instances
            .iter()
            .map(|instance| instance.record().id.to_string())
            .collect();
        return Err(
            Failure::usage(format!("{} instances are open: {}", ids.len(), ids.join(", ")))
                .hint("say which one is meant by naming its nodes with --inventory; `labctl status` shows them"),
        );
    }
    Ok(instances.pop())
}

/// Reads the inventory that `--inventory` names.
pub(super) fn named_inventory(session: &Session) -> Result<Option<Machines>, Failure> {
    let Some(name) = session.common.inventory.as_ref().filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let file = load::find_inventory(name, &session.working_directory)?;
    let (inventory, places) = load::read_inventory(&file)?;
    Ok(Some(Machines {
        inventory,
        places: Some(places),
    }))
}

/// Returns the machines to use: `--inventory`, else the open instance's, else the playground's, which is started after
/// saying so where `start` allows it.
pub(super) async fn machines(session: &Session, start: bool) -> Result<Machines, Failure> {
    if let Some(machines) = named_inventory(session)? {
        return Ok(machines);
    }
    if let Some(instance) = only_instance(session)? {
        return Ok(instance.record().inventory.clone().into());
    }
    Ok(bring_up(session, start).await?.into())
}

/// Returns the lab: `name`, else the open instance's, else the default.
pub(super) fn lab(session: &Session, name: Option<&str>) -> Result<ChosenLab, Failure> {
    let instance = if name.is_some() { None } else { only_instance(session)? };
    let record = instance.as_ref().map(Instance::record);
    let called = name.or_else(|| Some(record?.lab.as_str())).unwrap_or(DEFAULT_LAB);
    let found = match record {
        Some(record) => source_of(record, &session.working_directory),
        None => load::find_lab(Some(called), &session.working_directory),
    };
    let source = found.map_err(|faults| explained(session, name, faults))?;
    // What is built in is called something that is no file.
    let file = session.working_directory.join(&source.text().name).canonicalize();
    Ok(ChosenLab {
        name: called.to_owned(),
        file: file.ok(),
        definition: load::parse_lab(&source)?,
        source,
    })
}

/// Finds the lab of the instance of `record`, from any directory; no other one of that name is taken for it.
fn source_of(record: &InstanceRecord, working_directory: &Path) -> Result<LabSource, Diagnostics> {
    let find = |name: &str| load::find_lab(Some(name), working_directory);
    match &record.lab_file {
        Some(file) => find(&file.to_string_lossy()),
        None => load::built_in_lab(&record.lab).map_or_else(|| find(&record.lab), Ok),
    }
}

/// Adds to `faults`, where no lab is called `name`, that a task is: of the lab that would be meant without a name.
fn explained(session: &Session, name: Option<&str>, mut faults: Diagnostics) -> Diagnostics {
    let Some(name) = name else { return faults };
    let is_of = |lab: &ChosenLab| lab.definition.tasks().any(|task| task.id.as_str() == name);
    if let (Ok(lab), Some(fault)) = (lab(session, None), faults.faults.first_mut())
        && is_of(&lab)
    {
        fault.hint = Some(format!(
            "did you mean `--task {name}`? It is a task of {}",
            lab.definition.id()
        ));
    }
    faults
}

/// Reads the `--var` options.
pub(super) fn vars(session: &Session) -> Result<BTreeMap<String, String>, Failure> {
    let mut vars = BTreeMap::new();
    for var in session.common.vars.iter().filter(|var| !var.is_empty()) {
        let Some((name, value)) = var.split_once('=') else {
            return Err(Failure::usage(format!("`--var {var}` has no `=`")).hint("write --var name=value"));
        };
        vars.insert(name.trim().to_owned(), value.to_owned());
    }
    Ok(vars)
}
