//! Ways to places on a node, through the agent.

use super::session::Pending;
use super::ssh_node::{Reach, Talked};
use crate::node::NodeError;
use labctl_agent::{Dial, PIECE, Request, ToLabctl, WINDOW};
use std::io;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::Semaphore;

/// How long the answer may take on its way, beyond what connecting may take on the node.
const SLACK: Duration = Duration::from_secs(15);

/// Opens a way as `dial` says.
pub(super) async fn dial(reach: &Reach, dial: Dial, as_root: bool) -> Result<UnixStream, NodeError> {
    let patience = Duration::from_millis(dial.deadline_ms).saturating_add(SLACK);
    let request = Request::Dial(dial);
    let connected = async |mut pending: Pending| match pending.next().await {
        Some(ToLabctl::Connected { .. }) => Talked::Came(pending),
        Some(ToLabctl::Answer { answer: Err(fault), .. }) => Talked::Fault(fault),
        Some(_) => Talked::Lost("the agent answered something that was not asked".to_owned()),
        None => Talked::Lost(pending.reason()),
    };
    let pending = reach.talk(as_root, &request, patience, connected).await?;
    let (here, there) = UnixStream::pair().map_err(|error| reach.link.fault(&error.to_string()))?;
    tokio::spawn(carry(pending, there));
    Ok(here)
}

/// Carries bytes both ways until the place has ended, or whoever dialled it has.
async fn carry(mut pending: Pending, stream: UnixStream) {
    let (from, to) = stream.into_split();
    let room = Semaphore::new(WINDOW as usize);
    let mut to = to;
    let mut buffer = vec![0; PIECE];
    let mut has_ended = false;
    loop {
        tokio::select! {
            message = pending.next() => match message {
                Some(ToLabctl::Data { bytes, .. }) => {
                    // Whoever dialled wants no more: dropping the request says so.
                    if to.write_all(&bytes).await.is_err() {
                        return;
                    }
                    pending.grant(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                }
                Some(ToLabctl::End { .. }) => {
                    if to.shutdown().await.is_err() {
                        return;
                    }
                }
                Some(ToLabctl::Grant { bytes, .. }) => room.add_permits(bytes as usize),
                Some(ToLabctl::Answer { .. }) | None => return,
                Some(_) => {}
            },
            read = read_with_room(&from, &room, &mut buffer), if !has_ended => match read {
                Ok(0) | Err(_) => {
                    has_ended = true;
                    pending.end();
                }
                Ok(read) => pending.send(buffer[..read].to_vec()),
            },
        }
    }
}

/// Reads as much as may be sent. Dropped before it is done, it has read nothing.
async fn read_with_room(from: &OwnedReadHalf, room: &Semaphore, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        // Nobody else takes permits: those that are there stay there.
        drop(room.acquire().await.map_err(io::Error::other)?);
        from.readable().await?;
        let most = room.available_permits().min(buffer.len());
        match from.try_read(&mut buffer[..most]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(read) => {
                if let Ok(permits) = room.try_acquire_many(u32::try_from(read).unwrap_or(u32::MAX)) {
                    permits.forget();
                }
                return Ok(read);
            }
            Err(error) => return Err(error),
        }
    }
}
