//! The playground on a real Docker Engine: up, once more, with a node down, with a node gone, down, once more.
//!
//! Runs where LABCTL_TEST_PLAYGROUND=1 says that an engine is there; elsewhere it says that it did nothing.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails where it stands, and says when it did nothing"
)]

use labctl::domain::NodeName;
use labctl::playground::{NodeState, Playground, PlaygroundError, PlaygroundStatus, Progress};
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
        let mut seen = Vec::new();
        let status = self.playground.up(&mut |progress| seen.push(progress)).await?;
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
    let inventory = status.inventory();
    let login = &inventory.nodes[0].login;
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
        .arg(format!(
            "{}@{}",
            login.user.as_ref().unwrap(),
            inventory.nodes[0].address
        ))
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
