//! Tokens, agents and the authority they trust.

use super::{Running, service, wait_for};
use std::path::Path;
use std::process::{Command, Output};

pub(super) fn certificates(directory: &Path) {
    let words = [
        "certificate",
        "--name",
        "discovery",
        "--host",
        "localhost,127.0.0.1",
        "--directory",
    ];
    assert!(service(&words).arg(directory).status().unwrap().success());
}

pub(super) fn start(directory: &Path, listen: &str) -> (Running, String) {
    let mut command = service(&["discovery", "--listen", listen]);
    command.arg("--certificate").arg(directory.join("discovery.pem"));
    command.arg("--key").arg(directory.join("discovery.key"));
    command.arg("--data").arg(directory.join("data"));
    Running::start(command, ("waiting for connections on ", "\n"))
}

pub(super) fn swarm(directory: &Path, address: &str, words: &[&str]) -> Command {
    let mut command = service(&["swarm"]);
    command.args(words).env("SSL_CERT_FILE", directory.join("ca.pem"));
    command.env("SWARM_DISCOVERY_URL", format!("https://{address}/v1"));
    command
}

pub(super) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_token_is_made_an_agent_joins_and_both_outlive_a_killed_service() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    certificates(path);
    let (running, address) = start(path, "127.0.0.1:0");
    let token = text(&swarm(path, &address, &["create"]).output().unwrap());
    assert!(
        token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{token}"
    );

    let place = format!("token://{address}/v1/{token}");
    let agent = swarm(
        path,
        &address,
        &[
            "join",
            "--addr=10.0.0.1:2375",
            "--heartbeat",
            "1s",
            "--ttl",
            "60s",
            &place,
        ],
    );
    let (_agent, _) = Running::start(agent, ("Registering on the discovery service every ", "..."));
    let list = || text(&swarm(path, &address, &["list", &place]).output().unwrap());
    wait_for("the engine is listed", || (list() == "10.0.0.1:2375").then_some(()));

    drop(running);
    let (_running, again) = start(path, &address);
    assert_eq!(again, address);
    assert_eq!(list(), "10.0.0.1:2375", "what was known is on disk");
    // The agent's connection is a new one each time, so it comes back by itself.
    assert_eq!(
        text(
            &swarm(path, &address, &["list", &format!("token://{token}")])
                .output()
                .unwrap()
        ),
        "10.0.0.1:2375"
    );
}

#[test]
fn strangers_are_refused_and_told_why() {
    let directory = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    certificates(directory.path());
    certificates(other.path());
    let (_running, address) = start(directory.path(), "127.0.0.1:0");
    let wrong_authority = swarm(other.path(), &address, &["create"]).output().unwrap();
    assert!(!wrong_authority.status.success());
    let complaint = String::from_utf8_lossy(&wrong_authority.stderr).into_owned();
    assert!(complaint.contains("certificate"), "{complaint}");

    let unknown = swarm(
        directory.path(),
        &address,
        &["list", &format!("token://{address}/v1/{}", "0".repeat(32))],
    );
    let unknown = { unknown }.output().unwrap();
    let complaint = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(
        !unknown.status.success() && complaint.contains("no such cluster"),
        "{complaint}"
    );
}
