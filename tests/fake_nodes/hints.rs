//! What a refused step advises, done to the letter: the next run goes through, and cleanup misses nothing.

use super::engine::{Container, id, image_id};
use super::engine_options::labelling;
use super::labs::{plan, text};
use super::machine::Machine;
use super::ownership::{compared, is_clean};
use super::stage::Stage;
use super::undo::writes;
use labctl::domain::{Outcome, Plan, UndoText};

/// Runs `plan`, which is refused with a hint that has `advice` in it; does what that says; runs again, and cleans up.
async fn follow(stage: &Stage, plan: &Plan, advice: &str, do_it: impl FnOnce(&Machine)) {
    let key = plan.steps[0].key.to_string();
    let hint = match stage.run(plan).await.outcome(&key) {
        Outcome::CouldNotStart { hint: Some(hint), .. } => hint,
        other => panic!("{other:?} gives no advice"),
    };
    assert!(hint.contains(advice), "{hint}");
    do_it(stage.machine("node-0"));
    let ran = stage.run(plan).await;
    assert_eq!(ran.outcome(&key), Outcome::Passed, "after: {hint}");
    let ran = stage.cleanup().await;
    assert!(is_clean(stage, &ran), "after: {hint}\n{:#?}", ran.events);
    assert_eq!(compared(&ran).0, [], "after: {hint}");
}

/// A node on whose engine somebody's container runs.
fn with_a_learner() -> Stage {
    let stage = Stage::one();
    stage.machine("node-0").engine.with(|engine| {
        engine.image(&image_id("0a"), &["debian:12"], None);
        engine.container(Container {
            id: id("cc"),
            name: "learner".to_owned(),
            image: image_id("0a"),
            running: true,
            ..Container::default()
        });
    });
    stage
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_one_makes_oneself_is_as_good() {
    let stage = Stage::one();
    let settings = plan(vec![writes("/data/settings", "x")]);
    follow(&stage, &settings, "make /data yourself", |machine| {
        machine.disk(|disk| disk.make_directory("/data"));
    })
    .await;
    let machine = stage.machine("node-0");
    assert!(machine.disk(|disk| disk.has("/data") && !disk.has("/data/settings")));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_stands_in_the_way_of_a_restart_may_be_stopped() {
    let stage = with_a_learner();
    follow(&stage, &labelling(), "stop them", |machine| {
        machine.engine.with(|engine| {
            for container in &mut engine.containers {
                container.running = false;
            }
        });
    })
    .await;
    assert!(
        stage
            .machine("node-0")
            .engine
            .with(|engine| engine.has_container("learner"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_container_that_stands_in_the_way_of_a_restart_may_be_removed() {
    let stage = with_a_learner();
    follow(&stage, &labelling(), "docker rm -f learner", |machine| {
        machine.engine.with(|engine| engine.containers.clear());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_option_may_be_taken_out_of_daemon_json() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    let daemon = "/etc/docker/daemon.json";
    machine.disk(|disk| disk.write(daemon, br#"{"labels": ["a=b"], "debug": true}"#, None));
    follow(&stage, &labelling(), "take it out of daemon.json", |machine| {
        machine.disk(|disk| disk.write(daemon, br#"{"debug": true}"#, None));
    })
    .await;
    assert_eq!(
        machine.disk(|disk| disk.read(daemon)).as_deref(),
        Some(r#"{"debug": true}"#)
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_in_the_place_of_a_directory_may_be_moved_away() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    machine.disk(|disk| disk.write("/home/ubuntu/shared", b"a file", None));
    let makes = super::labs::step("make", "node-0", "mkdir -p -- /home/ubuntu/shared");
    let makes = plan(vec![makes.undo(UndoText::Directory(text("/home/ubuntu/shared")))]);
    follow(&stage, &makes, "move it away on node-0", |machine| {
        machine.disk(|disk| disk.remove("/home/ubuntu/shared"));
    })
    .await;
}
