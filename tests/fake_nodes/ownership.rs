//! What is ours on an engine, and what is left alone.

use super::engine::{Container, Volume, id, image_id, of_project};
use super::labs::{plan, step, text};
use super::machine::Machine;
use super::stage::{Ran, Stage};
use labctl::domain::{Difference, EventKind, Outcome, UndoText};
use labctl::node::fake::FakeAnswer;
use labctl::node::{Request, Transport};
use std::time::Duration;

/// Does `work` to the engine when `command` is executed, which prints `printed`.
pub fn when(machine: &Machine, command: &'static str, printed: String, work: fn(&mut super::engine::Contents)) {
    when_at(machine, machine, command, printed, work);
}

/// The same, with the engine of another node.
pub fn when_at(
    client: &Machine,
    server: &Machine,
    command: &'static str,
    printed: String,
    work: fn(&mut super::engine::Contents),
) {
    let engine = server.engine.table();
    client.fake.answer_with(move |text| {
        (text == command).then(|| {
            work(&mut engine.lock().unwrap());
            FakeAnswer::exited(0).stdout(&printed)
        })
    });
}

pub fn compared(ran: &Ran) -> (Vec<Difference>, Vec<Difference>) {
    let at = ran.position(|kind| matches!(kind, EventKind::BaselineCompared { .. }));
    match &ran.events[at].kind {
        EventKind::BaselineCompared { ours, others, .. } => (ours.clone(), others.clone()),
        _ => unreachable!(),
    }
}

pub fn is_clean(stage: &Stage, ran: &Ran) -> bool {
    ran.outcome("compare-baseline@node-0") == Outcome::Passed && !stage.state().owes_anything()
}

pub fn builds() -> super::labs::Written {
    step("build", "node-0", "build web").undo(UndoText::Images(vec![text("web")]))
}

pub fn build(engine: &mut super::engine::Contents) {
    engine.image(&image_id("1a"), &[], None);
    engine.image(&image_id("1b"), &["web:latest"], Some(&image_id("1a")));
}

pub fn printed(ids: &[&str]) -> String {
    ids.iter()
        .map(|digits| format!(" ---> {}\n", &id(digits)[..12]))
        .collect()
}

