//! Labs written in a few lines.

use labctl::domain::{
    Action, Capture, CaptureFrom, Check, CheckKind, CommandText, EngineOptionSet, EngineSettings, Environment, Hole,
    InitSystem, Lab, NodeName, OptionsSource, Part, Plan, State, Step, StepId, StepOnNode, Task, TaskId, Text,
    TextMatch, UndoText, Verification, WhenDone,
};
use labctl::planner::{Selection, plan_run};
use std::collections::BTreeMap;
use std::time::Duration;

pub fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

pub fn text(text: &str) -> Text {
    Text::literal(text)
}

/// Makes a text of `before` and then the value called `name`.
pub fn with_value(before: &str, name: &str) -> Text {
    let hole = Hole {
        name: name.to_owned(),
        secret: false,
        quoted: false,
    };
    Text::new(vec![Part::Literal(before.to_owned()), Part::Hole(hole)])
}

/// Labels an engine that sysvinit starts.
pub fn labels_engine() -> Action {
    Action::SetEngineOptions(EngineSettings {
        options: EngineOptionSet {
            labels: vec!["environment=staging".to_owned()],
            ..EngineOptionSet::default()
        },
        source: OptionsSource::DefaultsFile,
        init: InitSystem::Sysvinit,
    })
}

pub fn check(kind: CheckKind) -> Check {
    Check {
        kind,
        on: None,
        within: Duration::ZERO,
        every: Duration::from_secs(1),
        hint: None,
        only_in_run: false,
        superseded_by: None,
        superseded_signs: Vec::new(),
    }
}

/// Looks `within` seconds, once a second.
pub fn within(seconds: u64, kind: CheckKind) -> Check {
    Check {
        within: Duration::from_secs(seconds),
        ..check(kind)
    }
}

pub fn contains(part: &str) -> TextMatch {
    TextMatch {
        contains: vec![text(part)],
        ..TextMatch::default()
    }
}

/// Wants `part` in what the looking-only `command` prints.
pub fn looks(command: &str, part: &str) -> CheckKind {
    CheckKind::Command {
        command: CommandText::Shell(text(command)),
        as_root: false,
        exit: 0,
        stdout: contains(part),
    }
}

/// Begins a step whose output can be read, which holds of any.
pub fn step(id: &str, on: &str, command: &str) -> Written {
    let action = Action::Run {
        command: CommandText::Shell(text(command)),
        directory: None,
        stdin: None,
    };
    does(id, on, action).expects(check(CheckKind::Stdout(TextMatch::default())))
}

/// Begins a step that only looks.
pub fn look(id: &str, on: &str, check: Check) -> Written {
    does(id, on, Action::Wait).expects(check)
}

/// Begins a step that does `action` and checks nothing.
pub fn does(id: &str, on: &str, action: Action) -> Written {
    let on = StepOnNode {
        node: node(on),
        action,
        environment: Environment::new(),
        as_root: false,
        timeout: Duration::from_secs(60),
        captures: Vec::new(),
        expect: Vec::new(),
        undo: Vec::new(),
        undo_elsewhere: BTreeMap::new(),
        when_done: WhenDone::Repeat,
    };
    Written {
        id: StepId::new(id).unwrap(),
        after: None,
        on: vec![on],
    }
}

/// A step while it is written.
pub struct Written {
    id: StepId,
    after: Option<Vec<StepId>>,
    on: Vec<StepOnNode>,
}

impl Written {
    fn each(mut self, change: impl Fn(&mut StepOnNode)) -> Self {
        self.on.iter_mut().for_each(change);
        self
    }

    pub fn expects(self, check: Check) -> Self {
        self.each(|on| on.expect.push(check.clone()))
    }

    pub fn undo(self, undo: UndoText) -> Self {
        self.each(|on| on.undo.push(undo.clone()))
    }

    pub fn undo_on(self, other: &str, undo: UndoText) -> Self {
        self.each(|on| on.undo_elsewhere.entry(node(other)).or_default().push(undo.clone()))
    }

    pub fn skips_when_done(self) -> Self {
        self.each(|on| on.when_done = WhenDone::Skip)
    }

    pub fn captures(self, name: &str, from: CaptureFrom, secret: bool) -> Self {
        let name = name.to_owned();
        self.each(|on| {
            on.captures.push(Capture {
                name: name.clone(),
                from: from.clone(),
                secret,
            });
        })
    }

    pub fn also_on(mut self, other: &str) -> Self {
        let on = StepOnNode {
            node: node(other),
            ..self.on[0].clone()
        };
        self.on.push(on);
        self
    }

    /// Waits for `others` instead of the step before it.
    pub fn after(mut self, others: &[&str]) -> Self {
        self.after = Some(others.iter().map(|id| StepId::new(id).unwrap()).collect());
        self
    }
}

pub fn task(id: &str, needs: &[&str], steps: Vec<Written>) -> Task {
    let mut before: Option<StepId> = None;
    let steps = steps.into_iter().map(|step| {
        let by_default = before.replace(step.id.clone()).into_iter().collect();
        Step {
            title: format!("does {}", step.id),
            after: step.after.unwrap_or(by_default),
            id: step.id,
            on: step.on,
        }
    });
    Task {
        id: TaskId::new(id).unwrap(),
        title: format!("Task {id}"),
        after: Vec::new(),
        needs: needs.iter().map(|id| TaskId::new(id).unwrap()).collect(),
        steps: steps.collect(),
        verify: Vec::new(),
        links: Vec::new(),
        hosts: Vec::new(),
    }
}

/// Adds a check of `verify` to `task`.
pub fn verified(mut task: Task, id: &str, on: &str, check: Check) -> Task {
    task.verify.push(Verification {
        id: StepId::new(id).unwrap(),
        title: format!("proves {id}"),
        node: node(on),
        check,
        needs: Vec::new(),
        begun: false,
    });
    task
}

pub fn lab(tasks: Vec<Task>) -> Lab {
    Lab {
        id: "demo".to_owned(),
        title: "A demonstration".to_owned(),
        nodes: ["node-0", "node-1", "node-2"].map(node).to_vec(),
        tasks,
    }
}

/// Plans all of a lab of one task.
pub fn plan(steps: Vec<Written>) -> Plan {
    plan_tasks(vec![task("task1", &[], steps)])
}

/// Plans all of a lab.
pub fn plan_tasks(tasks: Vec<Task>) -> Plan {
    plan_run(&lab(tasks), &State::default(), &Selection::default()).unwrap()
}
