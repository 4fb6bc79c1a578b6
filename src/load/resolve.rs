//! Renders a lab for its nodes: tasks, steps and what waits for what. Actions and checks are in modules of their own.

use super::context::Values;
use super::faults::Faults;
use super::lab::{LabDefinition, ResolveContext};
use super::position::Located;
use super::selection::selected;
use super::signs::put_signs;
use super::size::LONGEST_VALUE;
use super::template::{Purpose, Renderer, Scope};
use super::written::{Template, WrittenStep, WrittenTask, WrittenVerification};
use crate::domain::{
    Capture, Diagnostic, Facts, Inventory, Lab, Link, NodeName, Part, Step, StepOnNode, Task, TaskId, Text, UndoText,
    Verification, is_host_name,
};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// The most texts of a lab on all of its nodes, and how much they hold together.
const MOST_TEXTS: usize = 200_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// Renders one lab, collecting faults on the way.
pub(super) struct Resolver<'a> {
    pub(super) definition: &'a LabDefinition,
    pub(super) inventory: &'a Inventory,
    pub(super) facts: &'a BTreeMap<NodeName, Facts>,
    pub(super) values: Values,
    pub(super) faults: Faults,
    renderer: Renderer,
    /// The lab's secrets, each with whether the inventory gives it or labctl makes it up.
    pub(super) secrets: BTreeMap<String, bool>,
    /// The nodes of each step of each task where it is not left out.
    pub(super) active: Vec<Vec<Vec<NodeName>>>,
    is_sample: bool,
    /// Whether engines may listen on addresses that are not private.
    pub(super) exposes_engines: bool,
    /// How many texts were rendered, and how many bytes they have together.
    rendered: (usize, usize),
    /// Whether rendered texts are judged; those of a step that is left out need not make sense.
    pub(super) judges: bool,
}

/// What the texts of one step on one node may refer to.
pub(super) struct Scene<'s> {
    pub(super) node: &'s NodeName,
    pub(super) before: Scope,
    /// With what the step itself captures.
    pub(super) after: Option<Scope>,
}

impl Scene<'_> {
    /// Returns what texts may refer to that are used after the step's action.
    pub(super) fn late(&self) -> &Scope {
        self.after.as_ref().unwrap_or(&self.before)
    }
}

impl<'a> Resolver<'a> {
    /// Sets out to render `definition`; `given` are variables from the command line.
    pub(super) fn new(
        definition: &'a LabDefinition,
        inventory: &'a Inventory,
        facts: &'a BTreeMap<NodeName, Facts>,
        given: &BTreeMap<String, String>,
        context: &ResolveContext,
    ) -> Self {
        let secrets = definition.written.secrets.iter().map(|secret| {
            let name = secret.name.get_ref();
            let is_given = inventory.secret_source(name, given).is_some();
            (name.clone(), is_given || secret.generate)
        });
        Self {
            definition,
            inventory,
            facts,
            values: Values::gather(definition, inventory, facts, given, &context.instance),
            faults: Faults::new(definition.source.text()),
            renderer: Renderer::new(),
            secrets: secrets.collect(),
            active: Vec::new(),
            is_sample: false,
            exposes_engines: context.exposes_engines,
            rendered: (0, 0),
            judges: true,
        }
    }

    /// Takes the inventory for a sample: groups and the values of variables say nothing.
    pub(super) fn set_sample(&mut self) {
        self.is_sample = true;
    }

    /// Returns the faults.
    pub(super) fn into_faults(self) -> Vec<Diagnostic> {
        self.faults.into_found()
    }

    /// Renders the lab; it is complete where there were no faults.
    pub(super) fn lab(&mut self) -> Lab {
        let written = &self.definition.written;
        self.put_values_together();
        self.active = written
            .tasks
            .iter()
            .map(|task| {
                task.steps
                    .iter()
                    .map(|step| self.active_nodes(&step.on, step.when.as_ref()))
                    .collect()
            })
            .collect();
        let order = self.definition.structure.task_order();
        let mut tasks: Vec<Task> = order.into_iter().map(|index| self.task(index)).collect();
        put_signs(&mut tasks);
        Lab {
            id: written.id.clone(),
            title: written.title.clone(),
            nodes: written.nodes.iter().map(|node| node.get_ref().clone()).collect(),
            tasks,
        }
    }

    fn put_values_together(&mut self) {
        for (name, text) in &self.definition.written.values {
            let scope = Scope::new(self.values.common(), BTreeMap::new(), self.secrets());
            let value = self.value(text, &scope);
            self.values.set(name.get_ref(), value);
        }
    }

