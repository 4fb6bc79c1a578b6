//! A docker client of the cluster finds one engine where there are two.

use super::{CLUSTER, Cluster, SLEEPS};

#[test]
fn a_docker_client_finds_one_engine_where_there_are_two() {
    let Some(bench) = CLUSTER.bench() else { return };
    let cluster = Cluster::of(&bench);
    info_and_lists_name_the_nodes(&cluster);
    streams_and_statuses_come_through(&cluster);
    images_are_built_tagged_and_removed_where_they_are(&cluster);
    a_refusal_says_what_each_node_lacks(&cluster);
    cluster.tidy_up();
}

fn info_and_lists_name_the_nodes(cluster: &Cluster) {
    let info = cluster.client("docker info 2>/dev/null; docker version");
    for words in [
        "Role: primary",
        "Strategy: spread",
        "Nodes: 2",
        "environment=production",
        "swarm/1.2.9",
    ] {
        assert!(info.contains(words), "{words}: {info}");
    }
    cluster.client(&format!(
        "{SLEEPS} stage -e constraint:environment==staging -p 8001:80 debian:bookworm sleep 1000
        {SLEEPS} prod -e constraint:node==node-2 debian:bookworm sleep 1000"
    ));
    let listed = cluster.client("docker ps --format '{{.Names}} {{.Ports}}'");
    let port = format!("node-1/stage {}:8001->80/tcp", cluster.engines[0].address);
    assert_eq!(listed, format!("node-2/prod \n{port}"));
    let inspected = cluster.client("docker inspect -f '{{.Node.Name}} {{json .Config.Env}}' node-1/stage stage prod");
    assert_eq!(
        inspected.lines().collect::<Vec<_>>(),
        ["node-1 null", "node-1 null", "node-2 null"]
    );
    let networks = cluster.client("docker network ls -f name=bridge --format '{{.Name}}'");
    assert_eq!(networks, "node-1/bridge\nnode-2/bridge");
    cluster
        .client("docker rename prod other; docker rename other prod; docker top prod; docker stats --no-stream prod");
    let happened = cluster.client(
        "docker events --since 60s --until 0s -f container=prod -f event=rename --format '{{index .Actor.Attributes \"node.name\"}}'",
    );
    assert_eq!(happened, "node-2", "of the two the one that gave it this name");
}

fn streams_and_statuses_come_through(cluster: &Cluster) {
    let said = cluster.client(
        "docker run --name talker debian:bookworm sh -c 'echo out; echo err >&2; exit 3' 2>/dev/null || echo $?
        docker logs talker 2>&1 | sort | xargs
        echo heard | docker run --rm -i debian:bookworm cat
        docker exec prod sh -c 'exit 4' || echo $?
        timeout 20 script -qec 'docker exec -it prod tty' /dev/null </dev/null | grep -o '/dev/pts/[0-9]*'
        echo file >f; docker cp f prod:/f; docker cp prod:/f g; cat g
        head -c 5000000 /dev/zero | docker run --rm -i debian:bookworm wc -c
        { docker wait stage & docker kill stage >/dev/null; wait; }
        timeout 20 docker logs -f stage; timeout 20 docker attach talker 2>&1 | head -c 40; echo
        docker rm -f talker stage",
    );
    let expected = [
        "out",
        "3",
        "err out",
        "heard",
        "4",
        "/dev/pts/0",
        "file",
        "5000000",
        "137",
        "You cannot attach to a stopped container",
        "talker",
        "stage",
    ];
    assert_eq!(said.lines().map(str::trim_end).collect::<Vec<_>>(), expected);
}

fn images_are_built_tagged_and_removed_where_they_are(cluster: &Cluster) {
    cluster.client(
        "printf 'FROM debian:bookworm\nARG word\nRUN echo $word >/word\n' >Dockerfile
        docker build -q --build-arg word=built --build-arg constraint:environment==production -t chat:1 . >/dev/null
        docker tag chat:1 chat:2",
    );
    assert!(!cluster.engines[0].holds("docker image inspect chat:1"));
    assert!(cluster.engines[1].holds("docker image inspect chat:1 chat:2"));
    let ran = cluster.client("docker run --rm chat:2 cat /word; docker commit prod chat:3 >/dev/null; docker rmi chat:1 chat:2 chat:3 | grep -c Untagged");
    assert_eq!(ran, "built\n3", "it runs where it is");
    let pulled = cluster.client("docker pull nowhere.invalid/chat:1 2>&1 || true");
    for node in ["node-1", "node-2"] {
        assert!(
            pulled.contains(&format!("{node}: Pulling nowhere.invalid/chat:1... : ")),
            "{pulled}"
        );
    }
    let refused = cluster.fails("docker save debian:bookworm");
    assert!(refused.contains("docker -H tcp://NODE:2375 save"), "{refused}");
}

fn a_refusal_says_what_each_node_lacks(cluster: &Cluster) {
    let refused = cluster.fails("docker run -e constraint:environment==test debian:bookworm true");
    assert_eq!(
        refused,
        "docker: Error response from daemon: Unable to find a node that satisfies the following conditions: \
         [constraint:environment==test (soft=false)]\n\
         node-1: has environment=staging (constraint)\n\
         node-2: has environment=production (constraint).\n\
         See 'docker run --help'."
    );
    let refused = cluster.fails("docker run --name prod debian:bookworm true");
    assert!(refused.contains("The name prod is already assigned"), "{refused}");
}
