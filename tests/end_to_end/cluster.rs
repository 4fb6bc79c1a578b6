//! The cluster that task 2 makes: discovery, manager and agents in containers of node-0, engines on node-1 and node-2, and the docker and
//! docker-compose that node-0 has as its clients.

use crate::harness::{Bench, Node, bench, wait_for};
use std::time::{Duration, Instant};

/// How late a change of an engine may be seen.
const NOTICED: Duration = Duration::from_secs(20);

/// Removes what the tests made on an engine.
const EMPTY: &str =
    "docker ps -aq | xargs -r docker rm -fv >/dev/null 2>&1; docker rmi chat:1 chat:2 >/dev/null 2>&1; true";

/// Kills an engine, and keeps systemd from starting it again.
const KILL_ENGINE: &str =
    "if [ -d /run/systemd/system ]; then systemctl mask -q --runtime docker.service; fi; pkill -KILL -x dockerd";

/// Starts a killed engine.
const START_ENGINE: &str = "if [ -d /run/systemd/system ]; then systemctl unmask -q --runtime docker.service; \
    systemctl reset-failed docker.service docker.socket; systemctl restart docker.socket docker.service; \
    else service docker restart; fi >/dev/null 2>&1";

/// A cluster.
struct Cluster {
    client: Node,
    engines: [Node; 2],
}

impl Cluster {
    /// Has labctl make the cluster.
    fn up(bench: &Bench) -> Self {
        bench.labctl(&["run", "lab2", "--task", "task2"]).assert_exit(0);
        let [client, one, two] = [0, 1, 2].map(|index| bench.nodes[index].clone());
        Self {
            client,
            engines: [one, two],
        }
    }

    /// Runs `script` on node-0 with the manager as its engine, in a directory of the test's.
    #[track_caller]
    fn client(&self, script: &str) -> String {
        self.client.root(&with_manager(script))
    }

    /// Runs what must fail, and returns all that it printed.
    #[track_caller]
    fn fails(&self, script: &str) -> String {
        self.client(&format!(
            "if OUT=$({script} 2>&1); then echo \"did not fail: $OUT\"; exit 9; fi; echo \"$OUT\""
        ))
    }

    fn states(&self) -> String {
        self.client("docker info 2>/dev/null | sed -n 's/.*└ Status: //p' | xargs || true")
    }

    #[track_caller]
    fn until_healthy(&self, count: usize) {
        wait_for(&format!("{count} healthy engines"), NOTICED, || {
            (self.states().matches("Healthy").count() == count).then_some(())
        });
    }

    /// The names of the containers that match `name`, as the engines themselves have them, sorted.
    fn on_engines(&self, name: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for node in &self.engines {
            let listed = node.root(&format!("docker ps -a --filter name={name} --format '{{{{.Names}}}}'"));
            let own = listed
                .lines()
                .map(|names| names.split(',').find(|name| !name.contains('/')).unwrap().to_owned());
            found.extend(own.map(|own| (node.name.clone(), own)));
        }
        found.sort();
        found
    }

    /// Removes what the test made, and has labctl take the cluster away.
    fn finish(self, bench: &Bench) {
        for node in &self.engines {
            node.root(EMPTY);
        }
        self.client.root("rm -rf /tmp/labctl-chat");
        bench.labctl(&["cleanup"]).assert_exit(0);
        bench.assert_same_but_engines_restarted();
    }
}

fn with_manager(script: &str) -> String {
    format!(
        "export DOCKER_HOST=tcp://0.0.0.0:3375 DOCKER_BUILDKIT=0; mkdir -p /tmp/labctl-chat; cd /tmp/labctl-chat\n{script}"
    )
}

/// The tutorial's Compose file, with commands that need no image but the one that is there.
fn compose_file(label: &str, port: &str, data: &str) -> String {
    format!(
        "cat >{label}.yml <<'END'\n\
         db:\n  image: debian:bookworm\n  expose:\n    - 27017\n  volumes:\n    - /data/db\n  command: sleep 1000\n  \
         environment:\n    - \"constraint:environment=={label}\"\n\
         web:\n  image: debian:bookworm\n  ports:\n    - \"{port}\"\n  links:\n    - db:db\n  command: sleep 1000\n  \
         environment:\n    - \"constraint:environment=={label}\"\n    - DATA={data}\nEND\n"
    )
}

fn compose(label: &str, words: &str) -> String {
    format!("docker-compose -f {label}.yml -p chat_{label} --no-ansi {words}")
}

