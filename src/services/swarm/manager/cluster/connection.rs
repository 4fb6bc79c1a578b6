//! Connections to an engine: one for each request, but where very many follow one another.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::error::EngineError;

/// What is sent to an engine: any body, streamed or not.
pub type RequestBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// What comes from an engine, as it comes.
pub type AnswerBody = Incoming;

/// A connection to one engine, for one request after the other.
#[derive(Debug)]
pub(super) struct Connection(SendRequest<RequestBody>);

impl Connection {
    /// Connects to the engine at `addr`.
    pub(super) async fn open(addr: &str, connect_deadline: Duration) -> Result<Self, EngineError> {
        let stream = connect(addr, connect_deadline).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|source| broken(addr, source))?;
        tokio::spawn(connection.with_upgrades());
        Ok(Self(sender))
    }

    /// Sends `request` and waits for the head of its answer, for as long as that takes.
    pub(super) async fn send(
        &mut self,
        addr: &str,
        mut request: Request<RequestBody>,
    ) -> Result<Response<AnswerBody>, EngineError> {
        if let Ok(host) = HeaderValue::from_str(addr) {
            request.headers_mut().insert(HOST, host);
        }
        let sent = async {
            self.0.ready().await?;
            self.0.send_request(request).await
        };
        sent.await.map_err(|source| broken(addr, source))
    }
}

fn broken(addr: &str, source: hyper::Error) -> EngineError {
    EngineError::Http {
        addr: addr.to_owned(),
        source,
    }
}

/// Sends `request` to the engine at `addr` and waits for the head of its answer, for as long as that takes.
///
/// Only connecting has a deadline. The connection lives as long as the answer's body, or what it is upgraded to.
pub(super) async fn send(
    addr: &str,
    connect_deadline: Duration,
    request: Request<RequestBody>,
) -> Result<Response<AnswerBody>, EngineError> {
    Connection::open(addr, connect_deadline)
        .await?
        .send(addr, request)
        .await
}

/// The address that `addr` means.
pub(super) async fn resolve(addr: &str) -> Option<String> {
    let mut addresses = tokio::net::lookup_host(addr).await.ok()?;
    addresses.next().map(|address| address.ip().to_string())
}

async fn connect(addr: &str, deadline: Duration) -> Result<TcpStream, EngineError> {
    let failed = |source: io::Error| EngineError::Connect {
        addr: addr.to_owned(),
        source,
    };
    let connected = tokio::time::timeout(deadline, TcpStream::connect(addr)).await;
    let stream = connected.map_err(|_| EngineError::TooSlow {
        addr: addr.to_owned(),
        what: "connect",
        after: deadline,
    })?;
    let stream = stream.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}
