//! Decides what it means that a node could not be connected to, from what ssh and the node said: what failed, and what to try next.

use super::hop::Hop;
use super::host_key;
use super::said::{Ended, Said, last_words};
use super::target::{Target, place_of};
use crate::node::{NodeError, NodeErrorKind};

/// What a line of ssh's says went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    KeyChanged,
    KeyUnknown,
    KeyTooOpen,
    KeyUnusable,
    Denied,
    /// The server closed the connection before it said who it is.
    ClosedEarly,
    /// Nobody listens, nobody answers, or nobody knows the name.
    NotReached,
    /// A jump may not lead on.
    NotForwarded,
    /// A jump did not reach the next machine.
    NotReachedFromJump,
}

/// Parts of ssh's lines, and what they mean.
const SIGNS: [(&str, Why); 27] = [
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", Why::KeyChanged),
    ("has changed and you have requested", Why::KeyChanged),
    ("host key is known for", Why::KeyUnknown),
    ("Host key verification failed", Why::KeyUnknown),
    ("UNPROTECTED PRIVATE KEY FILE", Why::KeyTooOpen),
    ("Load key", Why::KeyUnusable),
    ("Permission denied (", Why::Denied),
    ("Too many authentication failures", Why::Denied),
    ("administratively prohibited", Why::NotForwarded),
    ("open failed:", Why::NotReachedFromJump),
    ("stdio forwarding failed", Why::NotReachedFromJump),
    ("exchange_identification: Connection closed", Why::ClosedEarly),
    ("exchange_identification: read: Connection reset", Why::ClosedEarly),
    ("exchange_identification: Connection reset", Why::ClosedEarly),
    ("exchange_identification: write: Broken pipe", Why::ClosedEarly),
    ("Could not resolve hostname", Why::NotReached),
    ("connect to host ", Why::NotReached),
    ("Connection timed out", Why::NotReached),
    ("Operation timed out", Why::NotReached),
    ("Connection refused", Why::NotReached),
    ("Connection closed by ", Why::NotReached),
    ("Connection reset by ", Why::NotReached),
    ("jumphost loop", Why::NotReached),
    ("Unable to negotiate", Why::NotReached),
    ("Bad configuration option", Why::NotReached),
    ("ssh: not found", Why::NotReached),
    ("No route to host", Why::NotReached),
];

/// Returns what the first telling line of `text` means.
fn first_reason(text: &str) -> Option<(Why, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with("debug1: "));
    let mut reasons = lines.filter_map(|line| {
        let sign = SIGNS.iter().find(|(sign, _)| line.contains(sign));
        sign.map(|(_, why)| (*why, line.trim()))
    });
    reasons.next()
}

/// Makes the error for a process that may open nothing more, as `reason` says; `None` where it says something else. No node is to blame.
pub(super) fn no_descriptors(target: &Target, reason: &str) -> Option<NodeError> {
    is_for_want_of_descriptors(reason).then(|| {
        let message = format!(
            "{}: this machine allows labctl too few open files for one more connection",
            target.name
        );
        let hint =
            "allow more in this shell, as with `ulimit -n 4096`; a system-wide limit is in /etc/security/limits.conf"
                .to_owned();
        target.error(NodeErrorKind::Unreachable, message, Some(hint))
    })
}

/// Says whether `reason` is that this process may open nothing more.
pub(super) fn is_for_want_of_descriptors(reason: &str) -> bool {
    reason.contains("Too many open files")
}

/// What failed: the node itself, or a jump on the way to it.
struct Blame<'a> {
    why: Option<Why>,
    /// What the ssh said that failed.
    text: &'a str,
    /// The line that says it.
    line: &'a str,
    is_jump: bool,
}

fn blame(said: &Said) -> Blame<'_> {
    let of_node = first_reason(&said.node);
    let is_decided = of_node.is_some_and(|(why, _)| !matches!(why, Why::ClosedEarly | Why::NotReached));
    // A jump that fails looks to the ssh behind it like a server that closes the connection.
    if let Some((why, line)) = first_reason(&said.jumps).filter(|_| !is_decided) {
        let is_between = said.jumps.contains("UNKNOWN port");
        return Blame {
            why: Some(why),
            text: &said.jumps,
            line,
            is_jump: why != Why::NotReachedFromJump || is_between,
        };
    }
    Blame {
        why: of_node.map(|(why, _)| why),
        text: &said.node,
        line: of_node.map_or("", |(_, line)| line),
        is_jump: false,
    }
}

/// Says whether a connection failed because a server takes no more connections at once.
pub(super) fn is_by_load(said: &Said) -> bool {
    blame(said).why == Some(Why::ClosedEarly)
}

/// Makes the error for a connection to `target` that did not come about; `said` is all that ssh wrote.
pub(super) fn connect_failure(target: &Target, said: &Said) -> NodeError {
    let blame = blame(said);
    let hop = if blame.is_jump {
        Hop::jump(target, blame.line)
    } else {
        Hop::node(target)
    };
    match blame.why {
        Some(Why::KeyChanged) => host_key::changed(&hop, blame.text),
        Some(Why::KeyUnknown) => host_key::unknown(&hop, blame.text),
        Some(Why::KeyTooOpen | Why::KeyUnusable) => unusable_key(&hop, blame.text),
        Some(Why::Denied) => denied(&hop, blame.line),
        Some(Why::ClosedEarly) if blame.is_jump => closed_early(&hop, &last_words(blame.text)),
        Some(Why::ClosedEarly) => closed_early(&hop, &said.words()),
        Some(Why::NotForwarded) => {
            let message = format!("{} may not lead on: {}", hop.text(), last_words(blame.text));
            let hint = "its sshd must allow TCP forwarding (AllowTcpForwarding), and the user's key, too".to_owned();
            target.error(NodeErrorKind::Jump, message, Some(hint))
        }
        Some(Why::NotReached | Why::NotReachedFromJump) | None => {
            // What a jump says of itself may be a greeting.
            let words = if blame.why.is_some() {
                last_words(blame.text)
            } else {
                said.words()
            };
            not_reached(&hop, &words)
        }
    }
}

