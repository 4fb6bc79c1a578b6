//! An engine that gets other options: what is safe before, what is refused, and what becomes of one that does not start.

use super::engine::{Container, id, image_id};
use super::labs::{check, does, labels_engine, plan};
use super::stage::Stage;
use labctl::domain::{CheckKind, Outcome, Plan};
use labctl::node::fake::FakeAnswer;

const DEFAULTS: &str = "/etc/default/docker";

pub fn labelling() -> Plan {
    let labelled = CheckKind::File {
        path: super::labs::text(DEFAULTS),
        exists: true,
        content: super::labs::contains("environment=staging"),
        mode: None,
        owner: None,
    };
    plan(vec![does("engine", "node-0", labels_engine()).expects(check(labelled))])
}

fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::CouldNotStart { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_options_back_is_safe_before_the_file_is_written() {
    let stage = Stage::one();
    let ran = stage.run(&labelling()).await;
    assert_eq!(ran.outcome("engine@node-0"), Outcome::Passed);
    let machine = stage.machine("node-0");
    assert_eq!(
        machine.disk(|disk| disk.engine_options.clone()),
        ["--label=environment=staging"]
    );
    let calls = machine.fake.call_lines();
    let position = |start: &str| calls.iter().position(|line| line.starts_with(start)).unwrap();
    assert!(
        position("keep undo/") < position("write /etc/default/docker"),
        "{calls:#?}"
    );
    let backup = calls.iter().position(|line| line.starts_with("copy ")).unwrap();
    assert!(backup < position("keep undo/"), "{calls:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_by_which_somebodys_container_would_die_is_refused() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    machine.engine.with(|engine| {
        engine.image(&image_id("0a"), &["debian:12"], None);
        engine.container(Container {
            id: id("cc"),
            name: "learner".to_owned(),
            image: image_id("0a"),
            running: true,
            ..Container::default()
        });
    });
    let before = machine.disk(|disk| disk.clone());
    let ran = stage.run(&labelling()).await;
    let reason = reason(ran.outcome("engine@node-0"));
    assert!(reason.contains("these containers would die by it: learner"), "{reason}");
    assert_eq!(machine.disk(|disk| disk.read(DEFAULTS)), before.read(DEFAULTS));
    assert!(
        !machine
            .fake
            .call_lines()
            .iter()
            .any(|line| line.starts_with("write /etc"))
    );
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_start_gets_its_own_options_back_and_its_words_are_told() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    let before = machine.disk(|disk| disk.read(DEFAULTS));
    let failed = FakeAnswer::exited(1).stderr("unknown flag: --lable\n");
    machine
        .fake
        .answer_in_turn("until docker -H", [failed, FakeAnswer::exited(0)]);
    let ran = stage.run(&labelling()).await;
    let reason = reason(ran.outcome("engine@node-0"));
    assert!(reason.contains("unknown flag: --lable"), "{reason}");
    assert!(reason.contains("has its own options back"), "{reason}");
    assert_eq!(machine.disk(|disk| disk.read(DEFAULTS)), before);
    stage.cleanup().await;
    assert!(!stage.state().owes_anything());
}

#[tokio::test(start_paused = true)]
async fn options_that_somebody_changed_since_are_left_and_owed() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    stage.run(&labelling()).await;
    machine.disk(|disk| disk.write(DEFAULTS, b"DOCKER_OPTS=\"--debug\"\n", None));
    stage.cleanup().await;
    assert!(stage.state().owes_anything());
    assert_eq!(
        machine.disk(|disk| disk.read(DEFAULTS)).unwrap(),
        "DOCKER_OPTS=\"--debug\"\n"
    );
}

#[tokio::test(start_paused = true)]
async fn what_somebody_wrote_between_two_runs_is_there_after_a_cleanup() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    // The first engine does not start, and gets its own options back; what is owed stays owed.
    let failed = FakeAnswer::exited(1).stderr("unknown flag: --lable\n");
    machine
        .fake
        .answer_in_turn("until docker -H", [failed, FakeAnswer::exited(0)]);
    stage.run(&labelling()).await;
    let theirs = "# DOCKER_OPTS\nHTTP_PROXY=http://proxy\n";
    machine.disk(|disk| disk.write(DEFAULTS, theirs.as_bytes(), None));
    machine.disk(|disk| disk.engine_options = vec!["--label=environment=staging".to_owned()]);
    let ran = stage.run(&labelling()).await;
    assert_eq!(ran.outcome("engine@node-0"), Outcome::Passed);
    assert!(machine.disk(|disk| disk.read(DEFAULTS)).unwrap().contains("HTTP_PROXY"));
    // And once more beside the lab's line.
    let more = machine.disk(|disk| disk.read(DEFAULTS)).unwrap() + "MORE=1\n";
    machine.disk(|disk| disk.write(DEFAULTS, more.as_bytes(), None));
    let ran = stage.run(&labelling()).await;
    assert_eq!(ran.outcome("engine@node-0"), Outcome::Passed);
    stage.cleanup().await;
    assert!(!stage.state().owes_anything());
    assert_eq!(
        machine.disk(|disk| disk.read(DEFAULTS)).unwrap(),
        format!("{theirs}MORE=1\n")
    );
}
