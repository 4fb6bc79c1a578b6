//! Engines of the cluster that die, are stopped, and return.

use super::{CLUSTER, Cluster, NOTICED, SLEEPS};
use crate::harness::{Node, wait_for};
use crate::verify::findings;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Kills an engine, and keeps systemd from starting it again.
const KILL_ENGINE: &str =
    "if [ -d /run/systemd/system ]; then systemctl mask -q --runtime docker.service; fi; pkill -KILL -x dockerd";

/// Starts a killed engine.
const START_ENGINE: &str = "if [ -d /run/systemd/system ]; then systemctl unmask -q --runtime docker.service; \
    systemctl reset-failed docker.service docker.socket; systemctl restart docker.socket docker.service; \
    else service docker restart; fi >/dev/null 2>&1";

#[test]
fn an_engine_that_is_killed_is_unhealthy_until_it_returns_with_all_it_had() {
    let Some(bench) = CLUSTER.bench() else { return };
    let cluster = Cluster::of(&bench);
    cluster.client(&format!(
        "{SLEEPS} kept -e constraint:node==node-1 debian:bookworm sleep 1000
        {SLEEPS} other -e constraint:node==node-2 debian:bookworm sleep 1000"
    ));
    cluster.engines[0].root(KILL_ENGINE);
    wait_for("it is unhealthy", NOTICED, || {
        (cluster.states() == "Unhealthy Healthy").then_some(())
    });
    let refused = cluster.fails("docker run -e constraint:environment==staging debian:bookworm true");
    assert!(
        refused.contains("node-1: is not healthy: Cannot connect to the docker engine endpoint"),
        "{refused}"
    );
    let refused = cluster.fails("docker run --name kept debian:bookworm true");
    assert!(
        refused.contains("The name kept is already assigned"),
        "its names stay its own: {refused}"
    );
    assert_eq!(cluster.client("docker ps --format '{{.Names}}'"), "node-2/other");

    let engine = format!(
        "docker -H tcp://{}:2375 version >/dev/null 2>&1",
        cluster.engines[0].address
    );
    assert!(!cluster.client.holds(&engine));
    cluster.engines[0].root(START_ENGINE);
    wait_for("the engine answers", Duration::from_secs(60), || {
        cluster.client.holds(&engine).then_some(())
    });
    let answering = Instant::now();
    cluster.until_healthy(2);
    assert!(
        answering.elapsed() < Duration::from_secs(5),
        "{:?}",
        answering.elapsed()
    );
    let kept = cluster.client("docker start kept >/dev/null; docker ps --format '{{.Names}}' | sort");
    assert_eq!(kept, "node-1/kept\nnode-2/other");
    cluster.tidy_up();
}

fn stop_engine(node: &Node) {
    node.root(
        "if [ -d /run/systemd/system ]; then systemctl stop docker.socket docker.service; \
         else service docker stop; fi >/dev/null 2>&1; ! pidof dockerd",
    );
}

fn start_engine(node: &Node) {
    node.root(
        "if [ -d /run/systemd/system ]; then systemctl reset-failed docker.service docker.socket; \
           systemctl start docker.socket docker.service; else service docker start; fi >/dev/null 2>&1; \
         until docker version >/dev/null 2>&1; do sleep 0.2; done",
    );
}

#[test]
fn an_engine_that_is_down_is_one_finding_with_all_that_cannot_hold_without_it() {
    let Some(bench) = CLUSTER.bench() else { return };
    assert_eq!(findings(&bench, "task2", 0), Vec::<Value>::new());
    let node = &bench.nodes[1];
    stop_engine(node);
    let found = findings(&bench, "task2", 1);
    start_engine(node);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["cause"]["kind"], "engine_silent", "{found:?}");
    assert_eq!(found[0]["cause"]["node"], node.name.as_str());
    let because = found[0]["because"].to_string();
    assert!(because.contains("engine-port"), "{because}");
    // The next test goes on where the cluster is whole.
    Cluster::of(&bench).until_healthy(2);
}
