//! Machines on the way to a node: what fails there is told as theirs, in ssh's own words.

use super::connecting::assert_says;
use super::server::{Server, look, make_key, signal};
use labctl::domain::{HostKeyPolicy, Node};
use labctl::node::{NodeErrorKind, Transport};
use std::fs;
use std::time::Duration;

/// A node, and a machine that leads there.
struct Two {
    server: Server,
    bastion: Server,
}

impl Two {
    fn start() -> Self {
        Self::start_with("", "")
    }

    /// Starts both, the node with `of_node` in its configuration, the jump with `of_bastion`.
    fn start_with(of_node: &str, of_bastion: &str) -> Self {
        let (server, bastion) = (Server::start_with(of_node), Server::start_with(of_bastion));
        fs::copy(server.path("user.pub"), bastion.path("authorized")).unwrap();
        Self { server, bastion }
    }

    fn node_through(&self, jump: &str) -> Node {
        let mut node = self.server.node();
        node.login.proxy_jump = Some(jump.to_owned());
        node
    }

    fn node(&self) -> Node {
        let user = self.server.node().login.user.unwrap();
        self.node_through(&format!("{user}@127.0.0.1:{}", self.bastion.port))
    }

    async fn fails(&self, node: &Node, kind: NodeErrorKind, words: &[&str]) {
        let error = self.server.try_connect(node).await.expect_err("it connected");
        assert_says(&error, kind, words);
        assert_says(&error, kind, &["node-0"]);
        assert!(!error.message.contains("UNKNOWN port"), "{error}");
    }
}

#[tokio::test]
async fn a_jump_that_fails_is_named_in_sshs_own_words() {
    let two = Two::start();
    let jump = format!("127.0.0.1:{}", two.bastion.port);
    let refusing = two.node_through("127.0.0.1:1");
    two.fails(
        &refusing,
        NodeErrorKind::Jump,
        &["the jump 127.0.0.1:1", "Connection refused", "is sshd running"],
    )
    .await;
    let nowhere = two.node_through("no-such-machine.invalid");
    two.fails(
        &nowhere,
        NodeErrorKind::Jump,
        &["Could not resolve hostname", "check `proxy_jump`"],
    )
    .await;
    let stranger = two.node_through(&format!("nobody-here@{jump}"));
    let denied = [
        jump.as_str(),
        "did not accept the key",
        "user nobody-here",
        "Permission denied",
        "`proxy_jump`",
    ];
    two.fails(&stranger, NodeErrorKind::Jump, &denied).await;
    fs::write(two.bastion.path("authorized"), "").unwrap();
    two.fails(
        &two.node(),
        NodeErrorKind::Jump,
        &[&jump, "did not accept the key", "the same key as the node"],
    )
    .await;
}

#[tokio::test]
async fn a_jump_whose_host_key_changed_is_named_with_how_to_remove_the_old_one() {
    let mut two = Two::start();
    two.server.try_connect(&two.node()).await.unwrap().close().await;
    two.bastion.stop();
    make_key(&two.bastion.path("host"));
    two.bastion.start_again();
    let name = format!("-R '[127.0.0.1]:{}'", two.bastion.port);
    two.fails(
        &two.node(),
        NodeErrorKind::HostKey,
        &["the jump 127.0.0.1", "has changed", "SHA256:", &name],
    )
    .await;
    fs::remove_file(two.server.path("known hosts")).unwrap();
    let mut strict = two.node();
    strict.login.host_key = HostKeyPolicy::Strict;
    let port = format!("ssh-keyscan -p {}", two.bastion.port);
    two.fails(
        &strict,
        NodeErrorKind::HostKey,
        &["the jump 127.0.0.1", "not known", &port],
    )
    .await;
}

#[tokio::test]
async fn a_node_that_is_down_behind_its_jump_is_the_nodes_failure() {
    let two = Two::start();
    let mut node = two.node();
    node.login.port = Some(1);
    let through = format!("through 127.0.0.1:{}", two.bastion.port);
    let words = ["cannot reach node-0 at 127.0.0.1:1", &through, "Connection refused"];
    two.fails(&node, NodeErrorKind::Unreachable, &words).await;
    let mut wrong = two.node();
    wrong.login.user = Some("nobody-here".into());
    two.fails(
        &wrong,
        NodeErrorKind::AccessDenied,
        &["did not accept the key", "user nobody-here"],
    )
    .await;
}

