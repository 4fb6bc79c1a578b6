//! A lab file that was read: what `list` and `show` need to know of it, and the way to a [`Lab`].

use super::faults::Faults;
use super::fields::parse_document;
use super::inventory_file::{InventoryPlaces, REGISTRY_HINT, is_registry};
use super::read_lab::read_lab;
use super::resolve::Resolver;
use super::sample;
use super::size::{judge_lengths, lab_fits};
use super::source::LabSource;
use super::structure::{Structure, examine};
use super::suggest;
use super::written::{WrittenLab, WrittenValue};
use crate::domain::{Diagnostic, Diagnostics, Facts, Inventory, Lab, NodeName, StepId, TaskId};
use std::collections::BTreeMap;
use toml::Spanned;

/// A lab as it was written, without a fault that shows before nodes are known.
#[derive(Debug)]
pub struct LabDefinition {
    pub(super) source: LabSource,
    pub(super) written: WrittenLab,
    pub(super) structure: Structure,
}

/// A variable or an image of a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value where nobody gives another; `None` where one must be given.
    pub default: Option<&'a str>,
    /// What it is for.
    pub help: Option<&'a str>,
}

/// A secret of a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeclaredSecret<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is for.
    pub help: Option<&'a str>,
    /// Whether labctl makes one up for each run where the inventory does not say where it comes from.
    pub generate: bool,
}

/// A task as `show` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskOutline<'a> {
    /// Its id.
    pub id: &'a TaskId,
    /// Its title.
    pub title: &'a str,
    /// The tasks it needs.
    pub needs: Vec<&'a TaskId>,
    /// Its steps.
    pub steps: Vec<StepOutline<'a>>,
    /// What `verify` looks at after it.
    pub verify: Vec<StepOutline<'a>>,
}

/// A step or a verification as `show` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOutline<'a> {
    /// Its id.
    pub id: &'a StepId,
    /// Its title.
    pub title: &'a str,
    /// The nodes it is on, as they are written.
    pub on: Vec<&'a str>,
}

/// What a lab is resolved for, besides nodes and variables.
#[derive(Debug, Clone, Default)]
pub struct ResolveContext {
    /// The instance's id.
    pub instance: String,
    /// Where the inventory's entries stand, where it was read from a file.
    pub inventory_places: Option<InventoryPlaces>,
    /// Whether engines may listen on addresses that are not private, which makes all who reach them root.
    pub exposes_engines: bool,
}

impl LabDefinition {
    /// Returns the lab's id.
    pub fn id(&self) -> &str {
        &self.written.id
    }

    /// Returns the lab's title.
    pub fn title(&self) -> &str {
        &self.written.title
    }

    /// Returns what the lab is about.
    pub fn summary(&self) -> Option<&str> {
        self.written.summary.as_deref()
    }

    /// Says whether what it does may depend on which Compose a node has: templates of files may ask for it, too.
    pub fn may_use_compose(&self) -> bool {
        let text = &self.source.text().text;
        ["compose", "template", "render"].iter().any(|word| text.contains(word))
    }

    /// Returns the nodes it needs.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeName> {
        self.written.nodes.iter().map(Spanned::get_ref)
    }

    /// Returns its variables.
    pub fn vars(&self) -> impl Iterator<Item = Declared<'_>> {
        self.written.vars.iter().map(declared)
    }

    /// Returns the images that an inventory can replace.
    pub fn images(&self) -> impl Iterator<Item = Declared<'_>> {
        self.written.images.iter().map(declared)
    }

    /// Returns its secrets.
    pub fn secrets(&self) -> impl Iterator<Item = DeclaredSecret<'_>> {
        self.written.secrets.iter().map(|secret| DeclaredSecret {
            name: secret.name.get_ref(),
            help: secret.help.as_deref(),
            generate: secret.generate,
        })
    }

    /// Returns its tasks in the order in which they are done.
    pub fn tasks(&self) -> impl Iterator<Item = TaskOutline<'_>> {
        let order = self.structure.task_order().into_iter();
        order.map(|index| {
            let task = &self.written.tasks[index];
            let verify = task.verify.iter();
            TaskOutline {
                id: task.id.get_ref(),
                title: &task.title,
                needs: task.needs.iter().map(Spanned::get_ref).collect(),
                steps: task
                    .steps
                    .iter()
                    .map(|step| outline(&step.id, &step.title, &step.on))
                    .collect(),
                verify: verify.map(|look| outline(&look.id, &look.title, &look.on)).collect(),
            }
        })
    }
}

fn declared(value: &WrittenValue) -> Declared<'_> {
    Declared {
        name: value.name.get_ref(),
        default: value.default.as_deref(),
        help: value.help.as_deref(),
    }
}

fn outline<'a>(id: &'a Spanned<StepId>, title: &'a str, on: &'a [Spanned<String>]) -> StepOutline<'a> {
    StepOutline {
        id: id.get_ref(),
        title,
        on: on.iter().map(|selector| selector.get_ref().as_str()).collect(),
    }
}

