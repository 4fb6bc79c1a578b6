//! MongoDB's wire protocol.
//!
//! Responsible for taking messages apart and putting replies together: OP_MSG, and the older OP_QUERY, OP_GET_MORE,
//! OP_KILL_CURSORS and OP_INSERT that the first pymongo 3 releases speak. It may not read sockets nor know commands.

use bson::{Bson, Document, RawDocument};
use thiserror::Error;

use super::bounds::Allowance;
use super::error::CommandError;

/// The bytes of a message's header.
pub(crate) const HEADER: usize = 16;
/// The most bytes a message may have, as MongoDB says.
pub(crate) const LARGEST_MESSAGE: usize = 48_000_000;

const OP_REPLY: i32 = 1;
const OP_INSERT: i32 = 2002;
const OP_QUERY: i32 = 2004;
const OP_GET_MORE: i32 = 2005;
const OP_KILL_CURSORS: i32 = 2007;
const OP_MSG: i32 = 2013;

/// OP_MSG: four bytes of checksum follow the sections.
const CHECKSUM_PRESENT: u32 = 1;
/// OP_MSG: the sender expects no reply.
const MORE_TO_COME: u32 = 1 << 1;
/// OP_MSG: the flags below this bit must be understood by who receives them.
const REQUIRED_FLAGS: u32 = 0xffff;
/// OP_REPLY: the cursor is not there.
pub(crate) const CURSOR_NOT_FOUND: i32 = 1;
/// OP_REPLY: the one document is an error.
pub(crate) const QUERY_FAILURE: i32 = 1 << 1;
/// OP_REPLY: set by every server since 1.6.
pub(crate) const AWAIT_CAPABLE: i32 = 1 << 3;
/// How many cursors one OP_KILL_CURSORS may name.
const MOST_CURSORS: usize = 100_000;

/// What begins every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The bytes that follow the header.
    pub(crate) rest: usize,
    /// The sender's number for the message.
    pub(crate) request: i32,
    opcode: i32,
}

/// Why a connection cannot go on.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum WireError {
    /// The length makes no sense.
    #[error("a message claims a length of {0} bytes")]
    Length(i32),
    /// The kind of message is not known.
    #[error("messages of kind {0} are not known to this stand-in")]
    Opcode(i32),
    /// The content makes no sense.
    #[error("a message cannot be read: {0}")]
    Content(CommandError),
}

impl From<CommandError> for WireError {
    fn from(error: CommandError) -> Self {
        Self::Content(error)
    }
}

/// How the answer to a command travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As OP_MSG.
    Message,
    /// As OP_REPLY.
    Legacy,
    /// Not at all.
    Silent,
}

/// What a client wants.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Request {
    /// A command for a database.
    Command {
        database: String,
        arguments: Document,
        style: Style,
    },
    /// A query of the old kind.
    Query {
        namespace: String,
        query: Document,
        fields: Document,
        skip: i32,
        amount: i32,
    },
    /// The next results of a query of the old kind.
    GetMore {
        namespace: String,
        amount: i32,
        cursor: i64,
    },
    /// Cursors that nobody needs.
    KillCursors(Vec<i64>),
    /// Documents to store, unacknowledged.
    Insert {
        namespace: String,
        documents: Vec<Document>,
        ordered: bool,
    },
}

impl Header {
    /// Reads a header.
    pub(crate) fn decode(bytes: [u8; HEADER]) -> Result<Self, WireError> {
        let mut reader = Reader(&bytes);
        let (length, request, _, opcode) = (reader.int()?, reader.int()?, reader.int()?, reader.int()?);
        let rest = usize::try_from(length).ok().filter(|length| *length <= LARGEST_MESSAGE);
        let rest = rest
            .and_then(|length| length.checked_sub(HEADER))
            .ok_or(WireError::Length(length))?;
        Ok(Self { rest, request, opcode })
    }

    /// Reads the `body` that followed this header.
    pub(crate) fn decode_body(&self, body: &[u8]) -> Result<Request, WireError> {
        let mut reader = Reader(body);
        match self.opcode {
            OP_MSG => decode_message(body),
            OP_QUERY => decode_query(&mut reader),
            OP_GET_MORE => {
                reader.int()?;
                let (namespace, amount, cursor) = (reader.name()?, reader.int()?, reader.long()?);
                Ok(Request::GetMore {
                    namespace,
                    amount,
                    cursor,
                })
            }
            OP_KILL_CURSORS => {
                reader.int()?;
                let count = usize::try_from(reader.int()?).unwrap_or(0).min(MOST_CURSORS);
                Ok(Request::KillCursors(
                    (0..count).map(|_| reader.long()).collect::<Result<_, _>>()?,
                ))
            }
            OP_INSERT => {
                let keep_going = reader.int()? & 1 == 1;
                let namespace = reader.name()?;
                let documents = reader.documents(&mut Allowance::default())?;
                Ok(Request::Insert {
                    namespace,
                    documents,
                    ordered: !keep_going,
                })
            }
            other => Err(WireError::Opcode(other)),
        }
    }

    /// Tells how an error about the message as a whole can be told to its sender.
    pub(crate) fn style(&self) -> Style {
        match self.opcode {
            OP_MSG => Style::Message,
            OP_QUERY | OP_GET_MORE => Style::Legacy,
            _ => Style::Silent,
        }
    }
}

