//! Connections that do not come about, and what is said about them.

use super::server::{Server, look, make_key, signal};
use labctl::domain::HostKeyPolicy;
use labctl::node::{Ending, NodeError, NodeErrorKind, Transport};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

#[track_caller]
pub fn assert_says(error: &NodeError, kind: NodeErrorKind, words: &[&str]) {
    let text = format!("{error}\nhint: {}", error.hint.as_deref().unwrap_or_default());
    assert_eq!(error.kind, kind, "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}

fn fingerprint(path: &std::path::Path) -> String {
    let output = std::process::Command::new("ssh-keygen")
        .arg("-lf")
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn a_node_says_who_we_are_there() {
    let server = Server::start();
    let node = server.connect().await;
    let looked = node.look(&look("id -u; id -g")).await.unwrap();
    let hello = node.hello();
    assert_eq!(looked.stdout, format!("{}\n{}\n", hello.uid, hello.gid).into_bytes());
    node.close().await;
    let left: Vec<_> = fs::read_dir(server.control.path()).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_wrong_key_is_named_with_its_user() {
    let server = Server::start();
    let mut node = server.node();
    node.login.identity_file = Some(server.path("stranger"));
    let error = server.try_connect(&node).await.unwrap_err();
    let user = node.login.user.unwrap();
    assert_says(
        &error,
        NodeErrorKind::AccessDenied,
        &["stranger", &user, "node-0", &server.port.to_string()],
    );
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_named_before_anything_is_tried() {
    let server = Server::start();
    let mut node = server.node();
    node.login.identity_file = Some("/no/such/key".into());
    let error = server.try_connect(&node).await.unwrap_err();
    assert_says(&error, NodeErrorKind::AccessDenied, &["/no/such/key", "No such file"]);
    let log = fs::read_to_string(server.path("log")).unwrap_or_default();
    assert!(!log.contains("Connection from"), "{log}");
}

#[tokio::test]
async fn a_key_that_is_none_is_told_from_one_that_is_not_accepted() {
    let server = Server::start();
    fs::write(server.path("broken"), "this is no key\n").unwrap();
    fs::set_permissions(server.path("broken"), fs::Permissions::from_mode(0o600)).unwrap();
    let mut node = server.node();
    node.login.identity_file = Some(server.path("broken"));
    let error = server.try_connect(&node).await.unwrap_err();
    assert_says(&error, NodeErrorKind::AccessDenied, &["cannot be used", "broken"]);
}

#[tokio::test]
async fn a_key_that_others_may_read_is_named() {
    let server = Server::start();
    fs::set_permissions(server.path("user"), fs::Permissions::from_mode(0o644)).unwrap();
    let error = server.try_connect(&server.node()).await.unwrap_err();
    assert_says(
        &error,
        NodeErrorKind::AccessDenied,
        &["others may read it", "chmod 600"],
    );
}

#[tokio::test]
async fn a_changed_host_key_shows_both_and_how_to_remove_the_old_one() {
    let mut server = Server::start();
    server.connect().await.close().await;
    let known = fingerprint(&server.path("host.pub"));
    server.stop();
    make_key(&server.path("host"));
    server.start_again();
    let shown = fingerprint(&server.path("host.pub"));
    for policy in [HostKeyPolicy::AcceptNew, HostKeyPolicy::Strict] {
        let mut node = server.node();
        node.login.host_key = policy;
        let error = server.try_connect(&node).await.unwrap_err();
        let removal = format!(
            "ssh-keygen -f '{}' -R '[127.0.0.1]:{}'",
            server.path("known hosts").display(),
            server.port
        );
        assert_says(&error, NodeErrorKind::HostKey, &[&known, &shown, &removal]);
    }
    // The command does what it promises.
    let removal = std::process::Command::new("ssh-keygen")
        .arg("-f")
        .arg(server.path("known hosts"))
        .args(["-R", &format!("[127.0.0.1]:{}", server.port)])
        .output()
        .unwrap();
    assert!(removal.status.success());
    server.connect().await;
}

#[tokio::test]
async fn an_unknown_host_is_refused_where_only_known_ones_are_accepted() {
    let server = Server::start();
    let mut node = server.node();
    node.login.host_key = HostKeyPolicy::Strict;
    let error = server.try_connect(&node).await.unwrap_err();
    let shown = fingerprint(&server.path("host.pub"));
    assert_says(
        &error,
        NodeErrorKind::HostKey,
        &["not known", &shown, "ssh-keyscan", "known hosts"],
    );
    server.connect().await;
    server.try_connect(&node).await.unwrap();
}

#[tokio::test]
async fn a_closed_port_is_named_with_its_address() {
    let server = Server::start();
    let mut node = server.node();
    // Nobody listens there; a port that was free a moment ago another test may have by now.
    node.login.port = Some(1);
    let start = Instant::now();
    let error = server.try_connect(&node).await.unwrap_err();
    assert_says(&error, NodeErrorKind::Unreachable, &["127.0.0.1:1", "refused"]);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let server = Server::start();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut node = server.node();
    node.login.port = Some(silent.local_addr().unwrap().port());
    node.login.connect_timeout = Duration::from_secs(1);
    let start = Instant::now();
    let error = server.try_connect(&node).await.unwrap_err();
    assert_says(&error, NodeErrorKind::Unreachable, &["node-0"]);
    assert!(start.elapsed() < Duration::from_secs(8), "took {:?}", start.elapsed());
}

#[tokio::test]
async fn an_address_that_ssh_would_take_for_an_option_is_refused() {
    let server = Server::start();
    for address in ["-oProxyCommand=touch /tmp/owned", "", "a b", "a\nb"] {
        let mut node = server.node();
        node.address = address.into();
        assert_eq!(
            server.try_connect(&node).await.unwrap_err().kind,
            NodeErrorKind::Unreachable
        );
    }
}

#[tokio::test]
async fn a_jump_leads_to_the_node() {
    let (server, bastion) = (Server::start(), Server::start());
    let mut node = server.node();
    fs::copy(server.path("user.pub"), bastion.path("authorized")).unwrap();
    node.login.proxy_jump = Some(format!(
        "{}@127.0.0.1:{}",
        node.login.user.as_ref().unwrap(),
        bastion.port
    ));
    let through = server.try_connect(&node).await.unwrap_or_else(|error| {
        panic!(
            "{error}: {}",
            fs::read_to_string(bastion.path("log")).unwrap_or_default()
        );
    });
    assert_eq!(through.look(&look("echo hi")).await.unwrap().stdout, b"hi\n");
    assert!(!bastion.session_processes().is_empty(), "it went another way");
}

#[tokio::test]
async fn a_lost_connection_is_opened_again() {
    let server = Server::start();
    let node = server.connect().await;
    for pid in server.session_processes() {
        signal(pid, "KILL");
    }
    let looked = node.look(&look("echo back")).await.unwrap();
    assert_eq!(
        (looked.ending, looked.stdout),
        (Ending::Exited { code: 0 }, b"back\n".to_vec())
    );
}

#[tokio::test]
async fn a_node_that_went_away_is_unreachable() {
    let mut server = Server::start();
    let node = server.connect().await;
    server.stop();
    let start = Instant::now();
    let error = node.look(&look("true")).await.unwrap_err();
    assert_says(&error, NodeErrorKind::Unreachable, &["node-0", "refused"]);
    assert!(start.elapsed() < Duration::from_secs(40), "took {:?}", start.elapsed());
}

#[tokio::test]
async fn a_frozen_node_fails_a_look_within_its_deadline() {
    let mut server = Server::start();
    let node = server.connect().await;
    let frozen = server.session_processes();
    for pid in &frozen {
        signal(*pid, "STOP");
    }
    let start = Instant::now();
    let looking = look("true");
    let answer = node.look(&looking).await;
    for pid in frozen {
        signal(pid, "KILL");
    }
    // A new connection works, as only the old one's server process is frozen.
    assert_eq!(answer.unwrap().ending, Ending::Exited { code: 0 });
    assert!(start.elapsed() < Duration::from_secs(25), "took {:?}", start.elapsed());
    server.stop();
}