/// Makes the error for a connection to `target` that broke; `words` say how.
pub(super) fn broken(target: &Target, words: &str) -> NodeError {
    not_reached(&Hop::node(target), words)
}

/// Makes the error for a node that lets labctl in, and whose shell `ended` without starting an agent.
pub(super) fn no_agent(target: &Target, ended: &Ended) -> NodeError {
    let who = format!("{} ({})", target.name, target.place());
    let words = ended.words();
    if let Some(user) = ended.wanted_user() {
        let message = format!("{who} wants another login than {}: {words}", target.user_text());
        let hint = format!("set `user = \"{user}\"` in the inventory");
        return target.error(NodeErrorKind::AccessDenied, message, Some(hint));
    }
    let how = ended.how();
    let message = if words.is_empty() {
        format!("{who} lets {} in, but {how}, and said nothing", target.user_text())
    } else {
        format!("{who} lets {} in, but {how}: {words}", target.user_text())
    };
    let hint = format!(
        "labctl needs a login that may run commands: not with nologin or /bin/false as its shell, nor with a forced command \
         (`command=` in authorized_keys, ForceCommand of sshd); see `user` in the inventory; by hand: {}",
        target.by_hand()
    );
    target.error(NodeErrorKind::NoAgent, message, Some(hint))
}

/// Makes the error for a machine that was not reached, or did not answer.
fn not_reached(hop: &Hop<'_>, words: &str) -> NodeError {
    let target = hop.target;
    let whom = if hop.is_jump() {
        format!("{} cannot be reached", hop.text())
    } else {
        let way = match target.jumps.as_deref() {
            Some([.., last]) => format!(" through {}", place_of(&last.host, last.port)),
            _ => String::new(),
        };
        format!("cannot reach {} at {}{way}", target.name, target.place())
    };
    let message = if words.is_empty() {
        whom
    } else {
        format!("{whom}: {words}")
    };
    target.error(
        hop.kind(NodeErrorKind::Unreachable),
        message,
        Some(reach_hint(hop, words)),
    )
}

fn reach_hint(hop: &Hop<'_>, words: &str) -> String {
    let port = hop.place().map_or(22, |(_, port)| port);
    if words.contains("refused") {
        "nothing listens there: is sshd running, and is the port right?".to_owned()
    } else if words.contains("resolve") || words.contains("Name or service not known") || words.contains("resolution") {
        format!("check {} in the inventory", hop.setting())
    } else if words.contains("timed out")
        || words.contains("No route")
        || words.contains("unreachable")
        || words.contains("not responding")
    {
        format!("is the machine up, and does its firewall or security group let port {port} through?")
    } else {
        format!("try it by hand: {}", hop.target.by_hand())
    }
}

fn closed_early(hop: &Hop<'_>, words: &str) -> NodeError {
    let seconds = hop.target.connect_timeout.as_secs();
    let message = format!(
        "{} closes new connections before it says who it is, for {seconds} s now: {words}",
        hop.text()
    );
    let hint = "its sshd takes too few connections at once (MaxStartups in its sshd_config), or none from here; its log says which; \
                a longer `connect_timeout` tries for longer";
    let kind = hop.kind(NodeErrorKind::Overloaded);
    hop.target.error(kind, message, Some(hint.to_owned()))
}

fn unusable_key(hop: &Hop<'_>, said: &str) -> NodeError {
    let key = hop.target.identity_file.as_ref().map(|path| path.display().to_string());
    let key = key.unwrap_or_else(|| "of your own ssh configuration".to_owned());
    let (message, hint) = if said.contains("UNPROTECTED PRIVATE KEY FILE") {
        (
            format!(
                "{}: ssh does not use the key {key} because others may read it",
                hop.text()
            ),
            format!("chmod 600 {key}"),
        )
    } else {
        let why = said.lines().find(|line| line.contains("Load key")).unwrap_or_default();
        (
            format!("{}: the key {key} cannot be used: {}", hop.text(), why.trim()),
            format!(
                "check the file {key}; a key with a passphrase must be in the agent: ssh-add {key}; by hand: {}",
                hop.target.by_hand()
            ),
        )
    };
    hop.target.error(NodeErrorKind::AccessDenied, message, Some(hint))
}

fn denied(hop: &Hop<'_>, words: &str) -> NodeError {
    let key = hop.target.identity_file.as_ref().map(|path| path.display().to_string());
    let by_hand = hop.target.by_hand();
    let what = match &key {
        Some(key) => format!("the key {key}"),
        None => "any key".to_owned(),
    };
    let message = format!("{} did not accept {what} for {}: {words}", hop.text(), hop.user_text());
    let hint = match (&key, hop.is_jump()) {
        (Some(key), false) => format!(
            "check `user` and `identity_file` in the inventory; a key with a passphrase must be in the agent (ssh-add {key}); \
             by hand: {by_hand}"
        ),
        (None, false) => {
            format!("name the key as `identity_file` in the inventory, or add it to the agent; by hand: {by_hand}")
        }
        (_, true) => format!(
            "check the user in `proxy_jump`; a jump is asked with the same key as the node, `identity_file`; by hand: {by_hand}"
        ),
    };
    hop.target
        .error(hop.kind(NodeErrorKind::AccessDenied), message, Some(hint))
}
