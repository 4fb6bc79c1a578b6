//! Recorded execs over a link that breaks.

use super::server::{Kept, Server, descendants, exec, instance, is_alive, signal, until};
use labctl::node::{Ending, NodeErrorKind, Transport};
use secrecy::SecretString;
use std::fs;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

fn exited(code: i32) -> Ending {
    Ending::Exited { code }
}

/// Says whether the command of record `id` has been started: its keeper notes itself in the first line, and whom it started in the second.
fn has_started(server: &Server, id: &str) -> bool {
    let notes = fs::read_to_string(server.path(&format!("labctl/test/exec/{id}/keeper"))).unwrap_or_default();
    notes.matches('\n').count() == 2
}

#[tokio::test]
async fn an_exec_brings_back_status_and_output() {
    let server = Server::start();
    let node = server.open().await;
    let mut kept = Kept::default();
    let mut request = exec("a", "cat; printf 'a\\0\\377' ; echo $SECRET >&2; exit 9");
    request.environment = vec![("SECRET".into(), SecretString::from("it's"))];
    request.stdin = Some(SecretString::from("in|"));
    let ending = node.exec(&request, &mut kept, &CancellationToken::new()).await.unwrap();
    assert_eq!(ending, exited(9));
    assert_eq!(kept.stdout, b"in|a\0\xff");
    assert_eq!(kept.stderr, b"it's\n");

    // The same id again is the same record.
    let mut again = Kept::default();
    let ending = node
        .exec(&request, &mut again, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!((ending, again.stdout), (exited(9), kept.stdout));
}

#[tokio::test]
async fn an_exec_needs_an_open_instance() {
    let server = Server::start();
    let node = server.connect().await;
    let asked = node
        .exec(&exec("a", "true"), &mut Kept::default(), &CancellationToken::new())
        .await;
    assert_eq!(asked.unwrap_err().kind, NodeErrorKind::NodeFault);
    node.open_instance(&instance()).await.unwrap();
    fs::remove_dir_all(server.path("labctl")).unwrap();
    let asked = node
        .exec(&exec("a", "true"), &mut Kept::default(), &CancellationToken::new())
        .await;
    assert_eq!(asked.unwrap_err().kind, NodeErrorKind::NodeFault);
}

#[tokio::test]
async fn an_exec_past_its_deadline_times_out() {
    let server = Server::start();
    let node = server.open().await;
    let mut request = exec("a", "echo $$; sleep 60");
    request.deadline = Duration::from_secs(1);
    let mut kept = Kept::default();
    let ending = node.exec(&request, &mut kept, &CancellationToken::new()).await.unwrap();
    assert_eq!(
        ending,
        Ending::TimedOut {
            after: Duration::from_secs(1)
        }
    );
    assert!(!is_alive(&String::from_utf8(kept.stdout).unwrap()));
}

#[tokio::test]
async fn a_cancelled_exec_is_killed_on_the_node() {
    let server = Server::start();
    let node = server.open().await;
    let cancel = CancellationToken::new();
    let pid = server.path("pid");
    let request = exec(
        "a",
        &format!("(trap '' TERM; echo $$ >'{0}'; sleep 60) & sleep 60", pid.display()),
    );
    let mut kept = Kept::default();
    let (ending, ()) = tokio::join!(node.exec(&request, &mut kept, &cancel), async {
        until("it runs", || pid.exists()).await;
        cancel.cancel();
    });
    assert_eq!(ending.unwrap(), Ending::Cancelled);
    assert!(!is_alive(&fs::read_to_string(pid).unwrap()));
    let ending = node.exec(&exec("b", "echo never"), &mut kept, &cancel).await.unwrap();
    assert_eq!(ending, Ending::Cancelled);
    assert_eq!(kept.stdout, b"");
}

#[tokio::test]
async fn an_exec_that_is_cancelled_while_it_starts_is_killed_on_the_node_all_the_same() {
    let server = Server::start();
    let node = server.open().await;
    // The node claims the record somewhere in between.
    for after in [0, 5, 20, 50, 100] {
        let cancel = CancellationToken::new();
        let pid = server.path(&format!("pid{after}"));
        let request = exec(&format!("a{after}"), &format!("echo $$ >'{}'; sleep 25", pid.display()));
        let begun = Instant::now();
        let mut kept = Kept::default();
        let (ending, ()) = tokio::join!(node.exec(&request, &mut kept, &cancel), async {
            tokio::time::sleep(Duration::from_millis(after)).await;
            cancel.cancel();
        });
        assert_eq!(ending.unwrap(), Ending::Cancelled, "cancelled after {after} ms");
        assert!(
            begun.elapsed() < Duration::from_secs(8),
            "it took {:?}",
            begun.elapsed()
        );
        assert!(!is_alive(&fs::read_to_string(pid).unwrap_or_default()));
    }
}

/// Runs a command that writes 2000 lines while `cut` cuts the link, and says what arrived.
async fn run_while(server: &Server, cut: impl Fn()) {
    let node = server.open().await;
    let (count, line) = (server.path("count"), server.path("line"));
    let text = format!(
        "echo run >>'{}'; i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); [ $((i % 100)) -gt 0 ] || \
         {{ echo $i >'{}'; sleep 0.1; }}; done; echo done >&2; exit 5",
        count.display(),
        line.display()
    );
    let request = exec("a", &text);
    let mut kept = Kept::default();
    let at_line = |n: u32| fs::read_to_string(&line).is_ok_and(|text| text.trim().parse().is_ok_and(|at: u32| at >= n));
    let cancel = CancellationToken::new();
    let (ending, ()) = tokio::join!(node.exec(&request, &mut kept, &cancel), async {
        for at in [200, 900] {
            until("it gets on", || at_line(at)).await;
            cut();
        }
    });
    assert_eq!(ending.unwrap(), exited(5));
    let expected: String = (0..2000).map(|i| format!("line {i}\n")).collect();
    assert_eq!(String::from_utf8(kept.stdout).unwrap(), expected);
    assert_eq!(kept.stderr, b"done\n");
    assert_eq!(fs::read_to_string(count).unwrap(), "run\n", "it ran more than once");
}

#[tokio::test]
async fn a_link_cut_at_the_node_loses_and_doubles_nothing() {
    let server = Server::start();
    run_while(&server, || {
        for pid in server.session_processes() {
            signal(pid, "KILL");
        }
    })
    .await;
}

#[tokio::test]
async fn a_link_cut_here_loses_and_doubles_nothing() {
    let server = Server::start();
    let control = server.control.path().display().to_string();
    run_while(&server, || {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.starts_with("ssh") && line.contains(&control) {
                signal(entry.file_name().to_str().unwrap().parse().unwrap(), "KILL");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_frozen_link_is_replaced() {
    let server = Server::start();
    let node = server.open().await;
    let mut kept = Kept::default();
    let frozen = server.session_processes();
    let request = exec("a", "sleep 1; echo out");
    let cancel = CancellationToken::new();
    let start = Instant::now();
    let (ending, ()) = tokio::join!(node.exec(&request, &mut kept, &cancel), async {
        until("it runs", || has_started(&server, "a")).await;
        for pid in &frozen {
            signal(*pid, "STOP");
        }
    });
    for pid in frozen {
        signal(pid, "KILL");
    }
    assert_eq!((ending.unwrap(), kept.stdout), (exited(0), b"out\n".to_vec()));
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
}

#[tokio::test]
async fn a_node_that_never_comes_back_is_a_lost_connection() {
    let mut server = Server::start();
    let node = server.open().await;
    let keeper = server.path("labctl/test/exec/a/keeper");
    let mut request = exec("a", "sleep 60");
    request.deadline = Duration::from_secs(1);
    let mut kept = Kept::default();
    let cancel = CancellationToken::new();
    let (ending, ()) = tokio::join!(node.exec(&request, &mut kept, &cancel), async {
        until("it runs", || has_started(&server, "a")).await;
        server.stop();
    });
    assert!(matches!(ending.unwrap(), Ending::LostConnection { .. }));
    // The node holds the deadline alone.
    let notes = fs::read_to_string(keeper).unwrap();
    let leader = notes.lines().nth(1).unwrap();
    let pid = leader.split(' ').next().unwrap().to_owned();
    until("the deadline", || !is_alive(&pid)).await;
}

#[tokio::test]
async fn a_hundred_megabytes_cost_bounded_memory() {
    let server = Server::start();
    let node = server.open().await;
    let mut kept = Kept::default();
    let before = peak_memory();
    let request = exec("a", "head -c 100000000 /dev/urandom");
    let ending = node.exec(&request, &mut kept, &CancellationToken::new()).await.unwrap();
    assert_eq!(ending, exited(0));
    assert_eq!((kept.count, kept.cut), (64 << 20, 100_000_000 - (64 << 20)));
    let grown = peak_memory() - before;
    assert!(grown < 40_000, "{grown} kB more at its peak");
}

fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn many_execs_run_side_by_side() {
    let server = Server::start();
    let node = server.open().await;
    let cancel = CancellationToken::new();
    let requests: Vec<_> = (0..12)
        .map(|n| exec(&format!("e{n}"), &format!("sleep 0.2; echo {n}")))
        .collect();
    let runs = requests.iter().map(|request| async {
        let mut kept = Kept::default();
        let ending = node.exec(request, &mut kept, &cancel).await;
        (ending.unwrap(), kept.stdout)
    });
    for (n, (ending, stdout)) in futures_util::future::join_all(runs).await.into_iter().enumerate() {
        assert_eq!((ending, stdout), (exited(0), format!("{n}\n").into_bytes()));
    }
}

#[tokio::test]
async fn what_an_earlier_run_left_is_stopped_and_its_records_stay() {
    let server = Server::start();
    let node = server.open().await;
    let cancel = CancellationToken::new();
    for id in ["a", "b"] {
        let request = exec(id, "sleep 60");
        let mut kept = Kept::default();
        // The run dies: nobody listens any more, nothing is killed.
        let run = node.exec(&request, &mut kept, &cancel);
        tokio::select! {
            ending = run => panic!("{ending:?}"),
            () = until("it runs", || has_started(&server, id)) => {}
        }
    }
    let later = server.open().await;
    later.stop_execs().await.unwrap();
    for id in ["a", "b"] {
        let mut kept = Kept::default();
        let ending = later.exec(&exec(id, "echo never"), &mut kept, &cancel).await.unwrap();
        assert_eq!((ending, kept.stdout), (Ending::Cancelled, Vec::new()));
    }
    later.stop_execs().await.unwrap();
}

#[tokio::test]
async fn what_must_not_be_left_half_done_is_waited_for() {
    let server = Server::start();
    let node = server.open().await;
    let cancel = CancellationToken::new();
    let mut request = exec("a", "sleep 1; echo it answers");
    request.is_whole = true;
    let mut kept = Kept::default();
    let run = node.exec(&request, &mut kept, &cancel);
    tokio::select! {
        ending = run => panic!("{ending:?}"),
        () = until("it runs", || has_started(&server, "a")) => {}
    }
    let later = server.open().await;
    later.stop_execs().await.unwrap();
    let mut kept = Kept::default();
    let ending = later.exec(&request, &mut kept, &cancel).await.unwrap();
    assert_eq!((ending, kept.stdout), (exited(0), b"it answers\n".to_vec()));
}

#[tokio::test]
async fn closing_an_instance_ends_what_runs_and_leaves_nothing() {
    let server = Server::start();
    let node = server.open().await;
    let cancel = CancellationToken::new();
    let request = exec("a", "sleep 60");
    let mut kept = Kept::default();
    let (ending, closed) = tokio::join!(node.exec(&request, &mut kept, &cancel), async {
        until("it runs", || has_started(&server, "a")).await;
        node.close_instance(&instance()).await
    });
    closed.unwrap();
    assert!(!matches!(ending, Ok(Ending::Exited { .. })), "{ending:?}");
    assert!(!server.path("labctl").exists());
    node.close_instance(&instance()).await.unwrap();
    assert!(descendants(std::process::id()).len() < 1000);
}
