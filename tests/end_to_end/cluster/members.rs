//! Members of the cluster that die are started again for the same cluster.

use super::{CLUSTER, TASK, info};

#[test]
fn a_manager_that_died_is_started_again_for_the_same_cluster() {
    let Some(bench) = CLUSTER.bench() else { return };
    let node = &bench.nodes[0];
    let token = node.root("docker inspect --format '{{index .Config.Cmd 1}}' labctl-swarm-manager");
    node.root("docker kill labctl-swarm-manager >/dev/null");
    bench
        .labctl(&["verify", "task2"])
        .assert_exit(1)
        .assert_says(&["task 2 step 4"]);
    bench.labctl(&TASK).assert_exit(0);
    assert_eq!(
        node.root("docker inspect --format '{{index .Config.Cmd 1}}' labctl-swarm-manager"),
        token
    );
}

#[test]
fn a_cluster_whose_containers_all_died_comes_back_with_its_token() {
    let Some(bench) = CLUSTER.bench() else { return };
    let node = &bench.nodes[0];
    let token = "docker inspect --format '{{index .Config.Cmd 1}}' labctl-swarm-manager";
    let before = node.root(token);
    // As after node-0 was restarted.
    node.root("docker kill $(docker ps -q) >/dev/null");
    bench.labctl(&TASK).assert_exit(0);
    assert_eq!(node.root(token), before);
    let info = info(&bench, 3375);
    assert_eq!(info.matches("Status: Healthy").count(), 2, "{info}");
}

#[test]
fn agents_that_run_but_are_not_registered_are_started_again() {
    let Some(bench) = CLUSTER.bench() else { return };
    let node = &bench.nodes[0];
    let agents = "docker inspect --format '{{.Id}}' labctl-swarm-agent-1 labctl-swarm-agent-2";
    let before = node.root(agents);
    // Their engines are forgotten, and neither agent's next heartbeat mends it.
    node.root(
        "kill -STOP $(docker inspect --format '{{.State.Pid}}' labctl-swarm-agent-1 labctl-swarm-agent-2) && \
         docker stop labctl-discovery >/dev/null && \
         sed -i 's/\"entries\":{[^}]*}/\"entries\":{}/' /home/ubuntu/.labctl/clusters/clusters.json && \
         docker start labctl-discovery >/dev/null",
    );
    bench.labctl(&TASK).assert_exit(0);
    let after = node.root(agents);
    for (before, after) in before.lines().zip(after.lines()) {
        assert_ne!(before, after, "each agent is started again");
    }
    assert_eq!(after.lines().count(), 2);
}
