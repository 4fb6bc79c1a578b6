use super::plans::{cleanup_plan, key, node, plan, text};
use super::script::{bad_run, file_undo, good_run, good_run_of, partial_cleanup};
use crate::domain::{
    Action, Baseline, ComposeFacts, ComposeFlavour, EngineOptionSet, EngineOptions, EngineSeen, EngineSettings, Event,
    EventKind, Facts, FileText, InitSystem, InstanceId, LoginFacts, Notice, OptionsSource, OsFacts, State, ToolFacts,
    Work,
};
use crate::report::{
    FoundOnNode, ImageRow, InventoryRow, LabRow, LabView, LoadEnd, LoadedImage, LoadedRow, PlaygroundRow, SecretView,
    StatusView, Style, TaskView, VariableView, cleanup_listing, images_listing, inventory_check_listing, lab_listing,
    labs_listing, loaded_listing, plan_listing, playground_listing, status_listing,
};
use std::collections::BTreeMap;

const NARROW: Style = Style {
    colour: false,
    width: Some(60),
};
const TERMINAL: Style = Style {
    colour: false,
    width: Some(80),
};

fn events(notices: Vec<Notice>) -> Vec<Event> {
    notices
        .into_iter()
        .filter_map(|notice| match notice {
            Notice::Event(event) => Some(event),
            _ => None,
        })
        .collect()
}

#[test]
fn a_plan_reads_as_documentation() {
    let mut plan = plan();
    let content = text("version: '2'\nservices:\n  web:\n    build: .\n");
    let file = FileText {
        path: text("/home/ubuntu/dockchat/x.yml"),
        content,
        mode: Some(0o644),
    };
    plan.steps[6].work = Work::Action(Action::Write { files: vec![file] });
    insta::assert_snapshot!(plan_listing(&plan, &Style::plain()));
    insta::assert_snapshot!(plan_listing(&cleanup_plan(), &NARROW));
}

#[test]
fn a_plan_says_what_takes_an_engines_options_back() {
    let mut plan = plan();
    plan.steps.truncate(1);
    plan.steps[0].work = Work::Action(Action::SetEngineOptions(EngineSettings {
        options: EngineOptionSet {
            labels: vec!["environment=staging".to_owned()],
            ..EngineOptionSet::default()
        },
        source: OptionsSource::DefaultsFile,
        init: InitSystem::Sysvinit,
    }));
    let shown = plan_listing(&plan, &Style::plain());
    let words = [
        "--label=environment=staging into DOCKER_OPTS of /etc/default/docker; service docker restart",
        "take the lab's options out again and restart the engine",
    ];
    for words in words {
        assert!(shown.contains(words), "{words:?} is missing:\n{shown}");
    }
}

fn status(state: &State, style: Style) -> String {
    let instance = InstanceId::new("lab2-7f3a").unwrap();
    let nodes = [node("node-0"), node("node-1"), node("node-2")];
    let view = StatusView {
        instance: &instance,
        lab: "lab2",
        lab_title: "Docker orchestration",
        inventory: "the playground",
        nodes: nodes
            .iter()
            .zip(["172.31.99.10", "172.31.99.11", "172.31.99.12"])
            .collect(),
        vars: &BTreeMap::from([("replicas".to_owned(), "5".to_owned())]),
        since: Some("2026-01-02T03:04:05Z".parse().unwrap()),
        now: "2026-01-02T04:06:05Z".parse().unwrap(),
        held_by: None,
        state,
    };
    status_listing(&view, &style)
}

fn with_debts(mut events: Vec<Event>) -> State {
    let baseline = Baseline {
        node: node("node-0"),
        containers: Default::default(),
        images: Default::default(),
        networks: Default::default(),
        volumes: Default::default(),
        files: Default::default(),
    };
    let mut extra = events[0].clone();
    for kind in [
        EventKind::BaselineTaken { baseline },
        EventKind::StepStarted {
            step: key("clone", "node-0"),
            exec: None,
            undo: vec![file_undo()],
        },
        EventKind::ValueCaptured {
            step: key("clone", "node-0"),
            name: "commit".into(),
            value: Some("4f1c9aa".into()),
        },
        EventKind::StepFinished {
            step: key("clone", "node-0"),
            outcome: crate::domain::Outcome::Passed,
            took: Default::default(),
            output: vec![],
        },
    ] {
        extra.index = events.len() as u64;
        extra.kind = kind;
        events.push(extra.clone());
    }
    State::of(&events)
}

