//! How the agent gets to nodes of all kinds.

use super::server::{Kept, Server, can_mount, exec, is_alive, look, signal, until};
use crate::skipping::skip;
use labctl::node::{Ending, NodeErrorKind, Transport};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Connects to a server with `more` in its configuration, and runs something there.
async fn works_with(more: &str) {
    let server = Server::start_with(more);
    let node = server.open().await;
    let looked = node.look(&look("echo out; echo err >&2")).await.unwrap();
    assert_eq!(
        (looked.stdout, looked.stderr),
        (b"out\n".to_vec(), b"err\n".to_vec()),
        "{more}"
    );
    let mut kept = Kept::default();
    let ending = node
        .exec(&exec("a", "echo done"), &mut kept, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(
        (ending, kept.stdout),
        (Ending::Exited { code: 0 }, b"done\n".to_vec()),
        "{more}"
    );
}

#[tokio::test]
async fn nothing_of_the_agent_stays_on_a_node() {
    let server = Server::start();
    let node = server.connect().await;
    let looked = node.look(&look("echo $PPID; readlink /proc/$PPID/exe")).await.unwrap();
    let told = String::from_utf8(looked.stdout).unwrap();
    let (pid, program) = told.trim().split_once('\n').unwrap();
    // Root's own agent needs its file no more once it runs.
    let file = program.trim_end_matches(" (deleted)");
    assert!(!Path::new(file).exists(), "{file} is still there");
    node.close().await;
    until("the agent ends", || !is_alive(pid)).await;
    assert!(!Path::new(file).parent().unwrap().exists());
}

#[tokio::test]
async fn login_shells_of_all_kinds_are_no_matter() {
    // What sshd hands to a login shell.
    works_with("ForceCommand /bin/bash -c \"$SSH_ORIGINAL_COMMAND\"").await;
    for shell in [
        "/usr/bin/fish",
        "/bin/csh",
        "/bin/tcsh",
        "/usr/bin/zsh",
        "/bin/busybox sh",
    ] {
        let program = shell.split(' ').next().unwrap();
        if Path::new(program).exists() {
            works_with(&format!("ForceCommand {shell} -c \"$SSH_ORIGINAL_COMMAND\"")).await;
        } else {
            skip(&format!("a login shell: {program} is not installed here"));
        }
    }
}

/// The tools that the few lines of shell use which start the agent.
const TOOLS: [&str; 6] = ["uname", "mkdir", "chmod", "rm", "head", "gzip"];

#[tokio::test]
async fn tools_of_other_makes_are_no_matter() {
    for program in ["/bin/busybox", "/usr/bin/coreutils"] {
        if !Path::new(program).exists() {
            skip(&format!("tools of another make: {program} is not installed here"));
            continue;
        }
        let tools = tempfile::tempdir().unwrap();
        // The Rust coreutils have no gzip.
        for tool in TOOLS
            .iter()
            .filter(|tool| program.ends_with("busybox") || **tool != "gzip")
        {
            std::os::unix::fs::symlink(program, tools.path().join(tool)).unwrap();
        }
        let place = tools.path().display();
        works_with(&format!(
            "ForceCommand PATH='{place}':$PATH; export PATH; eval \"$SSH_ORIGINAL_COMMAND\""
        ))
        .await;
    }
}

#[tokio::test]
async fn a_login_shell_that_prints_a_page_or_reads_a_line_is_no_matter() {
    works_with("ForceCommand seq 20000; seq 500 >&2; eval \"$SSH_ORIGINAL_COMMAND\"").await;
    works_with("ForceCommand read line; eval \"$SSH_ORIGINAL_COMMAND\"").await;
}

#[tokio::test]
async fn a_login_shell_that_ends_at_once_is_named() {
    let server = Server::start_with("ForceCommand echo This account is not available.; exit 1");
    let start = Instant::now();
    let error = server.try_connect(&server.node()).await.err().unwrap();
    assert_eq!(error.kind, NodeErrorKind::NoAgent);
    assert!(error.message.contains("This account is not available."), "{error}");
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_single_session_is_enough_also_to_kill() {
    for sessions in [1, 2] {
        let server = Server::start_with(&format!("MaxSessions {sessions}"));
        let node = server.open().await;
        let cancel = CancellationToken::new();
        let pid = server.path("pid");
        let request = exec("a", &format!("echo $$ >'{}'; sleep 60", pid.display()));
        let mut kept = Kept::default();
        let start = Instant::now();
        let (ending, ()) = tokio::join!(node.exec(&request, &mut kept, &cancel), async {
            until("it runs", || pid.exists()).await;
            assert_eq!(node.look(&look("echo on")).await.unwrap().stdout, b"on\n");
            cancel.cancel();
        });
        assert_eq!(ending.unwrap(), Ending::Cancelled);
        assert!(
            start.elapsed() < Duration::from_secs(8),
            "it took {:?}",
            start.elapsed()
        );
        assert!(!is_alive(&fs::read_to_string(pid).unwrap()));
    }
}

/// Returns a configuration whose sessions have mounts of their own, made by `mounts`; `None` where nothing can be mounted here.
fn with_mounts(mounts: &str) -> Option<String> {
    if !can_mount() {
        skip("sessions with mounts of their own: nothing can be mounted here");
        return None;
    }
    Some(format!(
        "ForceCommand unshare -m /bin/sh -c \"{mounts}; eval \\\"\\$SSH_ORIGINAL_COMMAND\\\"\""
    ))
}

/// Returns what mounts `places` without the right to run programs there.
fn noexec(places: &[&str]) -> String {
    let mounts: Vec<String> = places
        .iter()
        .map(|place| format!("mount -t tmpfs -o noexec none {place}"))
        .collect();
    mounts.join("; ")
}

#[tokio::test]
async fn directories_where_nothing_runs_are_passed_over() {
    if let Some(more) = with_mounts(&noexec(&["/dev/shm", "/tmp"])) {
        works_with(&more).await;
    }
}

#[tokio::test]
async fn a_node_that_runs_nothing_names_every_place_that_was_tried() {
    let mounts = noexec(&["/dev/shm", "/tmp", "/var/tmp"]);
    let Some(more) = with_mounts(&format!("{mounts}; HOME=/proc; unset XDG_RUNTIME_DIR")) else {
        return;
    };
    let server = Server::start_with(&more);
    let error = server.try_connect(&server.node()).await.err().unwrap();
    assert_eq!(error.kind, NodeErrorKind::NoAgent);
    for said in [
        "/dev/shm: no program can be run there",
        "/tmp: no program can be run there",
        "/var/tmp: no program can be run there",
        "/proc: nothing can be written there",
    ] {
        assert!(error.message.contains(said), "{said:?} is not in: {error}");
    }
    assert!(error.hint.unwrap().contains("noexec"));
}

#[tokio::test]
async fn a_full_directory_is_passed_over() {
    if let Some(more) = with_mounts("mount -t tmpfs -o size=64k none /dev/shm") {
        works_with(&more).await;
    }
}

#[tokio::test]
async fn a_node_without_gzip_gets_the_program_as_it_is() {
    if let Some(more) = with_mounts("for p in /bin/gzip /usr/bin/gzip; do mount --bind /dev/null \\$p; done") {
        works_with(&more).await;
    }
}

#[tokio::test]
async fn a_node_of_another_architecture_is_told_before_anything_is_put_there() {
    let more = "ForceCommand uname() { echo mips64; }; eval \"$(echo \"$SSH_ORIGINAL_COMMAND\" | sed \"s/.bin.sh -c/eval/\")\"";
    let server = Server::start_with(more);
    let error = server.try_connect(&server.node()).await.err().unwrap();
    assert_eq!(error.kind, NodeErrorKind::NoAgent);
    assert!(error.message.contains("its architecture is mips64"), "{error}");
    assert!(error.hint.unwrap().contains("rustup target add"));
}

#[tokio::test]
async fn an_agent_that_is_killed_between_two_requests_is_started_again() {
    let server = Server::start();
    let node = server.open().await;
    for _ in 0..2 {
        let looked = node.look(&look("echo $PPID")).await.unwrap();
        let pid: u32 = String::from_utf8(looked.stdout).unwrap().trim().parse().unwrap();
        signal(pid, "KILL");
        until("it is dead", || !is_alive(&pid.to_string())).await;
        assert_eq!(node.look(&look("echo back")).await.unwrap().stdout, b"back\n");
    }
}

#[tokio::test]
async fn a_look_that_nobody_waits_for_any_more_is_ended_on_the_node() {
    let server = Server::start();
    let node = server.connect().await;
    let pid = server.path("pid");
    let asked = look(&format!("echo $$ >'{}'; sleep 60", pid.display()));
    tokio::select! {
        looked = node.look(&asked) => panic!("{looked:?}"),
        () = until("it runs", || fs::read_to_string(&pid).is_ok_and(|text| !text.is_empty())) => {}
    }
    let start = Instant::now();
    let pid = fs::read_to_string(&pid).unwrap();
    until("it is ended", || !is_alive(&pid)).await;
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "it took {:?}",
        start.elapsed()
    );
}
