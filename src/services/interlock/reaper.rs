//! Processes that nobody waits for.
//!
//! Responsible for ending them as process 1 of a container must, whose children all become that have lost their parent. What this program
//! started itself it waits for elsewhere, and at once: only what has been waited for by nobody since the last look is taken.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, getpid, waitpid};
use tokio::time::{MissedTickBehavior, interval};

use super::log;

/// How often it is looked.
const LOOKING: Duration = Duration::from_secs(2);

/// Ends what nobody waits for; never returns. Does nothing where this is not process 1.
pub(super) async fn reap() -> Infallible {
    if !getpid().is_init() {
        return std::future::pending().await;
    }
    let mut tick = interval(LOOKING);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = BTreeSet::new();
    loop {
        tick.tick().await;
        let ended = ended_children(getpid());
        for pid in ended.intersection(&before) {
            if let Some(pid) = Pid::from_raw(*pid) {
                // Somebody may have waited for it after all.
                let _ = waitpid(Some(pid), WaitOptions::NOHANG);
                log::debug(&format!(
                    "process {} had ended, and nobody waited for it",
                    pid.as_raw_nonzero()
                ));
            }
        }
        before = ended;
    }
}

/// The children of `parent` that have ended and were not waited for.
fn ended_children(parent: Pid) -> BTreeSet<i32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok())
        .filter_map(|stat| {
            let (pid, state, of) = read_stat(&stat)?;
            (state == "Z" && of == parent.as_raw_nonzero().get()).then_some(pid)
        })
        .collect()
}

/// Reads a process's id, state and parent; its name, which stands between them in parentheses, may be anything.
fn read_stat(stat: &str) -> Option<(i32, &str, i32)> {
    let (front, rest) = stat.rsplit_once(')')?;
    let pid = front.split(' ').next()?.parse().ok()?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    Some((pid, state, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_whose_name_looks_like_more_is_read() {
        assert_eq!(read_stat("12 (a) Z 1 (b)) Z 1 12 12"), Some((12, "Z", 1)));
        assert_eq!(read_stat("13 (haproxy) S 7 12"), Some((13, "S", 7)));
        assert_eq!(read_stat("nothing"), None);
    }

    #[test]
    fn a_child_that_ended_is_found_until_it_is_waited_for() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while !ended_children(getpid()).contains(&pid) {
            assert!(std::time::Instant::now() < deadline, "it was not found");
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!ended_children(getpid()).contains(&pid));
    }
}
