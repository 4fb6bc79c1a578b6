//! A node reached by ssh, as [`Transport`] wants it.

use super::link::Link;
use super::options::{SshOptions, is_short};
use super::session::{AgentSession, Pending};
use super::target::Target;
use super::{dial, follow};
use crate::domain::{Node, NodeName};
use crate::node::{Dialler, Ending, NodeError, NodeErrorKind, Opened, OutputSink, Transport};
use async_trait::async_trait;
use labctl_agent::{Answer, Dial, Exec, Fault, FaultKind, Hello, Request, ToLabctl};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long an answer may take on its way, and a look between TERM and KILL, beyond the deadline that the node holds.
const SLACK: Duration = Duration::from_secs(17);

/// How long the agent may take over what has no deadline of its own: files, records, ending what still runs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A node reached by ssh.
#[derive(Debug)]
pub struct SshNode {
    reach: Arc<Reach>,
    hello: Hello,
    node_directory: String,
    opened: Opened,
}

/// What asks and dials. It is shared with whatever uses the ways that were dialled.
#[derive(Debug)]
pub(super) struct Reach {
    pub(super) link: Link,
    is_root: bool,
}

impl SshNode {
    /// Connects to `node`, and starts the agent there. One connection carries everything; it is opened anew whenever it is lost.
    ///
    /// # Errors
    ///
    /// Where the node cannot be reached, or does not take the agent.
    pub async fn connect(node: &Node, options: &SshOptions) -> Result<Self, NodeError> {
        let target = Target::new(node, &options.withheld_variables)?;
        if !is_short(&options.control_directory) {
            let place = options.control_directory.display();
            let message = format!("the path {place} is too long for the sockets of ssh");
            return Err(target.error(NodeErrorKind::Unreachable, message, None));
        }
        let link = Link::connect(target, node.login.sudo, options).await?;
        let hello = match link.agent().await {
            (_, Some(agent)) => agent.hello.clone(),
            (_, None) => return Err(link.unreachable("the connection was lost")),
        };
        Ok(Self {
            reach: Arc::new(Reach {
                link,
                is_root: hello.uid == 0,
            }),
            hello,
            node_directory: options.node_directory.trim_end_matches('/').to_owned(),
            opened: Opened::default(),
        })
    }
}

impl Reach {
    /// Fails where root is needed and the inventory says that it is not to be had.
    pub(super) fn check_root(&self, as_root: bool) -> Result<(), NodeError> {
        if !as_root || self.is_root || self.link.sudo {
            return Ok(());
        }
        let target = &self.link.target;
        let message = format!("{}: root is needed, and the inventory says `sudo = false`", target.name);
        Err(target.error(NodeErrorKind::NoRoot, message, None))
    }

    /// Returns the number of the connection and the agent at its end; opens a new connection where there is none.
    pub(super) async fn agent(&self, deadline: Instant) -> Result<(u64, Arc<AgentSession>), NodeError> {
        let (generation, agent) = self.link.agent().await;
        if let Some(agent) = agent {
            return Ok((generation, agent));
        }
        self.link.renew(generation, deadline).await?;
        match self.link.agent().await {
            (generation, Some(agent)) => Ok((generation, agent)),
            (_, None) => Err(self.link.unreachable("the connection was lost")),
        }
    }

    /// Asks once, and once more over a new connection where the first one is lost. `talk` reads what is said of it.
    pub(super) async fn talk<T>(
        &self,
        as_root: bool,
        request: &Request,
        patience: Duration,
        mut talk: impl AsyncFnMut(Pending) -> Talked<T>,
    ) -> Result<T, NodeError> {
        self.check_root(as_root)?;
        let _turn = self.link.turn().await;
        let mut tried = false;
        loop {
            let (generation, agent) = self.agent(Instant::now() + self.link.patience).await?;
            let limit = Instant::now() + patience;
            let reason = match agent.request(as_root, request.clone()) {
                Ok(pending) => match timeout_at(limit, talk(pending)).await {
                    Ok(Talked::Came(came)) => return Ok(came),
                    Ok(Talked::Fault(fault)) => return Err(self.failed(fault)),
                    Ok(Talked::Lost(reason)) => reason,
                    Err(_) => {
                        let reason = format!("its agent did not answer within {} s", patience.as_secs());
                        return Err(self.link.ended(generation, &reason).await);
                    }
                },
                Err(reason) => reason,
            };
            if tried {
                return Err(self.link.ended(generation, &reason).await);
            }
            tried = true;
            self.link.renew(generation, Instant::now() + self.link.patience).await?;
        }
    }

    /// Makes the error for what the agent says did not work.
    pub(super) fn failed(&self, fault: Fault) -> NodeError {
        let target = &self.link.target;
        let said = crate::node::printable::printable_line(fault.message.as_bytes());
        match fault.kind {
            FaultKind::NoRoot => {
                let place = target.place();
                let message = format!("{} ({place}): sudo without a password is refused: {said}", target.name);
                let who = target.user_text();
                let hint = format!("allow {who} to use sudo without a password, or log in as root");
                target.error(NodeErrorKind::NoRoot, message, Some(hint))
            }
            FaultKind::Refused => target.error(NodeErrorKind::Refused, format!("{}: {said}", target.name), None),
            FaultKind::NoRecord | FaultKind::Failed => self.link.fault(&said),
        }
    }
}

/// What came of listening to what is said of one request.
pub(super) enum Talked<T> {
    /// What was wanted.
    Came(T),
    /// The agent says that it did not work.
    Fault(Fault),
    /// The conversation has ended, and why.
    Lost(String),
}

/// Returns how long the answer to `request` may take.
fn patience(request: &Request) -> Duration {
    match request {
        Request::Run(run) => Duration::from_millis(run.deadline_ms).saturating_add(SLACK),
        _ => PATIENCE,
    }
}

#[async_trait]
impl Dialler for Reach {
    async fn dial(&self, dial: Dial, as_root: bool) -> Result<UnixStream, NodeError> {
        dial::dial(self, dial, as_root).await
    }
}

#[async_trait]
impl Transport for SshNode {
    fn node(&self) -> &NodeName {
        &self.reach.link.target.name
    }

    fn hello(&self) -> &Hello {
        &self.hello
    }

    fn node_directory(&self) -> &str {
        &self.node_directory
    }

    fn opened(&self) -> &Opened {
        &self.opened
    }

    async fn ask(&self, as_root: bool, request: Request) -> Result<Answer, NodeError> {
        let patience = patience(&request);
        let read = async |mut pending: Pending| loop {
            match pending.next().await {
                Some(ToLabctl::Answer { answer: Ok(answer), .. }) => return Talked::Came(answer),
                Some(ToLabctl::Answer { answer: Err(fault), .. }) => return Talked::Fault(fault),
                // A stream, where none was asked for: nothing waits for it.
                Some(_) => {}
                None => return Talked::Lost(pending.reason()),
            }
        };
        self.reach.talk(as_root, &request, patience, read).await
    }

    async fn follow(
        &self,
        exec: Exec,
        output: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Ending, NodeError> {
        follow::follow(&self.reach, exec, output, cancel).await
    }

    fn dialler(&self) -> Arc<dyn Dialler> {
        Arc::clone(&self.reach) as Arc<dyn Dialler>
    }

    async fn close(&self) {
        self.reach.link.close().await;
    }
}
