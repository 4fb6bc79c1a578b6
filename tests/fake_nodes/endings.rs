//! Every way a step can end, as events.

use super::labs::{check, contains, look, looks, plan, step, within};
use super::picture::picture;
use super::stage::{Ran, Stage};
use insta::assert_snapshot;
use labctl::domain::{CheckKind, Counts, Ending, EventKind, Outcome, SkipReason};
use labctl::node::NodeErrorKind;
use labctl::node::fake::FakeAnswer;
use std::time::Duration;

/// Runs a step whose command is answered with `answer`, and one that waits for it.
async fn answered(answer: FakeAnswer) -> Ran {
    let stage = Stage::one();
    stage.machine("node-0").fake.answer("the work", answer);
    stage
        .run(&plan(vec![
            step("work", "node-0", "the work"),
            step("next", "node-0", "what waits for it"),
        ]))
        .await
}

fn needs_failed() -> Outcome {
    Outcome::Skipped {
        reason: SkipReason::NeedsFailed {
            step: "work@node-0".to_owned(),
        },
    }
}

pub fn finished(ran: &Ran) -> Counts {
    match &ran.events.last().unwrap().kind {
        EventKind::RunFinished { counts, .. } => *counts,
        other => panic!("the last event is {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn passed() {
    let ran = answered(FakeAnswer::exited(0).stdout("done\n")).await;
    assert_eq!(ran.outcome("work@node-0"), Outcome::Passed);
    assert_eq!(finished(&ran).passed, 2);
    assert_snapshot!(picture(&ran));
}

#[tokio::test(start_paused = true)]
async fn failed_its_check() {
    let stage = Stage::one();
    stage
        .machine("node-0")
        .fake
        .answer("the work", FakeAnswer::exited(0).stdout("a\u{1b}[31mbad\n"));
    let ran = stage
        .run(&plan(vec![
            step("work", "node-0", "the work").expects(check(CheckKind::Stdout(contains("good")))),
            step("next", "node-0", "what waits for it"),
        ]))
        .await;
    assert_eq!(ran.outcome("work@node-0"), Outcome::FailedCheck);
    assert_eq!(ran.outcome("next@node-0"), needs_failed());
    assert_eq!((finished(&ran).failed, finished(&ran).skipped), (1, 1));
    assert_snapshot!(picture(&ran));
}

#[tokio::test(start_paused = true)]
async fn exited_with_a_status_that_no_check_asked_for() {
    let ran = answered(FakeAnswer::exited(3).stderr("no such thing\n")).await;
    assert_eq!(ran.outcome("work@node-0"), Outcome::Exited { code: 3 });
    assert_eq!(finished(&ran).could_not_run, 1);
    assert_snapshot!(picture(&ran));
}

#[tokio::test(start_paused = true)]
async fn a_status_that_a_check_asked_for_is_no_failure() {
    let stage = Stage::one();
    stage.machine("node-0").fake.answer("the work", FakeAnswer::exited(3));
    let wants = |code| {
        plan(vec![
            step("work", "node-0", "the work").expects(check(CheckKind::Exit { code })),
        ])
    };
    assert_eq!(stage.run(&wants(3)).await.outcome("work@node-0"), Outcome::Passed);
    let ran = stage.run(&wants(4)).await;
    assert_eq!(ran.outcome("work@node-0"), Outcome::FailedCheck);
    assert_snapshot!(picture(&ran));
}

#[tokio::test(start_paused = true)]
async fn signalled() {
    let ran = answered(FakeAnswer::ended(Ending::Signalled { signal: 11 })).await;
    assert_eq!(ran.outcome("work@node-0"), Outcome::Signalled { signal: 11 });
    assert_eq!(ran.outcome("next@node-0"), needs_failed());
}

#[tokio::test(start_paused = true)]
async fn timed_out() {
    let ran = answered(FakeAnswer::exited(0).stdout("begun\n").takes(Duration::from_secs(61))).await;
    let after = Duration::from_secs(60);
    assert_eq!(ran.outcome("work@node-0"), Outcome::TimedOut { after });
    assert_snapshot!(picture(&ran));
}

#[tokio::test(start_paused = true)]
async fn could_not_start() {
    let reason = "git: not found".to_owned();
    let ran = answered(FakeAnswer::ended(Ending::CouldNotStart {
        reason: reason.clone(),
        hint: None,
    }))
    .await;
    let hint = None;
    assert_eq!(ran.outcome("work@node-0"), Outcome::CouldNotStart { reason, hint });
}

#[tokio::test(start_paused = true)]
async fn could_not_start_for_want_of_a_value() {
    let stage = Stage::one();
    let mut plan = plan(vec![step("work", "node-0", "the work")]);
    let value = super::labs::with_value("", "token");
    plan.steps[0].environment.insert("TOKEN".to_owned(), value);
    let ran = stage.run(&plan).await;
    let outcome = ran.outcome("work@node-0");
    assert!(
        matches!(&outcome, Outcome::CouldNotStart { reason, .. } if reason.contains("`token` is not known")),
        "{outcome:?}"
    );
    let lines = stage.machine("node-0").fake.call_lines();
    assert!(!lines.contains(&"exec the work".to_owned()), "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn lost_connection_skips_the_rest_of_that_node_only() {
    let mut stage = Stage::new(&["node-0", "node-1"]);
    stage.keep_going = true;
    let fake = &stage.machine("node-0").fake;
    fake.answer(
        "the work",
        FakeAnswer::failed(NodeErrorKind::Unreachable, "connection reset"),
    );
    let ran = stage
        .run(&plan(vec![
            step("work", "node-0", "the work").also_on("node-1"),
            step("elsewhere", "node-1", "other work").after(&[]),
            step("here", "node-0", "more work").after(&["elsewhere"]),
            step("both", "node-1", "waits for both").after(&["work"]),
        ]))
        .await;
    let outcome = ran.outcome("work@node-0");
    assert!(
        matches!(&outcome, Outcome::LostConnection { reason, .. } if reason.contains("reset")),
        "{outcome:?}"
    );
    assert_eq!(ran.outcome("elsewhere@node-1"), Outcome::Passed);
    assert_eq!(ran.outcome("both@node-1"), needs_failed());
    let lost = Outcome::Skipped {
        reason: SkipReason::NodeLost,
    };
    assert_eq!(ran.outcome("here@node-0"), lost);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_never_reached_is_lost_before_anything_is_done_on_it() {
    let mut stage = Stage::new(&["node-0", "node-1"]);
    stage.unreachable.push("node-1".to_owned());
    stage.keep_going = true;
    let ran = stage
        .run(&plan(vec![step("work", "node-0", "the work").also_on("node-1")]))
        .await;
    assert_eq!(ran.outcome("work@node-0"), Outcome::Passed);
    let reason = "connection refused".to_owned();
    let hint = Some("is sshd running?".to_owned());
    assert_eq!(ran.outcome("work@node-1"), Outcome::LostConnection { reason, hint });
    assert_eq!(stage.machine("node-1").fake.call_lines(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_node_lost_before_its_baseline_is_lost_and_not_at_fault() {
    let stage = Stage::one();
    stage.machine("node-0").lose(true);
    let ran = stage
        .run(&plan(vec![
            step("work", "node-0", "the work"),
            step("other", "node-0", "other work").after(&[]),
        ]))
        .await;
    let reason = "no route to host".to_owned();
    for key in ["work@node-0", "other@node-0"] {
        let outcome = ran.outcome(key);
        let lost = Outcome::Skipped {
            reason: SkipReason::NodeLost,
        };
        let expected = outcome
            == Outcome::LostConnection {
                reason: reason.clone(),
                hint: None,
            }
            || outcome == lost;
        assert!(expected, "{key}: {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_lost_while_its_files_are_kept_is_lost_and_not_at_fault() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    machine.disk(|disk| disk.write("/etc/motd", b"hello\n", None));
    machine.fake.answer(
        "copy /etc/motd ",
        FakeAnswer::failed(NodeErrorKind::Unreachable, "connection reset"),
    );
    let undo = labctl::domain::UndoText::File(super::labs::text("/etc/motd"));
    let ran = stage
        .run(&plan(vec![step("work", "node-0", "the work").undo(undo)]))
        .await;
    let reason = "connection reset".to_owned();
    assert_eq!(
        ran.outcome("work@node-0"),
        Outcome::LostConnection { reason, hint: None }
    );
}

#[tokio::test(start_paused = true)]
async fn cannot_tell_where_nobody_can_look() {
    let stage = Stage::new(&["node-0", "node-1"]);
    let fake = &stage.machine("node-1").fake;
    fake.answer(
        "look there",
        FakeAnswer::failed(NodeErrorKind::Unreachable, "connection reset"),
    );
    let mut there = check(looks("look there", "fine"));
    there.on = Some(super::labs::node("node-1"));
    let ran = stage
        .run(&plan(vec![
            step("work", "node-0", "the work").expects(there),
            step("next", "node-0", "what waits for it"),
        ]))
        .await;
    let reason = "node-1: connection reset".to_owned();
    assert_eq!(ran.outcome("work@node-0"), Outcome::CannotTell { reason, hint: None });
    assert_eq!(ran.outcome("next@node-0"), needs_failed());
    assert_snapshot!(picture(&ran));
}

#[tokio::test(start_paused = true)]
async fn cancelled_in_the_middle_of_a_command() {
    let stage = Stage::one();
    let stop = stage.stop.clone();
    stage.machine("node-0").fake.answer_with(move |text| {
        let is_it = text == "the work";
        if is_it {
            stop.cancel();
        }
        is_it.then(|| FakeAnswer::exited(0).takes(Duration::from_secs(30)))
    });
    let ran = stage
        .run(&plan(vec![
            step("work", "node-0", "the work"),
            step("next", "node-0", "what waits for it"),
            step("other", "node-0", "what waits for nothing").after(&["next"]),
        ]))
        .await;
    assert_eq!(ran.outcome("work@node-0"), Outcome::Cancelled);
    let stopping = Outcome::Skipped {
        reason: SkipReason::Stopping,
    };
    assert_eq!(ran.outcome("next@node-0"), stopping);
    assert!(ran.summary().stopped);
    assert!(
        matches!(ran.events.last().unwrap().kind, EventKind::RunAborted { .. }),
        "{:?}",
        ran.events.last()
    );
    assert_snapshot!(picture(&ran));
}

#[tokio::test(start_paused = true)]
async fn cancelled_while_it_waits_for_a_check() {
    let stage = Stage::one();
    let stop = stage.stop.clone();
    let mut looked = 0;
    stage.machine("node-0").fake.answer_with(move |text| {
        let is_it = text == "is it up";
        looked += usize::from(is_it);
        if looked == 3 {
            stop.cancel();
        }
        is_it.then(|| FakeAnswer::exited(0).stdout("not yet\n"))
    });
    let ran = stage
        .run(&plan(vec![
            step("work", "node-0", "the work").expects(within(600, looks("is it up", "it is"))),
        ]))
        .await;
    let outcome = ran.outcome("work@node-0");
    assert_eq!(
        outcome,
        Outcome::Cancelled,
        "a check that was not given its time has not failed"
    );
    assert!(matches!(ran.events.last().unwrap().kind, EventKind::RunAborted { .. }));
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_for_the_next_look() {
    let stage = Stage::one();
    let stop = stage.stop.clone();
    stage.machine("node-0").fake.answer_with(move |text| {
        let is_it = text == "is it up";
        let stop = stop.clone();
        if is_it {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(2)).await;
                stop.cancel();
            });
        }
        is_it.then(|| FakeAnswer::exited(0))
    });
    let mut rarely = within(3600, looks("is it up", "it is"));
    rarely.every = Duration::from_secs(1800);
    let started = tokio::time::Instant::now();
    let ran = stage
        .run(&plan(vec![step("work", "node-0", "the work").expects(rarely)]))
        .await;
    assert_eq!(ran.outcome("work@node-0"), Outcome::Cancelled);
    let waited = started.elapsed();
    assert!(
        waited < Duration::from_secs(60),
        "it went on for {waited:?} after it was told to stop"
    );
}

#[tokio::test(start_paused = true)]
async fn skipped_because_it_holds_already() {
    let stage = Stage::one();
    stage
        .machine("node-0")
        .fake
        .answer("is it done", FakeAnswer::exited(0).stdout("yes\n"));
    let ran = stage
        .run(&plan(vec![
            step("work", "node-0", "the work")
                .expects(check(looks("is it done", "yes")))
                .skips_when_done(),
            step("next", "node-0", "what waits for it"),
        ]))
        .await;
    let holds = Outcome::Skipped {
        reason: SkipReason::AlreadyHolds,
    };
    assert_eq!(ran.outcome("work@node-0"), holds);
    assert_eq!(ran.outcome("next@node-0"), Outcome::Passed);
    assert_eq!(finished(&ran).already_held, 1);
    let lines = stage.machine("node-0").fake.call_lines();
    assert!(!lines.contains(&"exec the work".to_owned()), "{lines:#?}");
    assert_snapshot!(picture(&ran));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_only_looks_changes_nothing() {
    let stage = Stage::one();
    let fake = &stage.machine("node-0").fake;
    fake.answer("is it up", FakeAnswer::exited(0).stdout("it is\n"));
    let ran = stage
        .run(&plan(vec![look(
            "wait",
            "node-0",
            within(5, looks("is it up", "it is")),
        )]))
        .await;
    assert_eq!(ran.outcome("wait@node-0"), Outcome::Passed);
    assert_eq!(stage.machine("node-0").changes(), Vec::<String>::new());
    assert!(!ran.summary().state.owes_anything());
}
