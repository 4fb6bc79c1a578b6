//! Containers: those of a lab go with all that is theirs, and nobody else's do.

use super::engine::{Container, Volume, id, image_id, of_project};
use super::labs::{plan, step, text};
use super::ownership::{is_clean, stranger, when};
use super::stage::Stage;
use labctl::domain::{Ending, Outcome, UndoText};
use labctl::node::fake::FakeAnswer;

#[tokio::test(start_paused = true)]
async fn containers_of_a_project_go_with_their_anonymous_volumes() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    machine.engine.with(|engine| {
        engine.container(Container {
            labels: of_project("web"),
            ..stranger("older", "c0", &image_id("0a"))
        });
    });
    when(machine, "up", String::new(), |engine| {
        let anonymous = |digits: &str| Volume {
            name: id(digits),
            anonymous: true,
            ..Volume::default()
        };
        engine.volumes.extend([anonymous("a1"), anonymous("a2")]);
        engine.container(Container {
            labels: of_project("web"),
            volumes: vec![id("a1")],
            ..stranger("web_1", "ca", &image_id("0a"))
        });
    });
    stage
        .run(&plan(vec![
            step("up", "node-0", "up").undo(UndoText::Project(text("web"))),
        ]))
        .await;
    let ran = stage.cleanup().await;
    assert!(is_clean(&stage, &ran), "{:#?}", ran.events);
    machine.engine.with(|engine| {
        assert!(engine.has_container("older") && !engine.has_container("web_1"));
        let left: Vec<&str> = engine.volumes.iter().map(|volume| volume.name.as_str()).collect();
        assert_eq!(left, [id("a2")], "whose it is nobody knows");
    });
}

#[tokio::test(start_paused = true)]
async fn a_reset_removes_what_runs_and_is_not_ours() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    machine
        .engine
        .with(|engine| engine.container(stranger("old", "c0", &image_id("0a"))));
    when(machine, "run named", String::new(), |engine| {
        engine.container(stranger("named", "ca", &image_id("0a")));
    });
    let steps = || vec![step("named", "node-0", "run named").undo(UndoText::Container(text("named")))];
    stage.run(&plan(steps())).await;
    let selection = labctl::planner::Selection {
        reset_nodes: true,
        ..Default::default()
    };
    let mut lab = super::labs::lab(vec![super::labs::task("task1", &[], steps())]);
    lab.nodes.truncate(1);
    let again = labctl::planner::plan_run(&lab, &stage.state(), &selection).unwrap();
    let ran = stage.run(&again).await;
    assert_eq!(ran.outcome("reset-nodes@node-0"), Outcome::Passed);
    machine
        .engine
        .with(|engine| assert!(!engine.has_container("old") && engine.has_container("named")));
    machine.fake.answer(
        "DOCKER_OPTS=",
        FakeAnswer::ended(Ending::Exited { code: 1 }).stderr("no restart\n"),
    );
    let ran = stage.run(&again).await;
    let outcome = ran.outcome("reset-nodes@node-0");
    assert!(
        matches!(&outcome, Outcome::CouldNotStart { reason, .. } if reason.contains("no restart")),
        "{outcome:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_done_again_removes_its_own_container_and_nobody_elses() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    let web = |mark: &str| Container {
        id: id(mark),
        name: "web".to_owned(),
        ..Container::default()
    };
    let starts = || {
        plan(vec![
            step("start", "node-0", "start web").undo(UndoText::Container(text("web"))),
        ])
    };
    // The baseline is taken; then somebody takes the name.
    stage
        .run(&plan(vec![
            step("first", "node-0", "first").undo(UndoText::File(text("/opt/first"))),
        ]))
        .await;
    machine.engine.with(|engine| engine.container(web("aa")));
    stage.run(&starts()).await;
    assert!(
        machine.engine.with(|engine| engine.has_container("web")),
        "it was not the step's"
    );

    machine.engine.with(|engine| engine.containers.clear());
    when(machine, "start web", String::new(), |engine| {
        engine.container(Container {
            id: id("bb"),
            name: "web".to_owned(),
            ..Container::default()
        });
    });
    stage.run(&starts()).await;
    let removed = || {
        machine
            .engine
            .changes()
            .iter()
            .filter(|line| line.starts_with("DELETE"))
            .count()
    };
    let before = removed();
    stage.run(&starts()).await;
    assert_eq!(removed(), before + 1, "the one that the step made is made anew");
}
