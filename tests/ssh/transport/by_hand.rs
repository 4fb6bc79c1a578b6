//! What a person types goes the same way as labctl's own connection.

use super::server::{Server, can_mount};
use crate::skipping::skip;
use labctl::domain::{Node, shell_quoted};
use labctl::node::{Transport, ssh_words};
use std::fs;
use std::process::{Command, Output};

/// A name with everything that a shell or ssh may stumble over.
const NASTY: &str = "it's a \"key\" & 100% of $HOME #1 \\";

fn line(node: &Node) -> String {
    let words: Vec<String> = ssh_words(node).unwrap().iter().map(|word| shell_quoted(word)).collect();
    words.join(" ")
}

#[track_caller]
fn assert_prints(output: &Output, expected: &str, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{what}\n{said}");
    assert!(output.status.success(), "{what}\n{said}");
}

#[tokio::test]
async fn the_line_to_type_works_in_a_shell_whatever_the_paths_are_called() {
    let (server, bastion, first) = (Server::start(), Server::start(), Server::start());
    let user = server.node().login.user.unwrap();
    for other in [&bastion, &first] {
        fs::copy(server.path("user.pub"), other.path("authorized")).unwrap();
    }
    let key = server.path(NASTY);
    fs::rename(server.path("user"), &key).unwrap();
    let jumps = [
        None,
        Some(format!("{user}@127.0.0.1:{}", bastion.port)),
        Some(format!(
            "{user}@127.0.0.1:{},{user}@127.0.0.1:{}",
            first.port, bastion.port
        )),
    ];
    for jump in jumps {
        let mut node = server.node();
        node.login.identity_file = Some(key.clone());
        node.login.known_hosts = Some(server.path(&format!("known {NASTY}")));
        node.login.proxy_jump = jump;
        let line = line(&node);
        let output = Command::new("sh")
            .args(["-c", &format!("{line} echo hi")])
            .output()
            .unwrap();
        assert_prints(&output, "hi\n", &line);
        assert!(server.path(&format!("known {NASTY}")).exists(), "{line}");
        let connected = server.try_connect(&node).await;
        connected.unwrap_or_else(|error| panic!("{error}")).close().await;
    }
    assert!(!server.path("known").exists());
}

/// What somebody may have in their ssh configuration for all hosts.
const CONFIGURATION: &str = "Host *\n  RemoteCommand echo not this\n  RequestTTY force\n  Port 1\n  User nobody-here\n  \
                             LogLevel QUIET\n  ControlMaster auto\n  ControlPath /no/such/directory/%h\n  \
                             ControlPersist yes\n  IdentityFile /no/such/key\n  LocalCommand touch /no/such/file\n  \
                             PermitLocalCommand yes\n";

/// Runs `script` where the user's home directory has an ssh configuration.
fn with_configuration(configuration: &str, script: &str) -> Output {
    let home = Command::new("sh")
        .args(["-c", "getent passwd $(id -u) | cut -d: -f6"])
        .output()
        .unwrap();
    let home = String::from_utf8(home.stdout).unwrap();
    let home = home.trim();
    let text = format!(
        "mount -t tmpfs none {home} && mkdir -m 700 {home}/.ssh && printf '%s' {} >{home}/.ssh/config && {script}",
        shell_quoted(configuration)
    );
    Command::new("unshare")
        .args(["-m", "sh", "-c", &text])
        .output()
        .unwrap()
}

#[test]
fn what_the_configuration_says_of_all_hosts_is_no_matter() {
    if !can_mount() {
        skip("a home directory of one test's own: nothing can be mounted here");
        return;
    }
    let (server, bastion) = (Server::start(), Server::start());
    fs::copy(server.path("user.pub"), bastion.path("authorized")).unwrap();
    let user = server.node().login.user.unwrap();
    let (port, place) = (server.port, server.directory.path().display().to_string());
    for jump in [
        "\"none\"".to_owned(),
        format!("[\"ssh://{user}@127.0.0.1:{}\"]", bastion.port),
    ] {
        let inventory = format!(
            "[defaults]\nuser = \"{user}\"\nidentity_file = \"user\"\nknown_hosts = \"known hosts\"\nproxy_jump = {jump}\n\
             [[node]]\nname = \"node-0\"\nprivate_ip = \"127.0.0.1\"\nport = {port}\n"
        );
        fs::write(server.path("inventory.toml"), inventory).unwrap();
        // Where there is a jump, this would be meant for the jump as well.
        let more = if jump.contains("none") {
            "  ProxyJump 127.0.0.1:1\n"
        } else {
            ""
        };
        let configuration = format!("{CONFIGURATION}{more}");
        let labctl = env!("CARGO_BIN_EXE_labctl");
        let options = format!("--state-dir '{place}/state' --inventory '{place}/inventory.toml'");
        let output = with_configuration(&configuration, &format!("{labctl} ssh {options} node-0 echo hi"));
        assert_prints(&output, "hi\n", &jump);
        let script = format!("{labctl} inventory check {options} --json || [ $? = 3 ]");
        let output = with_configuration(&configuration, &script);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            said.contains("\"facts\""),
            "{jump}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut node = server.node();
        node.login.proxy_jump = Some(jump.trim_matches(['[', ']']).trim_matches('"').to_owned());
        let output = with_configuration(&configuration, &format!("{} echo hi", line(&node)));
        assert_prints(&output, "hi\n", &jump);
    }
}

#[test]
fn a_jump_of_the_users_own_configuration_is_quoted_too() {
    if !can_mount() {
        skip("a home directory of one test's own: nothing can be mounted here");
        return;
    }
    let server = Server::start();
    let (port, place) = (server.port, server.directory.path().display().to_string());
    let inventory = format!("[[node]]\nname = \"node-0\"\nprivate_ip = \"127.0.0.2\"\nport = {port}\n");
    fs::write(server.path("inventory.toml"), inventory).unwrap();
    let labctl = env!("CARGO_BIN_EXE_labctl");
    let script =
        format!("{labctl} inventory check --state-dir '{place}/state' --inventory '{place}/inventory.toml' --json");
    let output = with_configuration("Host 127.0.0.2\n  ProxyJump 127.0.0.1:1\n", &script);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("port 1: Connection refused") && said.contains("jump"),
        "{said}"
    );
}
