//! The playground on a real Docker Engine: up, once more, with a node down, with a node gone, down, once more.
//!
//! Runs where LABCTL_TEST_PLAYGROUND=1 says that an engine is there; elsewhere it says that it did nothing.

use labctl::domain::{Facts, InitSystem, Node, NodeName, OptionsSource};
use labctl::node::{ControlDirectory, SshNode, SshOptions, Transport};
use labctl::playground::{
    Inits, NodeInit, NodeState, Playground, PlaygroundError, PlaygroundStatus, Progress, Suite, Suites, WantedNodes,
};
use labctl::probe::{Need, facts};
use std::process::Command;

use crate::skipping::skip;

fn has_engine() -> bool {
    let says_so = std::env::var("LABCTL_TEST_PLAYGROUND").is_ok_and(|value| value == "1");
    if !says_so {
        skip("playgrounds: LABCTL_TEST_PLAYGROUND=1 does not say that a Docker Engine runs here");
    }
    says_so
}

/// A playground of its own, removed at the end even when a test fails.
struct TestPlayground {
    playground: Playground,
    state: tempfile::TempDir,
}

impl TestPlayground {
    fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        Self {
            playground: Playground::new(state.path().join("playground")),
            state,
        }
    }

    async fn up(&self) -> Result<(PlaygroundStatus, Vec<Progress>), PlaygroundError> {
        self.up_with(WantedNodes::default()).await
    }

    async fn up_with(&self, wanted: WantedNodes) -> Result<(PlaygroundStatus, Vec<Progress>), PlaygroundError> {
        let mut seen = Vec::new();
        let status = self.playground.up(wanted, &mut |progress| seen.push(progress)).await?;
        Ok((status, seen))
    }
}

fn wanted(inits: &[NodeInit], suites: &[Suite]) -> WantedNodes {
    WantedNodes {
        inits: Inits::new(inits),
        suites: Suites::new(suites),
    }
}

impl Drop for TestPlayground {
    fn drop(&mut self) {
        let playground = self.playground.clone();
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(playground.down(&mut |_| ()))
        });
        let _ = removal.join();
    }
}

/// Runs `command` on the first node as its login user, with nothing but what the inventory says.
fn ssh(status: &PlaygroundStatus, command: &str) -> String {
    ssh_to(&status.inventory().nodes[0], command)
}

fn ssh_to(node: &Node, command: &str) -> String {
    let login = &node.login;
    let output = Command::new("ssh")
        .args([
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=yes",
            "-i",
        ])
        .arg(login.identity_file.as_ref().unwrap())
        .arg("-o")
        .arg(format!(
            "UserKnownHostsFile={}",
            login.known_hosts.as_ref().unwrap().display()
        ))
        .arg(format!("{}@{}", login.user.as_ref().unwrap(), node.address))
        .arg(command)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "`{command}` failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn was_started(seen: &[Progress]) -> Vec<&str> {
    let started = seen.iter().filter_map(|progress| match progress {
        Progress::NodeStarted { node } => Some(node.as_str()),
        _ => None,
    });
    started.collect()
}

#[tokio::test]
async fn a_playground_comes_up_heals_and_goes_without_a_trace() {
    if !has_engine() {
        return;
    }
    let test = TestPlayground::new();
    let (status, _) = test.up().await.unwrap();
    assert!(status.is_up(), "{status:?}");
    assert_eq!(status.nodes.len(), 3);

    assert_eq!(ssh(&status, "sudo -n id -u; hostname"), "0\nnode-0\n");
    assert_eq!(
        ssh(&status, "docker image ls --format '{{.Repository}}:{{.Tag}}'"),
        "debian:bookworm\n"
    );
    assert!(ssh(&status, "docker-compose version --short; cat /proc/1/comm").ends_with("init\n"));
    assert_eq!(ssh(&status, "docker run --rm -m 64m debian:bookworm echo ran"), "ran\n");

    let (_, seen) = test.up().await.unwrap();
    let only_ready = seen
        .iter()
        .all(|progress| matches!(progress, Progress::NodeReady { .. }));
    assert!(only_ready, "a second `up` has nothing to do, yet did {seen:?}");

    let node = NodeName::new("node-1").unwrap();
    test.playground.stop_node(&node).await.unwrap();
    assert_eq!(
        test.playground.status().await.unwrap().nodes[1].state,
        NodeState::Stopped
    );
    let (status, seen) = test.up().await.unwrap();
    assert_eq!(was_started(&seen), ["node-1"]);
    assert!(status.is_up());

    test.playground.down(&mut |_| ()).await.unwrap();
    assert!(test.playground.status().await.unwrap().nodes.is_empty());
    let mut seen = Vec::new();
    test.playground.down(&mut |progress| seen.push(progress)).await.unwrap();
    assert_eq!(seen, [], "a second `down` has nothing to do");
}

