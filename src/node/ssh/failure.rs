//! Turns what ssh wrote before it gave up into an error that says what to do.

use super::host_key;
use super::launch::Target;
use crate::node::printable::{printable, printable_line};
use crate::node::{NodeError, NodeErrorKind};

/// Makes the error for a connection to `target` that did not come about; `said` is all that ssh wrote.
pub(super) fn connect_failure(target: &Target, said: &[u8]) -> NodeError {
    let said = printable(said);
    if said.contains("REMOTE HOST IDENTIFICATION HAS CHANGED") || said.contains("has changed and you have requested") {
        return host_key::changed(target, &said);
    }
    if said.contains("host key is known for") || said.contains("Host key verification failed") {
        return host_key::unknown(target, &said);
    }
    if let Some(error) = access_denied(target, &said) {
        return error;
    }
    let place = target.place();
    let words = last_words(&said);
    let message = if words.is_empty() {
        format!("cannot reach {} at {place}", target.name)
    } else {
        format!("cannot reach {} at {place}: {words}", target.name)
    };
    target.error(NodeErrorKind::Unreachable, message, reach_hint(target, &words))
}

fn reach_hint(target: &Target, words: &str) -> Option<String> {
    let hint = if words.contains("refused") {
        "nothing listens there: is sshd running, and is the port right?"
    } else if words.contains("resolve") {
        "check `address` in the inventory"
    } else if words.contains("timed out") || words.contains("No route") || words.contains("unreachable") {
        "is the machine up, and does its firewall or security group let port 22 through?"
    } else {
        return Some(format!("try it by hand: {}", target.by_hand()));
    };
    Some(hint.to_owned())
}

/// Makes the error for a key or user that was not accepted, where that is what `said` says.
fn access_denied(target: &Target, said: &str) -> Option<NodeError> {
    let denied = said.contains("Permission denied (") || said.contains("Too many authentication failures");
    let too_open = said.contains("UNPROTECTED PRIVATE KEY FILE");
    if !denied && !too_open {
        return None;
    }
    let who = format!("{} ({})", target.name, target.place());
    let key = target.identity_file.as_ref().map(|path| path.display().to_string());
    let (message, hint) = match key {
        Some(key) if too_open => (
            format!("{who}: ssh does not use the key {key} because others may read it"),
            format!("chmod 600 {key}"),
        ),
        Some(key) if said.contains("Load key") => {
            let why = said.lines().find(|line| line.contains("Load key")).unwrap_or_default();
            (
                format!("{who}: the key {key} cannot be used: {}", why.trim()),
                format!("check the file {key}"),
            )
        }
        Some(key) => (
            format!("{who} did not accept the key {key} for {}", target.user_text()),
            format!(
                "check `user` and `identity_file` in the inventory; a key with a passphrase must be in the agent \
                 (ssh-add {key}); by hand: {}",
                target.by_hand()
            ),
        ),
        None => (
            format!("{who} did not accept any key for {}", target.user_text()),
            format!(
                "name the key as `identity_file` in the inventory, or add it to the agent; by hand: {}",
                target.by_hand()
            ),
        ),
    };
    Some(target.error(NodeErrorKind::AccessDenied, message, Some(hint)))
}

/// Returns the lines that tell why: not the banner, not what was added to known_hosts.
pub(super) fn last_words(said: &str) -> String {
    let telling: Vec<&str> = said
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.contains("Permanently added"))
        .map(|line| line.trim().strip_prefix("ssh: ").unwrap_or(line.trim()))
        .collect();
    let start = telling.len().saturating_sub(3);
    printable_line(telling[start..].join("\n").as_bytes())
}