    fn task(&mut self, index: usize) -> Task {
        let task = &self.definition.written.tasks[index];
        let order = self.definition.structure.steps().of_task(index, task.steps.len());
        let steps = order.into_iter().filter_map(|step| self.step(index, step)).collect();
        let verify = task
            .verify
            .iter()
            .flat_map(|look| self.verification(index, task, look))
            .collect();
        let scope = Scope::new(self.values.common(), self.captures_after(index), self.secrets());
        let links = task.links.iter().map(|link| {
            let address = self.text(&link.address, &scope, Purpose::Plain);
            Link {
                label: link.label.clone(),
                address,
                superseded_by: link.superseded_by.as_ref().map(|task| task.get_ref().clone()),
            }
        });
        let links = links.collect();
        // A name is judged, and shown in a plan, before anything runs.
        let known = Scope::new(self.values.common(), BTreeMap::new(), BTreeMap::new());
        let hosts = task.hosts.iter();
        let hosts = hosts.map(|host| (host.name.clone(), self.host_address(&host.address, &known)));
        let hosts = hosts.collect();
        let ids = |ids: &[Spanned<TaskId>]| ids.iter().map(|id| id.get_ref().clone()).collect();
        Task {
            id: task.id.get_ref().clone(),
            title: task.title.clone(),
            needs: ids(&task.needs),
            after: ids(&task.after),
            steps,
            verify,
            links,
            hosts,
        }
    }

    /// Renders a step; `None` where it is left out on all of its nodes.
    fn step(&mut self, task_index: usize, step_index: usize) -> Option<Step> {
        let task = &self.definition.written.tasks[task_index];
        let step = &task.steps[step_index];
        let active = self.active[task_index][step_index].clone();
        let left_out: Vec<NodeName> = self
            .nodes(&step.on)
            .into_iter()
            .filter(|node| !active.contains(node))
            .collect();
        self.refuse_ambiguous_captures(step, active.len());
        self.judges = false;
        for node in &left_out {
            self.step_on_node(task_index, step_index, node);
        }
        self.judges = true;
        let on: Vec<StepOnNode> = active
            .iter()
            .filter_map(|node| self.step_on_node(task_index, step_index, node))
            .collect();
        if on.is_empty() {
            return None;
        }
        Some(Step {
            id: step.id.get_ref().clone(),
            title: step.title.clone(),
            after: self.after(task_index, step_index),
            on,
        })
    }

    fn refuse_ambiguous_captures(&mut self, step: &WrittenStep, nodes: usize) {
        let Some(capture) = step.captures.first().filter(|_| nodes > 1) else {
            return;
        };
        let message = format!(
            "`{}` would be captured on {nodes} nodes, and the last one would win",
            capture.name.get_ref()
        );
        let fault = self.faults.fault(capture.name.span(), message);
        self.faults.push(fault.hint("capture it in a step that is on one node"));
    }

    fn step_on_node(&mut self, task_index: usize, step_index: usize, node: &NodeName) -> Option<StepOnNode> {
        let task = &self.definition.written.tasks[task_index];
        let step = &task.steps[step_index];
        let scene = self.scene(task_index, step_index, node);
        let environment = step.environment.iter().map(|(name, text)| {
            let text = self.text(text, &scene.before, Purpose::Private);
            (name.get_ref().clone(), text)
        });
        let environment = environment.collect();
        // What follows is rendered even where the action is at fault, so that its faults are told as well.
        let action = self.action(step.action.as_ref(), &scene);
        let (own_undo, undo_elsewhere) = self.undos(step, &scene);
        let checks = step.expect.iter();
        let expect = checks
            .filter_map(|check| self.check(check, scene.late(), node, task))
            .collect();
        let captures = step.captures.iter().map(|capture| Capture {
            name: capture.name.get_ref().clone(),
            from: capture.from.clone(),
            secret: capture.secret,
        });
        let (action, mut undo) = action?;
        undo.extend(own_undo);
        let timeout = step
            .timeout
            .unwrap_or_else(|| super::resolve_action::default_timeout(&action));
        Some(StepOnNode {
            node: node.clone(),
            action,
            environment,
            as_root: step.as_root,
            timeout,
            captures: captures.collect(),
            expect,
            undo,
            undo_elsewhere,
            when_done: step.when_done,
        })
    }

    /// Returns what `step` undoes on its own node, and on others.
    fn undos(&mut self, step: &WrittenStep, scene: &Scene<'_>) -> (Vec<UndoText>, BTreeMap<NodeName, Vec<UndoText>>) {
        let mut own = Vec::new();
        let mut elsewhere: BTreeMap<NodeName, Vec<UndoText>> = BTreeMap::new();
        for written in &step.undo {
            let Some(undo) = self.undo(written, scene) else {
                continue;
            };
            if written.on.is_empty() {
                own.push(undo);
                continue;
            }
            for node in self.nodes(&written.on) {
                if node == *scene.node {
                    own.push(undo.clone());
                } else {
                    elsewhere.entry(node).or_default().push(undo.clone());
                }
            }
        }
        (own, elsewhere)
    }

    fn verification(&mut self, index: usize, task: &WrittenTask, look: &WrittenVerification) -> Vec<Verification> {
        let active = self.active_nodes(&look.on, look.when.as_ref());
        let mut found = Vec::new();
        for node in self.nodes(&look.on) {
            self.judges = active.contains(&node);
            let scope = Scope::new(self.values.on(&node), self.captures_after(index), self.secrets());
            let check = look.check.as_ref();
            let check = check.and_then(|check| self.check(check, &scope, &node, task));
            if let (Some(check), true) = (check, self.judges) {
                found.push(Verification {
                    id: look.id.get_ref().clone(),
                    title: look.title.clone(),
                    node,
                    check,
                    needs: look.needs.iter().map(|id| id.get_ref().clone()).collect(),
                    begun: look.begun,
                });
            }
        }
        self.judges = true;
        found
    }

