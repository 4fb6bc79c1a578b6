//! The cluster that task 2 makes: discovery, manager and agents in containers of node-0, engines on node-1 and node-2, and the docker and
//! docker-compose that node-0 has as its clients.
//!
//! One cluster serves all of these tests: `built` makes it as its own subject, `undone`, the last by name, has it undone.

mod built;
mod client;
mod compose;
mod engines;
mod members;
mod undone;

use crate::harness::{Bench, Node, Stage, wait_for};
use std::time::Duration;

/// What makes the cluster.
pub const TASK: [&str; 4] = ["run", "lab2", "--task", "task2"];

/// The cluster, for all these tests.
const CLUSTER: Stage = Stage {
    name: "cluster",
    make: |bench| {
        bench.labctl(&TASK).assert_exit(0);
    },
};

/// How late a change of an engine may be seen.
const NOTICED: Duration = Duration::from_secs(20);

/// Removes what the tests made on an engine.
const EMPTY: &str =
    "docker ps -aq | xargs -r docker rm -fv >/dev/null 2>&1; docker rmi chat:1 chat:2 >/dev/null 2>&1; true";

/// A cluster.
struct Cluster {
    client: Node,
    engines: [Node; 2],
}

impl Cluster {
    /// Returns the cluster of `bench`.
    fn of(bench: &Bench) -> Self {
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

    /// Removes what the test made.
    fn tidy_up(self) {
        for node in &self.engines {
            node.root(EMPTY);
        }
        self.client.root("rm -rf /tmp/labctl-chat");
    }
}

fn info(bench: &Bench, port: u16) -> String {
    bench.nodes[0].root(&format!("docker -H tcp://127.0.0.1:{port} info"))
}

/// Says whether something listens on `port` of every address of `node`; something must listen on it.
pub fn listens_everywhere(node: &Node, port: u16) -> bool {
    let listening = node.root(&format!("ss -Hltn 'sport = :{port}' | awk '{{ print $4 }}'"));
    assert!(!listening.is_empty(), "nothing listens on port {port} of {}", node.name);
    let everywhere = ["0.0.0.0:", "*:", "[::]:"];
    listening
        .lines()
        .any(|address| everywhere.iter().any(|all| address.starts_with(all)))
}

fn with_manager(script: &str) -> String {
    format!(
        "export DOCKER_HOST=tcp://0.0.0.0:3375 DOCKER_BUILDKIT=0; mkdir -p /tmp/labctl-chat; cd /tmp/labctl-chat\n{script}"
    )
}

const SLEEPS: &str = "docker run -d --name";
