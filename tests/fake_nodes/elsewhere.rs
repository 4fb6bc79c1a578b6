//! A step whose command is a client of other nodes' engines, as of a Swarm manager: what it makes there is taken back there.

use super::crashes::crash;
use super::engine::{Container, id, image_id, of_project};
use super::labs::{plan, step, text};
use super::ownership::when_at;
use super::stage::{Ran, Stage};
use labctl::domain::{Event, EventKind, Outcome, Plan, UndoText};
use labctl::journal::{EventWriter, JournalError};
use labctl::node::fake::FakeAnswer;
use labctl::planner::plan_cleanup;
use std::time::Duration;

const BUILD: &str = "build through the manager";

/// Three nodes; a build on the first makes a layer and an image on the second, where the learner has an image and a project of
/// their own, and `up` makes a project on both others.
fn stage() -> Stage {
    let stage = Stage::new(&["node-0", "node-1", "node-2"]);
    for machine in stage.machines.values() {
        machine.engine.with(|engine| {
            engine.image(&image_id("0a"), &["debian:12"], None);
            engine.container(of("learner", "theirs"));
        });
    }
    let client = stage.machine("node-0");
    let printed = format!(" ---> {}\n", &id("1a")[..12]);
    when_at(client, stage.machine("node-1"), BUILD, printed, |engine| {
        engine.image(&image_id("1a"), &[], Some(&image_id("0a")));
    });
    when_at(client, stage.machine("node-2"), "up", String::new(), |engine| {
        engine.container(of("web_1", "web"));
    });
    stage
}

fn of(name: &str, project: &str) -> Container {
    Container {
        id: id(&format!("{:x}", name.len())),
        name: name.to_owned(),
        image: image_id("0a"),
        running: true,
        labels: of_project(project),
        ..Container::default()
    }
}

fn build_and_up() -> Plan {
    let images = || UndoText::Images(vec![text("web:v1")]);
    let project = || UndoText::Project(text("web"));
    plan(vec![
        step("build", "node-0", BUILD)
            .undo_on("node-1", images())
            .undo_on("node-2", images()),
        step("up", "node-0", "up")
            .undo_on("node-1", project())
            .undo_on("node-2", project()),
    ])
}

fn keeps(stage: &Stage, node: &str, part: &str) -> bool {
    let calls = stage.machine(node).fake.call_lines();
    calls
        .iter()
        .any(|call| call.starts_with("keep ") && call.contains(part))
}

/// Says whether node-1 has the layer that the build made there.
fn has_layer(stage: &Stage) -> bool {
    let engine = &stage.machine("node-1").engine;
    engine.with(|engine| engine.has_image(&image_id("1a")))
}

fn is_released(ran: &Ran, name: &str) -> bool {
    let released = |kind: &EventKind| matches!(kind, EventKind::NodeReleased { node } if node.as_str() == name);
    ran.events.iter().any(|event| released(&event.kind))
}

