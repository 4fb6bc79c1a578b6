//! A local socket that leads to a place on a node, for clients that only know sockets.

use super::dialler::Dialler;
use super::engine::ApiVersion;
use super::node_error::{NodeError, fault};
use crate::domain::NodeName;
use labctl_agent::{Dial, Place};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// How long the place may take to take a connection, in milliseconds.
const CONNECTING_MS: u64 = 10_000;

/// A local end of a way to something on a node; closes when dropped.
pub struct Tunnel {
    /// The unix socket on this machine to connect to. It stays valid while the value lives.
    pub socket: PathBuf,
    /// The newest version of the API that the engine at its other end speaks, where it was asked.
    pub api_version: Option<ApiVersion>,
    _directory: TempDir,
    _accepting: AbortOnDropHandle<()>,
}

impl Tunnel {
    /// Listens on a socket of this machine; each connection there becomes one to `place` on `node`.
    pub(super) fn open(
        node: &NodeName,
        dialler: Arc<dyn Dialler>,
        place: Place,
        as_root: bool,
        api_version: Option<ApiVersion>,
    ) -> Result<Self, NodeError> {
        let listen = || {
            let directory = tempfile::Builder::new().prefix("labctl-").tempdir()?;
            let socket = directory.path().join("s");
            let listener = UnixListener::bind(&socket)?;
            Ok((directory, socket, listener))
        };
        let listening: std::io::Result<_> = listen();
        let (directory, socket, listener) =
            listening.map_err(|error| fault(node, &format!("this machine has no place for a socket: {error}")))?;
        let dial = Dial {
            place,
            deadline_ms: CONNECTING_MS,
        };
        Ok(Self {
            socket,
            api_version,
            _directory: directory,
            _accepting: AbortOnDropHandle::new(tokio::spawn(accept(listener, dialler, dial, as_root))),
        })
    }
}

async fn accept(listener: UnixListener, dialler: Arc<dyn Dialler>, dial: Dial, as_root: bool) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (dialler, dial) = (Arc::clone(&dialler), dial.clone());
                    connections.spawn(async move { carry(stream, dialler.as_ref(), dial, as_root).await });
                }
                Err(_) => return,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection; whoever uses it sees a failure as its early end.
async fn carry(mut here: UnixStream, dialler: &dyn Dialler, dial: Dial, as_root: bool) {
    if let Ok(mut there) = dialler.dial(dial, as_root).await {
        let _ = copy_bidirectional(&mut here, &mut there).await;
    }
}
