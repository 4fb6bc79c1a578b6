//! What waits for what, and what goes on past a failure.

use super::labs::{
    Written, check, does, lab, labels_engine, look, looks, plan, plan_tasks, step, task, text, verified,
};
use super::stage::{Ran, Stage};
use labctl::domain::{Outcome, Plan, SkipReason, State, Task, TaskId, UndoText};
use labctl::node::fake::FakeAnswer;
use labctl::planner::{Selection, plan_run};
use std::time::Duration;

fn slow() -> FakeAnswer {
    FakeAnswer::exited(0).takes(Duration::from_secs(10))
}

fn assert_apart(ran: &Ran, first: &str, then: &str) {
    assert!(
        ran.finished(first) < ran.started(then),
        "{then} was begun before {first} had ended"
    );
}

fn assert_overlap(ran: &Ran, one: &str, other: &str) {
    let first_end = ran.finished(one).min(ran.finished(other));
    let last_start = ran.started(one).max(ran.started(other));
    assert!(last_start < first_end, "{one} and {other} did not run side by side");
}

#[tokio::test(start_paused = true)]
async fn steps_of_a_task_come_one_after_the_other() {
    let stage = Stage::one();
    stage.machine("node-0").fake.answer("work", slow());
    let steps = ["one", "two", "three"].map(|id| step(id, "node-0", "work"));
    let ran = stage.run(&plan(steps.into())).await;
    assert_apart(&ran, "one@node-0", "two@node-0");
    assert_apart(&ran, "two@node-0", "three@node-0");
}

#[tokio::test(start_paused = true)]
async fn nodes_work_side_by_side() {
    let stage = Stage::new(&["node-0", "node-1"]);
    for machine in stage.machines.values() {
        machine.fake.answer("work", slow());
    }
    let ran = stage
        .run(&plan(vec![
            step("one", "node-0", "work").also_on("node-1"),
            step("two", "node-0", "work").also_on("node-1"),
        ]))
        .await;
    assert_overlap(&ran, "one@node-0", "one@node-1");
    assert_overlap(&ran, "two@node-0", "two@node-1");
    // The second step waits for the first one on all of its nodes.
    assert_apart(&ran, "one@node-1", "two@node-0");
}

#[tokio::test(start_paused = true)]
async fn after_replaces_the_step_before() {
    let stage = Stage::new(&["node-0", "node-1"]);
    for machine in stage.machines.values() {
        machine.fake.answer("work", slow());
    }
    let ran = stage
        .run(&plan(vec![
            step("one", "node-0", "work"),
            step("beside", "node-1", "work").after(&[]),
            step("last", "node-0", "work").after(&["one", "beside"]),
        ]))
        .await;
    assert_overlap(&ran, "one@node-0", "beside@node-1");
    assert_apart(&ran, "one@node-0", "last@node-0");
    assert_apart(&ran, "beside@node-1", "last@node-0");
}

#[tokio::test(start_paused = true)]
async fn a_task_begins_when_all_that_it_needs_has_passed() {
    let stage = Stage::new(&["node-0", "node-1"]);
    for machine in stage.machines.values() {
        machine.fake.answer("work", slow());
    }
    let ran = stage
        .run(&plan_tasks(vec![
            task("left", &[], vec![step("l", "node-0", "work")]),
            task("right", &[], vec![step("r", "node-1", "work")]),
            task("both", &["left", "right"], vec![step("b", "node-0", "work")]),
        ]))
        .await;
    assert_overlap(&ran, "l@node-0", "r@node-1");
    assert_apart(&ran, "l@node-0", "b@node-0");
    assert_apart(&ran, "r@node-1", "b@node-0");
}

#[tokio::test(start_paused = true)]
async fn a_task_comes_after_another_only_where_that_runs() {
    let stage = Stage::new(&["node-0", "node-1"]);
    for machine in stage.machines.values() {
        machine.fake.answer("work", slow());
    }
    let mut later = task("later", &[], vec![step("l", "node-1", "work")]);
    later.after.push(TaskId::new("first").unwrap());
    let tasks = vec![task("first", &[], vec![step("f", "node-0", "work")]), later];
    let ran = stage.run(&plan_tasks(tasks.clone())).await;
    assert_apart(&ran, "f@node-0", "l@node-1");

    let selection = Selection {
        task: Some("later".to_owned()),
        ..Selection::default()
    };
    let alone = plan_run(&lab(tasks), &State::default(), &selection).unwrap();
    let steps: Vec<String> = alone.steps.iter().map(|step| step.key.to_string()).collect();
    assert_eq!(steps, ["l@node-1"]);
}

#[tokio::test(start_paused = true)]
async fn needs_hold_also_through_a_task_without_steps() {
    let stage = Stage::one();
    stage.machine("node-0").fake.answer("first", FakeAnswer::exited(1));
    let ran = stage
        .run(&plan_tasks(vec![
            task("first", &[], vec![step("f", "node-0", "first")]),
            task("between", &["first"], vec![]),
            task("last", &["between"], vec![step("l", "node-0", "last")]),
        ]))
        .await;
    let reason = SkipReason::NeedsFailed {
        step: "f@node-0".to_owned(),
    };
    assert_eq!(ran.outcome("l@node-0"), Outcome::Skipped { reason });
}

