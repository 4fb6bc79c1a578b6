//! The append-only journal.

use super::store::sync_directory;
use super::{InstanceLock, JournalError};
use crate::domain::{Event, EventKind, RunId};
use jiff::Timestamp;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Makes events durable, one after the other.
pub trait EventWriter: Send {
    /// Gives `kind` its index and time and writes it down. When this returns, no crash of labctl can lose it; nor can one of the machine,
    /// where it protects an undo.
    fn append(&mut self, kind: EventKind) -> Result<Event, JournalError>;
}

/// Writes events to a journal file.
#[derive(Debug)]
pub struct JournalWriter {
    file: fs_err::File,
    run: RunId,
    next_index: u64,
    _lock: InstanceLock,
}

impl JournalWriter {
    /// Opens the journal at `path` for `run`, cutting off a torn last line.
    pub(super) fn open(path: &Path, run: RunId, lock: InstanceLock) -> Result<Self, JournalError> {
        let (events, sound) = read_events(path)?;
        let file = fs_err::OpenOptions::new().create(true).append(true).open(path)?;
        if file.metadata()?.len() != sound {
            file.set_len(sound)?;
        }
        if let Some(directory) = path.parent() {
            sync_directory(directory)?;
        }
        Ok(Self {
            file,
            run,
            next_index: events.last().map_or(0, |event| event.index.saturating_add(1)),
            _lock: lock,
        })
    }
}

impl EventWriter for JournalWriter {
    fn append(&mut self, kind: EventKind) -> Result<Event, JournalError> {
        let event = Event {
            index: self.next_index,
            at: Timestamp::now(),
            run: self.run.clone(),
            kind,
        };
        let mut line = serde_json::to_vec(&event).map_err(io::Error::from)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        if event.kind.protects_an_undo() {
            self.file.sync_data()?;
        }
        if self.file.metadata()?.nlink() == 0 {
            // Writing goes on working on a file that was removed, but nobody could ever read it.
            return Err(io::Error::new(io::ErrorKind::NotFound, "the journal was removed while it was in use").into());
        }
        self.next_index = self.next_index.saturating_add(1);
        Ok(event)
    }
}

/// Numbers events without keeping them: for looking, which leaves nothing to be undone.
#[derive(Debug)]
pub struct MemoryJournal {
    run: RunId,
    next_index: u64,
}

impl MemoryJournal {
    /// Begins a journal for `run`.
    pub fn new(run: RunId) -> Self {
        Self { run, next_index: 0 }
    }
}

impl EventWriter for MemoryJournal {
    fn append(&mut self, kind: EventKind) -> Result<Event, JournalError> {
        let index = self.next_index;
        self.next_index = self.next_index.saturating_add(1);
        Ok(Event {
            index,
            at: Timestamp::now(),
            run: self.run.clone(),
            kind,
        })
    }
}

/// Reads the events of a journal, and how many bytes of it are sound.
pub(super) fn read_events(path: &Path) -> Result<(Vec<Event>, u64), JournalError> {
    let bytes = match fs_err::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(error.into()),
    };
    parse_events(&bytes, path)
}

/// Reads the events in `bytes` of the journal at `path`, and how many of them are sound.
pub(super) fn parse_events(bytes: &[u8], path: &Path) -> Result<(Vec<Event>, u64), JournalError> {
    let mut events = Vec::new();
    let mut sound = 0;
    for (number, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if !line.ends_with(b"\n") {
            break;
        }
        let event = serde_json::from_slice(line).map_err(|source| JournalError::Damaged {
            path: path.to_owned(),
            line: number + 1,
            source,
        })?;
        events.push(event);
        sound += line.len() as u64;
    }
    Ok((events, sound))
}
