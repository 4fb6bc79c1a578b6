//! What a later task changes on purpose.

use super::endings::finished;
use super::labs::{check, lab, looks, node, plan_tasks, step, task, verified};
use super::stage::Stage;
use labctl::domain::{Outcome, Sign, SkipReason, TaskId};
use labctl::node::NodeErrorKind;
use labctl::node::fake::FakeAnswer;
use labctl::planner::plan_verify;

#[tokio::test(start_paused = true)]
async fn superseded_by_a_task_that_passed() {
    let stage = Stage::one();
    let mut changed_later = check(looks("is it as task1 left it", "yes"));
    changed_later.superseded_by = Some(TaskId::new("task2").unwrap());
    let first = task("task1", &[], vec![step("one", "node-0", "one")]);
    let tasks = vec![
        verified(first, "as-before", "node-0", changed_later),
        task("task2", &["task1"], vec![step("two", "node-0", "two")]),
    ];
    let verify = plan_verify(&lab(tasks.clone()), &[]).unwrap();
    let ran = stage.run(&verify).await;
    assert_eq!(ran.outcome("as-before@node-0"), Outcome::FailedCheck);
    stage.run(&plan_tasks(tasks)).await;
    let ran = stage.run(&verify).await;
    let by = TaskId::new("task2").unwrap();
    assert_eq!(ran.outcome("as-before@node-0"), Outcome::Superseded { by });
    assert_eq!(finished(&ran).superseded, 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_has_not_begun_by_a_helper_that_ran_ahead_of_it() {
    let stage = Stage::one();
    stage.machine("node-0").fake.answer("two", FakeAnswer::exited(1));
    let mut changed_later = check(looks("is it as task1 left it", "yes"));
    changed_later.superseded_by = Some(task2());
    let before = task("before", &[], vec![step("zero", "node-0", "zero")]);
    let first = task("task1", &["before"], vec![step("one", "node-0", "one")]);
    let helper = step("helper", "node-0", "helper").after(&["zero"]);
    let typed = step("two", "node-0", "two").after(&["one", "helper"]);
    let tasks = vec![
        before,
        verified(first, "as-before", "node-0", changed_later),
        task("task2", &["before", "task1"], vec![helper, typed]),
    ];
    let ran = stage.run(&plan_tasks(tasks.clone())).await;
    assert_eq!(ran.outcome("helper@node-0"), Outcome::Passed);
    let ran = stage.run(&plan_verify(&lab(tasks), &[]).unwrap()).await;
    assert_eq!(ran.outcome("as-before@node-0"), Outcome::FailedCheck);
}

/// What task 2 is known by.
fn a_proxy() -> Sign {
    Sign {
        node: node("node-0"),
        kind: looks("is there a proxy", "yes"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_could_look_at_is_not_taken_for_changed() {
    let stage = Stage::one();
    let fake = &stage.machine("node-0").fake;
    fake.answer("is there a proxy", FakeAnswer::exited(0).stdout("yes\n"));
    fake.answer(
        "is it on 5000",
        FakeAnswer::failed(NodeErrorKind::Unreachable, "the line is cut"),
    );
    let mut cut = check(looks("is it on 5000", "yes"));
    cut.superseded_by = Some(task2());
    cut.superseded_signs = vec![a_proxy()];
    let first = task("task1", &[], vec![step("one", "node-0", "one")]);
    let tasks = vec![
        verified(first, "runs", "node-0", cut),
        task("task2", &["task1"], vec![step("two", "node-0", "two")]),
    ];
    let ran = stage.run(&plan_verify(&lab(tasks), &[]).unwrap()).await;
    assert!(
        matches!(ran.outcome("runs@node-0"), Outcome::CannotTell { .. }),
        "{:?}",
        ran.outcome("runs@node-0")
    );
}

fn task2() -> TaskId {
    TaskId::new("task2").unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_later_task_changed_is_not_done_again() {
    let stage = Stage::one();
    let fake = &stage.machine("node-0").fake;
    fake.answer("is it on 5000", FakeAnswer::exited(0).stdout("yes\n"));
    fake.answer("is there a proxy", FakeAnswer::exited(0).stdout("no\n"));
    let mut on_5000 = check(looks("is it on 5000", "yes"));
    on_5000.superseded_by = Some(task2());
    on_5000.superseded_signs = vec![a_proxy()];
    let tasks = vec![
        task(
            "task1",
            &[],
            vec![step("deploy", "node-0", "deploy").expects(on_5000).skips_when_done()],
        ),
        task("task2", &["task1"], vec![step("scale", "node-0", "scale")]),
    ];
    let first = stage.run(&plan_tasks(tasks.clone())).await;
    let holds = Outcome::Skipped {
        reason: SkipReason::AlreadyHolds,
    };
    assert_eq!(first.outcome("deploy@node-0"), holds);
    assert_eq!(first.outcome("scale@node-0"), Outcome::Passed);

    fake.answer("is it on 5000", FakeAnswer::exited(0).stdout("no\n"));
    fake.answer("is there a proxy", FakeAnswer::exited(0).stdout("yes\n"));
    let again = stage.run(&plan_tasks(tasks.clone())).await;
    assert_eq!(again.outcome("deploy@node-0"), Outcome::Superseded { by: task2() });
    assert_eq!(
        again.outcome("scale@node-0"),
        Outcome::Passed,
        "what comes after it is done"
    );
    let lines = stage.machine("node-0").fake.call_lines();
    assert!(!lines.contains(&"exec deploy".to_owned()), "{lines:#?}");

    fake.answer("is there a proxy", FakeAnswer::exited(0).stdout("no\n"));
    let gone = stage.run(&plan_tasks(tasks)).await;
    let lines = stage.machine("node-0").fake.call_lines();
    assert!(
        lines.contains(&"exec deploy".to_owned()),
        "what the later task made is gone, so this is done: {lines:#?}"
    );
    assert_eq!(gone.outcome("scale@node-0"), Outcome::Passed);
}

#[tokio::test(start_paused = true)]
async fn what_a_task_stops_first_and_starts_later_is_stopped_until_the_nodes_show_more() {
    let stage = Stage::one();
    let fake = &stage.machine("node-0").fake;
    fake.answer("is it stopped", FakeAnswer::exited(0).stdout("no\n"));
    fake.answer("is there a proxy", FakeAnswer::exited(0).stdout("no\n"));
    let mut stopped = check(looks("is it stopped", "yes"));
    stopped.superseded_by = Some(task2());
    stopped.superseded_signs = vec![a_proxy()];
    let steps = vec![
        step("image", "node-0", "image"),
        step("stop", "node-0", "stop")
            .after(&["image"])
            .expects(stopped)
            .skips_when_done(),
    ];
    let tasks = vec![task("task2", &[], steps)];
    let first = stage.run(&plan_tasks(tasks.clone())).await;
    assert_eq!(first.outcome("image@node-0"), Outcome::Passed);
    assert_eq!(
        first.outcome("stop@node-0"),
        Outcome::FailedCheck,
        "that the task has begun says nothing of its own steps: it was done, and did not stop"
    );
    fake.answer("is there a proxy", FakeAnswer::exited(0).stdout("yes\n"));
    let again = stage.run(&plan_tasks(tasks)).await;
    assert_eq!(again.outcome("stop@node-0"), Outcome::Superseded { by: task2() });
    let lines = stage.machine("node-0").fake.call_lines();
    assert_eq!(
        lines.iter().filter(|line| *line == "exec stop").count(),
        1,
        "{lines:#?}"
    );
}
