//! Task 1 of lab2 from the first step to a node as it was before.

use crate::harness::{Bench, InventoryText, Node, bench};

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

const OWN_REPOSITORY: &str = "/home/ubuntu/labctl-learner/dockchat";

/// Makes a repository of the learner's own, with a README.md and a database image that are not the lab's, and returns its commit.
fn own_repository(node: &Node) -> String {
    let script = format!(
        "mkdir -p {OWN_REPOSITORY} && cd {OWN_REPOSITORY} && tar -x && echo mine >README.md && {COMPOSE_FILE} >docker-compose.yml && \
         git init -q . && git add -A && git -c user.name=l -c user.email=l@localhost commit -q -m mine && \
         chown -R ubuntu: /home/ubuntu/labctl-learner && git -c safe.directory='*' rev-parse HEAD"
    );
    node.root_with_dockchat(&script)
}

/// Prints the tutorial's Compose file, with the database that labctl stands in for.
const COMPOSE_FILE: &str = r#"printf 'db:\n  image: learner/mongo:3.6\n  expose:\n    - 27017\n  command: --smallfiles\nweb:\n  build: .\n  ports:\n    - "5000:5000"\n  links:\n    - db:db\n'"#;

/// Gives node-0 an image under a name of the learner's own.
fn own_image(bench: &Bench) {
    bench
        .labctl(&["images", "load", "mongo", "--on", "node-0"])
        .assert_exit(0);
    bench.nodes[0].root("docker tag labctl/mongo:3.6 learner/mongo:3.6 && docker rmi labctl/mongo:3.6 >/dev/null");
}

#[test]
fn what_the_learner_has_survives_run_and_cleanup_and_so_does_dockchat_of_their_own() {
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
    own_image(&bench);
    let commit = own_repository(&node);
    bench.take_snapshot();

    let own = format!("dockchat_repo={OWN_REPOSITORY}");
    bench.labctl(&[&TASK[..], &["--var", &own]].concat()).assert_exit(0);
    let head = "cd /home/ubuntu/dockchat && git -c safe.directory='*' rev-parse HEAD && git remote get-url origin";
    assert_eq!(node.root(head), format!("{commit}\n{OWN_REPOSITORY}"));
    bench.labctl(&["verify", "task1"]).assert_exit(0);
    bench.clean_up_to_the_snapshot();
    assert_eq!(
        node.root("docker run --rm -v learners-volume:/data learner/base:1 cat /data/file"),
        "mine"
    );
}

#[test]
fn what_a_stranger_made_meanwhile_is_listed_and_left_alone_and_so_is_an_image_that_was_brought_along() {
    let Some(mut bench) = bench() else { return };
    own_image(&bench);
    bench.take_snapshot();
    bench.write_inventory(&InventoryText {
        more: "[images]\nmongo = \"learner/mongo:3.6\"\n".to_owned(),
        ..Default::default()
    });
    let node = &bench.nodes[0];
    bench.labctl(&TASK).assert_exit(0);
    node.root("grep -q 'image: learner/mongo:3.6' /home/ubuntu/dockchat/docker-compose.yml");
    assert!(
        !node.holds("docker image inspect labctl/mongo:3.6"),
        "the lab's own is not needed"
    );
    node.root("docker run -d --name stranger debian:bookworm sleep 1000 >/dev/null; docker volume create strangers >/dev/null");
    let cleanup = bench.labctl(&["cleanup"]);
    cleanup.assert_exit(0).assert_says(&["stranger", "strangers"]);
    assert_eq!(
        node.root("docker inspect --format '{{.State.Running}}' stranger"),
        "true"
    );
    node.root("docker rm -fv stranger >/dev/null; docker volume rm strangers >/dev/null");
    bench.assert_nodes_as_before();
    node.root("docker rmi learner/mongo:3.6");
}
