//! Output of any size, while and after a command runs.

use super::bench::{Bench, Kept, exited, finish, is_alive, shell};
use crate::skipping::skip;
use labctl::node::supervisor::{Answer, Conclusion};
use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};

#[test]
fn a_hundred_megabytes_are_cut_and_counted() {
    let bench = Bench::new();
    let (ending, kept) = bench.run(&shell("a", "head -c 100000000 /dev/zero; echo done >&2"));
    assert_eq!(ending, exited(0), "it must not get SIGPIPE");
    assert_eq!(kept.stdout.len(), 64 << 20);
    assert_eq!(kept.cut, [100_000_000 - (64 << 20), 0]);
    assert_eq!(kept.stderr, b"done\n");
}

#[test]
fn a_full_disk_cuts_output_and_nothing_else() {
    let bench = Bench::new();
    let place = bench.directory.path().join("exec");
    fs::create_dir(&place).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(&place)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        skip("a full disk: nothing can be mounted here");
        return;
    }
    let (ending, kept) = bench.run(&shell("a", "head -c 1000000 /dev/zero; sleep 0.1; exit 3"));
    let mut child = bench.start(&shell("b", "true"));
    let mut told = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut told).unwrap();
    child.wait().unwrap();
    std::process::Command::new("umount").arg(&place).status().unwrap();
    assert_eq!(ending, exited(3), "it must not get SIGPIPE");
    assert!(
        !kept.stdout.is_empty() && kept.cut[0] > 500_000,
        "{} and {:?}",
        kept.stdout.len(),
        kept.cut
    );
    let mut answer = Answer::default();
    answer.feed(&told, &mut Kept::default());
    let conclusion = answer.conclusion(Duration::ZERO);
    assert!(
        matches!(&conclusion, Some(Conclusion::Fault(reason)) if reason.contains("disk")),
        "{conclusion:?}"
    );
}

#[test]
fn output_arrives_while_the_command_runs() {
    let bench = Bench::new();
    let go = bench.directory.path().join("go");
    let text = format!(
        "printf early; until [ -e {} ]; do sleep 0.01; done; printf late",
        go.display()
    );
    let mut child = bench.start(&shell("a", &text));
    let (mut answer, mut kept, mut buffer) = (Answer::default(), Kept::default(), [0; 1000]);
    let stdout = child.stdout.as_mut().unwrap();
    while kept.stdout != b"early" {
        let read = stdout.read(&mut buffer).unwrap();
        assert!(read > 0, "it ended after {:?}", kept.stdout);
        answer.feed(&buffer[..read], &mut kept);
    }
    fs::write(go, "").unwrap();
    let (ending, rest) = finish(child, answer);
    assert_eq!((ending, rest.stdout), (exited(0), b"late".to_vec()));
}

#[test]
fn a_child_in_the_background_does_not_hold_it_up() {
    let bench = Bench::new();
    let start = Instant::now();
    let (ending, kept) = bench.run(&shell("a", "sleep 5 & echo $!"));
    assert_eq!(ending, exited(0));
    assert!(start.elapsed() < Duration::from_secs(3), "took {:?}", start.elapsed());
    let pid = String::from_utf8(kept.stdout).unwrap();
    assert!(is_alive(&pid), "what a step leaves running on purpose was killed");
    std::process::Command::new("kill").arg(pid.trim()).status().unwrap();
}
