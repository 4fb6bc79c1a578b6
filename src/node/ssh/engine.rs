//! The way to a node's Docker Engine: its socket, forwarded; or `docker system dial-stdio` as root where the login user
//! may not open the socket or sshd forwards nothing.

use super::channel::Channel;
use super::forward::{self, Place};
use super::launch::fresh_socket;
use super::link::{Lane, Link};
use super::look::{self, Root, Script};
use crate::node::printable::printable_line;
use crate::node::{Command, Ending, NodeError, NodeErrorKind, Tunnel};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

/// Where every engine listens unless told otherwise.
const SOCKET: &str = "/var/run/docker.sock";

/// How long an engine may take to say that it is there.
const PING: Duration = Duration::from_secs(10);

/// How long a connection to the engine waits for a free session.
const WAITING: Duration = Duration::from_secs(30);

/// Which way was found to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EngineWay {
    /// Its socket, forwarded.
    Forward,
    /// The docker client on the node.
    DialStdio,
}

/// Opens a way to the engine, the `known` one where it is known; says which one works.
pub(super) async fn open(
    link: &Arc<Link>,
    root: Root,
    known: Option<EngineWay>,
) -> Result<(EngineWay, Tunnel), NodeError> {
    match known {
        Some(EngineWay::Forward) => return Ok((EngineWay::Forward, forward(link).await?)),
        Some(EngineWay::DialStdio) => return Ok((EngineWay::DialStdio, dial_stdio(link, root)?)),
        None => {}
    }
    if may_open(link, root).await? {
        let tunnel = forward(link).await?;
        if answers(&tunnel.socket).await {
            return Ok((EngineWay::Forward, tunnel));
        }
    }
    let tunnel = dial_stdio(link, root)?;
    if answers(&tunnel.socket).await {
        return Ok((EngineWay::DialStdio, tunnel));
    }
    Err(no_engine(link, root).await)
}

async fn forward(link: &Link) -> Result<Tunnel, NodeError> {
    forward::open(link, Place::Socket(PathBuf::from(SOCKET))).await
}

async fn look(link: &Link, root: Root, as_root: bool, text: &str) -> Result<(Ending, String), NodeError> {
    let command = Command::Shell(text.to_owned());
    let script = Script {
        command: &command,
        payload: b"",
        as_root,
        deadline: PING,
        keep: 4096,
    };
    let looked = look::run(link, root, &script).await?;
    Ok((looked.ending, printable_line(&looked.stderr)))
}

async fn may_open(link: &Link, root: Root) -> Result<bool, NodeError> {
    let text = format!("[ -S {SOCKET} ] && [ -r {SOCKET} ] && [ -w {SOCKET} ]");
    let (ending, _) = look(link, root, false, &text).await?;
    Ok(ending == Ending::Exited { code: 0 })
}

/// Says what is wrong with an engine that answers on no way.
async fn no_engine(link: &Link, root: Root) -> NodeError {
    let text = "docker -H unix:///var/run/docker.sock version --format '{{.Server.Version}}' >/dev/null";
    let said = match look(link, root, root != Root::Already, text).await {
        Ok((_, said)) => said,
        Err(mut error) if error.kind == NodeErrorKind::NoRoot => {
            error.hint = Some(format!(
                "add {} to the group docker on the node, or allow sudo",
                link.target.user_text()
            ));
            return error;
        }
        Err(error) => return error,
    };
    let mut error = link.fault(&format!("its Docker Engine does not answer: {said}"));
    error.hint = Some("is it installed and running? `sudo service docker status` on the node".to_owned());
    error
}

/// Says whether an engine answers on the local end `socket`.
async fn answers(socket: &Path) -> bool {
    let ping = async {
        let mut stream = UnixStream::connect(socket).await.ok()?;
        let request = b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.ok()?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.ok()?;
        Some(answer == *b"HTTP/")
    };
    matches!(timeout(PING, ping).await, Ok(Some(true)))
}

/// Listens on a local socket; each connection there becomes one of the docker client's on the node.
fn dial_stdio(link: &Arc<Link>, root: Root) -> Result<Tunnel, NodeError> {
    let socket = fresh_socket(&link.directory, 'd');
    let listener = UnixListener::bind(&socket).map_err(|error| {
        let place = socket.display();
        link.fault(&format!("cannot listen on {place} on this machine: {error}"))
    })?;
    let prefix = if root == Root::Sudo { "sudo -n " } else { "" };
    let words = format!("{prefix}docker -H unix://{SOCKET} system dial-stdio");
    let accepting = AbortOnDropHandle::new(tokio::spawn(accept(Arc::clone(link), listener, words)));
    let guard = Box::new(Listening {
        socket: socket.clone(),
        _accepting: accepting,
    });
    Ok(Tunnel { socket, guard })
}

struct Listening {
    socket: PathBuf,
    _accepting: AbortOnDropHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn accept(link: Arc<Link>, listener: UnixListener, words: String) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (link, words) = (Arc::clone(&link), words.clone());
                    connections.spawn(async move { carry(&link, stream, &words).await });
                }
                Err(_) => return,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection; whoever uses it sees a failure as its early end.
async fn carry(link: &Link, mut stream: UnixStream, words: &str) {
    let Ok(mut channel) = Channel::open(link, Lane::Engine, words, Instant::now() + WAITING).await else {
        return;
    };
    let Some(mut stdin) = channel.stdin.take() else { return };
    let (mut from, mut to) = stream.split();
    let there = async {
        let _ = copy(&mut from, &mut stdin).await;
        drop(stdin);
    };
    let back = async {
        let _ = copy(&mut channel.stdout, &mut to).await;
        let _ = to.shutdown().await;
    };
    look::read_while_writing(back, there).await;
}
