//! The playground on a real Docker Engine: up, once more, with a node down, with a node gone, down, once more.
//!
//! Runs where LABCTL_TEST_PLAYGROUND=1 says that an engine is there; elsewhere it says that it did nothing.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails where it stands, and says when it did nothing"
)]

use labctl::domain::{Facts, InitSystem, Node, NodeName, OptionsSource};
use labctl::node::{ControlDirectory, SshNode, SshOptions};
use labctl::playground::{Inits, NodeInit, NodeState, Playground, PlaygroundError, PlaygroundStatus, Progress};
use labctl::probe::facts;
use std::process::Command;

fn has_engine() -> bool {
    let says_so = std::env::var("LABCTL_TEST_PLAYGROUND").is_ok_and(|value| value == "1");
    if !says_so {
        eprintln!("skipped: needs a Docker Engine; set LABCTL_TEST_PLAYGROUND=1 where one runs");
    }
    says_so
}

/// A playground of its own, removed at the end even when a test fails.
struct TestPlayground {
    playground: Playground,
    _state: tempfile::TempDir,
}

impl TestPlayground {
    fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        Self {
            playground: Playground::new(state.path().join("playground")),
            _state: state,
        }
    }

    async fn up(&self) -> Result<(PlaygroundStatus, Vec<Progress>), PlaygroundError> {
        self.up_with(None).await
    }

    async fn up_with(&self, inits: Option<Inits>) -> Result<(PlaygroundStatus, Vec<Progress>), PlaygroundError> {
        let mut seen = Vec::new();
        let status = self.playground.up(inits, &mut |progress| seen.push(progress)).await?;
        Ok((status, seen))
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
async fn nodes_of_every_init_are_what_they_say_and_stay_it() {
    if !has_engine() {
        return;
    }
    let test = TestPlayground::new();
    let inits = [NodeInit::Sysvinit, NodeInit::Systemd, NodeInit::DockerCe];
    let (status, _) = test.up_with(Inits::new(&inits)).await.unwrap();
    for (node, init) in status.nodes.iter().zip(inits) {
        assert_eq!(node.init, init, "{}", node.name);
    }
    let [sysvinit, systemd, docker_ce] = all_facts(&status).await;
    assert_eq!(sysvinit.init, InitSystem::Sysvinit);
    assert_eq!(sysvinit.engine_options.source, OptionsSource::DefaultsFile);
    assert_eq!(systemd.init, InitSystem::Systemd);
    assert_eq!(systemd.engine_options.source, OptionsSource::DefaultsFile);
    assert_eq!(docker_ce.init, InitSystem::Systemd);
    let OptionsSource::Unit { path, exec_start } = &docker_ce.engine_options.source else {
        panic!("docker-ce's unit reads no file: {:?}", docker_ce.engine_options.source);
    };
    assert!(path.ends_with("/lib/systemd/system/docker.service"), "{path}");
    assert_eq!(
        exec_start,
        "/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock"
    );

    // The same line in the same file: whose unit reads it has the label.
    for (node, labels) in status.inventory().nodes.iter().zip(["[a=b]", "[a=b]", "[]"]) {
        ssh_to(
            node,
            "echo 'DOCKER_OPTS=\"--label a=b\"' | sudo tee -a /etc/default/docker && sudo service docker restart",
        );
        assert_eq!(ssh_to(node, ANSWERED), format!("{labels}\n"), "{}", node.name);
        assert_eq!(ssh_to(node, "docker run --rm -m 64m debian:bookworm echo ran"), "ran\n");
        assert_eq!(
            ssh_to(node, ENGINE_LOG),
            "yes\n",
            "{}: its engine's log is not to be had",
            node.name
        );
    }
    for node in &status.inventory().nodes[1..] {
        assert_eq!(ssh_to(node, "systemctl is-system-running --wait"), "running\n");
    }

    let refused = test.up_with(Inits::new(&[NodeInit::Systemd])).await.err().unwrap();
    assert!(matches!(refused, PlaygroundError::OtherInits { .. }), "{refused}");
    for node in ["node-1", "node-2"] {
        test.playground.stop_node(&NodeName::new(node).unwrap()).await.unwrap();
    }
    let (healed, seen) = test.up().await.unwrap();
    let mut started = was_started(&seen);
    started.sort_unstable();
    assert_eq!(started, ["node-1", "node-2"]);
    assert_eq!(healed.nodes, status.nodes);
    assert_eq!(
        ssh_to(&healed.inventory().nodes[2], "cat /proc/1/comm; sudo -n id -u"),
        "systemd\n0\n"
    );
}

/// Prints the engine's labels as soon as it answers.
const ANSWERED: &str = "for try in $(seq 300); do docker info >/dev/null 2>&1 && break; sleep 0.1; done; \
    docker info --format '{{.Labels}}' 2>/dev/null";

/// Says whether the engine's own words are where this init keeps them.
const ENGINE_LOG: &str = "if [ -d /run/systemd/system ]; then sudo journalctl -u docker --no-pager; \
    else cat /var/log/docker.log; fi | grep -q 'API listen on' && echo yes";

async fn all_facts(status: &PlaygroundStatus) -> [Facts; 3] {
    let control = ControlDirectory::create().unwrap();
    let mut found = Vec::new();
    for node in &status.inventory().nodes {
        let node = SshNode::connect(node, &SshOptions::new(control.path())).await.unwrap();
        found.push(facts(&node).await.unwrap());
        node.close().await;
    }
    found.try_into().unwrap()
}
