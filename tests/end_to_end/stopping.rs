//! Ctrl-C, a second labctl, and nodes that are in use.

use crate::harness::{Bench, Running, bench_of_today, wait_for};
use std::time::{Duration, Instant};

/// Starts `task` of the badly behaving commands, and waits until its directory is there.
fn started(bench: &Bench, task: &str) -> Running {
    let lab = bench.lab("commands");
    let mut run = bench.start_json(&["run", &lab, "--only", task]);
    run.wait_for_step("step_started", task);
    let made = format!("test -d /home/ubuntu/labctl-{task}");
    wait_for("the command runs", Duration::from_secs(20), || {
        bench.nodes[0].holds(&made).then_some(())
    });
    run
}

fn last_event(bench: &Bench) -> serde_json::Value {
    bench.journal().last().unwrap()["event"].clone()
}

#[test]
fn an_interrupt_kills_what_runs_and_says_what_is_owed() {
    for signal in ["INT", "TERM"] {
        let Some(bench) = bench_of_today() else { return };
        let run = started(&bench, "endless");
        let begin = Instant::now();
        run.signal(signal);
        let run = run.wait();
        run.assert_exit(130);
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "stopping took {:?}",
            begin.elapsed()
        );
        assert_eq!(run.outcome("endless")["outcome"], "cancelled");
        assert_eq!(run.outcome("never")["outcome"], "skipped");
        assert_eq!(bench.nodes[0].our_processes(), "");
        assert_eq!(last_event(&bench), "run_aborted");
        bench
            .labctl(&["status"])
            .assert_exit(0)
            .assert_says(&["node-0", "/home/ubuntu/labctl-endless"]);
        bench.clean_up_to_the_snapshot();
    }
}

#[test]
fn a_second_interrupt_leaves_at_once() {
    let Some(bench) = bench_of_today() else { return };
    let run = started(&bench, "deaf");
    run.signal("INT");
    std::thread::sleep(Duration::from_millis(500));
    let begin = Instant::now();
    run.signal("INT");
    run.wait().assert_exit(130);
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "leaving took {:?}",
        begin.elapsed()
    );
    bench.clean_up_to_the_snapshot();
}

#[test]
fn a_cleanup_that_is_interrupted_is_finished_by_the_next() {
    let Some(bench) = bench_of_today() else { return };
    bench.labctl(&["run", "lab2", "--until", "build"]).assert_exit(0);
    let mut cleanup = bench.start_json(&["cleanup"]);
    cleanup.wait_for_step("step_started", "undo-images");
    cleanup.signal("INT");
    cleanup.wait().assert_exit(130);
    bench.clean_up_to_the_snapshot();
}

#[test]
fn a_second_labctl_is_told_who_holds_the_nodes() {
    let Some(bench) = bench_of_today() else { return };
    let run = started(&bench, "endless");
    let pid = run.pid().to_string();
    let lab = bench.lab("commands");
    for second in [&["run", &lab, "--only", "endless"][..], &["cleanup"]] {
        bench.labctl(second).assert_exit(6).assert_says(&["labctl run", &pid]);
    }
    // Looking is allowed, and says who is at work.
    bench.labctl(&["status"]).assert_exit(0).assert_says(&[&pid]);

    // Another state directory, as on another machine: what the node holds tells.
    let other = bench.command_with_state(&["run", &lab, "--only", "endless"], &bench.path("other"));
    let other = Running::spawn(other, Duration::from_secs(60)).wait();
    other.assert_exit(6).assert_says(&["node-0", "commands-"]);

    run.signal("INT");
    run.wait().assert_exit(130);
    bench.clean_up_to_the_snapshot();
}

#[test]
fn running_containers_are_named_and_removed_only_when_asked() {
    let Some(bench) = bench_of_today() else { return };
    let node = &bench.nodes[1];
    node.root("docker run -d --name in-the-way debian:bookworm sleep 1000 >/dev/null");
    let run = bench.labctl(&["run", "lab2", "--task", "prerequisites"]);
    run.assert_exit(1)
        .assert_says(&["node-1", "in-the-way", "--reset-nodes"]);
    assert_eq!(
        node.root("docker inspect --format '{{.State.Running}}' in-the-way"),
        "true"
    );

    bench
        .labctl(&["run", "lab2", "--task", "prerequisites", "--reset-nodes"])
        .assert_exit(0);
    assert!(!node.holds("docker inspect in-the-way >/dev/null 2>&1"));
    bench.clean_up_to_the_snapshot();
}
