//! Ends all processes of a recorded command: its process group, and whoever left that but carries its mark.

use crate::processes::{self, ProcessState};
use rustix::process::{Pid, Signal, getpid, kill_process, kill_process_group, test_kill_process_group};
use std::time::{Duration, Instant};

/// How long KILL is repeated. Who survives it hangs in the kernel.
const KILLING: Duration = Duration::from_secs(2);

/// The first and the longest pause between two looks.
const PAUSES: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(50)];

/// The processes of a command.
#[derive(Debug)]
pub(crate) struct CommandProcesses {
    leader: Option<i32>,
    /// When the leader started, where it lives.
    start: Option<u64>,
    marker: String,
}

impl CommandProcesses {
    /// The process group `leader`, and all that carry `marker`, but for the Docker Engine: one that a command started is no part of it.
    pub(crate) fn new(leader: Option<i32>, marker: &str) -> Self {
        Self {
            leader,
            start: leader.and_then(ProcessState::of).map(|state| state.start),
            marker: marker.to_owned(),
        }
    }

    /// The same where nothing is known but `marker`: a group is the command's whose leader carries it.
    pub(crate) fn by_mark(marker: &str) -> Self {
        let mut marked = processes::with_mark(marker).into_iter();
        let leads =
            |pid: &i32| ProcessState::of(*pid).is_some_and(|state| state.group == *pid) && !processes::is_engine(*pid);
        Self::new(marked.find(leads), marker)
    }

    /// Sends TERM, and after `grace` KILL, until none remains. Between two looks it calls `pause`, which takes as long as it is told.
    pub(crate) fn end(&self, grace: Duration, mut pause: impl FnMut(Duration)) {
        self.signal(Signal::TERM);
        if self.vanishes_within(grace, None, &mut pause) {
            return;
        }
        self.vanishes_within(KILLING, Some(Signal::KILL), &mut pause);
    }

    /// Waits until none remains, at most for `time`; sends `signal` at every look.
    fn vanishes_within(&self, time: Duration, signal: Option<Signal>, wait: &mut impl FnMut(Duration)) -> bool {
        let [mut pause, longest] = PAUSES;
        let started = Instant::now();
        loop {
            if let Some(signal) = signal {
                self.signal(signal);
            }
            if !self.remains() {
                return true;
            }
            let left = time.saturating_sub(started.elapsed());
            if left.is_zero() {
                return false;
            }
            wait(pause.min(left));
            pause = (pause * 2).min(longest);
        }
    }

    /// Sends `signal` to everybody once.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.leader.and_then(Pid::from_raw) {
            // One that was started just now leads no group yet. Neither does it show its mark in the middle of its start.
            if kill_process_group(group, signal).is_err() && self.leader_lives() {
                let _ = kill_process(group, signal);
            }
        }
        for pid in self.marked() {
            let is_of_the_group = ProcessState::of(pid).is_none_or(|state| Some(state.group) == self.leader);
            if let (false, Some(pid)) = (is_of_the_group, Pid::from_raw(pid)) {
                let _ = kill_process(pid, signal);
            }
        }
    }

    fn leader_lives(&self) -> bool {
        let state = self.leader.and_then(ProcessState::of);
        state.is_some_and(|state| !state.has_ended && Some(state.start) == self.start)
    }

    fn remains(&self) -> bool {
        self.leader_lives()
            || self.leader.is_some_and(|leader| {
                // Those that have ended, and that nobody has taken note of, can still be signalled.
                Pid::from_raw(leader).is_some_and(|group| test_kill_process_group(group).is_ok())
                    && processes::group_lives(leader)
            })
            || !self.marked().is_empty()
    }

    fn marked(&self) -> Vec<i32> {
        let own = getpid().as_raw_pid();
        let mut marked = processes::with_mark(&self.marker);
        marked.retain(|pid| *pid != own && !processes::is_engine(*pid));
        marked
    }
}
