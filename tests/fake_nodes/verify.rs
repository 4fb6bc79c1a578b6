//! What verify looks at besides what it was asked for, and how it knows that a later task has begun.

use super::labs::{check, lab, looks, node, task, verified};
use super::stage::{Ran, Stage};
use labctl::domain::{Check, Lab, Outcome, Plan, Sign, StepId, Task, TaskId};
use labctl::node::fake::FakeAnswer;
use labctl::planner::plan_verify;

fn needing(mut task: Task, needs: &[&str]) -> Task {
    let last = task.verify.last_mut().unwrap();
    last.needs = needs.iter().map(|id| StepId::new(*id).unwrap()).collect();
    task
}

fn holds(command: &str) -> Check {
    check(looks(command, "yes"))
}

/// An engine on node-1 and node-2, a manager on node-0 that stands on both, and what stands on the manager.
fn cluster() -> Lab {
    let mut engines = task("engines", &[], vec![]);
    for on in ["node-1", "node-2"] {
        engines = verified(engines, "engine", on, holds("engine"));
    }
    for on in ["node-1", "node-2"] {
        engines = needing(verified(engines, "label", on, holds("label")), &["engine"]);
    }
    let mut manager = task("manager", &["engines"], vec![]);
    manager = needing(verified(manager, "answers", "node-0", holds("answers")), &["engine"]);
    manager = verified(manager, "idle", "node-0", holds("idle"));
    let mut web = task("web", &["manager"], vec![]);
    web = needing(
        verified(web, "serves", "node-1", holds("serves")),
        &["answers", "label"],
    );
    lab(vec![engines, manager, web])
}

fn planned(lab: &Lab, tasks: &[&str]) -> Plan {
    let tasks: Vec<String> = tasks.iter().map(|task| (*task).to_owned()).collect();
    plan_verify(lab, &tasks).unwrap()
}

/// Writes a plan as its steps, each with what it stands on.
fn written(plan: &Plan) -> Vec<String> {
    let steps = plan.steps.iter().map(|step| {
        let on: Vec<String> = step.stands_on.iter().map(ToString::to_string).collect();
        format!("{}: {} <- {}", step.task, step.key, on.join(" "))
    });
    steps.collect()
}

#[test]
fn a_verification_stands_on_its_own_node_else_on_all() {
    assert_eq!(
        written(&planned(&cluster(), &["manager", "engines"])),
        [
            "engines: engine@node-1 <- ",
            "engines: engine@node-2 <- ",
            "engines: label@node-1 <- engine@node-1",
            "engines: label@node-2 <- engine@node-2",
            "manager: answers@node-0 <- engine@node-1 engine@node-2",
            "manager: idle@node-0 <- ",
        ]
    );
}

#[test]
fn a_task_is_verified_with_what_it_stands_on_and_no_more() {
    assert_eq!(
        written(&planned(&cluster(), &["web", "web"])),
        [
            "engines: engine@node-1 <- ",
            "engines: engine@node-2 <- ",
            "engines: label@node-1 <- engine@node-1",
            "manager: answers@node-0 <- engine@node-1 engine@node-2",
            "web: serves@node-1 <- answers@node-0 label@node-1",
        ]
    );
}

/// A file that task2 renames, and what shows on which node that task2 has begun.
fn renaming(signs: &[(&str, &str)]) -> Plan {
    let mut file = holds("old name");
    file.superseded_by = Some(TaskId::new("task2").unwrap());
    file.superseded_signs = signs
        .iter()
        .map(|(on, command)| Sign {
            node: node(on),
            kind: looks(command, "yes"),
        })
        .collect();
    let first = verified(task("task1", &[], vec![]), "file", "node-0", file);
    plan_verify(&lab(vec![first]), &[]).unwrap()
}

fn file_ended(ran: &Ran) -> Outcome {
    ran.outcome("file@node-0")
}

#[tokio::test(start_paused = true)]
async fn a_task_that_has_begun_by_hand_supersedes_what_it_changes() {
    let stage = Stage::new(&["node-0", "node-1"]);
    stage
        .machine("node-1")
        .fake
        .answer("new name", FakeAnswer::exited(0).stdout("yes"));
    let ran = stage
        .run(&renaming(&[("node-0", "new name"), ("node-1", "new name")]))
        .await;
    let by = TaskId::new("task2").unwrap();
    assert_eq!(file_ended(&ran), Outcome::Superseded { by });
    assert_eq!(ran.summary().counts.superseded, 1);
}

#[tokio::test(start_paused = true)]
async fn what_no_sign_shows_is_not_superseded() {
    let mut stage = Stage::new(&["node-0", "node-1"]);
    stage.unreachable.push("node-1".to_owned());
    let signs = [("node-0", "new name"), ("node-1", "new name")];
    assert_eq!(file_ended(&stage.run(&renaming(&signs)).await), Outcome::FailedCheck);
    assert_eq!(file_ended(&stage.run(&renaming(&[])).await), Outcome::FailedCheck);
}

#[tokio::test(start_paused = true)]
async fn what_holds_is_passed_and_no_sign_is_looked_at() {
    let stage = Stage::one();
    let fake = &stage.machine("node-0").fake;
    for command in ["old name", "new name"] {
        fake.answer(command, FakeAnswer::exited(0).stdout("yes"));
    }
    let ran = stage.run(&renaming(&[("node-0", "new name")])).await;
    assert_eq!(file_ended(&ran), Outcome::Passed);
    assert_eq!(fake.call_lines(), ["look old name"]);
}

#[test]
fn plans_of_before_are_read() {
    let plan = planned(&cluster(), &[]);
    let mut old = serde_json::to_value(&plan).unwrap();
    for step in old["steps"].as_array_mut().unwrap() {
        step.as_object_mut().unwrap().remove("stands_on");
    }
    let read: Plan = serde_json::from_value(old).unwrap();
    assert!(read.steps.iter().all(|step| step.stands_on.is_empty()));
    assert_eq!(read.steps.len(), plan.steps.len());
    let written: Plan = serde_json::from_value(serde_json::to_value(&plan).unwrap()).unwrap();
    assert_eq!(written, plan);
}
