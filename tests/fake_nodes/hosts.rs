//! The hosts file of the machine that labctl runs on: a line of ours comes when its task holds, and goes with the cleanup.

use super::labs::{plan, step};
use super::stage::{Ran, Stage};
use labctl::domain::{EventKind, HostLine, HostWork, HostsFault, InstanceId, Plan, PlannedHost};
use labctl::node::{Ending, fake::FakeAnswer};
use std::fs;
use std::path::PathBuf;

const BEFORE: &str = "127.0.0.1 localhost\n";
const LINE: &str = "10.0.0.12 dockchat.com # labctl demo-1";

fn file(stage: &Stage) -> PathBuf {
    stage.directory.path().join("hosts")
}

fn content(stage: &Stage) -> String {
    fs::read_to_string(file(stage)).unwrap()
}

fn line(stage: &Stage) -> HostLine {
    let instance = InstanceId::new("demo-1").unwrap();
    HostLine::new(
        &file(stage).display().to_string(),
        "10.0.0.12",
        "dockchat.com",
        &instance,
    )
}

/// A run of one step, after which a name is to lead to a node.
fn naming(stage: &Stage) -> Plan {
    let mut plan = plan(vec![step("serve", "node-0", "serve")]);
    plan.hosts.push(PlannedHost {
        task: plan.steps[0].task.clone(),
        name: "dockchat.com".to_owned(),
        address: "10.0.0.12".to_owned(),
        work: HostWork::Add(line(stage)),
    });
    plan
}

/// A stage whose hosts file has the line.
async fn named() -> Stage {
    let stage = Stage::one();
    fs::write(file(&stage), BEFORE).unwrap();
    let ran = stage.run(&naming(&stage)).await;
    assert_eq!(ran.summary().hosts, []);
    assert_eq!(content(&stage), format!("{BEFORE}{LINE}\n"));
    stage
}

fn at(ran: &Ran, is: impl Fn(&EventKind) -> bool) -> usize {
    ran.position(is)
}

#[tokio::test(start_paused = true)]
async fn a_line_is_owed_before_it_is_added_and_both_after_the_steps_and_before_the_end() {
    let stage = Stage::one();
    fs::write(file(&stage), BEFORE).unwrap();
    let ran = stage.run(&naming(&stage)).await;
    let owed = at(&ran, |kind| matches!(kind, EventKind::HostLineOwed { .. }));
    let added = at(&ran, |kind| {
        matches!(kind, EventKind::HostLineAdded { failed: None, .. })
    });
    let end = at(&ran, |kind| matches!(kind, EventKind::RunFinished { .. }));
    assert!(ran.finished("serve@node-0") < owed && owed < added && added < end);
    assert!(stage.state().host_lines.contains(&line(&stage)));
}

#[tokio::test(start_paused = true)]
async fn cleanup_takes_exactly_that_line_out_whatever_others_wrote_meanwhile() {
    let stage = named().await;
    fs::write(file(&stage), format!("# mine\n{LINE}\n10.0.0.9 dockchat.com\n")).unwrap();
    let ran = stage.cleanup().await;
    assert_eq!(content(&stage), "# mine\n10.0.0.9 dockchat.com\n");
    assert_eq!(ran.summary().hosts, []);
    assert!(!stage.state().owes_anything());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_does_not_hold_gets_no_line() {
    let stage = Stage::one();
    fs::write(file(&stage), BEFORE).unwrap();
    let failing = FakeAnswer::ended(Ending::Exited { code: 1 });
    stage.machine("node-0").fake.answer("serve", failing);
    let ran = stage.run(&naming(&stage)).await;
    assert!(ran.summary().counts.could_not_run + ran.summary().counts.failed > 0);
    assert_eq!(content(&stage), BEFORE);
    assert!(stage.state().host_lines.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_line_that_somebody_changed_is_left_and_owed_until_it_is_gone() {
    let stage = named().await;
    let changed = format!("{BEFORE}10.0.0.13 dockchat.com # labctl demo-1\n");
    fs::write(file(&stage), &changed).unwrap();
    let ran = stage.cleanup().await;
    assert!(
        matches!(&ran.summary().hosts[..], [HostsFault::Changed { now }] if now.starts_with("10.0.0.13 ")),
        "{:?}",
        ran.summary().hosts
    );
    assert_eq!(content(&stage), changed);
    assert!(stage.state().owes_anything());
    fs::write(file(&stage), BEFORE).unwrap();
    assert_eq!(stage.cleanup().await.summary().hosts, []);
    assert!(!stage.state().owes_anything());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_written_fails_the_run_or_cleanup_and_nothing_else() {
    let stage = named().await;
    fs::remove_file(file(&stage)).unwrap();
    fs::create_dir(file(&stage)).unwrap();
    let ran = stage.cleanup().await;
    let faults = &ran.summary().hosts;
    assert!(
        matches!(&faults[..], [HostsFault::CouldNot { hint, .. }] if hint.contains("sudo sed -i '/ # labctl demo-1$/d'")),
        "{faults:?}"
    );
    assert!(stage.state().baselines.is_empty(), "the node is done");
    assert!(stage.state().owes_anything());
    let ran = stage.run(&naming(&stage)).await;
    assert_eq!(ran.summary().counts.passed, 1);
    assert!(matches!(&ran.summary().hosts[..], [HostsFault::CouldNot { .. }]));
}
