//! The Docker API that is followed: a Swarm manager's, or one engine's.
//!
//! Responsible for its connections, and for bounds on time and size. It may not decide what is served.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl};
use serde_json::Value;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::json_pieces::{Garbled, Pieces};

/// How long connecting, or a whole answer but the events', may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long looking at all that runs may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The largest list of containers that is read, in bytes.
const LARGEST_LIST: usize = 16 << 20;
/// The largest container and the largest event that is read, in bytes.
const LARGEST: usize = 1 << 20;
/// How many containers there may be.
const MOST: usize = 4096;
/// How many containers are asked about at once.
const AT_ONCE: usize = 8;
/// How long a connection on which nothing is heard is trusted, before the other end is asked whether it still lives.
const SILENCE: Duration = Duration::from_secs(30);

/// Why the API did not answer.
#[derive(Debug, Error)]
pub(super) enum ApiError {
    #[error("{address} cannot be reached")]
    Connect { address: String, source: std::io::Error },
    #[error("{address} did not answer in time")]
    TooSlow { address: String },
    #[error("{address} answered {status} to {path}")]
    Status { address: String, path: String, status: u16 },
    #[error("{address} broke off")]
    Broken {
        address: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{address} answered no JSON that can be read to {path}")]
    Garbled { address: String, path: String },
    #[error("{address} has {count} containers, and no more than {MOST} can be served")]
    TooMany { address: String, count: usize },
}

/// What is known of a container that is in the list of those that run.
#[derive(Debug)]
pub(super) enum Found<T> {
    /// What was read of it.
    Read(T),
    /// It could not be asked about.
    Unknown { id: String, error: ApiError },
}

/// Where the API is.
#[derive(Debug, Clone)]
pub(super) struct DockerApi {
    address: String,
}

impl DockerApi {
    /// The API at `address`, as `host:port`.
    pub(super) fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
        }
    }

    /// Inspects all running containers, and returns what `read` makes of each; where that is nothing it is left out.
    pub(super) async fn running<T>(&self, read: impl Fn(Value) -> Option<T>) -> Result<Vec<Found<T>>, ApiError> {
        let looking = self.look(read);
        timeout(PATIENCE, looking).await.map_err(|_| self.too_slow())?
    }

    async fn look<T>(&self, read: impl Fn(Value) -> Option<T>) -> Result<Vec<Found<T>>, ApiError> {
        let path = "/containers/json";
        let list = self.get(path, LARGEST_LIST).await?.unwrap_or_default();
        let ids = list.as_array().ok_or_else(|| self.garbled(path))?.iter();
        let ids: Vec<String> = ids.filter_map(|one| id_in(&one["Id"])).collect();
        drop(list);
        if ids.len() > MOST {
            return Err(ApiError::TooMany {
                address: self.address.clone(),
                count: ids.len(),
            });
        }
        let asked = ids.into_iter().map(|id| async {
            match self.get(&format!("/containers/{id}/json"), LARGEST).await {
                Ok(inspected) => inspected.and_then(&read).map(Found::Read),
                // An engine may fail on one container of many.
                Err(error) => Some(Found::Unknown { id, error }),
            }
        });
        let found: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        Ok(found.into_iter().flatten().collect())
    }

    /// Begins to follow what happens.
    pub(super) async fn events(&self) -> Result<Events, ApiError> {
        let (answer, connection) = timeout(DEADLINE, self.send("/events"))
            .await
            .map_err(|_| self.too_slow())??;
        Ok(Events {
            api: self.clone(),
            body: answer,
            rest: Pieces::of_stream(LARGEST),
            _connection: connection,
        })
    }

    /// Returns what stands at `path`, of at most `largest` bytes; `None` where there is nothing.
    async fn get(&self, path: &str, largest: usize) -> Result<Option<Value>, ApiError> {
        let exchange = async {
            let (body, _connection) = match self.send(path).await {
                Err(ApiError::Status { status: 404, .. }) => return Ok(None),
                sent => sent?,
            };
            let body = Limited::new(body, largest).collect().await;
            let body = body.map_err(|source| self.broken(source))?.to_bytes();
            serde_json::from_slice(&body).map(Some).map_err(|_| self.garbled(path))
        };
        timeout(DEADLINE, exchange).await.map_err(|_| self.too_slow())?
    }

    async fn send(&self, path: &str) -> Result<(Incoming, Connection), ApiError> {
        let stream = TcpStream::connect(&self.address).await;
        let stream = stream.map_err(|source| ApiError::Connect {
            address: self.address.clone(),
            source,
        })?;
        notice_silence(&stream).map_err(|error| self.broken(error.into()))?;
        let broken = |source: hyper::Error| self.broken(source.into());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let connection = Connection(tokio::spawn(async move {
            // What goes wrong with it, the answer's reader sees.
            let _ = connection.await;
        }));
        let request = Request::get(path)
            .header(HOST, &self.address)
            .body(Empty::<Bytes>::new());
        let request = request.map_err(|source| self.broken(source.into()))?;
        let answer = sender.send_request(request).await.map_err(broken)?;
        if answer.status() != 200 {
            return Err(ApiError::Status {
                address: self.address.clone(),
                path: path.to_owned(),
                status: answer.status().as_u16(),
            });
        }
        Ok((answer.into_body(), connection))
    }

    fn broken(&self, source: Box<dyn std::error::Error + Send + Sync>) -> ApiError {
        ApiError::Broken {
            address: self.address.clone(),
            source,
        }
    }

    fn garbled(&self, path: &str) -> ApiError {
        ApiError::Garbled {
            address: self.address.clone(),
            path: path.to_owned(),
        }
    }

    fn too_slow(&self) -> ApiError {
        ApiError::TooSlow {
            address: self.address.clone(),
        }
    }
}

