//! What the agent says of itself first.

use crate::accounts::{self, Accounts};
use labctl_agent::{Hello, VERSION};
use rustix::process::{getegid, geteuid, getgroups};
use std::env;

/// Returns what is known of this process and its session.
pub(crate) fn hello(accounts: &Accounts) -> Hello {
    let uid = geteuid().as_raw();
    let (home, shell) = accounts::home_and_shell(uid).unwrap_or_default();
    let or = |name: &str, otherwise: &str| variable(name).unwrap_or_else(|| otherwise.to_owned());
    let system = rustix::system::uname();
    // Without groups of its own, a process has its main group's rights alone.
    let groups = getgroups().unwrap_or_default();
    Hello {
        version: VERSION,
        user: variable("LOGNAME")
            .or_else(|| variable("USER"))
            .unwrap_or_else(|| accounts.user(uid)),
        uid,
        gid: getegid().as_raw(),
        groups: groups.into_iter().map(rustix::fs::Gid::as_raw).collect(),
        home: or("HOME", if home.is_empty() { "/" } else { &home }),
        shell: or("SHELL", if shell.is_empty() { "/bin/sh" } else { &shell }),
        path: or("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ssh_connection: or("SSH_CONNECTION", ""),
        kernel: system.release().to_string_lossy().into_owned(),
        machine: system.machine().to_string_lossy().into_owned(),
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
