//! `end.new`, which becomes a record's `end`: the line that tells the end, and the reason below it where there is one.
//!
//! Room is made before the command starts, so that a full disk cannot keep the end from being written.

use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The room for the line, its newline included.
const LINE: usize = 129;

/// The room for everything.
const ROOM: u64 = 4096;

/// `end.new` of one record.
#[derive(Debug)]
pub(crate) struct EndDraft {
    file: File,
}

impl EndDraft {
    /// Makes it as `path`, with its room.
    ///
    /// # Errors
    ///
    /// Where there is no room.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all_at(&padded(""), 0)?;
        // Not every file system can reserve; where the disk is full as well, the reason may be missing.
        let _ = fallocate(&file, FallocateFlags::KEEP_SIZE, 0, ROOM);
        Ok(Self { file })
    }

    /// Opens it at `path`, or makes it without room: whoever was to conclude the record is gone.
    ///
    /// # Errors
    ///
    /// Where that does not work.
    pub(crate) fn take_over(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        Ok(Self { file })
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

/// Returns `line` as it fills its room.
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
