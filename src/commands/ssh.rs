//! `ssh NODE`: a shell on a node, by the system's own ssh client.

use super::failure::Failure;
use super::playground::known_node;
use super::session::Session;
use super::target;
use crate::cli;
use crate::domain::Inventory;
use crate::exit::Exit;
use crate::node::ssh_words;
use std::process::{Command, Stdio};

/// The status with which ssh says that it is ssh itself that failed; a command may end with it, too.
const SSH_FAILED: i32 = 255;
/// How ssh is told to ask nothing, and not to wait long.
const BRIEFLY: [&str; 4] = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"];

/// Opens a shell on a node of the inventory in use.
pub(super) async fn ssh(session: &Session, options: &cli::Ssh) -> Result<Exit, Failure> {
    let machines = target::machines(session, false).await?;
    open_shell(&machines.inventory, options)
}

/// Opens a shell on a node of `inventory`, or runs a command there and ends with its status.
pub(super) fn open_shell(inventory: &Inventory, options: &cli::Ssh) -> Result<Exit, Failure> {
    let node = known_node(inventory, &options.node)?;
    let words = ssh_words(node)?;
    let withheld = inventory.secret_variables();
    let status = ssh_command(&words, &withheld)
        .args(&options.command)
        .status()
        .map_err(|error| Failure::new(Exit::CouldNotRun, error).hint("install the OpenSSH client"))?;
    let is_shell = options.command.is_empty();
    match status.code() {
        Some(SSH_FAILED) if is_shell || !answers(&words, &withheld) => {
            Err(Failure::could_not_run(format!("ssh to {} did not work", node.name))
                .hint("ssh has said why, above; `labctl inventory check` looks at all nodes"))
        }
        // A shell ends with the status of its last command, which is the user's own affair.
        Some(_) if is_shell => Ok(Exit::Success),
        Some(code) => Ok(u8::try_from(code).map_or(Exit::CouldNotRun, Exit::OfCommand)),
        None => Err(Failure::could_not_run(format!(
            "ssh to {} was ended by a signal",
            node.name
        ))),
    }
}

/// Returns the command `words`, without the variables that are `withheld` from it: ssh may leave a connection behind.
fn ssh_command(words: &[String], withheld: &[String]) -> Command {
    let mut command = Command::new("ssh");
    // What leads through a jump is written for this shell.
    command.args(words.iter().skip(1)).env("SHELL", "/bin/sh");
    for name in withheld {
        command.env_remove(name);
    }
    command
}

/// Tells whether the node that the ssh command `words` logs in to runs commands at all: if so, it was the command that ended
/// with ssh's own status.
fn answers(words: &[String], withheld: &[String]) -> bool {
    let mut brief = words.to_vec();
    brief.splice(1..1, BRIEFLY.map(str::to_owned));
    let asked = ssh_command(&brief, withheld)
        .arg("true")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}
