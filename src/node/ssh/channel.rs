//! One command on a node, over the open connection.

use super::link::{Connected, Lane, Link};
use crate::node::NodeError;
use crate::node::printable::printable_line;
use backon::{BackoffBuilder, ExponentialBuilder};
use openssh::{Child, ChildStderr, ChildStdin, ChildStdout, Session, Stdio};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// How long the node may take to accept a channel. A frozen peer is noticed by ssh itself after about 7 s.
const OPENING: Duration = Duration::from_secs(12);

/// How long the end of a command may take to be told after its output has ended.
const ENDING: Duration = Duration::from_secs(12);

/// A command that runs on a node.
#[derive(Debug)]
pub(super) struct Channel {
    /// Dropped when there is nothing more to say: that ends the command's standard input.
    pub stdin: Option<ChildStdin>,
    pub stdout: ChildStdout,
    pub stderr: ChildStderr,
    child: Child<Arc<Session>>,
    connected: Connected,
    _permit: OwnedSemaphorePermit,
}

/// Why a channel does not work.
#[derive(Debug)]
pub(super) enum ChannelError {
    /// The connection is gone; `generation` says which.
    Broken {
        /// The number of the connection.
        generation: u64,
        /// What ssh said.
        reason: String,
    },
    /// The connection works, the channel does not.
    Node(NodeError),
}

impl Channel {
    /// Starts `command`, words for the login user's shell, before `deadline`.
    pub async fn open(link: &Link, lane: Lane, command: &str, deadline: Instant) -> Result<Self, ChannelError> {
        let Ok(Ok(permit)) = timeout_at(deadline, link.lane(lane).acquire_owned()).await else {
            return Err(ChannelError::Node(
                link.unreachable("all its sessions were busy until the deadline"),
            ));
        };
        let (generation, connected) = link.connected().await;
        let Some(connected) = connected else {
            let reason = "the connection was lost".to_owned();
            return Err(ChannelError::Broken { generation, reason });
        };
        let mut child = spawn(link, &connected, command, deadline).await?;
        match (child.stdin().take(), child.stdout().take(), child.stderr().take()) {
            (Some(stdin), Some(stdout), Some(stderr)) => Ok(Self {
                stdin: Some(stdin),
                stdout,
                stderr,
                child,
                connected,
                _permit: permit,
            }),
            _ => Err(ChannelError::Node(link.fault("the channel has no streams"))),
        }
    }

    /// Waits for the command's end; returns its exit status, or `None` where a signal ended it.
    pub async fn status(self, link: &Link) -> Result<Option<i32>, ChannelError> {
        self.status_within(link, ENDING).await
    }

    /// Does the same for a command that may go on for `patience`.
    pub async fn status_within(self, link: &Link, patience: Duration) -> Result<Option<i32>, ChannelError> {
        let Self {
            child,
            connected,
            stdin,
            stdout,
            stderr,
            ..
        } = self;
        drop((stdin, stdout, stderr));
        match timeout(patience, child.wait()).await {
            Ok(Ok(status)) => Ok(status.code()),
            Ok(Err(openssh::Error::Remote(_))) => Ok(Some(127)),
            _ => match link.broken(&connected).await {
                Some(reason) => Err(ChannelError::Broken {
                    generation: connected.generation,
                    reason,
                }),
                None => Ok(None),
            },
        }
    }
}

async fn spawn(
    link: &Link,
    connected: &Connected,
    command: &str,
    deadline: Instant,
) -> Result<Child<Arc<Session>>, ChannelError> {
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_millis(500))
        .without_max_times()
        .build();
    loop {
        let mut starting = connected.master.session.clone().arc_raw_command(command);
        starting
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let error = match timeout(OPENING, starting.spawn()).await {
            Ok(Ok(child)) => return Ok(child),
            Ok(Err(error)) => with_causes(&error),
            Err(_) => "the node did not answer".to_owned(),
        };
        // Somebody else uses this server's sessions, too.
        let refused = error.contains("refused by peer");
        if !refused {
            if let Some(reason) = link.broken(connected).await {
                return Err(ChannelError::Broken {
                    generation: connected.generation,
                    reason,
                });
            }
            return Err(ChannelError::Node(link.unreachable(&error)));
        }
        if Instant::now() >= deadline {
            return Err(ChannelError::Node(
                link.fault("sshd allows no further session (see MaxSessions)"),
            ));
        }
        sleep(pauses.next().unwrap_or(Duration::from_millis(500))).await;
    }
}

/// Returns `error` with everything that caused it, on one line.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    printable_line(text.as_bytes())
}