#[tokio::test(start_paused = true)]
async fn the_undo_of_other_nodes_is_safe_here_and_there_before_the_step_begins() {
    let stage = stage();
    let ran = stage.run(&build_and_up()).await;
    assert_eq!(ran.outcome("build@node-0"), Outcome::Passed);
    for name in ["node-1", "node-2"] {
        let baseline = ran
            .position(|kind| matches!(kind, EventKind::BaselineTaken { baseline } if baseline.node.as_str() == name));
        let owed = ran.position(|kind| matches!(kind, EventKind::OwedElsewhere { node, .. } if node.as_str() == name));
        assert!(baseline < owed && owed < ran.started("build@node-0"), "{name}");
        assert!(keeps(&stage, name, "baseline.json"), "{name}");
        assert!(keeps(&stage, name, "undo/run-1-build@node-0.json"), "{name}");
        assert!(keeps(&stage, name, "undo/run-1-up@node-0.json"), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn cleanup_takes_back_what_was_made_on_every_engine_and_nothing_else() {
    let stage = stage();
    let before: Vec<_> = stage
        .machines
        .values()
        .map(|one| one.engine.with(|engine| engine.clone()))
        .collect();
    stage.run(&build_and_up()).await;
    assert!(has_layer(&stage));
    assert!(
        stage
            .machine("node-2")
            .engine
            .with(|engine| engine.has_container("web_1"))
    );
    let ran = stage.cleanup().await;
    assert!(!stage.state().owes_anything(), "{:#?}", ran.events);
    let after: Vec<_> = stage
        .machines
        .values()
        .map(|one| one.engine.with(|engine| engine.clone()))
        .collect();
    assert_eq!(after, before);
}

/// Counts how often each node was asked to end what runs there, when the first step of a run begins.
struct Watching<'a> {
    inner: Box<dyn EventWriter>,
    stage: &'a Stage,
    seen: Option<Vec<usize>>,
}

impl EventWriter for Watching<'_> {
    fn append(&mut self, kind: EventKind) -> Result<Event, JournalError> {
        if matches!(kind, EventKind::StepStarted { .. }) && self.seen.is_none() {
            self.seen = Some(stops(self.stage));
        }
        self.inner.append(kind)
    }
}

fn stops(stage: &Stage) -> Vec<usize> {
    let machines = stage.machines.values();
    let stops = |calls: Vec<String>| calls.iter().filter(|call| *call == "stop").count();
    machines.map(|machine| stops(machine.fake.call_lines())).collect()
}

#[tokio::test(start_paused = true)]
async fn what_runs_on_any_node_is_ended_before_anything_is_taken_back_on_another() {
    let stage = stage();
    stage.run(&build_and_up()).await;
    let before = stops(&stage);
    let id = stage.next_run();
    let inner = stage.instance().writer(id.clone(), "cleanup").unwrap();
    let mut journal = Watching {
        inner,
        stage: &stage,
        seen: None,
    };
    let (_, result) = stage.run_into(&plan_cleanup(&stage.state()), id, &mut journal).await;
    assert!(result.is_ok());
    let seen = journal.seen.unwrap();
    let more: Vec<usize> = seen.iter().zip(before).map(|(seen, before)| seen - before).collect();
    assert_eq!(more, [1, 1, 1]);
}

/// Two nodes; a build on the first, which takes so many seconds, runs a container on the second, where the learner has one, too.
fn building(seconds: u64) -> Stage {
    let stage = Stage::new(&["node-0", "node-1"]);
    let (client, builder) = (stage.machine("node-0"), stage.machine("node-1"));
    builder.engine.with(|engine| engine.container(of("learner", "theirs")));
    let printed = format!(" ---> Running in {}\n", &id("ca")[..12]);
    let engine = builder.engine.table();
    client.fake.answer_with(move |text| {
        (text == BUILD).then(|| {
            engine.lock().unwrap().container(Container {
                id: id("ca"),
                labels: Default::default(),
                ..of("fervent_name", "")
            });
            FakeAnswer::exited(0)
                .stdout(&printed)
                .takes(Duration::from_secs(seconds))
        })
    });
    stage
}

fn build() -> Plan {
    let images = UndoText::Images(vec![text("web:v1")]);
    plan(vec![step("build", "node-0", BUILD).undo_on("node-1", images)])
}

/// Says which of the build's and the learner's container node-1 has.
fn has_containers(stage: &Stage) -> [bool; 2] {
    let engine = &stage.machine("node-1").engine;
    engine.with(|engine| ["fervent_name", "learner"].map(|name| engine.has_container(name)))
}

#[tokio::test(start_paused = true)]
async fn what_a_build_left_that_was_broken_off_is_removed_before_the_next_run_looks_at_anything() {
    let dies = building(1).run(&build()).await.finished("build@node-0");
    // labctl died in it, or its deadline passed.
    for (seconds, labctl_dies) in [(1, true), (61, false)] {
        let stage = building(seconds);
        if labctl_dies {
            crash(&stage, &build(), dies, false).await;
        } else {
            stage.run(&build()).await;
        }
        assert_eq!(has_containers(&stage), [true, true]);
        let ran = stage.run(&build()).await;
        let removed = ran.position(|kind| {
            matches!(kind, EventKind::LeftoversRemoved { node, containers }
                if node.as_str() == "node-1" && *containers == ["fervent_name"])
        });
        assert!(removed < ran.started("build@node-0"));
        stage.cleanup().await;
        assert!(!stage.state().owes_anything());
        assert_eq!(has_containers(&stage), [false, true]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_build_left_that_came_to_its_own_end_is_left_to_its_steps() {
    let stage = building(1);
    for _ in 0..2 {
        let ran = stage.run(&build()).await;
        let mut kinds = ran.events.iter().map(|event| &event.kind);
        assert!(!kinds.any(|kind| matches!(kind, EventKind::LeftoversRemoved { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn the_node_that_knows_what_was_printed_is_let_go_of_last() {
    let stage = stage();
    stage.run(&build_and_up()).await;
    let ran = stage.cleanup().await;
    for name in ["node-1", "node-2"] {
        let read = ran.finished(&format!("undo-images@{name}"));
        assert!(read < ran.started("compare-baseline@node-0"), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_kept_while_a_node_that_owes_what_it_knows_is_away() {
    let mut stage = stage();
    stage.run(&build_and_up()).await;
    stage.unreachable = vec!["node-1".to_owned()];
    let ran = stage.cleanup().await;
    assert!(!is_released(&ran, "node-0"), "its records are needed for node-1");
    assert!(is_released(&ran, "node-2"));
    stage.unreachable.clear();
    let ran = stage.cleanup().await;
    assert!(
        is_released(&ran, "node-0") && is_released(&ran, "node-1"),
        "{:#?}",
        ran.events
    );
    assert!(!has_layer(&stage));
}

#[tokio::test(start_paused = true)]
async fn it_is_kept_while_a_node_that_asked_it_is_not_clean() {
    let stage = stage();
    stage.run(&build_and_up()).await;
    let stuck = &stage.machine("node-1").engine;
    stuck.with(|engine| {
        engine.networks.insert("web_default".to_owned(), of_project("web"));
        let refusal = ("DELETE /networks".to_owned(), "network is in use".to_owned());
        engine.refusals.push(refusal);
    });
    let ran = stage.cleanup().await;
    assert_eq!(ran.outcome("undo-images@node-1"), Outcome::Passed);
    assert_eq!(ran.outcome("undo-containers@node-1"), Outcome::FailedCheck);
    assert!(!is_released(&ran, "node-0"), "a layer of the build may still come");
    stuck.with(|engine| engine.refusals.clear());
    let ran = stage.cleanup().await;
    assert!(!stage.state().owes_anything(), "{:#?}", ran.events);
}

#[tokio::test(start_paused = true)]
async fn nodes_with_records_for_each_other_are_both_let_go_of() {
    let stage = stage();
    let back = step("build-back", "node-1", "build back").undo_on("node-0", UndoText::Images(vec![text("back:v1")]));
    let build = step("build", "node-0", BUILD).undo_on("node-1", UndoText::Images(vec![text("web:v1")]));
    stage.run(&plan(vec![build, back])).await;
    let ran = stage.cleanup().await;
    assert!(!stage.state().owes_anything(), "{:#?}", ran.events);
}

#[tokio::test(start_paused = true)]
async fn what_only_an_absent_node_knows_stays_owed_and_the_rest_goes() {
    let mut stage = stage();
    stage.run(&build_and_up()).await;
    stage.unreachable = vec!["node-0".to_owned()];
    let ran = stage.cleanup().await;
    assert_eq!(ran.outcome("undo-containers@node-2"), Outcome::Passed);
    assert!(
        !stage
            .machine("node-2")
            .engine
            .with(|engine| engine.has_container("web_1"))
    );
    assert_eq!(ran.outcome("undo-images@node-1"), Outcome::FailedCheck);
    assert!(!is_released(&ran, "node-1"));
    stage.unreachable.clear();
    let ran = stage.cleanup().await;
    assert!(!stage.state().owes_anything(), "{:#?}", ran.events);
    assert!(!has_layer(&stage));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_where_another_node_could_not_be_cleaned_up() {
    let mut stage = stage();
    stage.unreachable = vec!["node-2".to_owned()];
    let ran = stage.run(&build_and_up()).await;
    match ran.outcome("build@node-0") {
        Outcome::CouldNotStart { reason, .. } => assert!(reason.contains("node-2"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let calls = stage.machine("node-0").fake.call_lines();
    assert!(!calls.iter().any(|call| call.contains(BUILD)), "{calls:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_was_undone_on_another_node_counts_as_done_no_more() {
    let mut stage = stage();
    stage.run(&build_and_up()).await;
    stage.unreachable = vec!["node-0".to_owned()];
    stage.cleanup().await;
    let state = stage.state();
    assert!(
        state.steps.keys().all(|step| step.step.as_str() != "up"),
        "{:?}",
        state.steps
    );
    assert!(
        plan_cleanup(&state)
            .steps
            .iter()
            .any(|step| step.key.to_string() == "compare-baseline@node-0")
    );
}
