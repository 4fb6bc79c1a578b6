//! The process groups of commands that run for this connection, and end with it.

use crate::channel::lock;
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
        let child = command.process_group(0).spawn()?;
        running.groups.insert(Pid::from_child(&child));
        Ok(child)
    }

    /// Forgets `group`, whose leader has ended: its number may soon be another's.
    pub(crate) fn forget(&self, group: Pid) {
        lock(&self.running).groups.remove(&group);
    }

    /// Kills all of them; none starts from now on.
    pub(crate) fn end(&self) {
        let mut running = lock(&self.running);
        running.is_over = true;
        for group in running.groups.drain() {
            // One that has ended needs no signal.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