    /// Returns the nodes that `selectors` mean, in the lab's order.
    fn nodes(&mut self, selectors: &[Spanned<String>]) -> Vec<NodeName> {
        let all: Vec<NodeName> = self.definition.nodes().cloned().collect();
        let inventory = (!self.is_sample).then_some(self.inventory);
        let mut meant = BTreeSet::new();
        for selector in selectors {
            let found = selected(selector.get_ref(), &all, inventory);
            if found.is_empty() && selector.get_ref().starts_with('@') {
                let message = format!("no node of the lab is in `{}`", selector.get_ref());
                let fault = self.faults.fault(selector.span(), message);
                let hint = format!("give the nodes `groups` in {}", self.inventory.source);
                self.faults.push(fault.hint(hint));
            }
            meant.extend(found);
        }
        all.into_iter().filter(|node| meant.contains(node)).collect()
    }

    /// Returns the nodes of `selectors` on which `when` holds.
    fn active_nodes(&mut self, selectors: &[Spanned<String>], when: Option<&Template>) -> Vec<NodeName> {
        let nodes = self.nodes(selectors);
        let Some(when) = when else {
            return nodes;
        };
        let mut active = Vec::new();
        for node in nodes {
            let scope = Scope::new(self.values.on(&node), BTreeMap::new(), self.secrets());
            let answer = self.early(when, &scope);
            if !matches!(answer.trim(), "" | "false") {
                active.push(node);
            }
        }
        active
    }

    /// Renders `template`; an empty text where it is at fault.
    pub(super) fn text(&mut self, template: &Template, scope: &Scope, purpose: Purpose) -> Text {
        let token = template.span();
        let source = self.definition.source.text();
        let located = Located {
            text: template.get_ref(),
            source,
            token: Some(&token),
        };
        self.render(located, scope, purpose)
    }

    /// Renders `located`; an empty text where it is at fault.
    pub(super) fn render(&mut self, located: Located<'_>, scope: &Scope, purpose: Purpose) -> Text {
        if self.rendered.0 > MOST_TEXTS || self.rendered.1 > MOST_BYTES {
            return Text::default();
        }
        match self.renderer.render(located, scope, purpose) {
            Ok(text) => {
                self.rendered.0 += 1;
                self.rendered.1 += text.length();
                if self.rendered.0 > MOST_TEXTS || self.rendered.1 > MOST_BYTES {
                    self.faults.push(Diagnostic::new(format!(
                        "the lab has more than {MOST_TEXTS} texts on its nodes, or they hold more than {} MB together",
                        MOST_BYTES / 1024 / 1024
                    )));
                }
                text
            }
            Err(faults) => {
                self.faults.extend(faults);
                Text::default()
            }
        }
    }

    /// Renders `template` to a value for other texts: one that could not be too long for them.
    pub(super) fn value(&mut self, template: &Template, scope: &Scope) -> String {
        let value = self.early(template, scope);
        if value.len() <= LONGEST_VALUE {
            return value;
        }
        let message = format!("a value has at most {} kB, and this one has more", LONGEST_VALUE / 1024);
        self.faults.push(self.faults.fault(template.span(), message));
        String::new()
    }

    /// Renders `template` to a text that is known before the run.
    pub(super) fn early(&mut self, template: &Template, scope: &Scope) -> String {
        self.text(template, scope, Purpose::Early).to_string()
    }

    /// Renders where the name of a host is to lead.
    fn host_address(&mut self, template: &Template, scope: &Scope) -> String {
        let faults = self.faults.count();
        let address = self.early(template, scope);
        let is_right = address.parse::<std::net::IpAddr>().is_ok() || is_host_name(&address);
        // What could not be rendered has been told.
        if !is_right && self.judges && self.faults.count() == faults {
            let message = format!("`{address}` is neither an address nor the name of a host");
            let fault = self.faults.fault(template.span(), message);
            self.faults.push(fault);
        }
        address
    }

    /// Renders a path, in which `~/` at the start means the login user's home.
    pub(super) fn path(&mut self, template: &Template, scope: &Scope, node: &NodeName) -> Text {
        let text = self.text(template, scope, Purpose::Plain);
        let mut parts = text.into_parts();
        let Some(Part::Literal(first)) = parts.first_mut() else {
            return Text::new(parts);
        };
        if first == "~" || first.starts_with("~/") {
            first.replace_range(..1, self.values.home(node));
        } else if !first.starts_with('/') && self.judges {
            let fault = self
                .faults
                .fault(template.span(), format!("`{first}` is not an absolute path"))
                .hint("start it with `/`, or with `~/` for the login user's home");
            self.faults.push(fault);
        }
        Text::new(parts)
    }
}
