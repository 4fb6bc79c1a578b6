//! Ways through the connection to a socket or port on the node.

use super::channel::with_causes;
use super::launch::{Master, fresh_socket};
use super::link::Link;
use crate::node::{NodeError, Tunnel};
use openssh::{ForwardType, Socket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};

/// How long the local master may take to open or close a way.
const PATIENCE: Duration = Duration::from_secs(10);

/// A port that nobody uses: discard.
const UNUSED: u16 = 9;

/// The other end of a way, on the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A unix socket.
    Socket(PathBuf),
    /// A TCP port as seen from the node.
    Port(String, u16),
}

impl Place {
    fn socket(&self) -> Socket<'_> {
        match self {
            Self::Socket(path) => Socket::from(path.as_path()),
            Self::Port(host, port) => Socket::TcpSocket {
                host: host.as_str().into(),
                port: *port,
            },
        }
    }
}

/// Opens a way to `place`. That nothing listens there shows only when it is used.
pub(super) async fn open(link: &Link, place: Place) -> Result<Tunnel, NodeError> {
    let mut tried = false;
    loop {
        let (generation, connected) = link.connected().await;
        let mut why = "the connection was lost".to_owned();
        if let Some(connected) = connected {
            match request(&connected.master, &link.directory, &place).await {
                Ok(tunnel) => return Ok(tunnel),
                Err(error) => why = error,
            }
            if link.broken(&connected).await.is_none() {
                return Err(link.fault(&format!("cannot open a way through ssh: {why}")));
            }
        }
        if tried {
            return Err(link.unreachable(&why));
        }
        tried = true;
        link.renew(generation, Instant::now() + link.patience).await?;
    }
}

/// Fails where sshd forwards no ports: a way through it would look like a closed port. Asks by knocking at a port of the
/// node that nobody uses, as only the refusal itself tells.
pub(super) async fn check_ports(link: &Link) -> Result<(), NodeError> {
    let tunnel = open(link, Place::Port("127.0.0.1".to_owned(), UNUSED)).await?;
    let knock = async {
        let mut stream = UnixStream::connect(&tunnel.socket).await?;
        stream.read(&mut [0]).await
    };
    let _ = timeout(PATIENCE, knock).await;
    let (_, connected) = link.connected().await;
    let said = connected.map(|connected| connected.master.log()).unwrap_or_default();
    if !String::from_utf8_lossy(&said).contains("administratively prohibited") {
        return Ok(());
    }
    let mut error = link.fault("sshd does not forward ports, so nothing can be seen of what listens there");
    error.hint = Some("set `AllowTcpForwarding yes` in its sshd_config".to_owned());
    Err(error)
}

async fn request(master: &Arc<Master>, directory: &Path, place: &Place) -> Result<Tunnel, String> {
    let socket = fresh_socket(directory, 'f');
    let asked = master
        .session
        .request_port_forward(ForwardType::Local, Socket::from(socket.as_path()), place.socket());
    match timeout(PATIENCE, asked).await {
        Ok(Ok(())) => Ok(Tunnel {
            socket: socket.clone(),
            guard: Box::new(Way {
                master: Arc::clone(master),
                socket,
                place: place.clone(),
            }),
        }),
        Ok(Err(error)) => Err(with_causes(&error)),
        Err(_) => Err("no answer".to_owned()),
    }
}

/// Closes a way when dropped.
struct Way {
    master: Arc<Master>,
    socket: PathBuf,
    place: Place,
}

impl Drop for Way {
    fn drop(&mut self) {
        // ssh leaves the file behind.
        let _ = std::fs::remove_file(&self.socket);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (master, place) = (Arc::clone(&self.master), self.place.clone());
        let socket = std::mem::take(&mut self.socket);
        runtime.spawn(async move {
            let closing = master
                .session
                .close_port_forward(ForwardType::Local, Socket::from(socket), place.socket());
            let _ = timeout(PATIENCE, closing).await;
        });
    }
}