#[tokio::test(start_paused = true)]
async fn all_that_is_missing_of_what_a_run_leaves_out_is_told_and_nothing_is_changed() {
    let stage = Stage::new(&["node-0", "node-1"]);
    for machine in stage.machines.values() {
        machine.fake.answer("missing", FakeAnswer::exited(1));
    }
    let by_hand = task("by-hand", &[], vec![step("a", "node-0", "a")]);
    let by_hand = verified(by_hand, "here", "node-0", check(looks("missing", "")));
    let mut by_hand = verified(by_hand, "there", "node-0", check(looks("there", "")));
    by_hand.verify[1].needs = vec![by_hand.verify[0].id.clone()];
    let by_hand = verified(by_hand, "beside", "node-1", check(looks("missing", "")));
    let tasks = vec![by_hand, task("next", &["by-hand"], vec![step("n", "node-0", "n")])];
    let from = Selection {
        from: Some("next".to_owned()),
        ..Selection::default()
    };
    let ran = stage
        .run(&plan_run(&lab(tasks), &State::default(), &from).unwrap())
        .await;
    for look in ["here@node-0", "beside@node-1"] {
        assert_eq!(ran.outcome(look), Outcome::FailedCheck, "{look}");
    }
    for step in ["there@node-0", "n@node-0"] {
        let outcome = ran.outcome(step);
        assert!(matches!(outcome, Outcome::Skipped { .. }), "{step}: {outcome:?}");
    }
}

async fn with_a_failure(keep_going: bool) -> Ran {
    let mut stage = Stage::new(&["node-0", "node-1"]);
    stage.keep_going = keep_going;
    stage.machine("node-0").fake.answer("bad", FakeAnswer::exited(1));
    stage.machine("node-1").fake.answer("good", slow());
    stage
        .run(&plan(vec![
            step("bad", "node-0", "bad"),
            step("dependent", "node-0", "more"),
            step("good", "node-1", "good").after(&[]),
            step("later", "node-1", "later"),
        ]))
        .await
}

#[tokio::test(start_paused = true)]
async fn a_failure_lets_what_runs_end_and_begins_nothing_more() {
    let ran = with_a_failure(false).await;
    assert_eq!(ran.outcome("bad@node-0"), Outcome::Exited { code: 1 });
    assert!(matches!(
        ran.outcome("dependent@node-0"),
        Outcome::Skipped {
            reason: SkipReason::NeedsFailed { .. }
        }
    ));
    assert_eq!(ran.outcome("good@node-1"), Outcome::Passed);
    let reason = SkipReason::Stopping;
    assert_eq!(ran.outcome("later@node-1"), Outcome::Skipped { reason });
    assert!(!ran.summary().stopped, "nobody asked it to stop");
}

#[tokio::test(start_paused = true)]
async fn keeping_going_does_all_that_does_not_need_what_failed() {
    let ran = with_a_failure(true).await;
    assert!(matches!(
        ran.outcome("dependent@node-0"),
        Outcome::Skipped {
            reason: SkipReason::NeedsFailed { .. }
        }
    ));
    assert_eq!(ran.outcome("later@node-1"), Outcome::Passed);
}

/// A tutorial of two tasks, and a helper of the second one that needs nothing of the first.
fn with_a_helper() -> Vec<Task> {
    let typed = |id: &str| step(id, "node-0", id);
    vec![
        task(
            "ready",
            &[],
            vec![look("looked", "node-0", check(looks("is it ready", "")))],
        ),
        task("first", &["ready"], vec![typed("typed-11"), typed("typed-12")]),
        task(
            "second",
            &["ready", "first"],
            vec![
                typed("helper").after(&["looked"]),
                typed("typed-21").after(&["typed-12", "helper"]),
                typed("typed-22"),
            ],
        ),
    ]
}

