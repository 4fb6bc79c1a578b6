//! Taking steps back: files, directories, errors in the middle, nodes that are away.

use super::engine::{Container, id, of_project};
use super::labs::{check, does, plan, step, text};
use super::stage::{Ran, Stage};
use labctl::domain::{Action, CheckKind, EventKind, FileText, Outcome, SkipReason, TextMatch, UndoText};
use labctl::node::NodeErrorKind;
use labctl::node::fake::FakeAnswer;
use labctl::planner::plan_cleanup;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub fn writes(path: &str, content: &str) -> super::labs::Written {
    let files = vec![FileText {
        path: text(path),
        content: text(content),
        mode: None,
    }];
    does("write", "node-0", Action::Write { files })
        .undo(UndoText::File(text(path)))
        .expects(check(CheckKind::Stdout(TextMatch::default())))
}

pub fn clones() -> super::labs::Written {
    let action = Action::Clone {
        repository: text("https://example.com/web"),
        directory: text("/home/ubuntu/labs/web"),
    };
    does("clone", "node-0", action)
        .undo(UndoText::Directory(text("/home/ubuntu/labs/web")))
        .expects(check(CheckKind::Stdout(TextMatch::default())))
}

fn undone(ran: &Ran) -> Vec<(String, Option<String>)> {
    let kinds = ran.events.iter().map(|event| &event.kind);
    kinds
        .filter_map(|kind| match kind {
            EventKind::Undone { undo, failed, .. } => Some((undo.to_string(), failed.clone())),
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_file_gets_its_bytes_and_mode_back_however_often_it_was_written() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    machine.disk(|disk| disk.write("/etc/motd", b"\xff as it was", Some(0o600)));
    let before = machine.disk(|disk| disk.clone());
    stage.run(&plan(vec![writes("/etc/motd", "first\n")])).await;
    stage.run(&plan(vec![writes("/etc/motd", "second\n")])).await;
    assert_eq!(machine.disk(|disk| disk.read("/etc/motd")).as_deref(), Some("second\n"));
    stage.cleanup().await;
    assert!(!stage.state().owes_anything());
    assert_eq!(machine.disk(|disk| disk.clone()), before);
}

#[tokio::test(start_paused = true)]
async fn a_file_goes_with_the_directories_it_made_necessary() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    let before = machine.disk(|disk| disk.clone());
    stage.run(&plan(vec![writes("/opt/demo/conf/settings", "x")])).await;
    assert!(machine.disk(|disk| disk.has("/opt/demo/conf/settings")));
    let ran = stage.cleanup().await;
    assert!(!stage.state().owes_anything(), "{:#?}", ran.events);
    assert_eq!(machine.disk(|disk| disk.clone()), before);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_changed_since_is_left_and_reported_until_somebody_decides() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    stage.run(&plan(vec![writes("/etc/new", "ours\n")])).await;
    machine.disk(|disk| disk.write("/etc/new", b"notes of the learner", None));
    let ran = stage.cleanup().await;
    assert_eq!(ran.outcome("undo-files@node-0"), Outcome::FailedCheck);
    assert_eq!(ran.outcome("compare-baseline@node-0"), Outcome::FailedCheck);
    let refused = undone(&ran)[0].1.clone().unwrap();
    assert_eq!(
        refused,
        "/etc/new was changed after labctl wrote it; it is left as it is"
    );
    assert_eq!(
        machine.disk(|disk| disk.read("/etc/new")).as_deref(),
        Some("notes of the learner")
    );
    assert!(stage.state().owes_anything());
    machine.disk(|disk| disk.remove("/etc/new"));
    stage.cleanup().await;
    assert!(!stage.state().owes_anything());
}

/// A node with a project whose network cannot be removed, a clone and a file.
async fn stuck() -> Stage {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    let engine = machine.engine.table();
    machine.fake.answer_with(move |text| {
        (text == "up").then(|| {
            let mut engine = engine.lock().unwrap();
            engine.networks.insert("web_default".to_owned(), of_project("web"));
            engine.container(Container {
                id: id("ca"),
                name: "web_1".to_owned(),
                running: true,
                labels: of_project("web"),
                ..Container::default()
            });
            FakeAnswer::exited(0)
        })
    });
    stage.run(&stuck_plan()).await;
    machine.engine.with(|engine| {
        let refusal = ("DELETE /networks".to_owned(), "network is in use".to_owned());
        engine.refusals.push(refusal);
    });
    stage
}

fn stuck_plan() -> labctl::domain::Plan {
    plan(vec![
        clones(),
        writes("/etc/new", "ours\n"),
        step("up", "node-0", "up").undo(UndoText::Project(text("web"))),
    ])
}

#[tokio::test(start_paused = true)]
async fn cleanup_goes_on_past_errors_and_the_next_one_does_only_what_is_still_owed() {
    let stage = stuck().await;
    let machine = stage.machine("node-0");
    let ran = stage.cleanup().await;
    assert_eq!(ran.outcome("undo-containers@node-0"), Outcome::FailedCheck);
    assert_eq!(ran.outcome("undo-files@node-0"), Outcome::Passed);
    assert_eq!(ran.outcome("undo-directories@node-0"), Outcome::Passed);
    assert_eq!(ran.outcome("compare-baseline@node-0"), Outcome::FailedCheck);
    assert!(!machine.engine.with(|engine| engine.has_container("web_1")));
    assert!(!machine.disk(|disk| disk.has("/home/ubuntu/labs")));
    let next = plan_cleanup(&stage.state());
    let keys: Vec<String> = next.steps.iter().map(|step| step.key.to_string()).collect();
    assert_eq!(keys, ["undo-containers@node-0", "compare-baseline@node-0"]);
    machine.engine.with(|engine| engine.refusals.clear());
    stage.cleanup().await;
    assert!(!stage.state().owes_anything());
    assert!(machine.engine.with(|engine| engine.networks.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_run_after_half_a_cleanup_owes_again_what_it_does_again() {
    let stage = stuck().await;
    let machine = stage.machine("node-0");
    stage.cleanup().await;
    let ran = stage.run(&stuck_plan()).await;
    assert_eq!(ran.summary().counts.passed, 3, "{:#?}", ran.summary().outcomes);
    machine.engine.with(|engine| engine.refusals.clear());
    let ran = stage.cleanup().await;
    assert!(!stage.state().owes_anything(), "{:#?}", ran.events);
    assert!(!machine.disk(|disk| disk.has("/home/ubuntu/labs")));
    assert!(!machine.disk(|disk| disk.has("/etc/new")));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_away_keeps_its_debt_and_the_others_are_released() {
    let mut stage = Stage::new(&["node-0", "node-1"]);
    stage
        .run(&plan(vec![writes("/etc/new", "ours\n").also_on("node-1")]))
        .await;
    stage.unreachable.push("node-0".to_owned());
    let ran = stage.cleanup().await;
    assert!(matches!(
        ran.outcome("undo-files@node-0"),
        Outcome::LostConnection { .. }
    ));
    let reason = SkipReason::NodeLost;
    assert_eq!(ran.outcome("compare-baseline@node-0"), Outcome::Skipped { reason });
    assert_eq!(ran.outcome("compare-baseline@node-1"), Outcome::Passed);
    let state = stage.state();
    assert_eq!(
        state.baselines.keys().map(|node| node.as_str()).collect::<Vec<_>>(),
        ["node-0"]
    );
    stage.unreachable.clear();
    stage.cleanup().await;
    assert!(!stage.state().owes_anything());
    assert!(
        stage
            .machines
            .values()
            .all(|machine| !machine.disk(|disk| disk.has("/etc/new")))
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_lost_in_the_middle_of_a_cleanup_keeps_its_debt() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    stage.run(&plan(vec![writes("/etc/new", "ours\n"), clones()])).await;
    let gone = FakeAnswer::failed(NodeErrorKind::Unreachable, "connection reset");
    machine.fake.answer("remove ", gone);
    let ran = stage.cleanup().await;
    assert_ne!(ran.outcome("compare-baseline@node-0"), Outcome::Passed);
    assert!(machine.disk(|disk| disk.has("/etc/new")));
    assert_eq!(stage.state().owed[&super::labs::node("node-0")].len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_disk_is_full_is_cleaned_up_all_the_same() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    stage.run(&plan(vec![clones()])).await;
    let full = machine.error(NodeErrorKind::NodeFault, "no space left on device");
    machine.fake.fail_writes(Some(full));
    let ran = stage.run(&plan(vec![writes("/etc/new", "ours\n")])).await;
    let outcome = ran.outcome("write@node-0");
    assert!(
        matches!(&outcome, Outcome::CouldNotStart { reason, .. } if reason.contains("no space")),
        "{outcome:?}"
    );
    let ran = stage.cleanup().await;
    assert!(!stage.state().owes_anything(), "{:#?}", ran.events);
    assert!(!machine.disk(|disk| disk.has("/home/ubuntu/labs")));
}

#[tokio::test(start_paused = true)]
async fn an_authors_command_that_fails_is_told_by_its_own_words_and_the_rest_goes_on() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    let taken_back = |command: &str| UndoText::Run {
        command: vec![text(command)],
        as_root: false,
    };
    stage
        .run(&plan(vec![
            clones(),
            step("one", "node-0", "one").undo(taken_back("un-one")),
            step("two", "node-0", "two").undo(taken_back("un-two")),
        ]))
        .await;
    machine
        .fake
        .answer("un-two", FakeAnswer::exited(0).stderr("a warning\n"));
    machine
        .fake
        .answer("un-one", FakeAnswer::exited(2).stderr("still in use\n"));
    let ran = stage.cleanup().await;
    let undone = undone(&ran);
    assert_eq!(
        undone[0],
        ("run un-two".to_owned(), None),
        "the last step is taken back first"
    );
    assert_eq!(undone[1].1.as_deref(), Some("exit status 2: still in use"));
    assert!(!machine.disk(|disk| disk.has("/home/ubuntu/labs")));
    assert!(stage.state().owes_anything());
}

#[tokio::test(start_paused = true)]
async fn a_cleanup_that_is_stopped_goes_on_where_it_was() {
    let mut stage = Stage::one();
    let undo = UndoText::Run {
        command: vec![text("take-back")],
        as_root: false,
    };
    stage
        .run(&plan(vec![clones(), step("one", "node-0", "one").undo(undo)]))
        .await;
    let stop = stage.stop.clone();
    stage.machine("node-0").fake.answer_with(move |text| {
        (text == "take-back").then(|| {
            stop.cancel();
            FakeAnswer::exited(0).takes(Duration::from_secs(5))
        })
    });
    let ran = stage.cleanup().await;
    assert_eq!(ran.outcome("undo-commands@node-0"), Outcome::Cancelled);
    assert!(matches!(ran.events.last().unwrap().kind, EventKind::RunAborted { .. }));
    assert!(stage.machine("node-0").disk(|disk| disk.has("/home/ubuntu/labs")));
    stage.stop = CancellationToken::new();
    stage.machine("node-0").fake.answer("take-back", FakeAnswer::exited(0));
    stage.cleanup().await;
    assert!(!stage.state().owes_anything());
}

#[tokio::test(start_paused = true)]
async fn a_failed_step_is_taken_back_like_any_other() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    machine
        .fake
        .answer("git clone", FakeAnswer::exited(128).stderr("fatal: broken pipe\n"));
    machine.disk(|disk| disk.make_directory("/home/ubuntu"));
    let disk = machine.files();
    machine.fake.answer_with(move |text| {
        text.starts_with("git clone").then(|| {
            disk.lock().unwrap().make_directory("/home/ubuntu/labs/web");
            FakeAnswer::exited(128)
        })
    });
    let ran = stage.run(&plan(vec![clones()])).await;
    assert_eq!(ran.outcome("clone@node-0"), Outcome::Exited { code: 128 });
    assert!(machine.disk(|disk| disk.has("/home/ubuntu/labs/web")));
    stage.cleanup().await;
    assert!(!machine.disk(|disk| disk.has("/home/ubuntu/labs")));
}
