//! Task 1 of lab2 from the first step to a node as it was before.

use crate::harness::bench;

const TASK: [&str; 4] = ["run", "lab2", "--task", "task1"];

#[test]
fn task1_runs_verifies_and_is_undone_to_the_last_byte() {
    let Some(bench) = bench() else { return };
    let run = bench.labctl(&TASK);
    run.assert_exit(0);
    run.assert_says(&["1.4 Start DockChat", "1.5 Remove its containers"]);
    assert!(!run.stdout.contains(&0x1b), "no control characters off a terminal");
    bench.nodes[0].root("test -f /home/ubuntu/dockchat/webapp.py && test -d /var/lib/labctl");
    assert_eq!(bench.nodes[0].root("stat -c '%U %a' /var/lib/labctl/*"), "root 700");

    bench
        .labctl(&["status"])
        .assert_exit(0)
        .assert_says(&["task1", "node-0", "/home/ubuntu/dockchat"]);
    bench.labctl(&["verify", "task1"]).assert_exit(0);

    let again = bench.start_json(&TASK).wait();
    again.assert_exit(0);
    assert_eq!(again.outcome("clone")["reason"]["why"], "already_holds");
    bench.labctl(&["verify", "task1"]).assert_exit(0);

    bench.clean_up_to_the_snapshot();
    bench
        .labctl(&["cleanup"])
        .assert_exit(0)
        .assert_says(&["Nothing to clean up"]);
    bench
        .labctl(&["status"])
        .assert_exit(0)
        .assert_says(&["nothing is owed"]);
    bench
        .labctl(&["verify", "task1"])
        .assert_exit(1)
        .assert_says(&["clone DockChat to ~/dockchat"]);
    bench.assert_nodes_as_before();
}

#[test]
fn what_the_learner_has_survives_run_and_cleanup() {
    let Some(mut bench) = bench() else { return };
    let node = bench.nodes[0].clone();
    node.root(
        r#"docker tag debian:bookworm learner/base:1
        docker volume create learners-volume >/dev/null
        docker run --name learner -v learners-volume:/data -v /anonymous learner/base:1 sh -c 'echo mine >/data/file' >/dev/null
        docker commit -m mine learner learner/image:2 >/dev/null
        mkdir -p /home/ubuntu/labctl-learner && echo mine >/home/ubuntu/labctl-learner/file
        printf 'version: "2"\nservices:\n  db:\n    image: learner/image:2\n    command: ["true"]\n' \
            >/home/ubuntu/labctl-learner/docker-compose.yml
        chown -R ubuntu: /home/ubuntu/labctl-learner
        cd /home/ubuntu/labctl-learner && docker-compose -p learners up 2>/dev/null >&2"#,
    );
    bench.take_snapshot();

    bench.labctl(&TASK).assert_exit(0);
    bench.clean_up_to_the_snapshot();
    assert_eq!(
        node.root("docker run --rm -v learners-volume:/data learner/base:1 cat /data/file"),
        "mine"
    );
}

#[test]
fn what_a_stranger_made_meanwhile_is_listed_and_left_alone() {
    let Some(bench) = bench() else { return };
    let node = &bench.nodes[0];
    bench.labctl(&TASK).assert_exit(0);
    node.root("docker run -d --name stranger debian:bookworm sleep 1000 >/dev/null; docker volume create strangers >/dev/null");
    let cleanup = bench.labctl(&["cleanup"]);
    cleanup.assert_exit(0).assert_says(&["stranger", "strangers"]);
    assert_eq!(
        node.root("docker inspect --format '{{.State.Running}}' stranger"),
        "true"
    );
    node.root("docker rm -fv stranger >/dev/null; docker volume rm strangers >/dev/null");
    bench.assert_nodes_as_before();
}