#[test]
fn a_status_says_what_is_done_owed_and_next() {
    insta::assert_snapshot!(status(&with_debts(events(bad_run())), TERMINAL));
    insta::assert_snapshot!(status(&with_debts(events(good_run())), TERMINAL));
    insta::assert_snapshot!(status(&State::default(), NARROW));
}

#[test]
fn a_status_has_the_tasks_of_every_plan_in_the_labs_order_with_their_titles() {
    let begins = |wanted: &[&str]| {
        let mut plan = plan();
        plan.steps.retain(|step| wanted.contains(&step.task.as_str()));
        events(good_run_of(plan)).swap_remove(0)
    };
    let mut runs = [
        begins(&["task1"]),
        begins(&["prerequisites", "task1"]),
        begins(&["task1"]),
        begins(&["prerequisites"]),
    ];
    for (run, index) in runs.iter_mut().zip(0..) {
        run.index = index;
    }
    let shown = status(&State::of(&runs), TERMINAL);
    let tasks: Vec<&str> = shown.lines().filter(|line| line.contains("· no")).collect();
    assert_eq!(
        tasks,
        [
            "  prerequisites  · no  0 of 6  What every node must have",
            "  task1          · no  0 of 5  DockChat with Compose on node-0",
        ]
    );
}

#[test]
fn where_nothing_can_be_verified_a_status_does_not_advise_to() {
    let unverifiable = crate::domain::Plan {
        verifiable: false,
        ..plan()
    };
    let shown = status(&with_debts(events(good_run_of(unverifiable))), TERMINAL);
    assert!(shown.contains("labctl cleanup") && !shown.contains("verify"), "{shown}");
}

#[test]
fn a_cleanup_is_summed_up() {
    insta::assert_snapshot!(cleanup_listing(&events(partial_cleanup()), &NARROW));
}

#[test]
fn labs_are_listed_and_shown() {
    let row = LabRow {
        id: "lab2".into(),
        title: "Docker orchestration: Compose, Swarm and Interlock".into(),
        tasks: 5,
        nodes: 3,
        source: "built in".into(),
    };
    let task = |id: &str, title: &str, needs: &[&str]| TaskView {
        id: id.into(),
        title: title.into(),
        needs: needs.iter().map(|&need| need.to_owned()).collect(),
        steps: vec![("clone".into(), "Clone DockChat to ~/dockchat".into(), "node-0".into())],
    };
    let lab = LabView {
        row: row.clone(),
        nodes: vec!["node-0".into(), "node-1".into(), "node-2".into()],
        variables: vec![VariableView {
            name: "dockchat_repo".into(),
            default: Some(String::new()),
            help: "The repository that DockChat is cloned from; the lab serves its own on node-0.".into(),
        }],
        images: vec![VariableView {
            name: "mongo".into(),
            default: Some("labctl/mongo:3.6".into()),
            help: "what DockChat's database runs".into(),
        }],
        secrets: vec![
            SecretView {
                name: "registry_password".into(),
                help: "The password of the registry.".into(),
                generate: true,
            },
            SecretView {
                name: "token".into(),
                help: String::new(),
                generate: false,
            },
        ],
        tasks: vec![
            task("prerequisites", "What every node must have", &[]),
            task("task1", "DockChat", &["prerequisites"]),
        ],
    };
    insta::assert_snapshot!(labs_listing(std::slice::from_ref(&row), &TERMINAL));
    insta::assert_snapshot!(labs_listing(&[row], &NARROW));
    insta::assert_snapshot!(lab_listing(&lab, &TERMINAL));
}

fn facts() -> Facts {
    Facts {
        login: LoginFacts {
            user: "ubuntu".into(),
            uid: 1000,
            home: "/home/ubuntu".into(),
            root: true,
            may_use_engine: true,
        },
        private_address: None,
        os: OsFacts {
            id: "debian".into(),
            version: Some("12".into()),
            name: "Debian GNU/Linux 12 (bookworm)".into(),
            arch: "x86_64".into(),
            kernel: "6.18.5".into(),
        },
        init: InitSystem::Sysvinit,
        engine: Some(engine()),
        engine_problem: None,
        compose: Some(ComposeFacts {
            flavour: ComposeFlavour::V1,
            version: "1.29.2".into(),
        }),
        engine_options: EngineOptions {
            source: OptionsSource::DefaultsFile,
            docker_opts: vec![],
            defaults_unread: false,
            daemon_json: true,
            daemon_json_keys: vec!["dns".into()],
            running: vec![],
        },
        tools: ToolFacts::default(),
        docker_host: None,
        free_disk: Some(12_300_000_000),
        instances: Some(vec![]),
    }
}

