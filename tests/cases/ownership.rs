//! What is ours on an engine, and what is left alone.

use super::engine::{Container, Volume, id, image_id, of_project};
use super::labs::{check, does, plan, step, text};
use super::machine::Machine;
use super::stage::{Ran, Stage};
use labctl::domain::{Action, CheckKind, Difference, Ending, EventKind, Outcome, TextMatch, UndoText};
use labctl::node::fake::FakeAnswer;
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

fn provides(image: &str, upstream: &str) -> super::labs::Written {
    let action = Action::Provide {
        image: text(image),
        upstream: Some(text(upstream)),
        stand_in: Some("mongo".to_owned()),
    };
    does("provide", "node-0", action)
        .undo(UndoText::Images(vec![text(image), text(upstream)]))
        .expects(check(CheckKind::Stdout(TextMatch::default())))
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_was_moved_goes_back_and_the_new_image_goes() {
    let stage = Stage::one();
    let engine = &stage.machine("node-0").engine;
    engine.with(|engine| engine.image(&image_id("0b"), &["lab/mongo:3.6"], None));
    let before = engine.with(|engine| engine.clone());
    stage.run(&plan(vec![provides("lab/mongo:3.6", "mongo:3.6")])).await;
    assert_ne!(
        engine.with(|engine| engine.tagged("lab/mongo:3.6").unwrap().id.clone()),
        image_id("0b")
    );
    let ran = stage.cleanup().await;
    assert!(is_clean(&stage, &ran), "{:#?}", ran.events);
    assert_eq!(engine.with(|engine| engine.clone()), before);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_was_added_to_an_image_goes_and_the_image_stays() {
    let stage = Stage::one();
    let engine = &stage.machine("node-0").engine;
    engine.with(|engine| {
        engine.image(&image_id("0b"), &["mongo:3.6"], None);
        engine.registry.insert("mongo:3.6".to_owned(), image_id("0b"));
    });
    let before = engine.with(|engine| engine.clone());
    stage.run(&plan(vec![provides("lab/mongo:3.6", "mongo:3.6")])).await;
    assert_eq!(engine.with(|engine| engine.images[0].tags.len()), 2);
    let ran = stage.cleanup().await;
    assert!(is_clean(&stage, &ran), "{:#?}", ran.events);
    assert_eq!(engine.with(|engine| engine.clone()), before);
}

#[tokio::test(start_paused = true)]
async fn an_image_without_a_name_of_the_learners_own_survives_being_given_one() {
    let stage = Stage::one();
    let engine = &stage.machine("node-0").engine;
    engine.with(|engine| {
        engine.image(&image_id("0b"), &[], None);
        engine.registry.insert("mongo:3.6".to_owned(), image_id("0b"));
    });
    stage.run(&plan(vec![provides("mongo:3.6", "mongo:3.6")])).await;
    let ran = stage.cleanup().await;
    assert!(
        engine.with(|engine| engine.has_image(&image_id("0b"))),
        "{:#?}",
        engine.changes()
    );
    assert!(!is_clean(&stage, &ran), "the tag is left, and that is said");
}

#[tokio::test(start_paused = true)]
async fn a_new_image_with_two_names_goes_at_the_first_cleanup() {
    let stage = Stage::one();
    let engine = &stage.machine("node-0").engine;
    engine.with(|engine| {
        engine.registry.insert("mongo:3.6".to_owned(), image_id("0b"));
    });
    stage.run(&plan(vec![provides("lab/mongo:3.6", "mongo:3.6")])).await;
    let ran = stage.cleanup().await;
    assert!(is_clean(&stage, &ran), "{:#?}", ran.events);
    assert_eq!(ran.outcome("undo-images@node-0"), Outcome::Passed);
    assert!(engine.with(|engine| engine.images.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn layers_that_nobody_printed_go_with_the_image_that_stands_on_them() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    when(machine, "build web", String::new(), |engine| {
        build(engine);
        engine.image(&image_id("1b"), &["web:v1"], None);
    });
    let images = UndoText::Images(vec![text("web"), text("web:v1")]);
    stage
        .run(&plan(vec![step("build", "node-0", "build web").undo(images)]))
        .await;
    let ran = stage.cleanup().await;
    assert!(is_clean(&stage, &ran), "{:#?}", ran.events);
    assert!(
        machine.engine.with(|engine| engine.images.is_empty()),
        "{:#?}",
        machine.engine.changes()
    );
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_go_keeps_no_other_name_from_going_back() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    machine
        .engine
        .with(|engine| engine.image(&image_id("0b"), &["tool:latest"], None));
    when(machine, "build web", String::new(), |engine| {
        build(engine);
        engine.image(&image_id("1c"), &["tool:latest"], None);
    });
    let images = UndoText::Images(vec![text("web"), text("tool")]);
    stage
        .run(&plan(vec![step("build", "node-0", "build web").undo(images)]))
        .await;
    machine
        .engine
        .with(|engine| engine.container(stranger("mine", "cc", &image_id("1b"))));
    let ran = stage.cleanup().await;
    assert_eq!(ran.outcome("undo-images@node-0"), Outcome::FailedCheck);
    let tagged = machine
        .engine
        .with(|engine| engine.tagged("tool:latest").map(|image| image.id.clone()));
    assert_eq!(tagged, Some(image_id("0b")));
}

pub fn builds() -> super::labs::Written {
    step("build", "node-0", "build web").undo(UndoText::Images(vec![text("web")]))
}

fn build(engine: &mut super::engine::Contents) {
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
