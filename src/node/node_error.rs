//! Why a node could not do what was asked.

use crate::domain::{Ending, NodeName, ProbeError};
use labctl_agent::Answer;

/// What kind of failure a [`NodeError`] is; decides the exit code and the hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeErrorKind {
    /// No connection: refused, timed out, no route, unknown host; or the connection broke.
    Unreachable,
    /// A machine on the way to the node lets nobody through.
    Jump,
    /// The node's sshd takes no more connections at once.
    Overloaded,
    /// The key or user was not accepted.
    AccessDenied,
    /// The host key differs from the one known, or is unknown under `strict`.
    HostKey,
    /// The node lets the user in, and labctl's agent cannot be started: a forced command, no shell, no place for it.
    NoAgent,
    /// `sudo -n` was refused.
    NoRoot,
    /// The node answered, and a socket or port there takes no connections.
    Refused,
    /// The node answered, yet something on it did not work (disk full, tool missing).
    NodeFault,
}

impl NodeErrorKind {
    /// Says whether nothing at all can be done on the node. This is the one place that decides what a failure means for whoever wanted
    /// something of the node: where it is `false`, the node answers, and only what was wanted does not work.
    pub fn cuts_off(self) -> bool {
        match self {
            Self::Unreachable | Self::Jump | Self::Overloaded | Self::AccessDenied | Self::HostKey | Self::NoAgent => {
                true
            }
            Self::NoRoot | Self::Refused | Self::NodeFault => false,
        }
    }
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

impl From<NodeError> for Ending {
    fn from(error: NodeError) -> Self {
        let NodeError {
            kind, message, hint, ..
        } = error;
        if kind.cuts_off() {
            Self::LostConnection { reason: message, hint }
        } else {
            Self::CouldNotStart { reason: message, hint }
        }
    }
}

impl From<NodeError> for ProbeError {
    fn from(error: NodeError) -> Self {
        let NodeError {
            kind, message, hint, ..
        } = error;
        if kind.cuts_off() {
            Self::Unreachable { reason: message, hint }
        } else {
            Self::CannotLook { reason: message, hint }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(NodeErrorKind::Unreachable, true)]
    #[case(NodeErrorKind::Jump, true)]
    #[case(NodeErrorKind::Overloaded, true)]
    #[case(NodeErrorKind::AccessDenied, true)]
    #[case(NodeErrorKind::HostKey, true)]
    #[case(NodeErrorKind::NoAgent, true)]
    #[case(NodeErrorKind::NoRoot, false)]
    #[case(NodeErrorKind::Refused, false)]
    #[case(NodeErrorKind::NodeFault, false)]
    fn a_failure_means_the_same_to_actions_and_probes_and_keeps_its_hint(
        #[case] kind: NodeErrorKind,
        #[case] is_lost: bool,
    ) {
        let error = NodeError {
            node: NodeName::new("node-0").unwrap(),
            kind,
            message: "it failed".to_owned(),
            hint: Some("try this".to_owned()),
        };
        let (reason, hint) = (error.message.clone(), error.hint.clone());
        let (ending, probed) = if is_lost {
            (
                Ending::LostConnection {
                    reason: reason.clone(),
                    hint: hint.clone(),
                },
                ProbeError::Unreachable { reason, hint },
            )
        } else {
            (
                Ending::CouldNotStart {
                    reason: reason.clone(),
                    hint: hint.clone(),
                },
                ProbeError::CannotLook { reason, hint },
            )
        };
        assert_eq!(Ending::from(error.clone()), ending);
        assert_eq!(ProbeError::from(error), probed);
    }
}
