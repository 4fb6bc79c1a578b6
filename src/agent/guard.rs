//! Ends what an agent left running that was killed as nothing can be done about: by the kernel where memory is short, or by `kill -9`. Nobody
//! else would know of the deadlines of its commands.
//!
//! One process for all commands of a connection, started with the first: the kernel sends a signal at a parent's death (PR_SET_PDEATHSIG)
//! to the command alone and not to its children, and only where a program between the agent and the command asks for it, every time.

use crate::channel;
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::HashSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};

/// A message: a process group, positive where it runs, negative where it has ended.
type Message = [u8; 4];

/// The way to the process.
#[derive(Debug)]
pub(crate) struct Guard(ChildStdin);

impl Guard {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub(crate) fn start() -> io::Result<Self> {
        let mut child = Command::new("/proc/self/exe")
            .arg0("labctl-agent")
            .arg("guard")
            // Whoever signals the agent's group does not mean this.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        child
            .stdin
            .take()
            .map(Self)
            .ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// Notes that `group` runs.
    pub(crate) fn add(&self, group: Pid) {
        self.send(group.as_raw_pid());
    }

    /// Notes that `group` has ended.
    pub(crate) fn remove(&self, group: Pid) {
        self.send(-group.as_raw_pid());
    }

    fn send(&self, number: i32) {
        // Where it was killed, commands run on without it.
        let _ = channel::write_all(&self.0, &number.to_ne_bytes());
    }
}

/// Is that process: listens until the agent is gone, and kills what still runs then.
pub(crate) fn guard() {
    let _ = rustix::thread::set_name(c"labctl-agent");
    let _ = std::env::set_current_dir("/");
    let mut running = HashSet::new();
    let mut message = Message::default();
    // It ends with the agent, which never sends a part of a message.
    while channel::read_exactly(rustix::stdio::stdin(), &mut message).is_ok() {
        match i32::from_ne_bytes(message) {
            group if group > 0 => running.insert(group),
            group => running.remove(&-group),
        };
    }
    for group in running.into_iter().filter_map(Pid::from_raw) {
        // One that has ended needs no signal.
        let _ = kill_process_group(group, Signal::KILL);
    }
}
