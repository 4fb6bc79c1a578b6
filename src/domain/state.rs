//! What an instance has come to: a fold over its journal, the same whoever folds it.

use super::{
    Baseline, Event, EventKind, HostLine, LEFT_OUT, NodeName, Outcome, Plan, PlannedStep, StepKey, TaskId, Undo, Verb,
};
use std::collections::{BTreeMap, BTreeSet};

/// The state of an instance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// The next event's index.
    pub next_index: u64,
    /// The plan of the last `run`.
    pub plan: Option<Plan>,
    /// Each node's baseline.
    pub baselines: BTreeMap<NodeName, Baseline>,
    /// How each step last ended; `None` while it runs, or since labctl died in it.
    pub steps: BTreeMap<StepKey, Option<Outcome>>,
    /// The tasks of the plans so far, in the lab's order.
    pub tasks: Vec<KnownTask>,
    /// What is owed on each node, in the order in which the steps started.
    pub owed: BTreeMap<NodeName, Vec<Undo>>,
    /// All that was ever owed on each node: the proof of what is ours there.
    pub made: BTreeMap<NodeName, Vec<Undo>>,
    /// The steps of other nodes that made something on each node.
    pub elsewhere: BTreeMap<NodeName, BTreeSet<StepKey>>,
    /// The nodes on which a step may have been broken off, so that an engine may still be at what nobody waits for.
    pub broken_off: BTreeSet<NodeName>,
    /// The lines of ours in the hosts file of the machine that labctl runs on.
    pub host_lines: BTreeSet<HostLine>,
    /// Captured values that may be shown.
    pub values: BTreeMap<String, String>,
    /// Whether a run is under way, or was when labctl died.
    pub running: Option<Verb>,
}

/// A task that a plan had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTask {
    /// Its id.
    pub id: TaskId,
    /// Its title.
    pub title: String,
    /// The steps that it had in any plan.
    pub steps: BTreeSet<StepKey>,
    /// Those of them that ran ahead of the task when they last ended.
    pub ahead: BTreeSet<StepKey>,
    /// Whether a plan had them all.
    pub is_whole: bool,
}

