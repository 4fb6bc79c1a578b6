//! Starts a command as the user that it shall run as.

use crate::accounts;
use crate::faults::plain;
use crate::programs;
use crate::threads;
use labctl_agent::Exec;
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::Arc;

/// Starts `exec` in a process group of its own, with pipes for its output. Its environment has `marker` in it. Fails with the reason, in
/// words that labctl shows.
pub(crate) fn start_as(exec: &Arc<Exec>, marker: &str) -> Result<Child, String> {
    if geteuid().as_raw() == exec.uid {
        return start(exec, marker);
    }
    let (order, marker) = (Arc::clone(exec), marker.to_owned());
    // A thread that ends with this: for the kernel, each thread has a user and groups of its own, and a child has those of the thread that
    // starts it.
    let starting = threads::start(move || {
        become_user(&order).map_err(|error| format!("cannot become {}: {}", order.user, plain(&error)))?;
        start(&order, &marker)
    });
    let started = starting.map_err(|error| plain(&error))?.join();
    started.unwrap_or_else(|_| Err("starting it broke off".to_owned()))
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
