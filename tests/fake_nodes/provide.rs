//! Where an image comes from, and what is left as it is.

use super::engine::image_id;
use super::labs::{Written, check, does, plan, text};
use super::stage::{Archives, Ran, Stage};
use labctl::domain::{Action, CheckKind, Outcome, UndoText};
use labctl::runner::StandInImages;

fn provides(image: &str, upstream: Option<&str>, stand_in: Option<&str>) -> Written {
    let action = Action::Provide {
        image: text(image),
        upstream: upstream.map(text),
        stand_in: stand_in.map(str::to_owned),
    };
    let named = std::iter::once(image).chain(upstream).map(text).collect();
    let present = vec![text(image)];
    does("provide", "node-0", action)
        .undo(UndoText::Images(named))
        .expects(check(CheckKind::Images {
            present,
            absent: Vec::new(),
            like: Vec::new(),
        }))
}

async fn provide(stage: &Stage, image: &str, upstream: Option<&str>, stand_in: Option<&str>) -> Ran {
    stage.run(&plan(vec![provides(image, upstream, stand_in)])).await
}

fn changes(stage: &Stage) -> Vec<String> {
    stage.machine("node-0").engine.changes()
}

fn tagged(stage: &Stage, tag: &str) -> Option<String> {
    let engine = &stage.machine("node-0").engine;
    engine.with(|engine| engine.tagged(tag).map(|image| image.id.clone()))
}

#[tokio::test(start_paused = true)]
async fn an_image_of_ours_is_made_without_asking_a_registry_and_goes_at_cleanup() {
    let stage = Stage::one();
    let ran = provide(&stage, "labctl/swarm:1.2.9", None, Some("swarm")).await;
    assert_eq!(ran.outcome("provide@node-0"), Outcome::Passed);
    assert_eq!(changes(&stage), ["POST /images/load"]);
    assert_eq!(
        tagged(&stage, "labctl/swarm:1.2.9"),
        Some(Archives.id("swarm").unwrap())
    );
    stage.cleanup().await;
    assert_eq!(tagged(&stage, "labctl/swarm:1.2.9"), None);
    assert!(!stage.state().owes_anything());
}

#[tokio::test(start_paused = true)]
async fn an_image_of_ours_that_is_there_is_not_loaded_again() {
    let stage = Stage::one();
    provide(&stage, "labctl/swarm:1.2.9", None, Some("swarm")).await;
    let ran = provide(&stage, "labctl/swarm:1.2.9", None, Some("swarm")).await;
    assert_eq!(ran.outcome("provide@node-0"), Outcome::Passed);
    assert_eq!(changes(&stage), ["POST /images/load"], "once only");
}

#[tokio::test(start_paused = true)]
async fn an_image_of_ours_under_another_name_is_only_named() {
    let stage = Stage::one();
    let id = Archives.id("swarm").unwrap();
    let engine = &stage.machine("node-0").engine;
    engine.with(|engine| engine.image(&id, &["labctl/swarm:old"], None));
    provide(&stage, "labctl/swarm:1.2.9", None, Some("swarm")).await;
    assert_eq!(changes(&stage), [format!("POST /images/{id}/tag")]);
    stage.cleanup().await;
    assert_eq!(tagged(&stage, "labctl/swarm:1.2.9"), None);
    assert_eq!(tagged(&stage, "labctl/swarm:old"), Some(id), "it was there before");
}

#[tokio::test(start_paused = true)]
async fn an_image_that_the_node_has_is_used_as_it_is_and_stays() {
    let stage = Stage::one();
    let engine = &stage.machine("node-0").engine;
    engine.with(|engine| engine.image(&image_id("5a"), &["swarm:1.2.9"], None));
    let ran = provide(&stage, "swarm:1.2.9", Some("swarm:1.2.9"), None).await;
    assert_eq!(ran.outcome("provide@node-0"), Outcome::Passed);
    assert_eq!(changes(&stage), [""; 0]);
    stage.cleanup().await;
    assert_eq!(tagged(&stage, "swarm:1.2.9"), Some(image_id("5a")));
}

#[tokio::test(start_paused = true)]
async fn an_image_of_a_registry_is_pulled_and_called_as_wanted() {
    let stage = Stage::one();
    let engine = &stage.machine("node-0").engine;
    engine.with(|engine| engine.registry.insert("swarm:1.2.9".to_owned(), image_id("5a")));
    provide(&stage, "lab/swarm:1", Some("swarm:1.2.9"), None).await;
    assert_eq!(tagged(&stage, "lab/swarm:1"), Some(image_id("5a")));
    stage.cleanup().await;
    assert_eq!(engine.with(|engine| engine.images.len()), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_stands_in_for_an_image_under_its_own_name() {
    let stage = Stage::one();
    let ran = provide(&stage, "mongo", Some("docker.io/library/mongo:latest"), Some("mongo")).await;
    let ended = ran.outcome("provide@node-0");
    assert!(matches!(ended, Outcome::CouldNotStart { .. }), "{ended:?}");
    assert_eq!(tagged(&stage, "mongo:latest"), None);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_had_is_told_with_what_to_try() {
    let stage = Stage::one();
    let ran = provide(&stage, "swarm:1.2.9", Some("swarm:1.2.9"), None).await;
    let expected = "swarm:1.2.9 cannot be pulled: manifest for swarm:1.2.9 not found; let node-0 reach its registry, load \
                    the image there (docker save swarm:1.2.9 | ssh node-0 docker load), or name another one under [images] \
                    of the inventory";
    let Outcome::CouldNotStart { reason, .. } = ran.outcome("provide@node-0") else {
        panic!("{:?}", ran.outcome("provide@node-0"));
    };
    assert_eq!(reason, expected);
}
