//! `end.new`, which becomes a record's `end`: the line that tells the end, and the reason below it where there is one.
//!
//! Room is made before the command starts, so that a full disk cannot keep the end from being written. Until the command has ended, the
//! line has the word `ready` of the leader that is about to become the command, and below it is why another leader could not.

use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The room for the line, its newline included.
const LINE: usize = 129;

/// The room for everything.
const ROOM: u64 = 4096;

const READY: &[u8] = b"ready\n";

/// `end.new` of one record.
#[derive(Debug)]
pub(crate) struct EndDraft {
    file: File,
}

/// What the leader has said.
#[derive(Debug)]
pub(crate) struct LeaderWord {
    /// Whether it was about to become the command.
    pub(crate) is_ready: bool,
    /// Why it could not; empty where it did not say.
    pub(crate) trouble: String,
}

impl EndDraft {
    /// Makes it as `path`, with its room.
    ///
    /// # Errors
    ///
    /// Where there is no room.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        file.write_all_at(&padded(""), 0)?;
        // Not every file system can reserve; where the disk is full as well, the reason may be missing.
        let _ = fallocate(&file, FallocateFlags::KEEP_SIZE, 0, ROOM);
        Ok(Self { file })
    }

    /// Opens it at `path`, to say what the leader says.
    ///
    /// # Errors
    ///
    /// Where it is not there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(path)?;
        Ok(Self { file })
    }

    /// Opens it at `path`, or makes it without room: whoever was to conclude the record is gone.
    ///
    /// # Errors
    ///
    /// Where that does not work.
    pub(crate) fn take_over(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(path)?;
        Ok(Self { file })
    }

    /// Says that the leader becomes the command.
    pub(crate) fn write_ready(&self) {
        // Without it, a status that no leader has tells the same; the keeper knows about that.
        let _ = self.file.write_all_at(READY, 0);
    }

    /// Says why the leader could not become the command.
    ///
    /// # Errors
    ///
    /// Where that cannot be written.
    pub(crate) fn write_trouble(&self, trouble: &str) -> io::Result<()> {
        self.file.write_all_at(&[b' '; READY.len()], 0)?;
        self.file.write_all_at(format!("{trouble}\n").as_bytes(), LINE as u64)
    }

    /// Returns what the leader has said.
    pub(crate) fn leader_word(&self) -> LeaderWord {
        let mut bytes = [0; ROOM as usize];
        // What cannot be read was not said.
        let read = self.file.read_at(&mut bytes, 0).unwrap_or(0);
        let (line, below) = bytes[..read].split_at(LINE.min(read));
        LeaderWord {
            is_ready: line.starts_with(READY),
            trouble: String::from_utf8_lossy(below).trim().to_owned(),
        }
    }

    /// Writes `line`, and `reason` below it where there is one.
    ///
    /// # Errors
    ///
    /// Where the line cannot be written.
    pub(crate) fn finish(&self, line: &str, reason: &str) -> io::Result<()> {
        if !reason.is_empty() {
            let below = format!("{reason}\n");
            let written = self.file.write_all_at(below.as_bytes(), LINE as u64);
            let length = if written.is_ok() { LINE + below.len() } else { LINE };
            // On a full disk, the end is worth more than its reason.
            let _ = self.file.set_len(length as u64);
        }
        self.file.write_all_at(&padded(line), 0)
    }
}

/// Returns `line` as it fills its room: what a leader said there is gone.
fn padded(line: &str) -> Vec<u8> {
    let mut bytes = format!("{line}\n").into_bytes();
    if line.is_empty() {
        bytes.clear();
    }
    if bytes.len() < LINE {
        bytes.resize(LINE - 1, b' ');
        bytes.push(b'\n');
    }
    bytes
}