pub fn stranger(name: &str, digits: &str, image: &str) -> Container {
    Container {
        id: id(digits),
        name: name.to_owned(),
        image: image.to_owned(),
        running: true,
        ..Container::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_somebody_runs_from_our_image_is_left_and_listed() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    when(machine, "build web", printed(&["1a", "1b"]), build);
    stage.run(&plan(vec![builds()])).await;
    machine
        .engine
        .with(|engine| engine.container(stranger("mine", "cc", &image_id("1b"))));
    let ran = stage.cleanup().await;
    assert!(
        machine.engine.with(|engine| engine.has_container("mine")),
        "{:#?}",
        machine.engine.changes()
    );
    let (ours, others) = compared(&ran);
    let is_it = |found: &Difference| matches!(found, Difference::ContainerAppeared { name, .. } if name == "mine");
    assert!(others.iter().any(is_it), "{others:#?}");
    assert!(
        matches!(ours.as_slice(), [Difference::ImageAppeared { .. }, ..]),
        "{ours:#?}"
    );
    assert_eq!(ran.outcome("undo-images@node-0"), Outcome::FailedCheck);
    assert_eq!(ran.outcome("compare-baseline@node-0"), Outcome::FailedCheck);
    machine.engine.with(|engine| engine.containers.clear());
    let ran = stage.cleanup().await;
    assert!(is_clean(&stage, &ran), "{:#?}", ran.events);
    assert!(machine.engine.with(|engine| engine.images.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_somebody_named_is_left_with_what_it_stands_on() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    when(machine, "build web", printed(&["1a", "1b", "1c"]), |engine| {
        engine.image(&image_id("1a"), &[], None);
        engine.image(&image_id("1b"), &[], Some(&image_id("1a")));
        engine.image(&image_id("1c"), &["web:latest"], Some(&image_id("1b")));
    });
    stage.run(&plan(vec![builds()])).await;
    machine
        .engine
        .with(|engine| engine.image(&image_id("1b"), &["mine:latest"], None));
    let ran = stage.cleanup().await;
    let left = machine
        .engine
        .with(|engine| engine.images.iter().map(|image| image.id.clone()).collect::<Vec<_>>());
    assert_eq!(left, [image_id("1a"), image_id("1b")]);
    assert!(is_clean(&stage, &ran), "{:#?}", ran.events);
    assert_eq!(compared(&ran).1.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_somebody_built_on_loses_our_name_only() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    when(machine, "build web", printed(&["1a", "1b"]), build);
    stage.run(&plan(vec![builds()])).await;
    machine
        .engine
        .with(|engine| engine.image(&image_id("ee"), &["mine:latest"], Some(&image_id("1b"))));
    let ran = stage.cleanup().await;
    assert!(is_clean(&stage, &ran), "{:#?}", ran.events);
    assert!(machine.engine.with(|engine| engine.has_image(&image_id("ee"))));
    assert!(machine.engine.with(|engine| engine.tagged("web:latest").is_none()));
}

#[tokio::test(start_paused = true)]
async fn having_appeared_meanwhile_proves_nothing_and_a_printed_id_does() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    let ids = format!("{}Running in {}\n", printed(&["1a"]), &id("ca")[..12]);
    when(machine, "build web", ids, |engine| {
        engine.image(&image_id("1a"), &[], None);
        engine.container(stranger("quirky_name", "ca", &image_id("1a")));
        // Somebody else works on the same engine.
        engine.image(&image_id("ee"), &[], None);
        engine.image(&image_id("ef"), &["theirs:latest"], None);
        engine.container(stranger("theirs", "cc", &image_id("ef")));
        engine
            .networks
            .insert("theirs_default".to_owned(), of_project("theirs"));
        engine.volumes.push(Volume {
            name: "theirs_data".to_owned(),
            labels: of_project("theirs"),
            ..Volume::default()
        });
    });
    stage.run(&plan(vec![builds()])).await;
    let ran = stage.cleanup().await;
    assert!(is_clean(&stage, &ran), "{:#?}", ran.events);
    assert_eq!(compared(&ran).1.len(), 5, "{:#?}", compared(&ran));
    machine.engine.with(|engine| {
        assert!(!engine.has_container("quirky_name") && engine.has_container("theirs"));
        assert!(!engine.has_image(&image_id("1a")) && engine.has_image(&image_id("ee")));
        assert!(engine.networks.contains_key("theirs_default") && engine.volumes.len() == 1);
    });
}

#[tokio::test(start_paused = true)]
async fn an_id_proves_as_much_where_the_node_has_lost_its_records() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    machine
        .engine
        .with(|engine| engine.image(&image_id("0a"), &["debian:12"], None));
    when(machine, "build web", printed(&["1a"]), |engine| {
        engine.image(&image_id("1a"), &[], Some(&image_id("0a")));
    });
    stage.run(&plan(vec![builds()])).await;
    let forget = Request::ForgetOutput {
        instance: String::new(),
        exec: "run-1-build".to_owned(),
    };
    machine.fake.ask(true, forget).await.unwrap();
    assert_eq!(
        machine.fake.printed_ids("run-1-build").await.unwrap(),
        Vec::<String>::new()
    );
    let ran = stage.cleanup().await;
    assert!(is_clean(&stage, &ran), "{:#?}", ran.events);
    assert!(!machine.engine.with(|engine| engine.has_image(&image_id("1a"))));
}

#[tokio::test(start_paused = true)]
async fn what_another_step_printed_is_no_proof() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    when(machine, "build web", printed(&["1a", "1b"]), build);
    when(machine, "docker ps", format!("{}\n", id("cc")), |engine| {
        engine.container(stranger("theirs", "cc", &image_id("ee")));
    });
    // Its name begins with that of the step that builds.
    let looks = step("build-list", "node-0", "docker ps");
    stage.run(&plan(vec![builds(), looks])).await;
    let ran = stage.cleanup().await;
    assert!(
        machine.engine.with(|engine| engine.has_container("theirs")),
        "{:#?}",
        ran.events
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_build_left_is_removed() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    let engine = machine.engine.table();
    machine.fake.answer_with(move |text| {
        (text == "build web").then(|| {
            let mut engine = engine.lock().unwrap();
            engine.image(&image_id("1a"), &[], None);
            engine.image(&image_id("1b"), &[], Some(&image_id("1a")));
            // The engine went on by itself: nobody was there any more to be told its id.
            engine.container(stranger("left_over", "ca", &image_id("1b")));
            FakeAnswer::exited(0)
                .stdout(printed(&["1a"]))
                .takes(Duration::from_secs(61))
        })
    });
    let ran = stage.run(&plan(vec![builds()])).await;
    assert!(matches!(ran.outcome("build@node-0"), Outcome::TimedOut { .. }));
    let ran = stage.cleanup().await;
    assert!(is_clean(&stage, &ran), "{:#?}", ran.events);
    assert!(
        machine
            .engine
            .with(|engine| engine.images.is_empty() && engine.containers.is_empty())
    );
}
