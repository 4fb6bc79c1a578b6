//! `cleanup --scope all`: nodes without anything of Docker's, whoever made it.

use super::engine::{Container, Volume, id, image_id};
use super::labs::{node, plan, step, text};
use super::machine::Machine;
use super::stage::{Ran, Stage};
use labctl::domain::{Event, EventKind, NodeName, Outcome, Removable, UndoText};
use labctl::node::{Ending, fake::FakeAnswer};
use labctl::planner::{clear_everything, plan_cleanup};
use labctl::runner::look_at_everything;

const DEFAULTS: &str = "/etc/default/docker";

/// Gives the node things that nobody knows of.
fn fill(machine: &Machine) {
    machine.engine.with(|engine| {
        engine.image(&image_id("0a"), &[], None);
        engine.image(&image_id("0b"), &["mine:1", "mine:2"], Some(&image_id("0a")));
        engine.volumes.push(Volume {
            name: id("a1"),
            anonymous: true,
            ..Volume::default()
        });
        for (name, running) in [("runs", true), ("stands", false)] {
            engine.container(Container {
                id: id(&format!("c{}", name.len())),
                name: name.to_owned(),
                image: image_id("0b"),
                running,
                volumes: vec![id("a1")],
                ..Container::default()
            });
        }
    });
    machine.disk(|disk| disk.write(DEFAULTS, b"# mine\nDOCKER_OPTS=\"--debug\"\n", Some(0o640)));
}

async fn clear(stage: &Stage) -> Ran {
    let mut plan = plan_cleanup(&stage.state());
    let nodes: Vec<NodeName> = stage.machines.keys().map(|name| node(name)).collect();
    clear_everything(&mut plan, &nodes);
    stage.run(&plan).await
}

/// What the event says that is left on the node, as people read it.
fn left(events: &[Event], name: &str) -> Vec<String> {
    let mut kinds = events.iter().map(|event| &event.kind);
    let found = kinds.find_map(|kind| match kind {
        EventKind::NodeCleared { node, left } if node.as_str() == name => Some(left),
        _ => None,
    });
    found.unwrap().iter().map(Removable::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_listed_is_everything_and_nothing_is_touched_by_it() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    fill(machine);
    let listed = look_at_everything(machine.as_ref()).await.unwrap();
    let texts: Vec<String> = listed.found.iter().map(Removable::to_string).collect();
    assert_eq!(
        texts,
        [
            "container runs of 0b0000000000, which runs",
            "container stands of 0b0000000000",
            "image 0a0000000000",
            "image mine:1, mine:2 (0b0000000000)",
            "/etc/default/docker has the line DOCKER_OPTS=\"--debug\"",
        ]
    );
    assert_eq!(machine.changes(), Vec::<String>::new());
    assert_eq!(machine.engine.changes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn everything_goes_from_every_node_whether_the_lab_was_there_or_not() {
    let stage = Stage::new(&["node-0", "node-1"]);
    for machine in stage.machines.values() {
        fill(machine);
    }
    stage
        .run(&plan(vec![
            step("named", "node-0", "run named").undo(UndoText::Container(text("named"))),
        ]))
        .await;
    let ran = clear(&stage).await;
    assert!(ran.finished("compare-baseline@node-0") < ran.started("clear-node@node-0"));
    for (name, machine) in &stage.machines {
        assert_eq!(ran.outcome(&format!("clear-node@{name}")), Outcome::Passed);
        assert_eq!(left(&ran.events, name), Vec::<String>::new());
        machine.engine.with(|engine| {
            assert!(engine.containers.is_empty() && engine.images.is_empty());
            assert!(engine.volumes.is_empty(), "anonymous volumes go with their containers");
        });
        let options = machine.disk(|disk| disk.read(DEFAULTS)).unwrap();
        assert_eq!(options, "# mine\n#DOCKER_OPTS=\"--debug\"\n");
    }
    assert!(!stage.state().owes_anything());
    assert!(!stage.machine("node-1").disk(|disk| disk.has("/var/lib/labctl")));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_removed_is_told_and_the_rest_goes() {
    let stage = Stage::new(&["node-0", "node-1"]);
    for machine in stage.machines.values() {
        fill(machine);
    }
    let machine = stage.machine("node-0");
    let refusal = (format!("DELETE /images/{}", image_id("0b")), "busy".to_owned());
    machine.engine.with(|engine| engine.refusals.push(refusal.clone()));
    let ran = clear(&stage).await;
    assert_eq!(ran.outcome("clear-node@node-0"), Outcome::FailedCheck);
    assert_eq!(
        left(&ran.events, "node-0"),
        ["image 0a0000000000", "image mine:1, mine:2 (0b0000000000)"]
    );
    assert_eq!(ran.outcome("clear-node@node-1"), Outcome::Passed);
    machine.engine.with(|engine| engine.refusals.clear());
    assert_eq!(clear(&stage).await.outcome("clear-node@node-0"), Outcome::Passed);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_come_back_and_a_node_that_is_away_are_told_as_that() {
    let mut stage = Stage::new(&["node-0", "node-1"]);
    for machine in stage.machines.values() {
        fill(machine);
    }
    stage.unreachable.push("node-1".to_owned());
    let no_restart = FakeAnswer::ended(Ending::Exited { code: 1 }).stderr("no restart\n");
    stage.machine("node-0").fake.answer("DOCKER_OPTS=)", no_restart);
    let ran = clear(&stage).await;
    let outcome = ran.outcome("clear-node@node-0");
    assert!(
        matches!(&outcome, Outcome::CouldNotStart { reason, .. } if reason.contains("no restart")),
        "{outcome:?}"
    );
    let outcome = ran.outcome("clear-node@node-1");
    assert!(matches!(outcome, Outcome::LostConnection { .. }), "{outcome:?}");
    stage
        .machine("node-1")
        .engine
        .with(|engine| assert!(engine.has_container("runs")));
}
