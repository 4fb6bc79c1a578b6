//! labctl is killed, as nothing can be caught, and another one takes everything back.

use crate::harness::{Bench, Node, bench_of_today};
use crate::task3::TASK as TASK3;
use std::time::Duration;

const RUN: [&str; 4] = ["run", "lab2", "--task", "task1"];

/// Kills a run as `step` starts; the node's own work goes on, whoever sees it.
fn kill_in(bench: &Bench, step: &str) {
    let mut run = bench.start_json(&RUN);
    run.wait_for_step("step_started", step);
    run.kill();
}

#[test]
fn a_run_killed_between_the_baseline_and_the_first_step_is_cleaned_up() {
    let Some(bench) = bench_of_today() else { return };
    let mut run = bench.start_json(&RUN);
    run.wait_for_event("the baseline", |event| event.is_kind("baseline_taken"));
    run.kill();
    bench.clean_up_to_the_snapshot();
}

#[test]
fn a_run_killed_while_the_engine_builds_is_cleaned_up() {
    let Some(bench) = bench_of_today() else { return };
    let mut run = bench.start_json(&RUN);
    run.wait_for_step("step_started", "build");
    let node = &bench.nodes[0];
    crate::harness::wait_for("a layer is being built", Duration::from_secs(60), || {
        node.holds("test -n \"$(docker ps -q)\"").then_some(())
    });
    run.kill();
    bench.clean_up_to_the_snapshot();
}

/// Kills a run in the moment in which the engine keeps what the first command of a Dockerfile made as a layer.
fn kill_in_the_first_commit(bench: &Bench) {
    let lab = bench.lab("builds");
    let mut run = bench.start_json(&["run", &lab]);
    run.wait_for_step("step_started", "build");
    let node = &bench.nodes[0];
    crate::harness::wait_for("the command has ended", Duration::from_secs(60), || {
        node.holds("test -n \"$(docker ps -aq --filter status=exited)\"")
            .then_some(())
    });
    run.kill();
    let layers = node.root("docker images --all --quiet --filter dangling=true");
    assert_eq!(
        layers, "",
        "the layer is there already: it must be larger for this test"
    );
}

/// Waits until the engine has nothing in hand any more, whoever asked for it.
fn wait_for_the_engine(node: &Node) {
    crate::harness::wait_for("the engine keeps no layer any more", Duration::from_secs(60), || {
        node.holds("test -z \"$(ls -A /var/lib/docker/image/*/layerdb/tmp)\"")
            .then_some(())
    });
}

#[test]
fn nothing_comes_after_the_cleanup_of_a_run_killed_while_the_engine_keeps_a_layer() {
    let Some(bench) = bench_of_today() else { return };
    kill_in_the_first_commit(&bench);
    bench.labctl(&["cleanup"]).assert_exit(0);
    wait_for_the_engine(&bench.nodes[0]);
    bench.assert_nodes_as_before();
}

#[test]
fn a_layer_whose_id_nobody_was_told_is_cleaned_up() {
    let Some(bench) = bench_of_today() else { return };
    kill_in_the_first_commit(&bench);
    // The next run ends the client of the build that goes on, and is killed, too.
    let mut run = bench.start_json(&["run", &bench.lab("builds")]);
    run.wait_for_step("step_started", "dockerfile");
    run.kill();
    let node = &bench.nodes[0];
    wait_for_the_engine(node);
    let layers = node.root("docker images --all --quiet --filter dangling=true");
    assert_ne!(layers, "", "the engine did not keep the layer");
    bench.clean_up_to_the_snapshot();
}

#[test]
fn a_run_that_was_killed_can_be_run_again() {
    let Some(bench) = bench_of_today() else { return };
    kill_in(&bench, "up");
    bench.labctl(&RUN).assert_exit(0);
    bench.labctl(&["verify", "task1"]).assert_exit(0);
    bench.clean_up_to_the_snapshot();
}

#[test]
fn a_killed_cleanup_is_finished_by_the_next() {
    let Some(bench) = bench_of_today() else { return };
    kill_in(&bench, "logs");
    for step in ["undo-containers", "undo-images", "undo-directories", "compare-baseline"] {
        eprintln!("cleanup killed in {step}");
        let mut cleanup = bench.start_json(&["cleanup"]);
        cleanup.wait_for_step("step_started", step);
        cleanup.kill();
    }
    bench.clean_up_to_the_snapshot();
}

#[test]
fn a_build_that_was_killed_on_another_node_is_cleaned_up_there() {
    let Some(bench) = bench_of_today() else { return };
    let mut run = bench.start_json(&TASK3);
    run.wait_for_step("step_started", "build-swarm");
    crate::harness::wait_for("a container of the build", Duration::from_secs(20), || {
        let built = |node: &Node| !node.root("docker ps -q").is_empty();
        bench.nodes[1..].iter().any(built).then_some(())
    });
    run.kill();
    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_but_engines_restarted();
}