/// Reads the lab `source`; all faults that can be found without an inventory are told together.
pub fn parse_lab(source: &LabSource) -> Result<LabDefinition, Diagnostics> {
    let document = parse_document(source.text())?;
    let mut faults = Faults::new(source.text());
    let written = read_lab(document.get_ref(), &mut faults);
    if !lab_fits(&written, &mut faults) {
        return faults.finish(None);
    }
    let structure = examine(&written, &mut faults);
    let definition = LabDefinition {
        source: source.clone(),
        written,
        structure,
    };
    let inventory = sample::inventory(&definition);
    for flavour in sample::FLAVOURS {
        let facts = sample::facts_of_all(&definition, flavour);
        let nothing = BTreeMap::new();
        let context = ResolveContext {
            instance: "sample".to_owned(),
            ..ResolveContext::default()
        };
        let mut resolver = Resolver::new(&definition, &inventory, &facts, &nothing, &context);
        resolver.set_sample();
        resolver.lab();
        faults.extend(resolver.into_faults());
    }
    faults.finish(Some(definition))
}

/// Renders `definition` for the nodes of `inventory` with their `facts`; `vars` are those of the command line.
pub fn resolve(
    definition: &LabDefinition,
    inventory: &Inventory,
    facts: &BTreeMap<NodeName, Facts>,
    vars: &BTreeMap<String, String>,
    context: &ResolveContext,
) -> Result<Lab, Diagnostics> {
    let mut faults = Faults::new(definition.source.text());
    judge_values(definition, inventory, vars, context, &mut faults);
    judge_nodes(definition, inventory, &mut faults);
    judge_lengths(&definition.written, inventory, vars, &mut faults);
    if faults.count() > 0 {
        return faults.finish(None);
    }
    let mut resolver = Resolver::new(definition, inventory, facts, vars, context);
    let lab = resolver.lab();
    faults.extend(resolver.into_faults());
    faults.finish(Some(lab))
}

/// Renders `definition` for every kind of node it could meet in `inventory`, so that its faults show before a node is
/// touched.
pub fn validate(
    definition: &LabDefinition,
    inventory: &Inventory,
    vars: &BTreeMap<String, String>,
    context: &ResolveContext,
) -> Result<(), Diagnostics> {
    let mut faults = Faults::new(definition.source.text());
    for flavour in sample::FLAVOURS {
        let facts = sample::facts_of_all(definition, flavour);
        if let Err(found) = resolve(definition, inventory, &facts, vars, context) {
            faults.extend(found.faults);
        }
    }
    faults.finish(Some(()))
}

/// Judges the names of variables and images that the command line and the inventory give, and what is missing.
fn judge_values(
    definition: &LabDefinition,
    inventory: &Inventory,
    vars: &BTreeMap<String, String>,
    context: &ResolveContext,
    faults: &mut Faults,
) {
    let lab = definition.id();
    let names: Vec<&str> = definition.vars().map(|var| var.name).collect();
    for name in vars.keys().filter(|name| !names.contains(&name.as_str())) {
        faults.push(unknown(lab, "variable", name, &names));
    }
    if let Some(registry) = vars.get("registry").filter(|_| names.contains(&"registry"))
        && !registry.is_empty()
        && !is_registry(registry)
    {
        let fault = Diagnostic::new(format!(
            "no name of an image begins with `{registry}/`, the variable `registry`"
        ));
        faults.push(fault.hint(REGISTRY_HINT));
    }
    let places = context.inventory_places.as_ref();
    let placed = |fault: Diagnostic, path: &[&str]| match places.and_then(|places| places.find(path)) {
        Some((source, range)) => fault.at(source, range).label("not known to the lab"),
        None => fault,
    };
    for name in inventory.vars.keys().filter(|name| !names.contains(&name.as_str())) {
        faults.push(placed(unknown(lab, "variable", name, &names), &["vars", name]));
    }
    for node in &inventory.nodes {
        for name in node.vars.keys().filter(|name| !names.contains(&name.as_str())) {
            faults.push(placed(
                unknown(lab, "variable", name, &names),
                &["node", node.name.as_str(), name],
            ));
        }
    }
    let images: Vec<&str> = definition.images().map(|image| image.name).collect();
    for name in inventory.images.keys().filter(|name| !images.contains(&name.as_str())) {
        faults.push(placed(unknown(lab, "image", name, &images), &["images", name]));
    }
    for var in definition.vars().filter(|var| var.default.is_none()) {
        let by_inventory = inventory.vars.contains_key(var.name) || inventory.registry_var(var.name, vars).is_some();
        if !vars.contains_key(var.name) && !by_inventory {
            let message = format!("the lab `{lab}` needs a value for `{}`", var.name);
            let help = var.help.map(|help| format!(": {help}")).unwrap_or_default();
            faults.push(Diagnostic::new(message).hint(format!("give one with `--var {}=...`{help}", var.name)));
        }
    }
}

fn unknown(lab: &str, what: &str, name: &str, known: &[&str]) -> Diagnostic {
    let mut fault = Diagnostic::new(format!("the lab `{lab}` has no {what} `{name}`"));
    fault.hint = suggest::hint(name, known.iter().copied());
    fault
}

fn judge_nodes(definition: &LabDefinition, inventory: &Inventory, faults: &mut Faults) {
    for node in &definition.written.nodes {
        if inventory.node(node.get_ref()).is_some() {
            continue;
        }
        let message = format!(
            "the lab needs the node `{}`, which {} does not have",
            node.get_ref(),
            inventory.source
        );
        let names: Vec<&str> = inventory.nodes.iter().map(|node| node.name.as_str()).collect();
        let fault = faults
            .fault(node.span(), message)
            .label("needed here")
            .hint(format!("its nodes are {}", suggest::listed(&names)));
        faults.push(fault);
    }
}
