//! Task 2 of lab2: a cluster out of three nodes, and three nodes out of a cluster.

use crate::harness::{Bench, Node, bench};

const TASK: [&str; 4] = ["run", "lab2", "--task", "task2"];

/// The steps that leave something, each with a moment to be killed in.
const STEPS: [&str; 6] = [
    "label-engines",
    "discovery-image",
    "certificate",
    "discovery",
    "manager",
    "agent-2",
];

fn info(bench: &Bench, port: u16) -> String {
    bench.nodes[0].root(&format!("docker -H tcp://127.0.0.1:{port} info"))
}

fn listens_everywhere(node: &Node, port: u16) -> bool {
    let listening = node.root(&format!("ss -Hltn 'sport = :{port}' | awk '{{ print $4 }}'"));
    assert!(!listening.is_empty(), "nothing listens on port {port} of {}", node.name);
    let everywhere = ["0.0.0.0:", "*:", "[::]:"];
    listening
        .lines()
        .any(|address| everywhere.iter().any(|all| address.starts_with(all)))
}

#[test]
fn task2_makes_a_cluster_verifies_and_is_undone_to_the_last_byte() {
    let Some(bench) = bench() else { return };
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

    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_but_engines_restarted();
}

#[test]
fn a_manager_that_died_is_started_again_for_the_same_cluster() {
    let Some(bench) = bench() else { return };
    bench.labctl(&TASK).assert_exit(0);
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
    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_but_engines_restarted();
}

#[test]
fn a_cluster_whose_containers_all_died_comes_back_with_its_token() {
    let Some(bench) = bench() else { return };
    bench.labctl(&TASK).assert_exit(0);
    let node = &bench.nodes[0];
    let token = "docker inspect --format '{{index .Config.Cmd 1}}' labctl-swarm-manager";
    let before = node.root(token);
    // As after node-0 was restarted.
    node.root("docker kill $(docker ps -q) >/dev/null");
    bench.labctl(&TASK).assert_exit(0);
    assert_eq!(node.root(token), before);
    let info = info(&bench, 3375);
    assert_eq!(info.matches("Status: Healthy").count(), 2, "{info}");
    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_but_engines_restarted();
}

#[test]
fn agents_that_run_but_are_not_registered_are_started_again() {
    let Some(bench) = bench() else { return };
    bench.labctl(&TASK).assert_exit(0);
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
    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_but_engines_restarted();
}

#[test]
fn task2_killed_in_a_step_is_cleaned_up() {
    let Some(bench) = bench() else { return };
    for step in STEPS {
        eprintln!("killed in {step}");
        let mut run = bench.start_json(&TASK);
        run.wait_for_step("step_started", step);
        run.kill();
        bench.labctl(&["cleanup"]).assert_exit(0);
        bench.assert_same_but_engines_restarted();
    }
}

#[test]
fn an_engine_is_opened_to_everyone_only_where_a_flag_says_so() {
    let Some(bench) = bench() else { return };
    let everyone = [&TASK[..], &["--var", "docker_bind=0.0.0.0"]].concat();
    bench
        .labctl(&everyone)
        .assert_exit(2)
        .assert_says(&["root on node-1", "--expose-docker"]);
    bench.assert_nodes_as_before();
    bench
        .labctl(&[&everyone[..], &["--expose-docker"]].concat())
        .assert_exit(0);
    assert!(listens_everywhere(&bench.nodes[1], 2375));
    assert!(listens_everywhere(&bench.nodes[0], 3375));
    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_but_engines_restarted();
}