impl State {
    /// Folds `events` into a state.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut state = Self::default();
        for event in events {
            state.apply(event);
        }
        state
    }

    /// Takes in one more event. An event seen before changes nothing.
    pub fn apply(&mut self, event: &Event) {
        if event.index < self.next_index {
            return;
        }
        self.next_index = event.index.saturating_add(1);
        match &event.kind {
            EventKind::RunStarted { plan, .. } => {
                let unfinished = self.steps.iter().filter(|(_, outcome)| outcome.is_none());
                let unfinished: Vec<StepKey> = unfinished.map(|(step, _)| step.clone()).collect();
                for step in &unfinished {
                    self.note_broken_off(step);
                }
                self.start(plan);
            }
            EventKind::BaselineTaken { baseline } => {
                self.baselines
                    .entry(baseline.node.clone())
                    .or_insert_with(|| baseline.clone());
            }
            EventKind::StepStarted { step, undo, .. } => {
                self.steps.insert(step.clone(), None);
                self.owe(&step.node, undo);
            }
            EventKind::OwedElsewhere { step, node, undo } => {
                self.elsewhere.entry(node.clone()).or_default().insert(step.clone());
                self.owe(node, undo);
            }
            EventKind::HostLineOwed { line } => {
                self.host_lines.insert(line.clone());
            }
            EventKind::HostLineTakenOut { line, failed: None } => {
                self.host_lines.remove(line);
            }
            EventKind::ValueCaptured {
                name,
                value: Some(value),
                ..
            } => {
                self.values.insert(name.clone(), value.clone());
            }
            EventKind::StepFinished { step, outcome, .. } => {
                let skipped = matches!(outcome, Outcome::Skipped { .. }) && !outcome.lets_others_go_on();
                if !skipped {
                    self.steps.insert(step.clone(), Some(outcome.clone()));
                    self.note_ahead(step);
                }
                if !outcome.came_to_its_own_end() {
                    self.note_broken_off(step);
                }
            }
            EventKind::Undone {
                step,
                undo,
                failed: None,
            } => {
                if let Some(owed) = self.owed.get_mut(&step.node) {
                    owed.retain(|entry| entry != undo);
                }
                // What a step made may be gone now, so it counts as done no more.
                self.forget_steps(&step.node);
            }
            EventKind::NodeReleased { node } => {
                self.baselines.remove(node);
                self.owed.remove(node);
                self.made.remove(node);
                self.forget_steps(node);
                self.elsewhere.remove(node);
                self.broken_off.remove(node);
            }
            EventKind::RunFinished { .. } | EventKind::RunAborted { .. } => self.running = None,
            _ => {}
        }
    }

    fn owe(&mut self, node: &NodeName, undo: &[Undo]) {
        for list in [&mut self.owed, &mut self.made] {
            let list = list.entry(node.clone()).or_default();
            for undo in undo {
                list.retain(|entry| entry != undo);
                list.push(undo.clone());
            }
        }
    }

    /// Forgets how the steps ended that made something on `node`.
    fn forget_steps(&mut self, node: &NodeName) {
        let from_elsewhere = self.elsewhere.get(node);
        self.steps
            .retain(|step, _| step.node != *node && !from_elsewhere.is_some_and(|steps| steps.contains(step)));
    }

    fn start(&mut self, plan: &Plan) {
        self.running = Some(plan.verb);
        if plan.verb != Verb::Run {
            return;
        }
        // A plan may have some of the lab's tasks only: what is new goes behind what it follows.
        let mut behind = 0;
        let of_lab = |step: &&PlannedStep| step.task.as_str() != LEFT_OUT;
        for step in plan.steps.iter().filter(of_lab) {
            let known = self.tasks.iter().position(|task| task.id == step.task);
            let at = known.unwrap_or_else(|| {
                let new = KnownTask {
                    id: step.task.clone(),
                    title: step.task_title.clone(),
                    steps: BTreeSet::new(),
                    ahead: BTreeSet::new(),
                    is_whole: false,
                };
                self.tasks.insert(behind, new);
                behind
            });
            let task = &mut self.tasks[at];
            task.steps.insert(step.key.clone());
            task.is_whole |= !plan.in_part.contains(&step.task);
            behind = at + 1;
        }
        self.plan = Some(plan.clone());
    }

    /// Notes the nodes on which `step` worked or made something.
    fn note_broken_off(&mut self, step: &StepKey) {
        let made_there = self.elsewhere.iter().filter(|(_, steps)| steps.contains(step));
        let nodes: Vec<NodeName> = made_there.map(|(node, _)| node.clone()).collect();
        self.broken_off.extend(nodes);
        self.broken_off.insert(step.node.clone());
    }

    /// Notes whether `key`, which has ended, ran ahead of its task: another plan may have it that never came to it.
    fn note_ahead(&mut self, key: &StepKey) {
        let mut planned = self.plan.iter().flat_map(|plan| &plan.steps);
        let Some(step) = planned.find(|step| step.key == *key) else {
            return;
        };
        let ahead = step.ahead;
        if let Some(task) = self.tasks.iter_mut().find(|task| task.id == step.task) {
            if ahead {
                task.ahead.insert(key.clone());
            } else {
                task.ahead.remove(key);
            }
        }
    }

    /// Returns the task `id`, where a plan had it.
    pub fn task(&self, id: &TaskId) -> Option<&KnownTask> {
        self.tasks.iter().find(|task| task.id == *id)
    }

    /// Says whether anything in `undos`, of some other node, is known only to the records of `node`.
    pub fn needs_records_of(undos: Option<&Vec<Undo>>, node: &NodeName) -> bool {
        let mut undos = undos.into_iter().flatten();
        undos.any(|undo| matches!(undo, Undo::RemovePrinted { at: Some(at), .. } if at == node))
    }

    /// Returns the nodes, none of them let go of, that may ask the records of `node` what was made there.
    pub fn readers_of(&self, node: &NodeName) -> BTreeSet<&NodeName> {
        let others = self.baselines.keys().filter(|other| *other != node);
        others
            .filter(|other| Self::needs_records_of(self.made.get(*other), node))
            .collect()
    }

    /// Says whether a step of `task` has passed. One that may run ahead of its task tells nothing: the tasks before may still
    /// be under way.
    pub fn has_begun(&self, task: &TaskId) -> bool {
        let steps = self.task(task).into_iter();
        let mut steps = steps.flat_map(|task| task.steps.difference(&task.ahead));
        steps.any(|step| matches!(self.steps.get(step), Some(Some(Outcome::Passed))))
    }

    /// Says whether anything was changed, on any node or in the hosts file here, and not yet taken back.
    pub fn owes_anything(&self) -> bool {
        !(self.baselines.is_empty() && self.host_lines.is_empty())
    }
}
