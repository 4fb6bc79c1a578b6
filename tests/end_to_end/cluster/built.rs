//! Task 2 of lab2: a cluster out of three nodes.

use super::{CLUSTER, TASK, info, listens_everywhere};

#[test]
fn task2_makes_a_cluster_and_verifies() {
    let Some(bench) = CLUSTER.bench_to_make_it() else {
        return;
    };
    bench.labctl(&["verify", "task2"]).assert_exit(1).assert_says(&[
        "task 2 step 4: start the manager on node-0",
        "set --label=environment=staging in DOCKER_OPTS in /etc/default/docker on node-1",
    ]);
    bench.assert_nodes_as_before();

    bench.labctl(&TASK).assert_exit(0);
    let info = info(&bench, 3375);
    for words in [
        "Nodes: 2",
        "environment=staging",
        "environment=production",
        "Role: primary",
    ] {
        assert!(info.contains(words), "{info}");
    }
    assert_eq!(info.matches("Status: Healthy").count(), 2, "{info}");
    let node = &bench.nodes[0];
    node.root(&format!(
        "docker -H tcp://{}:3375 version | grep -q swarm/",
        node.address
    ));
    assert!(
        !listens_everywhere(node, 3375),
        "the manager must not listen on every address"
    );
    for node in &bench.nodes[1..] {
        assert!(
            !listens_everywhere(node, 2375),
            "{} must not listen on every address",
            node.name
        );
    }

    bench.labctl(&["verify", "task2"]).assert_exit(0);
    let status = bench.labctl(&["status"]);
    let token = node.root("docker inspect --format '{{index .Config.Cmd 1}}' labctl-swarm-manager");
    let token = token.strip_prefix("token://").unwrap();
    assert_eq!(token.len(), 32);
    status.assert_exit(0).assert_says(&["token", token]);

    let again = bench.start_json(&TASK).wait();
    again.assert_exit(0);
    for step in ["label-engines", "token", "manager", "agent-1", "agent-2"] {
        assert_eq!(again.outcome(step)["reason"]["why"], "already_holds", "{step}");
    }
    // Both tasks keep files in one directory, whichever comes first.
    bench.labctl(&["run", "lab2", "--task", "task1"]).assert_exit(0);
}