/// Has the system break off a connection whose other end has vanished: what nobody hears of never ends by itself.
fn notice_silence(stream: &TcpStream) -> std::io::Result<()> {
    set_tcp_keepidle(stream, SILENCE)?;
    set_tcp_keepintvl(stream, SILENCE / 6)?;
    set_tcp_keepcnt(stream, 3)?;
    set_socket_keepalive(stream, true)?;
    Ok(())
}

/// An id that may stand in a path.
fn id_in(value: &Value) -> Option<String> {
    let id = value.as_str()?;
    let is_id = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
    is_id.then(|| id.to_owned())
}

/// A connection, which ends with the value.
#[derive(Debug)]
struct Connection(tokio::task::JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What happens, as it happens.
#[derive(Debug)]
pub(super) struct Events {
    api: DockerApi,
    body: Incoming,
    rest: Pieces,
    _connection: Connection,
}

impl Events {
    /// Returns the next events; `None` where the API tells no more.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Value>>, ApiError> {
        loop {
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            let frame = frame.map_err(|source| self.api.broken(source.into()))?;
            let Ok(data) = frame.into_data() else { continue };
            let events = complete(&mut self.rest, &data).ok_or_else(|| self.api.garbled("/events"))?;
            if !events.is_empty() {
                return Ok(Some(events));
            }
        }
    }
}

/// Reads the events that `bytes` complete; `None` where these are none, or one is too large.
pub(super) fn complete(rest: &mut Pieces, bytes: &[u8]) -> Option<Vec<Value>> {
    let mut events = Vec::new();
    let read = |piece: &[u8]| {
        events.push(serde_json::from_slice(piece).map_err(|_| Garbled)?);
        Ok(())
    };
    rest.feed(bytes, read).ok()?;
    Some(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_taken_when_they_are_whole() {
        let mut rest = Pieces::of_stream(LARGEST);
        assert_eq!(complete(&mut rest, br#"{"a":1}{"b":"#), Some(vec![json!({ "a": 1 })]));
        assert_eq!(complete(&mut rest, b"2}\n"), Some(vec![json!({ "b": 2 })]));
        assert_eq!(complete(&mut rest, b"<html>"), None);
    }

    #[test]
    fn only_an_id_goes_into_a_path() {
        assert_eq!(id_in(&json!("0a1b")), Some("0a1b".to_owned()));
        assert_eq!(id_in(&json!("../info")), None);
        assert_eq!(id_in(&json!("")), None);
    }
}
