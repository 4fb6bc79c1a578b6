//! The agent's program: labctl's hand on a node.
//!
//! The first argument says which part it plays: `user` and `root` serve a connection, `keep` keeps one recorded command, `lead` becomes that
//! command, `tty` gives sudo a terminal.

mod accounts;
mod cgroup;
mod channel;
mod dial;
mod end_draft;
mod ending_processes;
mod faults;
mod follow;
mod greeting;
mod groups;
mod instance;
mod keeper;
mod kept_output;
mod lead;
mod look;
mod mailbox;
mod output;
mod own_file;
mod place;
mod processes;
mod programs;
mod random;
mod record;
mod requests;
mod root_part;
mod run;
mod session;
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
        (Some("root"), []) => session::serve_root(),
        (Some("keep"), []) => keeper::keep(),
        // It is only back where it did not become the command.
        (Some("lead"), []) => {
            // Where it could not even say why, it was not told who it is.
            let _ = lead::lead();
            return ExitCode::from(lead::UNSTARTED);
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
