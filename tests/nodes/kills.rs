//! labctl is killed, as nothing can be caught, and another one takes everything back.

use crate::harness::{Bench, bench};
use std::time::Duration;

const RUN: [&str; 4] = ["run", "lab2", "--task", "task1"];

/// Every step of task 1.
const STEPS: [&str; 12] = [
    "mongo-image",
    "dockchat-files",
    "dockchat-repository",
    "clone",
    "tree",
    "compose-file",
    "compose-ps",
    "build",
    "up",
    "logs",
    "stop",
    "remove",
];

/// Kills a run as `step` starts; the node's own work goes on, whoever sees it.
fn kill_in(bench: &Bench, step: &str) {
    let mut run = bench.start_json(&RUN);
    run.wait_for_step("step_started", step);
    run.kill();
}

#[test]
fn a_killed_run_is_cleaned_up_whatever_step_it_was_in() {
    let Some(bench) = bench() else { return };
    for step in STEPS {
        eprintln!("killed in {step}");
        kill_in(&bench, step);
        bench.labctl(&["status"]).assert_exit(0).assert_says(&["node-0"]);
        bench.clean_up_to_the_snapshot();
    }
}

#[test]
fn a_run_killed_between_the_baseline_and_the_first_step_is_cleaned_up() {
    let Some(bench) = bench() else { return };
    let mut run = bench.start_json(&RUN);
    run.wait_for_event("the baseline", |event| event.is_kind("baseline_taken"));
    run.kill();
    bench.clean_up_to_the_snapshot();
}

#[test]
fn a_run_killed_while_the_engine_builds_is_cleaned_up() {
    let Some(bench) = bench() else { return };
    let mut run = bench.start_json(&RUN);
    run.wait_for_step("step_started", "build");
    let node = &bench.nodes[0];
    crate::harness::wait_for("a layer is being built", Duration::from_secs(60), || {
        node.holds("test -n \"$(docker ps -q)\"").then_some(())
    });
    run.kill();
    bench.clean_up_to_the_snapshot();
}

#[test]
fn a_run_that_was_killed_can_be_run_again() {
    let Some(bench) = bench() else { return };
    kill_in(&bench, "up");
    bench.labctl(&RUN).assert_exit(0);
    bench.labctl(&["verify", "task1"]).assert_exit(0);
    bench.clean_up_to_the_snapshot();
}

#[test]
fn a_killed_cleanup_is_finished_by_the_next() {
    let Some(bench) = bench() else { return };
    kill_in(&bench, "logs");
    for step in ["undo-containers", "undo-images", "undo-directories", "compare-baseline"] {
        eprintln!("cleanup killed in {step}");
        let mut cleanup = bench.start_json(&["cleanup"]);
        cleanup.wait_for_step("step_started", step);
        cleanup.kill();
    }
    bench.clean_up_to_the_snapshot();
}
