//! One client's connection.
//!
//! Responsible for reading messages within their bounds and deadlines and for writing replies. It may not know what
//! requests mean beyond handing them on.

use std::sync::Arc;
use std::time::Duration;

use bson::RawDocument;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::commands::{StandIn, encode};
use super::error::CommandError;
use super::legacy::{OldQuery, old_error};
use super::wire::{self, HEADER, Header, Request, Style, WireError};

/// How long a connection may be silent between messages.
const IDLE: Duration = Duration::from_secs(3600);
/// How long the rest of a message, or the sending of a reply, may take.
const TRANSFER: Duration = Duration::from_secs(60);
/// A message up to this size, in bytes, needs no room: strangers who only claim to send much do not hold up chat.
const SMALL: usize = 64 * 1024;
/// How many kilobytes of large messages are held at once, over all connections.
const HELD_KILOBYTES: usize = 192 * 1024;
/// How many requests are carried out at once; each may take many times its message's size while it is.
const AT_ONCE: usize = 4;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    stand_in: StandIn,
    room: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    /// Ends every connection.
    pub(crate) stop: CancellationToken,
}

/// Why a connection was closed by this side.
#[derive(Debug, Error)]
pub(crate) enum ConnectionError {
    /// The client does not speak the protocol.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The client was too slow, or silent for too long.
    #[error("nothing came, or nothing could be sent, for too long")]
    TooSlow,
    /// The network failed.
    #[error("{0}")]
    Network(#[from] std::io::Error),
}

impl Shared {
    /// Serves `stand_in`.
    pub(crate) fn new(stand_in: StandIn) -> Self {
        let (room, turns) = (
            Arc::new(Semaphore::new(HELD_KILOBYTES)),
            Arc::new(Semaphore::new(AT_ONCE)),
        );
        Self {
            stand_in,
            room,
            turns,
            stop: CancellationToken::new(),
        }
    }
}

/// Serves one client, known as `number`, until it leaves or the service stops.
pub(crate) async fn serve(shared: Arc<Shared>, mut stream: TcpStream, number: i32) -> Result<(), ConnectionError> {
    stream.set_nodelay(true)?;
    loop {
        let header = tokio::select! {
            () = shared.stop.cancelled() => return Ok(()),
            header = timeout(IDLE, read_header(&mut stream)) => header.map_err(|_| ConnectionError::TooSlow)??,
        };
        let Some(header) = header else { return Ok(()) };
        // A stop lets a request that has begun be answered; the service bounds how long it waits for that.
        let (bytes, end) = receive(&shared, &mut stream, header, number).await?;
        if !bytes.is_empty() {
            timeout(TRANSFER, stream.write_all(&bytes))
                .await
                .map_err(|_| ConnectionError::TooSlow)??;
        }
        if let Some(error) = end {
            return Err(error.into());
        }
    }
}

/// Reads a header; none when the client has left between messages.
async fn read_header(stream: &mut TcpStream) -> Result<Option<Header>, ConnectionError> {
    let mut bytes = [0; HEADER];
    if stream.read(&mut bytes[..1]).await? == 0 {
        return Ok(None);
    }
    timeout(TRANSFER, stream.read_exact(&mut bytes[1..]))
        .await
        .map_err(|_| ConnectionError::TooSlow)??;
    Ok(Some(Header::decode(bytes)?))
}

/// Reads the message after `header` and gives the answer to it, and the error that ends the connection after it.
async fn receive(
    shared: &Arc<Shared>,
    stream: &mut TcpStream,
    header: Header,
    number: i32,
) -> Result<(Vec<u8>, Option<WireError>), ConnectionError> {
    let kilobytes = if header.rest <= SMALL {
        0
    } else {
        u32::try_from(header.rest / 1024).unwrap_or(u32::MAX)
    };
    let slow = |_| ConnectionError::TooSlow;
    // The semaphores are never closed.
    let _room = timeout(TRANSFER, shared.room.acquire_many(kilobytes))
        .await
        .map_err(slow)?;
    let mut body = Vec::new();
    // The buffer grows with what arrives, not with what the header claims.
    let mut limited = stream.take(header.rest as u64);
    timeout(TRANSFER, limited.read_to_end(&mut body))
        .await
        .map_err(slow)??;
    if body.len() < header.rest {
        return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
    }
    let _turn = shared.turns.acquire().await;
    let task = Arc::clone(shared);
    let answering = tokio::task::spawn_blocking(move || match header.decode_body(&body) {
        Ok(request) => (answer(&task.stand_in, header.request, request, number), None),
        Err(error) => (refusal(header, &error), Some(error)),
    });
    Ok(answering.await.unwrap_or_else(|_| {
        let error = CommandError::internal("the stand-in failed while carrying this out");
        (failure(header.request, header.style(), &error), None)
    }))
}

pub(super) fn answer(stand_in: &StandIn, id: i32, request: Request, number: i32) -> Vec<u8> {
    match request {
        Request::Command {
            database,
            arguments,
            style,
        } => match stand_in.command(number, &database, &arguments) {
            Ok(reply) => reply_to(id, style, &reply),
            Err(error) => failure(id, style, &error),
        },
        Request::Query {
            namespace,
            query,
            fields,
            skip,
            amount,
        } => {
            let old = OldQuery {
                namespace: &namespace,
                query: &query,
                fields: &fields,
                skip,
                amount,
            };
            stand_in.old_query(id, &old)
        }
        Request::GetMore {
            namespace,
            amount,
            cursor,
        } => stand_in.old_get_more(id, &namespace, amount, cursor),
        Request::KillCursors(cursors) => {
            for cursor in cursors {
                stand_in.cursors().kill(cursor);
            }
            Vec::new()
        }
        Request::Insert {
            namespace,
            documents,
            ordered,
        } => {
            // Whoever sends this has asked not to be told.
            let _ = stand_in.old_insert(&namespace, documents, ordered);
            Vec::new()
        }
    }
}

fn reply_to(id: i32, style: Style, reply: &RawDocument) -> Vec<u8> {
    match style {
        Style::Message => wire::message(id, reply),
        Style::Legacy => wire::legacy(id, 0, 0, std::iter::once(reply)),
        Style::Silent => Vec::new(),
    }
}

/// Tells an error of a command; in the old protocol that is an ordinary answer.
fn failure(id: i32, style: Style, error: &CommandError) -> Vec<u8> {
    encode(&error.to_reply())
        .map(|reply| reply_to(id, style, &reply))
        .unwrap_or_default()
}

/// Tells why a message as a whole cannot be read.
fn refusal(header: Header, error: &WireError) -> Vec<u8> {
    match (error, header.style()) {
        (WireError::Content(error), Style::Message) => failure(header.request, Style::Message, error),
        (WireError::Content(error), Style::Legacy) => old_error(header.request, error),
        _ => Vec::new(),
    }
}
