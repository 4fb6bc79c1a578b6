//! `ssh NODE`: a shell on a node, by the system's own ssh client.

use super::failure::Failure;
use super::playground::known_node;
use super::session::Session;
use super::target;
use crate::cli;
use crate::domain::{HostKeyPolicy, Inventory, Node};
use crate::exit::Exit;
use std::process::Command;

/// The status with which ssh says that it is ssh itself that failed.
const SSH_FAILED: i32 = 255;

/// Opens a shell on a node of the inventory in use.
pub(super) async fn ssh(session: &Session, options: &cli::Ssh) -> Result<Exit, Failure> {
    let machines = target::machines(session, false).await?;
    open_shell(&machines.inventory, options)
}

/// Opens a shell on a node of `inventory`, or runs a command there; ends as that ends.
pub(super) fn open_shell(inventory: &Inventory, options: &cli::Ssh) -> Result<Exit, Failure> {
    let node = known_node(inventory, &options.node)?;
    let words = ssh_words(node);
    let status = Command::new(&words[0])
        .args(&words[1..])
        .args(&options.command)
        .status()
        .map_err(|error| Failure::new(Exit::CouldNotRun, error).hint("install the OpenSSH client"))?;
    let what = if options.command.is_empty() {
        "ssh to"
    } else {
        "the command on"
    };
    match status.code() {
        Some(0) => Ok(Exit::Success),
        // A shell ends with the status of its last command, which is the user's own affair.
        Some(code) if options.command.is_empty() && code != SSH_FAILED => Ok(Exit::Success),
        Some(SSH_FAILED) => Err(Failure::could_not_run(format!("ssh to {} did not work", node.name))
            .hint("ssh has said why, above; `labctl inventory check` looks at all nodes")),
        Some(code) => Err(Failure::could_not_run(format!(
            "{what} {} ended with status {code}",
            node.name
        ))),
        None => Err(Failure::could_not_run(format!(
            "{what} {} was ended by a signal",
            node.name
        ))),
    }
}

/// Returns the words that log in to `node`.
pub(super) fn ssh_words(node: &Node) -> Vec<String> {
    let login = &node.login;
    let mut words = vec!["ssh".to_owned()];
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    if let Some(file) = &login.identity_file {
        option("-i", file.display().to_string());
        option("-o", "IdentitiesOnly=yes".to_owned());
    }
    if let Some(file) = &login.known_hosts {
        option("-o", format!("UserKnownHostsFile={}", file.display()));
    }
    let policy = match login.host_key {
        HostKeyPolicy::AcceptNew => "accept-new",
        HostKeyPolicy::Strict => "yes",
    };
    option("-o", format!("StrictHostKeyChecking={policy}"));
    if let Some(port) = login.port.filter(|port| *port != 22) {
        option("-p", port.to_string());
    }
    if let Some(jump) = &login.proxy_jump {
        option("-J", jump.clone());
    }
    words.push(match &login.user {
        Some(user) => format!("{user}@{}", node.address),
        None => node.address.clone(),
    });
    words
}