const SLEEPS: &str = "docker run -d --name";

#[test]
fn a_docker_client_finds_one_engine_where_there_are_two() {
    let Some(bench) = bench() else { return };
    let cluster = Cluster::up(&bench);
    info_and_lists_name_the_nodes(&cluster);
    streams_and_statuses_come_through(&cluster);
    images_are_built_tagged_and_removed_where_they_are(&cluster);
    a_refusal_says_what_each_node_lacks(&cluster);
    cluster.finish(&bench);
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

#[test]
fn compose_deploys_recreates_and_scales_and_a_manager_killed_meanwhile_loses_nothing() {
    let Some(bench) = bench() else { return };
    let cluster = Cluster::up(&bench);
    let (staging, production) = ("staging", "production");
    let up = |label| compose(label, "up -d 2>&1");
    for label in [staging, production] {
        cluster.client(&format!("{}\n{}", compose_file(label, "5000:5000", "a"), up(label)));
    }
    let shown = cluster.client(&compose(production, "ps"));
    let port = format!("{}:5000->5000/tcp", cluster.engines[1].address);
    assert!(
        shown.contains(&port) && shown.contains("chat_production_web_1"),
        "{shown}"
    );
    let aliases = cluster.client("docker ps --filter name=chat_staging_db --format '{{.Names}}'");
    assert!(aliases.contains("node-1/chat_staging_web_1/db,"), "{aliases}");

    // A changed file: stopped, then recreated with the volume of the old one.
    let volume = "docker inspect -f '{{range .Mounts}}{{.Name}}{{end}}' chat_production_db_1";
    let before = cluster.client(volume);
    let changed = compose_file(production, "5000", "b").replace("sleep 1000", "sleep 2000");
    let stopped = compose(production, "stop -t 0 2>&1");
    let recreated = cluster.client(&format!("{stopped}\n{changed}\n{}", up(production)));
    assert!(recreated.contains("Recreating chat_production_web_1"), "{recreated}");
    assert_eq!(cluster.client(volume), before);

    killed_while_it_scales(&cluster);
    for label in [staging, production] {
        cluster.client(&format!("{}; {}", compose(label, "kill"), compose(label, "rm -fv")));
    }
    assert_eq!(cluster.on_engines("chat_"), []);
    // Compose names it in the new container, so it is nobody's own any more.
    cluster.client(&format!("docker volume rm {before} >/dev/null"));
    cluster.finish(&bench);
}

/// Kills the manager and the discovery service in the middle of scaling, and repeats that.
fn killed_while_it_scales(cluster: &Cluster) {
    let scale = compose("production", "up -d --scale web=10 2>&1");
    let scaling = cluster.client.watch(&with_manager(&scale));
    wait_for("some are there", NOTICED, || {
        (cluster.on_engines("chat_production_web").len() > 3).then_some(())
    });
    cluster
        .client
        .root("docker kill labctl-swarm-manager labctl-discovery >/dev/null");
    let interrupted = scaling.wait_with_output().unwrap();
    let half = cluster.on_engines("chat_production_web");
    cluster.client.root("docker start labctl-swarm-manager >/dev/null");
    wait_for("the manager says that discovery is away", NOTICED, || {
        let log = "docker logs --since 10s labctl-swarm-manager | grep -q 'Discovery error'";
        cluster.client.holds(log).then_some(())
    });
    cluster.client.root("docker start labctl-discovery >/dev/null");
    cluster.until_healthy(2);
    let repeated = cluster.client(&scale);

    let wanted: Vec<String> = (1..=10).map(|number| format!("chat_production_web_{number}")).collect();
    let mut found = cluster.on_engines("chat_production_web");
    assert!(found.iter().all(|(node, _)| node == "node-2"), "{found:?}");
    found.sort_by_key(|(_, name)| name.rsplit_once('_').unwrap().1.parse::<u32>().unwrap());
    let found: Vec<String> = found.into_iter().map(|(_, name)| name).collect();
    let told = String::from_utf8_lossy(&interrupted.stdout);
    assert_eq!(found, wanted, "then {half:?}\n{told}\n{repeated}");
    let running = cluster.client("docker ps -q --filter name=chat_production_web | wc -l");
    assert_eq!(running, "10");
}

#[test]
fn an_engine_that_is_killed_is_unhealthy_until_it_returns_with_all_it_had() {
    let Some(bench) = bench() else { return };
    let cluster = Cluster::up(&bench);
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
    cluster.finish(&bench);
}
