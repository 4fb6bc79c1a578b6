//! The agent's program: labctl's hand on a node.
//!
//! The first argument says which part it plays: `user` and `root` serve a connection, `keep` keeps its recorded commands, `tty` gives sudo a
//! terminal, `guard` ends what a killed agent left running.

mod accounts;
mod cgroup;
mod channel;
mod copy;
mod dial;
mod end_draft;
mod ending_processes;
mod faults;
mod follow;
mod greeting;
mod groups;
mod guard;
mod instance;
mod keeper;
mod keeper_link;
mod keeping;
mod kept_output;
mod look;
mod mailbox;
mod news;
mod output;
mod own_file;
mod place;
mod processes;
mod programs;
mod random;
mod record;
mod remove;
mod requests;
mod root_part;
mod run;
mod session;
mod start_as;
mod stopping;
mod terminal;
mod threads;
mod voice;
mod wakeups;
mod write;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    let Some((part, rest)) = words.split_first() else {
        return complain("labctl-agent is started by labctl");
    };
    let done = match (part.to_str(), rest) {
        // Asked before anything else: whether the node runs it.
        (Some("version"), []) => Ok(()),
        (Some("user"), [directory, root]) => session::serve_user(Path::new(directory), &root.to_string_lossy()),
        (Some("root"), []) => terminal::restore_signals().and_then(|()| session::serve_root()),
        (Some("keep"), []) => keeper::keep(),
        (Some("guard"), []) => {
            guard::guard();
            Ok(())
        }
        (Some("tty"), rest) => terminal::become_on_terminal(rest),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&faults::plain(&error)),
    }
}

fn complain(reason: &str) -> ExitCode {
    // Where nobody reads it, the status says enough.
    let _ = writeln!(io::stderr(), "labctl-agent: {reason}");
    ExitCode::FAILURE
}
