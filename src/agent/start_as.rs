//! Starts a command as the user that it shall run as.

use crate::accounts;
use crate::channel::lock;
use crate::ending_processes::CommandProcesses;
use crate::faults::plain;
use crate::programs;
use crate::threads;
use crate::wakeups::Bell;
use labctl_agent::Exec;
use rustix::process::{Gid, Pid, Uid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

/// A command that is being started. Where its directory or program is on a file system that does not answer, that takes for ever.
#[derive(Debug)]
pub(crate) struct Starting {
    stage: Arc<Mutex<Stage>>,
    ended: Bell,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
enum Stage {
    Begun,
    Ended(Result<Child, String>),
    /// Nobody wants it any more.
    GivenUp,
}

impl Starting {
    /// Begins to start `exec` in a process group of its own, with pipes for its output. Its environment has `marker` in it. Fails with the
    /// reason.
    ///
    /// That is done by a thread that ends with it: for the kernel, each thread has a user and groups of its own, and a child has those of
    /// the thread that starts it. For that moment the user may send this process signals, which is no more than a login user has who may
    /// become root.
    pub(crate) fn begin(exec: &Arc<Exec>, marker: &str) -> Result<Self, String> {
        let stage = Arc::new(Mutex::new(Stage::Begun));
        let ended = Bell::new().map_err(|error| plain(&error))?;
        let (order, marker) = (Arc::clone(exec), marker.to_owned());
        let (outcome, bell) = (Arc::clone(&stage), ended.clone());
        let thread = threads::start(move || {
            let mut started = start_as(&order, &marker);
            let mut stage = lock(&outcome);
            match &mut *stage {
                Stage::GivenUp => end(&mut started, &marker),
                stage => *stage = Stage::Ended(started),
            }
            bell.ring();
        });
        let thread = thread.map_err(|error| plain(&error))?;
        Ok(Self { stage, ended, thread })
    }

    /// Returns what becomes readable when it has started, or could not be.
    pub(crate) fn ended(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    /// Returns the command, or in words that labctl shows why it could not be started; `None` where neither is known yet.
    pub(crate) fn take(&self) -> Option<Result<Child, String>> {
        let mut stage = lock(&self.stage);
        match std::mem::replace(&mut *stage, Stage::Begun) {
            Stage::Ended(started) => Some(started),
            Stage::Begun | Stage::GivenUp => None,
        }
    }

    /// Gives it up: should it start all the same, it is ended at once. Returns what has started already.
    pub(crate) fn give_up(&self) -> Option<Result<Child, String>> {
        match std::mem::replace(&mut *lock(&self.stage), Stage::GivenUp) {
            Stage::Ended(started) => Some(started),
            Stage::Begun | Stage::GivenUp => None,
        }
    }

    /// Waits until nothing more can come of it.
    pub(crate) fn join(self) {
        // A panic ends the program.
        let _ = self.thread.join();
    }
}

fn end(started: &mut Result<Child, String>, marker: &str) {
    if let Ok(child) = started {
        let leader = Pid::from_child(child).as_raw_pid();
        CommandProcesses::new(Some(leader), marker).end(Duration::ZERO, sleep);
        let _ = child.try_wait();
    }
}

fn start_as(exec: &Exec, marker: &str) -> Result<Child, String> {
    if geteuid().as_raw() != exec.uid {
        become_user(exec).map_err(|error| format!("cannot become {}: {}", exec.user, plain(&error)))?;
    }
    start(exec, marker)
}

fn start(exec: &Exec, marker: &str) -> Result<Child, String> {
    if let Some(trouble) = programs::trouble_entering(&exec.directory) {
        return Err(trouble);
    }
    let path = exec.environment.iter().rev().find(|(name, _)| name == "PATH");
    let path = path.map(|(_, value)| String::from_utf8_lossy(&value.0));
    programs::start(&exec.words, &exec.directory, path.as_deref(), |command| {
        let variables = exec.environment.iter();
        command
            .env_clear()
            .envs(variables.map(|(name, value)| (name, OsStr::from_bytes(&value.0))))
            .env("LABCTL_EXEC", marker)
            .current_dir(&exec.directory)
            .process_group(0)
            .stdin(programs::stdin_for(&exec.stdin.0))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    })
}

/// Changes who this thread is, and no other.
fn become_user(exec: &Exec) -> io::Result<()> {
    let mut groups: BTreeSet<u32> = exec.groups.iter().copied().collect();
    groups.extend(accounts::groups_of(&exec.user));
    groups.insert(exec.gid);
    let groups: Vec<Gid> = groups.into_iter().map(Gid::from_raw).collect();
    let (gid, uid) = (Gid::from_raw(exec.gid), Uid::from_raw(exec.uid));
    set_thread_groups(&groups)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}
