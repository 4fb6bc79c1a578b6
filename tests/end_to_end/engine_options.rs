//! Engines of all kinds get other options and their own back, whatever happens in between.

use crate::harness::{Bench, bench, wait_for};
use std::time::Duration;

/// An address that no node has: an engine that is told to listen there does not start.
const NOWHERE: &str = "host=tcp://10.255.255.1:2375";

/// Starts a container that is nobody's of the lab, and stops at once when it is told to.
const STRANGER: &str =
    "docker run -d --name stranger debian:bookworm sh -c 'trap exit TERM; sleep 1000 & wait' >/dev/null";

fn run(bench: &Bench) -> Vec<String> {
    ["run".to_owned(), bench.lab("engine")].to_vec()
}

fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// Fails unless the engines of all nodes answer.
fn assert_engines_answer(bench: &Bench) {
    for node in &bench.nodes {
        node.root("docker version >/dev/null");
    }
}

#[test]
fn engines_of_every_kind_get_options_and_lose_them_again() {
    let Some(bench) = bench() else { return };
    let run = run(&bench);
    bench.labctl(&words(&run)).assert_exit(0);
    for node in &bench.nodes {
        let labels = node.root("docker info --format '{{.Labels}}'");
        assert_eq!(labels, format!("[labctl.test={}]", node.name));
    }
    let again = [words(&run), vec!["--json", "--only", "options"]].concat();
    bench.labctl(&again).assert_exit(0);
    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_but_engines_restarted();
}

#[test]
fn engines_that_do_not_start_say_why_and_get_their_own_options_back() {
    let Some(bench) = bench() else { return };
    let run = run(&bench);
    let failed = bench.labctl(&[words(&run), vec!["--var", NOWHERE]].concat());
    failed.assert_exit(3).assert_says(&[
        "cannot assign requested address",
        "it has its own options back and runs",
    ]);
    assert_engines_answer(&bench);
    assert_eq!(
        bench.nodes[0].root("docker inspect --format '{{.State.Running}}' labctl-test-ours"),
        "true",
        "what ran before the restart runs again"
    );
    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_but_engines_restarted();
}

#[test]
fn an_engine_that_a_killed_run_left_dead_is_brought_back_by_cleanup() {
    let Some(bench) = bench() else { return };
    let node = &bench.nodes[0];
    let command = run(&bench);
    let mut run = bench.start_json(&[words(&command), vec!["--var", NOWHERE]].concat());
    run.wait_for_step("step_started", "options");
    wait_for("the new options are written", Duration::from_secs(60), || {
        node.holds("grep -q labctl.test /etc/default/docker").then_some(())
    });
    wait_for("the engine is down", Duration::from_secs(60), || {
        (!node.holds("pidof dockerd")).then_some(())
    });
    run.kill();
    bench.labctl(&["cleanup"]).assert_exit(0);
    assert_engines_answer(&bench);
    bench.assert_same_but_engines_restarted();
}

#[test]
fn containers_that_would_die_by_a_restart_are_named_and_nothing_is_changed() {
    let Some(mut bench) = bench() else { return };
    bench.nodes[0].root(STRANGER);
    bench.take_snapshot();
    let run = run(&bench);
    let refused = bench.labctl(&[words(&run), vec!["--keep-going"]].concat());
    refused
        .assert_exit(3)
        .assert_says(&["these containers would die by it: stranger"]);
    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_on(&["node-0"]);
    bench.nodes[0].root("docker rm -fv stranger >/dev/null");
}

#[test]
fn containers_that_run_when_options_are_taken_back_run_again() {
    let Some(bench) = bench() else { return };
    let run = run(&bench);
    bench.labctl(&words(&run)).assert_exit(0);
    bench.nodes[1].root(STRANGER);
    bench.labctl(&["cleanup"]).assert_exit(0).assert_says(&["stranger"]);
    assert_eq!(
        bench.nodes[1].root("docker inspect --format '{{.State.Running}}' stranger"),
        "true"
    );
    bench.nodes[1].root("docker rm -fv stranger >/dev/null");
    bench.assert_same_but_engines_restarted();
}

#[test]
fn an_option_that_daemon_json_sets_as_well_is_refused_before_anything_is_changed() {
    let Some(bench) = bench() else { return };
    let node = &bench.nodes[0];
    node.root(
        "cp -p /etc/docker/daemon.json /root/labctl-daemon.json && \
         sed -i 's/{/{ \"labels\": [\"a=b\"],/' /etc/docker/daemon.json",
    );
    let run = run(&bench);
    let refused = bench.labctl(&[words(&run), vec!["--only", "options", "--keep-going"]].concat());
    node.root("mv /root/labctl-daemon.json /etc/docker/daemon.json");
    refused.assert_exit(3).assert_says(&["daemon.json sets labels"]);
    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_on(&["node-0"]);
}

#[test]
fn what_others_write_beside_the_options_stays() {
    let Some(bench) = bench() else { return };
    let node = &bench.nodes[0];
    let run = run(&bench);
    bench.labctl(&words(&run)).assert_exit(0);
    node.root("cp -p /etc/default/docker /root/labctl-defaults && echo '# mine' >>/etc/default/docker");
    bench
        .labctl(&["cleanup"])
        .assert_exit(0)
        .assert_says(&["/etc/default/docker is not as it was"]);
    assert_eq!(node.root("tail -n 1 /etc/default/docker"), "# mine");
    // The copy has the times that the file had; the lab's line goes with the last one.
    node.root("sed -i '$d' /etc/default/docker && touch -r /root/labctl-defaults /etc/default/docker && rm /root/labctl-defaults");
    assert!(!node.root("cat /etc/default/docker").contains("labctl.test"));
}

#[test]
fn options_of_ones_own_are_taken_away_by_a_reset_and_the_engine_answers() {
    let Some(bench) = bench() else { return };
    // On this node the engine's socket is systemd's, whose place such options take.
    let node = &bench.nodes[1];
    let restart = "systemctl reset-failed docker.service docker.socket; systemctl restart docker.socket docker.service";
    let options = format!(
        "-H tcp://{}:2375 -H unix:///var/run/docker.sock --tls=false",
        node.address
    );
    node.root(&format!(
        "cp -p /etc/default/docker /root/labctl-defaults; echo 'DOCKER_OPTS=\"{options}\"' >>/etc/default/docker; {restart}"
    ));
    let run = run(&bench);
    bench
        .labctl(&[words(&run), vec!["--reset-nodes", "--only", "options"]].concat())
        .assert_exit(0);
    node.root("docker version >/dev/null && grep -q '^#DOCKER_OPTS=\"-H tcp' /etc/default/docker");
    assert!(!node.holds("ss -Hltn 'sport = :2375' | grep -q ."));
    bench.labctl(&["cleanup"]).assert_exit(0);
    node.root(&format!("mv /root/labctl-defaults /etc/default/docker; {restart}"));
    bench.assert_same_but_engines_restarted();
}
