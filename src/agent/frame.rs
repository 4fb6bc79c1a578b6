//! Frames: a length of four bytes, the most significant first, and a message of that length.

use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// The largest message, in bytes: a file of 64 MiB and what is said beside it.
pub const LARGEST_FRAME: usize = (64 << 20) + (64 << 10);

/// How many bytes say how long a message is.
const HEADER: usize = 4;

/// How much room is kept for the next messages.
const KEPT: usize = 1 << 20;

/// Why bytes are no frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// A message says that it is larger than any may be; so many bytes.
    TooLarge(u64),
    /// A message cannot be read: it is of another version, or garbled.
    Unreadable,
}

impl fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(size) => write!(
                formatter,
                "a message of {size} bytes, where {LARGEST_FRAME} are the most there may be"
            ),
            Self::Unreadable => formatter.write_str("a message that cannot be read"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Makes a frame of `message`.
///
/// # Errors
///
/// Where it is larger than any may be.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    let mut frame = postcard::to_extend(message, vec![0; HEADER]).map_err(|_| FrameError::Unreadable)?;
    let length = frame.len() - HEADER;
    if length > LARGEST_FRAME {
        return Err(FrameError::TooLarge(length as u64));
    }
    let length = u32::try_from(length).map_err(|_| FrameError::TooLarge(length as u64))?;
    frame[..HEADER].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

/// Reads messages from bytes that arrive in pieces of any size.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    read: usize,
}

impl Frames {
    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.read == self.bytes.len() && self.bytes.capacity() > KEPT {
            // A large message is rare.
            self.bytes = Vec::new();
        } else {
            self.bytes.drain(..self.read);
        }
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the next whole message; `None` where more bytes are needed.
    ///
    /// # Errors
    ///
    /// Where the bytes are no message. Nothing that follows can be read then.
    #[expect(clippy::should_implement_trait, reason = "each message may be of another type")]
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let waiting = &self.bytes[self.read..];
        let Some((header, rest)) = waiting.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*header) as usize;
        if length > LARGEST_FRAME {
            return Err(FrameError::TooLarge(length as u64));
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let (message, left) = postcard::take_from_bytes(body).map_err(|_| FrameError::Unreadable)?;
        if !left.is_empty() {
            return Err(FrameError::Unreadable);
        }
        self.read += HEADER + length;
        Ok(Some(message))
    }

    /// Says whether the bytes end within a message.
    pub fn is_cut(&self) -> bool {
        self.read < self.bytes.len()
    }
}
