//! Names of images: what was moved or added goes back, and an image stays with whom it belongs to.

use super::engine::image_id;
use super::labs::{check, does, plan, step, text};
use super::ownership::{build, is_clean, stranger, when};
use super::stage::Stage;
use labctl::domain::{Action, CheckKind, Outcome, TextMatch, UndoText};

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
