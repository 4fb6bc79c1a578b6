//! The process groups of commands that run for this connection, and end with it.

use crate::channel::lock;
use crate::guard::Guard;
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::HashSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::Mutex;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    groups: HashSet<Pid>,
    is_over: bool,
    /// Ends them where this process is killed.
    guard: Option<Guard>,
}

impl Running {
    fn tell_guard(&self, tell: impl FnOnce(&Guard)) {
        if let Some(guard) = &self.guard {
            tell(guard);
        }
    }
}

impl Groups {
    /// Starts `command` in a group of its own.
    ///
    /// # Errors
    ///
    /// Where it does not start, or the connection is over.
    pub(crate) fn start(&self, command: &mut Command) -> io::Result<Child> {
        // Locked meanwhile: none may start unseen when all are ended.
        let mut running = lock(&self.running);
        if running.is_over {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if running.guard.is_none() {
            // A machine that has no process left for it may have one for the command.
            running.guard = Guard::start().ok();
        }
        let child = command.process_group(0).spawn()?;
        let group = Pid::from_child(&child);
        running.tell_guard(|guard| guard.add(group));
        running.groups.insert(group);
        Ok(child)
    }

    /// Forgets `group`, whose leader has ended: its number may soon be another's.
    pub(crate) fn forget(&self, group: Pid) {
        let mut running = lock(&self.running);
        if running.groups.remove(&group) {
            running.tell_guard(|guard| guard.remove(group));
        }
    }

    /// Kills all of them; none starts from now on.
    pub(crate) fn end(&self) {
        let mut running = lock(&self.running);
        running.is_over = true;
        for group in std::mem::take(&mut running.groups) {
            // One that has ended needs no signal.
            let _ = kill_process_group(group, Signal::KILL);
            running.tell_guard(|guard| guard.remove(group));
        }
    }
}
