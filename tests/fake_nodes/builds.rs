//! What an engine keeps of a build after its client was killed.

use super::crashes::crash;
use super::engine::{Commit, Container, id, image_id};
use super::labs::plan;
use super::machine::Machine;
use super::ownership::{builds, compared, is_clean, printed, stranger, when};
use super::stage::Stage;
use labctl::domain::Outcome;
use labctl::node::fake::FakeAnswer;
use labctl::planner::plan_cleanup;
use std::time::Duration;

/// What the builder says of a command that runs in the container `digits`, and no more of it.
fn running_in(digits: &str) -> String {
    format!("Step 2/2 : RUN make\n ---> Running in {}\n", &id(digits)[..12])
}

/// Adds the base image `0a`, which every baseline has.
fn base(machine: &Machine) {
    machine
        .engine
        .with(|engine| engine.image(&image_id("0a"), &["debian:bookworm"], None));
}

fn ended(name: &str, digits: &str, status: i64) -> Container {
    Container {
        running: false,
        status,
        ..stranger(name, digits, &image_id("0a"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_on_the_base_image_that_nobody_was_told_of_goes_by_its_container() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    base(machine);
    when(machine, "build web", running_in("ca"), |engine| {
        engine.layer(&image_id("1a"), &image_id("0a"), &id("ca"));
        // Somebody else builds on the same base.
        engine.layer(&image_id("ee"), &image_id("0a"), &id("cc"));
    });
    stage.run(&plan(vec![builds()])).await;
    let ran = stage.cleanup().await;
    assert!(is_clean(&stage, &ran), "{:#?}", ran.events);
    let left = machine
        .engine
        .with(|engine| engine.images.iter().map(|image| image.id.clone()).collect::<Vec<_>>());
    assert_eq!(left, [image_id("0a"), image_id("ee")]);
    assert_eq!(compared(&ran).1.len(), 1, "{:#?}", compared(&ran));
}

#[tokio::test(start_paused = true)]
async fn cleanup_waits_for_a_layer_that_the_engine_still_keeps() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    base(machine);
    when(machine, "build web", running_in("ca"), |engine| {
        engine.container(ended("quirky_name", "ca", 0));
        engine.commits.push(Commit {
            container: id("ca"),
            image: image_id("1a"),
            parent: image_id("0a"),
            looks: 12,
        });
    });
    let before = machine.engine.with(|engine| engine.clone());
    stage.run(&plan(vec![builds()])).await;
    let ran = stage.cleanup().await;
    assert!(is_clean(&stage, &ran), "{:#?}", ran.events);
    // Whatever would have come afterwards.
    machine.engine.with(|engine| (0..20).for_each(|_| engine.work()));
    assert_eq!(machine.engine.with(|engine| engine.clone()), before);
}

#[tokio::test(start_paused = true)]
async fn a_build_that_failed_or_stands_still_is_not_waited_for_without_end() {
    for status in [0, 1] {
        let stage = Stage::one();
        let machine = stage.machine("node-0");
        base(machine);
        let engine = machine.engine.table();
        machine.fake.answer_with(move |text| {
            (text == "build web").then(|| {
                engine.lock().unwrap().container(ended("quirky_name", "ca", status));
                FakeAnswer::exited(1).stdout(running_in("ca"))
            })
        });
        stage.run(&plan(vec![builds()])).await;
        let begun = tokio::time::Instant::now();
        let ran = stage.cleanup().await;
        assert!(is_clean(&stage, &ran), "{:#?}", ran.events);
        assert!(!machine.engine.with(|engine| engine.has_container("quirky_name")));
        let waited = begun.elapsed() > Duration::from_secs(60);
        assert_eq!(waited, status == 0, "only a command that ended well leaves a layer");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_broken_off_is_known_until_the_node_is_let_go_of() {
    for takes in [1, 61] {
        let stage = Stage::one();
        let machine = stage.machine("node-0");
        base(machine);
        machine.fake.answer_with(move |text| {
            let answer = FakeAnswer::exited(0).takes(Duration::from_secs(takes));
            (text == "build web").then_some(answer)
        });
        stage.run(&plan(vec![builds()])).await;
        let nodes = usize::from(takes > 60);
        assert_eq!(stage.state().broken_off.len(), nodes, "{takes} s");
        // A cleanup that is killed after its first step, which tells of five things, takes nothing of that away.
        let cleanup = plan_cleanup(&stage.state());
        let first = cleanup.steps[0].key.clone();
        crash(&stage, &cleanup, 5, false).await;
        assert!(stage.state().steps.contains_key(&first), "{:?}", stage.state().steps);
        assert!(stage.state().broken_off.len() >= nodes, "{takes} s");
        let ran = stage.cleanup().await;
        assert!(is_clean(&stage, &ran), "{:#?}", ran.events);
        assert!(stage.state().broken_off.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_a_container_still_holds_goes_as_soon_as_the_engine_has_removed_that() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    base(machine);
    when(machine, "build web", running_in("ca") + &printed(&["1a"]), |engine| {
        engine.image(&image_id("1a"), &[], Some(&image_id("0a")));
        engine.container(Container {
            image: image_id("1a"),
            ..ended("quirky_name", "ca", 137)
        });
        engine.removals.insert(id("ca"), 12);
    });
    stage.run(&plan(vec![builds()])).await;
    let ran = stage.cleanup().await;
    assert!(is_clean(&stage, &ran), "{:#?}", ran.events);
    assert_eq!(ran.outcome("undo-images@node-0"), Outcome::Passed);
    assert!(!machine.engine.with(|engine| engine.has_image(&image_id("1a"))));
}
