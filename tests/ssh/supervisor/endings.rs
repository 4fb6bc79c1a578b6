//! Deadlines and signals: how a command is ended, with all that it started.

use super::bench::{Bench, finish, is_alive, shell, until};
use labctl::node::Ending;
use labctl::node::supervisor::Answer;
use std::fs;
use std::time::{Duration, Instant};

#[test]
fn a_deadline_ends_a_group_that_ignores_term() {
    let bench = Bench::new();
    let mut request = shell(
        "a",
        "trap '' TERM; (trap '' TERM; sleep 99) & echo $! $$; while :; do sleep 1; done",
    );
    request.deadline = Duration::from_secs(1);
    let start = Instant::now();
    let (ending, kept) = bench.run(&request);
    assert!(matches!(ending, Ending::TimedOut { .. }), "{ending:?}");
    assert!(start.elapsed() < Duration::from_secs(6), "took {:?}", start.elapsed());
    let printed = String::from_utf8(kept.stdout).unwrap();
    assert_eq!(printed.split_whitespace().count(), 2, "{printed}");
    for pid in printed.split_whitespace() {
        assert!(!is_alive(pid), "{pid} is alive");
    }
}

#[test]
fn a_deadline_lets_a_command_tidy_up_on_one_term() {
    let bench = Bench::new();
    let text = "n=0; trap 'n=$((n+1)); echo term $n' TERM; i=0; while [ $i -lt 24 ]; do sleep 0.05 & wait; i=$((i+1)); done; exit 3";
    let mut request = shell("a", text);
    // Long enough for a busy machine to get as far as the trap, shorter than the command.
    request.deadline = Duration::from_secs(1);
    let (ending, kept) = bench.run(&request);
    assert!(matches!(ending, Ending::TimedOut { .. }), "{ending:?}");
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "term 1\n");
}

#[test]
fn a_child_that_leaves_the_session_is_found_at_the_deadline() {
    let bench = Bench::new();
    let pid = bench.directory.path().join("pid");
    let text = format!(
        "setsid sh -c 'trap \"\" TERM; echo $$ >{}; exec sleep 98' & sleep 97",
        pid.display()
    );
    let mut request = shell("a", &text);
    request.deadline = Duration::from_millis(1500);
    let (ending, _) = bench.run(&request);
    assert!(matches!(ending, Ending::TimedOut { .. }), "{ending:?}");
    let pid = fs::read_to_string(pid).unwrap();
    assert!(!pid.is_empty() && !is_alive(&pid), "{pid} is alive");
}

#[test]
fn the_deadline_holds_when_nobody_listens() {
    let bench = Bench::new();
    let mut request = shell("a", "echo $$; sleep 99");
    request.deadline = Duration::from_millis(500);
    let mut child = bench.start(&request);
    until("it runs", || !bench.record("a/stdout").is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    let pid = bench.record("a/stdout");
    assert!(is_alive(&pid), "the command went with its listener");
    until("the deadline", || bench.record("a/end").starts_with("timedout"));
    assert!(!is_alive(&pid));
}

#[test]
fn a_killed_command_is_cancelled() {
    let bench = Bench::new();
    let child = bench.start(&shell("a", "echo $$; sleep 99"));
    until("it runs", || !bench.record("a/stdout").is_empty());
    bench.supervisor(&["kill", "a"]).wait().unwrap();
    let (ending, kept) = finish(child, Answer::default());
    assert_eq!(ending, Ending::Cancelled);
    assert!(!is_alive(&String::from_utf8(kept.stdout).unwrap()));
    bench.supervisor(&["kill", "a"]).wait().unwrap();
    bench.supervisor(&["kill", "never-was"]).wait().unwrap();
}

#[test]
fn a_kill_at_once_is_not_lost() {
    let bench = Bench::new();
    for round in 0..5 {
        let id = format!("a{round}");
        let child = bench.start(&shell(&id, "sleep 99"));
        until("the claim", || bench.directory.path().join("exec").join(&id).exists());
        bench.supervisor(&["kill", &id]).wait().unwrap();
        assert_eq!(finish(child, Answer::default()).0, Ending::Cancelled);
    }
}

#[test]
fn nothing_is_left_running_after_a_command() {
    let bench = Bench::new();
    bench.run(&shell("a", "true"));
    let directory = bench.directory.path().to_str().unwrap().to_owned();
    until("the supervisor's processes are gone", || {
        !fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&directory)
        })
    });
    let naps = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| fs::read(entry.path().join("cmdline")).is_ok_and(|line| line.starts_with(b"sleep\x0020.0000")));
    assert_eq!(naps.count(), 0);
}