#[tokio::test]
async fn a_jump_that_leads_nowhere_is_told() {
    let two = Two::start_with("", "AllowTcpForwarding no");
    two.fails(
        &two.node(),
        NodeErrorKind::Jump,
        &["administratively prohibited", "AllowTcpForwarding"],
    )
    .await;
}

#[tokio::test]
async fn a_jump_whose_banner_is_long_is_no_reason() {
    let banner = tempfile::NamedTempFile::new().unwrap();
    fs::write(banner.path(), "Authorized users only\n".repeat(500)).unwrap();
    let two = Two::start_with("", &format!("Banner {}", banner.path().display()));
    two.server.try_connect(&two.node()).await.unwrap().close().await;
    let mut node = two.node();
    node.login.port = Some(1);
    two.fails(&node, NodeErrorKind::Unreachable, &["Connection refused"])
        .await;
}

#[tokio::test]
async fn a_jump_or_a_node_that_takes_one_connection_at_a_time_loses_no_node() {
    let busy = "MaxStartups 1:100:1";
    for two in [Two::start_with("", busy), Two::start_with(busy, "")] {
        let mut node = two.node();
        node.login.connect_timeout = Duration::from_secs(40);
        let connecting = (0..5).map(|_| two.server.try_connect(&node));
        for connected in futures_util::future::join_all(connecting).await {
            connected.unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

#[tokio::test]
async fn jumps_can_be_written_in_every_way_that_ssh_knows() {
    let (two, first) = (Two::start(), Server::start());
    fs::copy(two.server.path("user.pub"), first.path("authorized")).unwrap();
    let user = two.server.node().login.user.unwrap();
    let (one, other) = (first.port, two.bastion.port);
    for jump in [
        format!("ssh://{user}@127.0.0.1:{other}"),
        format!("{user}@127.0.0.1:{one},{user}@127.0.0.1:{other}"),
        format!("ssh://{user}@127.0.0.1:{one}/, {user}@127.0.0.1:{other}"),
    ] {
        let node = two.server.try_connect(&two.node_through(&jump)).await;
        let node = node.unwrap_or_else(|error| panic!("{jump}: {error}"));
        assert_eq!(node.look(&look("echo hi")).await.unwrap().stdout, b"hi\n");
        assert!(
            !two.bastion.session_processes().is_empty(),
            "{jump}: it went another way"
        );
        assert_eq!(!first.session_processes().is_empty(), jump.contains(','), "{jump}");
        node.close().await;
        for pid in first.session_processes() {
            signal(pid, "KILL");
        }
    }
    two.server
        .try_connect(&two.node_through("none"))
        .await
        .unwrap()
        .close()
        .await;
    let both = two.node_through(&format!("127.0.0.1:1,{user}@127.0.0.1:{other}"));
    two.fails(&both, NodeErrorKind::Jump, &["jump", "port 1: Connection refused"])
        .await;
}

#[tokio::test]
async fn addresses_of_ipv6_are_no_matter() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        crate::skipping::skip("IPv6: this machine has none");
        return;
    }
    let two = Two::start();
    let port = std::net::TcpListener::bind("[::1]:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let bastion = Server::start_with(&format!("ListenAddress [::1]:{port}"));
    fs::copy(two.server.path("user.pub"), bastion.path("authorized")).unwrap();
    let user = two.server.node().login.user.unwrap();
    let mut node = two.node_through(&format!("{user}@[::1]:{port}"));
    two.server.try_connect(&node).await.unwrap().close().await;
    node.address = "::1".into();
    node.login.port = Some(port);
    fs::copy(two.server.path("user.pub"), bastion.path("authorized")).unwrap();
    two.server.try_connect(&node).await.unwrap().close().await;
    node.login.port = Some(1);
    two.fails(&node, NodeErrorKind::Unreachable, &["[::1]:1", "Connection refused"])
        .await;
}