#[tokio::test]
async fn an_image_that_was_not_handed_over_is_made_up_for_but_not_where_a_lab_is_open() {
    if !has_engine() {
        return;
    }
    let test = TestPlayground::new();
    let (status, _) = test.up().await.unwrap();
    let nodes = status.inventory().nodes;
    // As where `playground up` was interrupted just before the end.
    let forget = "docker rmi debian:bookworm >/dev/null";
    ssh_to(&nodes[0], forget);
    ssh_to(
        &nodes[1],
        &format!("{forget}; sudo mkdir -p /var/lib/labctl/hello-1a2b3c4d"),
    );
    let (_, seen) = test.up().await.unwrap();
    assert_eq!(told_of_images(&seen), ["node-1 kept back", "node-0 handed over"]);
    ssh_to(&nodes[1], "sudo rm -r /var/lib/labctl");
    let (_, seen) = test.up().await.unwrap();
    assert_eq!(told_of_images(&seen), ["node-1 handed over"]);

    ssh_to(&nodes[0], forget);
    let lab = test.state.path().join("hello.toml");
    std::fs::write(&lab, NEEDS_DEBIAN).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_labctl"))
        .args(["run", "--state-dir"])
        .args([test.state.path(), &lab])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    assert!(said.contains("node-0 has image debian:bookworm"), "{said}");
}

/// A lab with one step, for which the image must be there.
const NEEDS_DEBIAN: &str = r#"
[lab]
format = 1
id = "hello"
title = "Look for an image"
summary = "Looks for the image that labs build on."
nodes = ["node-0"]

[[task]]
id = "look"
title = "Look"
on = "node-0"

[[task.step]]
id = "look"
title = "Look for the image"
run = ["docker", "image", "inspect", "debian:bookworm"]
undo = []
expect = [{ exit = 0 }]
"#;

fn told_of_images(seen: &[Progress]) -> Vec<String> {
    let told = seen.iter().filter_map(|progress| match progress {
        Progress::KeptBack { node, .. } => Some(format!("{node} kept back")),
        Progress::HandedOver { node, .. } => Some(format!("{node} handed over")),
        _ => None,
    });
    told.collect()
}

#[tokio::test]
async fn a_node_whose_keys_are_gone_is_made_anew() {
    if !has_engine() {
        return;
    }
    let test = TestPlayground::new();
    let (status, _) = test.up().await.unwrap();
    let identity = status.nodes[0].identity_file.clone();
    std::fs::remove_file(&identity).unwrap();
    let (status, seen) = test.up().await.unwrap();
    assert!(
        seen.iter()
            .any(|progress| matches!(progress, Progress::NodeRemoved { .. })),
        "{seen:?}"
    );
    assert_eq!(ssh(&status, "whoami"), "ubuntu\n");
}

#[tokio::test]
async fn nodes_of_every_init_and_suite_are_what_they_say_and_stay_it() {
    if !has_engine() {
        return;
    }
    let test = TestPlayground::new();
    let inits = [NodeInit::Sysvinit, NodeInit::Systemd, NodeInit::DockerCe];
    let suites = [Suite::Trixie, Suite::Bookworm, Suite::Bookworm];
    let (status, _) = test.up_with(wanted(&inits, &suites)).await.unwrap();
    for (node, (init, suite)) in status.nodes.iter().zip(inits.into_iter().zip(suites)) {
        assert_eq!((node.init, node.suite), (init, suite), "{}", node.name);
    }
    assert!(ssh(&status, "docker-compose version").contains("version 2."));
    each_reads_its_options_where_it_should(&status).await;
    each_restarts_its_engine(&status);

    for other in [wanted(&[NodeInit::Systemd], &[]), wanted(&[], &[Suite::Bookworm])] {
        let refused = test.up_with(other).await.err().unwrap();
        assert!(matches!(refused, PlaygroundError::OtherNodes { .. }), "{refused}");
    }
    for node in ["node-1", "node-2"] {
        test.playground.stop_node(&NodeName::new(node).unwrap()).await.unwrap();
    }
    let (healed, seen) = test.up().await.unwrap();
    let mut started = was_started(&seen);
    started.sort_unstable();
    assert_eq!(started, ["node-1", "node-2"]);
    assert_eq!(healed.nodes, status.nodes);
    for node in &healed.inventory().nodes[1..] {
        assert_eq!(ssh_to(node, "cat /proc/1/comm; sudo -n id -u"), "systemd\n0\n");
        assert_eq!(ssh_to(node, "systemctl is-system-running --wait"), "running\n");
    }
}

