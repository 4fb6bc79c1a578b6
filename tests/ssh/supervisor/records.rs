//! What is kept of a command: attaching to it again, and what is left of one whose supervisor died.

use super::bench::{Bench, Kept, exited, finish, is_alive, shell, until};
use labctl::node::Ending;
use labctl::node::supervisor::{Answer, Conclusion};
use std::fs;
use std::io::{Read, Write};
use std::process::Child;
use std::time::Duration;

#[test]
fn a_new_listener_gets_the_rest_and_nothing_twice() {
    let bench = Bench::new();
    let (_, kept) = bench.run(&shell("a", "printf 0123456789; printf abcdef >&2; exit 4"));
    assert_eq!(kept.stdout, b"0123456789");
    for (at, rest) in [(0_usize, "0123456789"), (4, "456789"), (10, "")] {
        let child = bench.supervisor(&["attach", "a", &at.to_string(), "6"]);
        let (ending, kept) = finish(child, Answer::after([at as u64, 6]));
        assert_eq!(
            (ending, kept.stdout, kept.stderr),
            (exited(4), rest.as_bytes().to_vec(), Vec::new())
        );
    }
}

#[test]
fn a_known_id_is_attached_and_never_started_again() {
    let bench = Bench::new();
    let count = bench.directory.path().join("count");
    let request = shell("a", &format!("echo x >>{}; sleep 0.3; echo out", count.display()));
    let children: Vec<Child> = (0..8).map(|_| bench.start(&request)).collect();
    for child in children {
        let (ending, kept) = finish(child, Answer::default());
        assert_eq!((ending, kept.stdout), (exited(0), b"out\n".to_vec()));
    }
    assert_eq!(bench.run(&request).0, exited(0));
    assert_eq!(fs::read_to_string(count).unwrap(), "x\n");
    let leftovers: Vec<_> = fs::read_dir(bench.directory.path().join("exec")).unwrap().collect();
    assert_eq!(leftovers.len(), 1, "{leftovers:?}");
}

#[test]
fn a_record_whose_supervisor_is_gone_is_lost_and_does_not_hang() {
    let bench = Bench::new();
    let child = bench.start(&shell("a", "echo $$; sleep 99"));
    until("it runs", || !bench.record("a/stdout").is_empty());
    let keeper = bench.record("a/keeper");
    let keeper = keeper.split(' ').next().unwrap();
    std::process::Command::new("kill")
        .args(["-9", keeper])
        .status()
        .unwrap();
    let (ending, kept) = finish(child, Answer::default());
    assert!(matches!(ending, Ending::LostConnection { .. }), "{ending:?}");
    assert!(
        !is_alive(&String::from_utf8(kept.stdout).unwrap()),
        "nobody holds its deadline any more"
    );
    // The same after a restart of the node: the pid is somebody else's.
    let record = bench.directory.path().join("exec/a");
    fs::remove_file(record.join("end")).unwrap();
    fs::write(record.join("keeper"), "1 1 0\n").unwrap();
    let child = bench.supervisor(&["attach", "a", "0", "0"]);
    assert!(matches!(
        finish(child, Answer::default()).0,
        Ending::LostConnection { .. }
    ));
}

#[test]
fn an_order_cut_short_starts_nothing() {
    let bench = Bench::new();
    let mut child = bench.supervisor(&["run", "a", "100", "0", "9", "1000", "1"]);
    child.stdin.take().unwrap().write_all(b"uid=0").unwrap();
    let mut told = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut told).unwrap();
    let mut answer = Answer::default();
    answer.feed(&told, &mut Kept::default());
    let conclusion = answer.conclusion(Duration::ZERO);
    assert!(matches!(conclusion, Some(Conclusion::Fault(_))), "{conclusion:?}");
    assert_eq!(fs::read_dir(bench.directory.path().join("exec")).unwrap().count(), 0);
    let _ = child.wait();
}