fn all_take_long(stage: &Stage, steps: &[&str]) {
    for step in steps {
        stage.machine("node-0").fake.answer(step, slow());
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_names_what_it_waits_for_runs_beside_the_tasks_above() {
    let stage = Stage::one();
    all_take_long(&stage, &["typed-11", "typed-12", "typed-21", "typed-22", "helper"]);
    let ran = stage.run(&plan_tasks(with_a_helper())).await;
    assert_apart(&ran, "looked@node-0", "helper@node-0");
    assert_overlap(&ran, "helper@node-0", "typed-11@node-0");
    for (above, below) in [
        ("typed-11", "typed-12"),
        ("typed-12", "typed-21"),
        ("helper", "typed-21"),
        ("typed-21", "typed-22"),
    ] {
        assert_apart(&ran, &format!("{above}@node-0"), &format!("{below}@node-0"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_above_lets_a_helper_end_and_begins_nothing_more() {
    let stage = Stage::one();
    all_take_long(&stage, &["helper"]);
    let fails = FakeAnswer::exited(1).takes(Duration::from_secs(2));
    stage.machine("node-0").fake.answer("typed-11", fails);
    let ran = stage.run(&plan_tasks(with_a_helper())).await;
    assert!(
        ran.started("helper@node-0") < ran.finished("typed-11@node-0"),
        "the helper had begun before the failure"
    );
    assert_eq!(ran.outcome("helper@node-0"), Outcome::Passed);
    for step in ["typed-12@node-0", "typed-21@node-0", "typed-22@node-0"] {
        let outcome = ran.outcome(step);
        assert!(matches!(outcome, Outcome::Skipped { .. }), "{step}: {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_helper_that_fails_stops_the_tasks_above() {
    let stage = Stage::one();
    all_take_long(&stage, &["typed-11"]);
    stage.machine("node-0").fake.answer("helper", FakeAnswer::exited(1));
    let ran = stage.run(&plan_tasks(with_a_helper())).await;
    assert_eq!(ran.outcome("typed-11@node-0"), Outcome::Passed, "it had begun");
    let reason = SkipReason::Stopping;
    assert_eq!(ran.outcome("typed-12@node-0"), Outcome::Skipped { reason });
}

fn waits_of(plan: &Plan, step: &str) -> Vec<String> {
    let step = plan.steps.iter().find(|planned| planned.key.step.as_str() == step);
    step.unwrap().after.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_not_planned_is_looked_through_step_by_step() {
    let mut tasks = with_a_helper();
    tasks.push(task(
        "third",
        &["second"],
        vec![step("typed-31", "node-0", "typed-31").after(&["helper"])],
    ));
    let selection = |task: Option<&str>, only: Option<&str>| Selection {
        task: task.map(str::to_owned),
        only: only.map(str::to_owned),
        ..Selection::default()
    };
    let lab = lab(tasks);
    let alone = plan_run(&lab, &State::default(), &selection(None, Some("third"))).unwrap();
    assert_eq!(waits_of(&alone, "typed-31"), Vec::<String>::new());

    // All but what only looks was done before.
    let mut state = State::default();
    let whole = plan_run(&lab, &state, &Selection::default()).unwrap();
    for step in &whole.steps {
        state.steps.insert(step.key.clone(), Some(Outcome::Passed));
    }
    // What only looks is looked at again, also where a step waits for it through one that was done.
    state.steps.retain(|key, _| key.step.as_str() != "typed-22");
    let on_top = plan_run(&lab, &state, &selection(Some("third"), None)).unwrap();
    assert_eq!(waits_of(&on_top, "helper"), ["looked@node-0"]);
    assert_eq!(waits_of(&on_top, "typed-21"), ["helper@node-0", "looked@node-0"]);
    assert_eq!(waits_of(&whole, "typed-31"), ["helper@node-0"]);
}

#[test]
fn a_run_until_a_task_leaves_out_the_helpers_of_later_ones() {
    let until = Selection {
        until: Some("first".to_owned()),
        ..Selection::default()
    };
    let plan = plan_run(&lab(with_a_helper()), &State::default(), &until).unwrap();
    let steps: Vec<String> = plan.steps.iter().map(|step| step.key.to_string()).collect();
    assert_eq!(steps, ["looked@node-0", "typed-11@node-0", "typed-12@node-0"]);
}

#[test]
fn only_what_does_not_wait_for_all_tasks_above_is_ahead() {
    let ahead = |plan: &Plan| -> Vec<String> {
        let steps = plan.steps.iter().filter(|step| step.ahead);
        steps.map(|step| step.key.to_string()).collect()
    };
    let whole = plan_tasks(with_a_helper());
    assert_eq!(ahead(&whole), ["helper@node-0"]);
    let only = Selection {
        only: Some("second".to_owned()),
        ..Selection::default()
    };
    let alone = plan_run(&lab(with_a_helper()), &State::default(), &only).unwrap();
    assert_eq!(ahead(&alone), Vec::<String>::new(), "nothing else is done");
}

fn restarts_the_engine(id: &str, on: &str) -> Written {
    does(id, on, labels_engine()).expects(check(looks("is it up", "")))
}

#[tokio::test(start_paused = true)]
async fn an_engine_is_restarted_when_nobody_works_with_it() {
    let stage = Stage::new(&["node-0", "node-1"]);
    for machine in stage.machines.values() {
        machine.fake.answer("work", slow());
    }
    let ran = stage
        .run(&plan(vec![
            step("here", "node-1", "work"),
            step("client", "node-0", "work")
                .after(&[])
                .undo_on("node-1", UndoText::Container(text("made"))),
            step("elsewhere", "node-0", "work").after(&[]),
            restarts_the_engine("restart", "node-1").after(&[]),
            step("next", "node-1", "work").after(&[]),
        ]))
        .await;
    assert_apart(&ran, "here@node-1", "restart@node-1");
    assert_apart(&ran, "client@node-0", "restart@node-1");
    assert_overlap(&ran, "here@node-1", "next@node-1");
    assert_overlap(&ran, "here@node-1", "elsewhere@node-0");
    assert_eq!(ran.outcome("restart@node-1"), Outcome::Passed);
}
