//! What can go wrong, for the operator and for a driver.
//!
//! Responsible for the errors of the service and for MongoDB's numbered errors that a reply carries. It may not
//! decide which error applies.

use std::io;
use std::path::PathBuf;

use bson::{Document, doc};
use thiserror::Error;

use super::options::OptionsError;

/// Why the stand-in could not start, or had to stop.
#[derive(Debug, Error)]
pub enum MongoError {
    /// The arguments cannot be obeyed.
    #[error("its arguments cannot be obeyed")]
    Options(#[from] OptionsError),
    /// The data directory cannot be used.
    #[error("its data in {} cannot be used", path.display())]
    Data {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: StoreError,
    },
    /// An address cannot be listened on.
    #[error("it cannot listen on {address}")]
    Listen {
        /// The address with its port.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The process cannot be told to stop.
    #[error("it cannot wait for signals")]
    Signals(#[source] io::Error),
}

/// What is wrong with the data on disk.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The data directory is not there.
    #[error("there is no directory {}", path.display())]
    NoDirectory {
        /// Where it should be.
        path: PathBuf,
    },
    /// Somebody else serves from it.
    #[error("another process is using it")]
    InUse,
    /// A file is damaged somewhere else than at its end.
    #[error("{} is damaged at byte {offset}, with more data after it; nothing was changed", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damage begins.
        offset: u64,
    },
    /// A file is not what its name says.
    #[error("{} was not written by this stand-in", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A log that could not be brought back to a known state takes no more writes.
    #[error("an earlier write to {} failed and could not be taken back", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
    },
    /// All the room there is is used.
    #[error("this stand-in keeps at most {limit} bytes of documents")]
    Full {
        /// The room in bytes.
        limit: u64,
    },
    /// The system refused to read or write.
    #[error("the file system refused")]
    Io(#[from] io::Error),
}

/// An error that a reply carries, with MongoDB's own number and name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub(crate) struct CommandError {
    code: i32,
    name: &'static str,
    message: String,
}

impl CommandError {
    fn new(code: i32, name: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            name,
            message: message.into(),
        }
    }

    /// A value that makes no sense, or whose meaning the stand-in does not know.
    pub(crate) fn bad_value(message: impl Into<String>) -> Self {
        Self::new(2, "BadValue", message)
    }

    /// A field that should have been of another type.
    pub(crate) fn type_mismatch(field: &str, expected: &str) -> Self {
        Self::new(14, "TypeMismatch", format!("{field:?} must be {expected}"))
    }

    /// Bytes that are no BSON, or more of it than the stand-in reads.
    pub(crate) fn invalid_bson(message: impl Into<String>) -> Self {
        Self::new(22, "InvalidBSON", message)
    }

    /// A collection that is not there.
    pub(crate) fn namespace_not_found(message: impl Into<String>) -> Self {
        Self::new(26, "NamespaceNotFound", message)
    }

    /// A cursor that is not, or no longer, there.
    pub(crate) fn cursor_not_found(id: i64) -> Self {
        Self::new(43, "CursorNotFound", format!("cursor id {id} not found"))
    }

    /// A collection that is there already.
    pub(crate) fn namespace_exists(namespace: &str) -> Self {
        Self::new(
            48,
            "NamespaceExists",
            format!("Collection already exists. NS: {namespace}"),
        )
    }

    /// A command that the stand-in does not have.
    pub(crate) fn command_not_found(command: &str, known: &str) -> Self {
        let message =
            format!("no such command: '{command}'; this is labctl's stand-in for MongoDB, which knows only {known}");
        Self::new(59, "CommandNotFound", message)
    }

    /// A name that no database or collection can have.
    pub(crate) fn invalid_namespace(message: impl Into<String>) -> Self {
        Self::new(73, "InvalidNamespace", message)
    }

    /// Something only a replica set can do.
    pub(crate) fn illegal_operation(message: impl Into<String>) -> Self {
        Self::new(20, "IllegalOperation", message)
    }

    /// A stage of an aggregation that the stand-in does not have.
    pub(crate) fn unknown_stage(stage: &str) -> Self {
        Self::new(
            40324,
            "Location40324",
            format!("this stand-in has no pipeline stage '{stage}'"),
        )
    }

    /// A command that the stand-in failed to carry out, because of `error`.
    pub(crate) fn not_stored(error: &StoreError) -> Self {
        match error {
            StoreError::Full { .. } => Self::new(14031, "OutOfDiskSpace", error.to_string()),
            StoreError::Io(source) => Self::new(96, "OperationFailed", format!("{error}: {source}")),
            _ => Self::new(96, "OperationFailed", error.to_string()),
        }
    }

    /// A fault of the stand-in itself.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(1, "InternalError", message)
    }

    /// The error as a reply to a command.
    pub(crate) fn to_reply(&self) -> Document {
        doc! { "ok": 0.0, "errmsg": &self.message, "code": self.code, "codeName": self.name }
    }

    /// The error as one of an insert's `writeErrors`.
    pub(crate) fn to_write_error(&self, index: i32) -> Document {
        doc! { "index": index, "code": self.code, "errmsg": &self.message }
    }

    /// A document whose `_id` is taken.
    pub(crate) fn duplicate_key(namespace: &str, id: &bson::Bson) -> Self {
        let message =
            format!("E11000 duplicate key error collection: {namespace} index: _id_ dup key: {{ _id: {id} }}");
        Self::new(11000, "DuplicateKey", message)
    }
}
