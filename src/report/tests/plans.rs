//! Plans made up for tests: lab2's prerequisites and task 1, and a cleanup of them.

use crate::domain::{
    Action, Capture, CaptureFrom, Check, CheckKind, CommandText, ContainersCheck, Environment, HttpCheck, NodeName,
    Plan, PlannedLink, PlannedStep, StepId, StepKey, TaskId, Text, TextMatch, Undo, UndoText, Verb, WhenDone, Work,
};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) fn text(text: &str) -> Text {
    Text::literal(text)
}

pub(super) fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

pub(super) fn key(step: &str, on: &str) -> StepKey {
    StepKey {
        step: StepId::new(step).unwrap(),
        node: node(on),
    }
}

pub(super) fn check(kind: CheckKind) -> Check {
    Check {
        kind,
        on: None,
        within: Duration::ZERO,
        every: Duration::from_millis(500),
        hint: None,
        only_in_run: false,
        superseded_by: None,
        superseded_signs: Vec::new(),
    }
}

pub(super) fn step(task: (&str, &str), id: &str, on: &str, title: &str, action: Action) -> PlannedStep {
    PlannedStep {
        key: key(id, on),
        task: TaskId::new(task.0).unwrap(),
        task_title: task.1.to_owned(),
        title: title.to_owned(),
        work: Work::Action(action),
        environment: Environment::new(),
        as_root: false,
        timeout: Duration::from_secs(60),
        captures: Vec::new(),
        checks: vec![check(CheckKind::Exit { code: 0 })],
        undo: Vec::new(),
        undo_elsewhere: BTreeMap::new(),
        when_done: WhenDone::Skip,
        after: Vec::new(),
        ahead: false,
        stands_on: Vec::new(),
    }
}

pub(super) fn run(words: &[&str]) -> Action {
    let command = CommandText::Argv(words.iter().map(|word| text(word)).collect());
    Action::Run {
        command,
        directory: None,
        stdin: None,
    }
}

fn compose(words: &[&str]) -> Action {
    Action::Compose {
        program: vec!["docker-compose".to_owned()],
        directory: text("/home/ubuntu/dockchat"),
        arguments: words.iter().map(|word| text(word)).collect(),
    }
}

const PREREQUISITES: (&str, &str) = ("prerequisites", "What every node must have");
const TASK1: (&str, &str) = ("task1", "DockChat with Compose on node-0");

fn prerequisites() -> Vec<PlannedStep> {
    let mut steps = Vec::new();
    for on in ["node-0", "node-1", "node-2"] {
        let mut login = step(PREREQUISITES, "login", on, "Log in and become root", run(&["true"]));
        login.as_root = true;
        login.timeout = Duration::from_secs(15);
        steps.push(login);
    }
    for on in ["node-0", "node-1", "node-2"] {
        let mut idle = step(
            PREREQUISITES,
            "no-containers",
            on,
            "No containers are running",
            Action::Wait,
        );
        idle.checks = vec![check(CheckKind::Containers(ContainersCheck {
            state: Some("running".to_owned()),
            except_ours: true,
            ..ContainersCheck::default()
        }))];
        idle.checks[0].hint =
            Some("Stop them yourself, or let `labctl run lab2 --reset-nodes` remove them.".to_owned());
        steps.push(idle);
    }
    steps
}

fn web_answers() -> Check {
    let mut answers = check(CheckKind::Http(HttpCheck {
        host: text("127.0.0.1"),
        port: 5000,
        path: text("/"),
        host_header: None,
        form: Vec::new(),
        status: 200,
        body: TextMatch {
            contains: vec![text("DockChat served from Container ID")],
            ..TextMatch::default()
        },
        user: None,
        spread: None,
    }));
    answers.within = Duration::from_secs(60);
    answers.hint = Some("Look at `docker-compose logs web` in ~/dockchat on node-0.".to_owned());
    answers
}

fn task1() -> Vec<PlannedStep> {
    let clone = Action::Clone {
        repository: text("http://127.0.0.1:8418/dockchat.git"),
        directory: text("/home/ubuntu/dockchat"),
    };
    let mut clone = step(TASK1, "clone", "node-0", "Clone DockChat to ~/dockchat", clone);
    clone.captures = vec![Capture {
        name: "commit".to_owned(),
        from: CaptureFrom::Regex("[0-9a-f]{40}".to_owned()),
        secret: false,
    }];
    let mut build = step(
        TASK1,
        "build",
        "node-0",
        "Build the image of DockChat with Compose",
        compose(&["build"]),
    );
    build.timeout = Duration::from_secs(600);
    build.environment.insert("DOCKER_BUILDKIT".to_owned(), text("0"));
    build.undo = vec![UndoText::Images(vec![text("dockchat_web")])];
    build.checks.push(check(CheckKind::Images {
        present: vec![text("dockchat_web")],
        absent: Vec::new(),
        like: Vec::new(),
    }));
    let mut up = step(
        TASK1,
        "up",
        "node-0",
        "Start DockChat and its database",
        compose(&["up", "-d"]),
    );
    up.undo = vec![UndoText::Project(text("dockchat"))];
    up.checks.push(web_answers());
    let mut post = step(TASK1, "post", "node-0", "Post a message and read it back", Action::Wait);
    post.checks = vec![check(CheckKind::Stdout(TextMatch::default()))];
    post.checks[0].only_in_run = true;
    let mut stop = step(
        TASK1,
        "stop",
        "node-0",
        "Stop DockChat and remove its containers",
        compose(&["rm", "-sf"]),
    );
    stop.timeout = Duration::from_secs(60);
    vec![clone, build, up, post, stop]
}

pub(super) fn plan() -> Plan {
    let mut steps = prerequisites();
    steps.extend(task1());
    Plan {
        verb: Verb::Run,
        lab: "lab2".to_owned(),
        lab_title: "Docker orchestration".to_owned(),
        steps,
        links: vec![PlannedLink {
            task: TaskId::new("task1").unwrap(),
            label: "DockChat".to_owned(),
            address: text("http://172.31.99.10:5000/"),
        }],
        hosts: Vec::new(),
        in_part: Default::default(),
        host_lines: Vec::new(),
        verifiable: true,
    }
}

pub(super) fn cleanup_plan() -> Plan {
    let task = ("cleanup", "Put the nodes back");
    let mut steps = Vec::new();
    let undos = vec![
        Undo::RemoveProject {
            project: "dockchat".to_owned(),
        },
        Undo::RemoveImages {
            references: vec!["dockchat_web".to_owned(), "mongo:3.6".to_owned()],
        },
    ];
    for (id, title, work) in [
        ("containers", "Remove containers and images", Work::Undo(undos)),
        (
            "files",
            "Put files back",
            Work::Undo(vec![Undo::RemoveDirectory {
                path: "/home/ubuntu/dockchat".to_owned(),
            }]),
        ),
        ("compare", "Compare with how it was", Work::CompareBaseline),
    ] {
        let mut planned = step(task, id, "node-0", title, Action::Wait);
        planned.work = work;
        planned.checks = Vec::new();
        steps.push(planned);
    }
    let mut compare = step(task, "compare", "node-1", "Compare with how it was", Action::Wait);
    compare.work = Work::CompareBaseline;
    steps.push(compare);
    Plan {
        verb: Verb::Cleanup,
        steps,
        links: Vec::new(),
        verifiable: true,
        ..plan()
    }
}