fn decode_message(body: &[u8]) -> Result<Request, WireError> {
    let mut reader = Reader(body);
    let flags = reader.int()?.cast_unsigned();
    if flags & REQUIRED_FLAGS & !(CHECKSUM_PRESENT | MORE_TO_COME) != 0 {
        return Err(CommandError::bad_value(format!("unknown required flags {flags:#x}")).into());
    }
    if flags & CHECKSUM_PRESENT != 0 {
        // TCP has its own; the sections are checked as BSON.
        let length = reader.0.len().checked_sub(4).ok_or_else(short)?;
        reader = Reader(&reader.0[..length]);
    }
    let mut allowance = Allowance::default();
    let mut arguments = None;
    let mut sequences = Document::new();
    while let Some(kind) = reader.byte() {
        match kind {
            0 if arguments.is_none() => arguments = Some(allowance.decode(reader.document()?)?),
            1 => {
                let length = reader.int()?;
                let length = usize::try_from(length)
                    .ok()
                    .and_then(|length| length.checked_sub(4))
                    .ok_or_else(short)?;
                let mut section = Reader(reader.take(length)?);
                let name = section.name()?;
                let documents = section
                    .documents(&mut allowance)?
                    .into_iter()
                    .map(Bson::Document)
                    .collect();
                sequences.insert(name, Bson::Array(documents));
            }
            _ => return Err(CommandError::bad_value(format!("unexpected section of kind {kind}")).into()),
        }
    }
    let mut arguments = arguments.ok_or_else(|| CommandError::bad_value("a message without a command"))?;
    let database = arguments
        .get_str("$db")
        .map_err(|_| CommandError::type_mismatch("$db", "a string"))?
        .to_owned();
    arguments.extend(sequences);
    let style = if flags & MORE_TO_COME == 0 {
        Style::Message
    } else {
        Style::Silent
    };
    Ok(Request::Command {
        database,
        arguments,
        style,
    })
}

fn decode_query(reader: &mut Reader<'_>) -> Result<Request, WireError> {
    reader.int()?;
    let (namespace, skip, amount) = (reader.name()?, reader.int()?, reader.int()?);
    let mut allowance = Allowance::default();
    let query = allowance.decode(reader.document()?)?;
    let Some(database) = namespace.strip_suffix(".$cmd") else {
        let fields = if reader.0.is_empty() {
            Document::new()
        } else {
            allowance.decode(reader.document()?)?
        };
        return Ok(Request::Query {
            namespace,
            query,
            fields,
            skip,
            amount,
        });
    };
    // A command may be wrapped together with a read preference.
    let arguments = match query.get("$query") {
        Some(Bson::Document(inner)) => inner.clone(),
        _ => query,
    };
    Ok(Request::Command {
        database: database.to_owned(),
        arguments,
        style: Style::Legacy,
    })
}

/// The bytes of a message not read yet.
struct Reader<'a>(&'a [u8]);

fn short() -> WireError {
    WireError::Content(CommandError::invalid_bson("the message is shorter than it says"))
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn int(&mut self) -> Result<i32, WireError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or_else(short)?;
        self.0 = rest;
        Ok(i32::from_le_bytes(*bytes))
    }

    fn long(&mut self) -> Result<i64, WireError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or_else(short)?;
        self.0 = rest;
        Ok(i64::from_le_bytes(*bytes))
    }

    fn name(&mut self) -> Result<String, WireError> {
        let length = self.0.iter().position(|byte| *byte == 0).ok_or_else(short)?;
        let bytes = self.take(length + 1)?;
        let name = std::str::from_utf8(&bytes[..length]).map_err(|_| CommandError::invalid_bson("a name is not UTF-8"));
        Ok(name?.to_owned())
    }

    fn document(&mut self) -> Result<&'a [u8], WireError> {
        let length = self
            .0
            .first_chunk()
            .map(|bytes| i32::from_le_bytes(*bytes))
            .ok_or_else(short)?;
        self.take(usize::try_from(length).map_err(|_| short())?.max(1))
    }

    fn documents(&mut self, allowance: &mut Allowance) -> Result<Vec<Document>, WireError> {
        let mut documents = Vec::new();
        while !self.0.is_empty() {
            documents.push(allowance.decode(self.document()?)?);
        }
        Ok(documents)
    }
}

/// Puts a reply of the new kind together, to the message numbered `request`.
pub(crate) fn message(request: i32, reply: &RawDocument) -> Vec<u8> {
    let mut bytes = start(request, OP_MSG, 5 + reply.as_bytes().len());
    bytes.extend_from_slice(&[0; 5]);
    bytes.extend_from_slice(reply.as_bytes());
    bytes
}

/// Puts a reply of the old kind together, to the message numbered `request`.
pub(crate) fn legacy<'a>(
    request: i32,
    flags: i32,
    cursor: i64,
    documents: impl Iterator<Item = &'a RawDocument> + Clone,
) -> Vec<u8> {
    let length = documents
        .clone()
        .map(|document| document.as_bytes().len())
        .sum::<usize>();
    let count = i32::try_from(documents.clone().count()).unwrap_or(i32::MAX);
    let mut bytes = start(request, OP_REPLY, 20 + length);
    bytes.extend_from_slice(&(flags | AWAIT_CAPABLE).to_le_bytes());
    bytes.extend_from_slice(&cursor.to_le_bytes());
    bytes.extend_from_slice(&0_i32.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    documents.for_each(|document| bytes.extend_from_slice(document.as_bytes()));
    bytes
}

fn start(request: i32, opcode: i32, rest: usize) -> Vec<u8> {
    // A reply holds at most one batch, so its length always fits.
    let length = i32::try_from(HEADER + rest).unwrap_or(i32::MAX);
    let mut bytes = Vec::with_capacity(HEADER + rest);
    for part in [length, 0, request, opcode] {
        bytes.extend_from_slice(&part.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