async fn each_reads_its_options_where_it_should(status: &PlaygroundStatus) {
    let [sysvinit, systemd, docker_ce] = all_facts(status).await;
    let inits = [sysvinit.init, systemd.init, docker_ce.init];
    assert_eq!(inits, [InitSystem::Sysvinit, InitSystem::Systemd, InitSystem::Systemd]);
    assert_eq!(sysvinit.engine_options.source, OptionsSource::DefaultsFile);
    assert_eq!(systemd.engine_options.source, OptionsSource::DefaultsFile);
    let (path, exec_start) = unit(&docker_ce);
    assert!(path.ends_with("/lib/systemd/system/docker.service"), "{path}");
    assert_eq!(
        exec_start,
        "/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock"
    );

    let drop_in = format!(
        "cd /etc/systemd/system && sudo mkdir docker.service.d && \
         printf '{DROP_IN}' | sudo tee docker.service.d/own.conf && sudo systemctl daemon-reload"
    );
    ssh_to(&status.inventory().nodes[2], &drop_in);
    let [.., docker_ce] = all_facts(status).await;
    let (path, exec_start) = unit(&docker_ce);
    assert!(path.ends_with("/lib/systemd/system/docker.service"), "{path}");
    assert_eq!(exec_start, "/usr/sbin/dockerd -H fd:// --label c=d");
}

/// A drop-in whose command goes on in a second line.
const DROP_IN: &str = r"[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd -H fd:// \\\n    --label c=d\n";

fn unit(facts: &Facts) -> (&str, &str) {
    match &facts.engine_options.source {
        OptionsSource::Unit { path, exec_start } => (path, exec_start),
        other => panic!("docker-ce's unit reads no file, yet the source of its options is {other:?}"),
    }
}

async fn all_facts(status: &PlaygroundStatus) -> [Facts; 3] {
    let control = ControlDirectory::create().unwrap();
    let mut found = Vec::new();
    for node in &status.inventory().nodes {
        let node = SshNode::connect(node, &SshOptions::new(control.path())).await.unwrap();
        found.push(facts(&node, "127.0.0.1", Need::All).await.unwrap());
        node.close().await;
    }
    found.try_into().unwrap()
}

/// Puts the same line in the same file of every node: those whose engine reads it have its label after a restart.
fn each_restarts_its_engine(status: &PlaygroundStatus) {
    let restart = "echo 'DOCKER_OPTS=\"--label a=b\"' | sudo tee -a /etc/default/docker && sudo service docker restart";
    for (node, labels) in status.inventory().nodes.iter().zip(["[a=b]", "[a=b]", "[c=d]"]) {
        ssh_to(node, restart);
        assert_eq!(ssh_to(node, LABELS), format!("{labels}\n"), "{}", node.name);
        assert_eq!(ssh_to(node, "docker run --rm debian:bookworm echo ran"), "ran\n");
        assert_eq!(ssh_to(node, ENGINE_LOG), "yes\n", "{}", node.name);
    }
}

/// Prints the engine's labels as soon as it answers.
const LABELS: &str = "for try in $(seq 300); do docker info >/dev/null 2>&1 && break; sleep 0.1; done; \
    docker info --format '{{.Labels}}' 2>/dev/null";

/// Says yes where the engine's own words are where this init keeps them.
const ENGINE_LOG: &str = "if [ -d /run/systemd/system ]; then sudo journalctl -u docker --no-pager; \
    else cat /var/log/docker.log; fi | grep -q 'API listen on' && echo yes";