fn engine() -> EngineSeen {
    EngineSeen {
        version: "20.10.24+dfsg1".into(),
        api_version: "1.41".into(),
        name: "node-0".into(),
        labels: vec![],
        storage_driver: None,
        root_dir: None,
    }
}

#[test]
fn an_inventory_check_is_a_table() {
    let row = |name: &str, address: &str, found: FoundOnNode| InventoryRow {
        node: node(name),
        address: address.into(),
        found,
    };
    let troubled = Facts {
        engine: None,
        engine_problem: Some("permission denied on /var/run/docker.sock".into()),
        compose: None,
        init: InitSystem::Systemd,
        free_disk: None,
        ..facts()
    };
    let rows = [
        row("node-0", "172.31.99.10", FoundOnNode::Facts(Box::new(facts()))),
        row("node-1", "172.31.99.11", FoundOnNode::Facts(Box::new(troubled))),
        row(
            "node-2",
            "172.31.99.12",
            FoundOnNode::Unreachable {
                reason: "ssh: connect to host 172.31.99.12 port 22: Connection refused".into(),
                hint: Some("is the node up? `labctl playground status` says".into()),
            },
        ),
    ];
    insta::assert_snapshot!(inventory_check_listing(
        &rows,
        &Style {
            colour: false,
            width: Some(100)
        }
    ));
    insta::assert_snapshot!(inventory_check_listing(&rows, &NARROW));
}

#[test]
fn a_playground_is_listed_with_commands_to_copy() {
    let row = |at: u8, state: &str, well| PlaygroundRow {
        node: format!("node-{at}"),
        address: format!("172.31.99.1{at}"),
        init: "docker-ce".into(),
        suite: "bookworm".into(),
        state: state.into(),
        well,
        ssh: format!("ssh -i ~/.local/state/labctl/playground/key ubuntu@172.31.99.1{at}"),
    };
    insta::assert_snapshot!(playground_listing(
        &[row(0, "ready", true), row(1, "stopped", false)],
        &NARROW
    ));
    assert!(playground_listing(&[], &NARROW).contains("labctl playground up"));
}

#[test]
fn images_show_their_ids_where_there_is_room() {
    let row = |name: &str, size| ImageRow {
        name: name.to_owned(),
        reference: format!("labctl/{name}:1"),
        purpose: "serves what its name says".to_owned(),
        id: format!("sha256:{}", "0123456789abcdef".repeat(4)),
        size,
    };
    let rows = [row("discovery", 12_345_678), row("swarm", 9_000_000)];
    insta::assert_snapshot!(images_listing(&rows, &TERMINAL));
    insta::assert_snapshot!(images_listing(&rows, &NARROW));
}

#[test]
fn what_was_loaded_is_shown_with_what_takes_it_away_and_what_was_not_with_why() {
    let image = |reference: &str, end| LoadedImage {
        reference: reference.to_owned(),
        end,
    };
    let nameless = Some(format!("sha256:{}", "0123456789abcdef".repeat(4)));
    let fresh = || LoadEnd::Loaded { nameless: None };
    let full = LoadEnd::Failed {
        reason: "write /layer.tar: no space left on device".to_owned(),
    };
    let rows = [
        vec![image("labctl/mongo:3.6", fresh()), image("labctl/swarm:1", fresh())],
        vec![
            image("labctl/mongo:3.6", LoadEnd::WasThere),
            image("labctl/swarm:1", LoadEnd::Loaded { nameless }),
        ],
        vec![image("labctl/mongo:3.6", full)],
    ];
    let mut rows: Vec<LoadedRow> = ["node-0", "node-1", "node-2"]
        .into_iter()
        .zip(rows)
        .map(|(name, images)| LoadedRow {
            node: node(name),
            images: Ok(images),
        })
        .collect();
    rows.push(LoadedRow {
        node: node("node-3"),
        images: Err((
            "cannot reach node-3".to_owned(),
            Some("is sshd running there?".to_owned()),
        )),
    });
    insta::assert_snapshot!(loaded_listing(&rows, &TERMINAL));
    rows.truncate(2);
    rows.remove(0);
    rows[0].images = Ok(vec![image("labctl/mongo:3.6", LoadEnd::WasThere)]);
    insta::assert_snapshot!(loaded_listing(&rows, &TERMINAL));
}
