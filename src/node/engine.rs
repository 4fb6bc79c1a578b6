//! The way to a node's Docker Engine.

use super::transport::{Dialler, NodeError, NodeErrorKind};
use crate::domain::NodeName;
use labctl_agent::{Dial, Place};

/// Where every engine listens unless told otherwise.
const SOCKET: &str = "/var/run/docker.sock";

/// How long an engine may take to take a connection, in milliseconds.
const CONNECTING_MS: u64 = 10_000;

/// Returns where every engine listens unless told otherwise.
pub(super) fn place() -> Place {
    Place::Socket(SOCKET.to_owned())
}

/// Says whether root is needed to reach the engine, or fails where not even root reaches one.
pub(super) async fn needs_root(node: &NodeName, dialler: &dyn Dialler) -> Result<bool, NodeError> {
    let dial = Dial {
        place: place(),
        deadline_ms: CONNECTING_MS,
    };
    let refusal = match dialler.dial(dial.clone(), false).await {
        Ok(_) => return Ok(false),
        Err(error) if error.kind == NodeErrorKind::Refused => error,
        Err(error) => return Err(error),
    };
    match dialler.dial(dial, true).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind == NodeErrorKind::NoRoot => {
            // The user may not, and root is not to be had: the first is what can be mended.
            let mut error = error;
            error.message = format!("{}; {}", refusal.message, error.message);
            error.hint = Some("add the login user to the group docker on the node, or allow sudo".to_owned());
            Err(error)
        }
        Err(error) if error.kind == NodeErrorKind::Refused => Err(NodeError {
            node: node.clone(),
            kind: NodeErrorKind::NodeFault,
            message: format!(
                "{node}: its Docker Engine does not answer: {}",
                error.message.trim_start_matches(&format!("{node}: "))
            ),
            hint: Some("is it installed and running? `sudo service docker status` on the node".to_owned()),
        }),
        Err(error) => Err(error),
    }
}
