//! Why a node could not do what was asked.

use crate::domain::NodeName;
use labctl_agent::Answer;

/// What kind of failure a [`NodeError`] is; decides the exit code and the hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeErrorKind {
    /// No connection: refused, timed out, no route, unknown host.
    Unreachable,
    /// The key or user was not accepted.
    AccessDenied,
    /// The host key differs from the one known, or is unknown under `strict`.
    HostKey,
    /// `sudo -n` was refused.
    NoRoot,
    /// The node answered, and a socket or port there takes no connections.
    Refused,
    /// The node answered, yet something on it did not work (disk full, tool missing).
    NodeFault,
}

/// A node could not do what was asked, apart from how a command itself ended.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct NodeError {
    /// Which node.
    pub node: NodeName,
    /// The kind of failure.
    pub kind: NodeErrorKind,
    /// What failed, with the address and what ssh or the node said; control characters already removed.
    pub message: String,
    /// The next thing to try, where one is known.
    pub hint: Option<String>,
}

/// Makes the error for a node that answers but on which something does not work.
pub(super) fn fault(node: &NodeName, why: &str) -> NodeError {
    NodeError {
        node: node.clone(),
        kind: NodeErrorKind::NodeFault,
        message: format!("{node}: {why}"),
        hint: None,
    }
}

/// Makes the error for an agent that answers what it was not asked.
pub(super) fn unasked(node: &NodeName, answer: &Answer) -> NodeError {
    let kind = format!("{answer:?}");
    let kind = kind.split(['(', ' ']).next().unwrap_or_default();
    fault(
        node,
        &format!("the agent answered something that was not asked: {kind}"),
    )
}
