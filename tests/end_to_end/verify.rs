//! Verify on real nodes: what it leaves, and what it tells of nodes on which nothing was done.

use crate::harness::{Bench, Event, bench};
use serde_json::Value;

#[test]
fn verify_changes_nothing_and_opens_no_instance() {
    let Some(bench) = bench() else { return };
    bench.labctl(&["verify", "--lab", "lab2"]).assert_exit(1);
    bench.assert_nodes_as_before();
    for node in &bench.nodes {
        node.root("test ! -e /var/lib/labctl");
    }
    assert_eq!(bench.kept_files().len(), 0, "an instance was left");
}

#[test]
fn verify_changes_nothing_of_an_open_instance() {
    let Some(mut bench) = bench() else { return };
    let files = bench.lab("files");
    bench.labctl(&["run", &files, "--only", "everywhere"]).assert_exit(0);
    bench.take_snapshot();
    let before = bench.kept_files();
    bench.labctl(&["verify", "everywhere", "--lab", &files]).assert_exit(0);
    bench.assert_nodes_as_before();
    assert_eq!(bench.kept_files(), before, "the journal was written");
    bench.labctl(&["cleanup"]).assert_exit(0);
}

/// Runs verify and returns its findings.
pub fn findings(bench: &Bench, task: &str, exit: i32) -> Vec<Value> {
    let ended = bench.start_json(&["verify", task, "--lab", "lab2"]).wait();
    ended.assert_exit(exit);
    let text = String::from_utf8(ended.stdout.clone()).unwrap();
    let events: Vec<Event> = text.lines().map(Event::parse).collect();
    let found: Vec<&Event> = events.iter().filter(|event| event.is_kind("causes_found")).collect();
    assert_eq!(found.len(), 1, "{text}");
    assert!(events.last().unwrap().is_kind("run_finished"), "{text}");
    found[0].0["findings"].as_array().unwrap().clone()
}

#[test]
fn what_was_never_done_is_a_finding_for_each_thing_to_do() {
    let Some(bench) = bench() else { return };
    let found = findings(&bench, "task2", 1);
    let causes: Vec<&str> = found.iter().map(|one| one["cause"]["step"].as_str().unwrap()).collect();
    assert_eq!(causes, ["engine-labelled", "manager-answers", "agents-run"]);
    assert_eq!(found[0]["shown_by"].as_array().unwrap().len(), 2, "both nodes in one");
    bench.assert_nodes_as_before();
}
