//! The output of a step, in a file of the instance's directory: capped, hashed, secrets already masked.

use crate::domain::{OutputRecord, Stream};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

/// How many bytes of one stream are kept.
pub const OUTPUT_CAP: u64 = 64 * 1024 * 1024;

/// One stream's file while it grows.
#[derive(Debug)]
pub struct OutputFile {
    file: fs_err::File,
    stream: Stream,
    path: String,
    size: u64,
    cut: u64,
    hash: Sha256,
}

impl OutputFile {
    /// Creates `output/NAME` below `instance`.
    pub fn create(instance: &Path, name: &str, stream: Stream) -> io::Result<Self> {
        let path = format!("output/{name}");
        let file = fs_err::File::create(instance.join(&path))?;
        Ok(Self {
            file,
            stream,
            path,
            size: 0,
            cut: 0,
            hash: Sha256::new(),
        })
    }

    /// Appends `bytes`, up to the cap.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = usize::try_from(OUTPUT_CAP - self.size).unwrap_or(usize::MAX);
        let kept = &bytes[..bytes.len().min(room)];
        self.file.write_all(kept)?;
        self.hash.update(kept);
        self.size += kept.len() as u64;
        self.cut += (bytes.len() - kept.len()) as u64;
        Ok(())
    }

    /// Notes that the node cut `bytes`.
    pub fn note_cut(&mut self, bytes: u64) {
        self.cut += bytes;
    }

    /// Makes the file durable and returns its record; an empty stream leaves no file.
    pub fn finish(self, instance: &Path) -> io::Result<Option<OutputRecord>> {
        if self.size == 0 && self.cut == 0 {
            fs_err::remove_file(instance.join(&self.path))?;
            return Ok(None);
        }
        self.file.sync_all()?;
        let mut sha256 = String::new();
        for byte in self.hash.finalize() {
            // Writing to a String cannot fail.
            let _ = write!(sha256, "{byte:02x}");
        }
        Ok(Some(OutputRecord {
            stream: self.stream,
            path: self.path,
            size: self.size,
            cut: self.cut,
            sha256,
        }))
    }
}
