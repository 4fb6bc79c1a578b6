//! Logins as they are in the field: those that let nobody run anything, and those whose shells print.

use super::connecting::assert_says;
use super::server::{Kept, Server, exec, look, until};
use labctl::domain::{Observation, Probe};
use labctl::node::{NodeErrorKind, Transport};
use labctl::probe::{self, Need};
use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_forced_command_that_prints_and_ends_is_quoted_with_its_status() {
    for (command, words) in [
        ("echo no commands here; exit 7", &["no commands here", "status 7"][..]),
        ("echo on stderr >&2; exit 1", &["on stderr", "status 1"]),
        // Neither hides the other.
        ("echo out; echo err >&2; exit 1", &["out", "err"]),
        ("/usr/sbin/nologin", &["not available", "status 1"]),
        ("/bin/false", &["status 1", "said nothing"]),
    ] {
        let server = Server::start_with(&format!("ForceCommand {command}"));
        let start = Instant::now();
        let error = server.try_connect(&server.node()).await.err().unwrap();
        assert_says(&error, NodeErrorKind::NoAgent, words);
        assert_says(
            &error,
            NodeErrorKind::NoAgent,
            &["node-0", "nologin", "ForceCommand", "by hand: ssh"],
        );
        assert!(start.elapsed() < Duration::from_secs(8), "took {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn what_a_forced_command_says_cannot_steer_the_terminal_and_has_an_end() {
    let server = Server::start_with("ForceCommand printf '\\033]0;owned\\007\\033[2J'; seq -s x 100000; exit 1");
    let error = server.try_connect(&server.node()).await.err().unwrap();
    assert_says(&error, NodeErrorKind::NoAgent, &["status 1"]);
    assert!(error.message.len() < 5000, "{} bytes", error.message.len());
}

#[tokio::test]
async fn a_cloud_image_that_wants_another_user_is_quoted_without_waiting_for_it() {
    let server = Server::start();
    let key = fs::read_to_string(server.path("user.pub")).unwrap();
    // The words of cloud-init.
    let command = "no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command=\"echo 'Please login as the user \\\"ubuntu\\\" \
                   rather than the user \\\"root\\\".';echo;sleep 10;exit 142\"";
    fs::write(server.path("authorized"), format!("{command} {key}")).unwrap();
    let start = Instant::now();
    let error = server.try_connect(&server.node()).await.err().unwrap();
    assert_says(
        &error,
        NodeErrorKind::AccessDenied,
        &[
            "Please login as the user \"ubuntu\" rather than the user",
            "set `user = \"ubuntu\"`",
        ],
    );
    assert!(start.elapsed() < Duration::from_secs(6), "took {:?}", start.elapsed());
}

#[tokio::test]
async fn a_banner_is_no_matter_and_no_reason() {
    let banner = tempfile::NamedTempFile::new().unwrap();
    fs::write(
        banner.path(),
        "Permission denied to strangers\nConnection refused to fools\n",
    )
    .unwrap();
    let more = format!("Banner {}", banner.path().display());
    let server = Server::start_with(&more);
    assert_eq!(
        server.connect().await.look(&look("echo hi")).await.unwrap().stdout,
        b"hi\n"
    );
    let mut node = server.node();
    node.login.identity_file = Some(server.path("stranger"));
    let error = server.try_connect(&node).await.err().unwrap();
    assert_says(&error, NodeErrorKind::AccessDenied, &["did not accept the key"]);
}

/// Starts a server whose sessions run `shell`, as a login shell does, with startup files that print.
fn noisy(shell: &str) -> Server {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("home");
    fs::create_dir(&home).unwrap();
    let noise = "echo hello; echo oops >&2; printf '\\033]0;title\\007\\033]133;A\\033\\\\$ '\n";
    for name in [".bashrc", ".profile", ".bash_profile", ".zshenv"] {
        fs::write(home.join(name), noise).unwrap();
    }
    let home = home.display();
    let more = format!(
        "ForceCommand unset SHLVL; HOME='{home}'; SHELL={shell}; BASH_ENV='{home}/.bashrc'; export HOME SHELL BASH_ENV; exec {shell} \
         -c \"$SSH_ORIGINAL_COMMAND\""
    );
    Server::start_among(directory, &more, "")
}

#[tokio::test]
async fn startup_files_that_print_pollute_nothing() {
    for shell in ["/bin/bash", "/bin/dash"] {
        let server = noisy(shell);
        let node = server.open().await;
        for text in ["echo out", "bash -c 'echo out'"] {
            let looked = node.look(&look(text)).await.unwrap();
            assert_eq!(
                (looked.stdout, looked.stderr),
                (b"out\n".to_vec(), Vec::new()),
                "{shell}: {text}"
            );
        }
        let mut kept = Kept::default();
        let stop = CancellationToken::new();
        node.exec(&exec("a", "bash -c 'echo out'"), &mut kept, &stop)
            .await
            .unwrap();
        assert_eq!((kept.stdout, kept.stderr), (b"out\n".to_vec(), Vec::new()), "{shell}");
        let probe = Probe::Port {
            host: "localhost".into(),
            port: server.port,
            timeout: Duration::from_secs(5),
        };
        let seen = probe::observe(&node, &probe).await.unwrap();
        assert_eq!(seen, Observation::Port { open: true }, "{shell}");
        let facts = probe::facts(&node, "127.0.0.1", Need::All).await.unwrap();
        assert_eq!(facts.docker_host, None, "{shell}");
    }
}

#[tokio::test]
async fn the_docker_host_of_a_login_shell_is_found_behind_what_it_prints() {
    let server = noisy("/bin/bash");
    let profile = server.path("home/.bash_profile");
    let text = fs::read_to_string(&profile).unwrap();
    fs::write(
        &profile,
        format!("{text}export DOCKER_HOST=tcp://10.0.0.10:3375\n{text}"),
    )
    .unwrap();
    let node = server.connect().await;
    let facts = probe::facts(&node, "127.0.0.1", Need::All).await.unwrap();
    assert_eq!(facts.docker_host.as_deref(), Some("tcp://10.0.0.10:3375"));
}

#[tokio::test]
async fn a_server_that_takes_one_connection_at_a_time_loses_no_node() {
    let server = Server::start_with("MaxStartups 1:100:1");
    let mut node = server.node();
    node.login.connect_timeout = Duration::from_secs(30);
    let connecting = (0..8).map(|_| server.try_connect(&node));
    for connected in futures_util::future::join_all(connecting).await {
        let node = connected.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(node.look(&look("echo hi")).await.unwrap().stdout, b"hi\n");
    }
}

#[tokio::test]
async fn a_server_that_takes_nobody_is_asked_for_as_long_as_connecting_may_take() {
    let server = Server::start_with("MaxStartups 1:100:1\nLoginGraceTime 60");
    // Takes the only place, and never logs in.
    let mut idle = None;
    until("sshd serves a connection", || {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        let mut greeting = [0; 4];
        let is_served = stream.read_exact(&mut greeting).is_ok() && &greeting == b"SSH-";
        idle = is_served.then_some(stream);
        is_served
    })
    .await;
    let mut node = server.node();
    node.login.connect_timeout = Duration::from_secs(3);
    let start = Instant::now();
    let error = server.try_connect(&node).await.err().unwrap();
    assert_says(
        &error,
        NodeErrorKind::Overloaded,
        &["exchange_identification", "MaxStartups", "3 s"],
    );
    let took = start.elapsed();
    assert!(
        took > Duration::from_millis(1500) && took < Duration::from_secs(6),
        "took {took:?}"
    );
    let (notices, mut told) = labctl::node::ConnectNotices::channel();
    let mut options = server.options();
    options.notices = notices;
    node.login.connect_timeout = Duration::from_secs(30);
    let connecting = labctl::node::SshNode::connect(&node, &options);
    tokio::pin!(connecting);
    let notice = tokio::select! {
        connected = &mut connecting => panic!("it connected at once: {connected:?}"),
        notice = told.recv() => notice.unwrap(),
    };
    assert!(notice.contains("node-0") && notice.contains("trying again"), "{notice}");
    drop(idle);
    connecting.await.unwrap();
}

#[tokio::test]
async fn an_agent_that_dies_again_and_again_is_no_broken_connection() {
    let server = Server::start();
    let node = server.connect().await;
    // The request kills its agent, and again the one that is started for it.
    let error = node.look(&look("kill -9 $PPID; sleep 5")).await.unwrap_err();
    assert_says(
        &error,
        NodeErrorKind::NodeFault,
        &["node-0", "the connection to the agent ended"],
    );
    assert_eq!(node.look(&look("echo on")).await.unwrap().stdout, b"on\n");
}
