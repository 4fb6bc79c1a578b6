//! The way to a node's Docker Engine.

use super::dialler::Dialler;
use super::node_error::{NodeError, NodeErrorKind};
use crate::domain::NodeName;
use labctl_agent::{Dial, Place};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Where every engine listens unless told otherwise.
const SOCKET: &str = "/var/run/docker.sock";

/// How long an engine may take to take a connection, and again to say that it is there.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an answer to a ping may be, in bytes.
const PONG: usize = 16 << 10;

/// A version of an engine's API, such as 1.41.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    /// The number before the dot.
    pub major: usize,
    /// The number after it.
    pub minor: usize,
}

/// A way to an engine that answers.
pub(super) struct Found {
    /// Whether only root may use it.
    pub as_root: bool,
    /// The newest version of its API; `None` where it does not say so at a ping.
    pub api_version: Option<ApiVersion>,
}

/// Returns where every engine listens unless told otherwise.
pub(super) fn place() -> Place {
    Place::Socket(SOCKET.to_owned())
}

/// Finds out who may use the engine, by a ping: an engine starts three programs to tell more of itself. Fails where not even root reaches
/// one that answers.
pub(super) async fn find(node: &NodeName, dialler: &dyn Dialler) -> Result<Found, NodeError> {
    let refusal = match ping(node, dialler, false).await {
        Err(error) if error.kind == NodeErrorKind::Refused => error,
        found => return found,
    };
    match ping(node, dialler, true).await {
        Err(mut error) if error.kind == NodeErrorKind::NoRoot => {
            // The user may not, and root is not to be had: the first is what can be mended.
            error.message = format!("{}; {}", refusal.message, error.message);
            error.hint = Some("add the login user to the group docker on the node, or allow sudo".to_owned());
            Err(error)
        }
        Err(error) if error.kind == NodeErrorKind::Refused => {
            let name = format!("{node}: ");
            let why = error.message.strip_prefix(&name).unwrap_or(&error.message);
            Err(silent(node, why))
        }
        found => found,
    }
}

async fn ping(node: &NodeName, dialler: &dyn Dialler, as_root: bool) -> Result<Found, NodeError> {
    let dial = Dial {
        place: place(),
        deadline_ms: super::order::milliseconds(PATIENCE),
    };
    let stream = dialler.dial(dial, as_root).await?;
    match timeout(PATIENCE, pong(stream)).await {
        Ok(Some(head)) => Ok(Found {
            as_root,
            api_version: api_version(&head),
        }),
        Ok(None) => Err(silent(node, "it takes connections and does not answer")),
        Err(_) => {
            let seconds = PATIENCE.as_secs();
            Err(silent(node, &format!("no answer within {seconds} s")))
        }
    }
}

/// Makes the error for an engine that does not answer.
fn silent(node: &NodeName, why: &str) -> NodeError {
    NodeError {
        node: node.clone(),
        kind: NodeErrorKind::NodeFault,
        message: format!("{node}: its Docker Engine does not answer: {why}"),
        hint: Some("is it installed and running? `sudo service docker status` on the node".to_owned()),
    }
}

/// Returns what an engine answers to a ping, up to the end of the head; `None` where that is no HTTP.
async fn pong(mut stream: UnixStream) -> Option<String> {
    let request = b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.ok()?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.windows(4).any(|window| window == b"\r\n\r\n") && answer.len() < PONG {
        match stream.read(&mut buffer).await.ok()? {
            0 => break,
            read => answer.extend_from_slice(&buffer[..read]),
        }
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.starts_with("HTTP/").then_some(answer)
}

fn api_version(head: &str) -> Option<ApiVersion> {
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("Api-Version").then(|| value.trim())
    })?;
    let (major, minor) = value.split_once('.')?;
    Some(ApiVersion {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_api_is_read_from_the_answer_to_a_ping() {
        let head = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK";
        assert_eq!(api_version(head), Some(ApiVersion { major: 1, minor: 41 }));
        for head in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\napi-version: new\r\n\r\n"] {
            assert_eq!(api_version(head), None);
        }
    }
}
