//! The output of a step, in a file of the instance's directory: capped, hashed, secrets already masked.

use crate::domain::{Excerpt, OutputRecord, Stream};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// How many bytes of one stream are kept.
pub const OUTPUT_CAP: u64 = 64 * 1024 * 1024;

/// Reads at most `each` bytes of the beginning and of the end of the output of `record`, below `instance`; never the rest.
pub fn read_excerpt(instance: &Path, record: &OutputRecord, each: u64) -> io::Result<Excerpt> {
    let mut file = fs_err::File::open(instance.join(&record.path))?;
    let size = file.metadata()?.len();
    let mut excerpt = Excerpt::default();
    if size <= each.saturating_mul(2) {
        file.take(size).read_to_end(&mut excerpt.head)?;
        return Ok(excerpt);
    }
    (&mut file).take(each).read_to_end(&mut excerpt.head)?;
    file.seek(SeekFrom::Start(size - each))?;
    file.take(each).read_to_end(&mut excerpt.tail)?;
    excerpt.left_out = size - 2 * each;
    Ok(excerpt)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn record(path: &str) -> OutputRecord {
        OutputRecord {
            stream: Stream::Stdout,
            path: path.to_owned(),
            size: 0,
            cut: 0,
            sha256: String::new(),
        }
    }

    #[test]
    fn of_a_big_output_only_the_ends_are_read() {
        let instance = tempfile::tempdir().unwrap();
        let path = instance.path().join("big");
        std::fs::write(&path, b"begin").unwrap();
        let file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.set_len(OUTPUT_CAP - 3).unwrap();
        std::io::Write::write_all(&mut &file, b"end").unwrap();
        let excerpt = read_excerpt(instance.path(), &record("big"), 8).unwrap();
        assert_eq!(excerpt.head, b"begin\0\0\0");
        assert_eq!(excerpt.tail, b"\0\0\0\0\0end");
        assert_eq!(excerpt.left_out, OUTPUT_CAP - 16);
    }

    #[test]
    fn a_small_output_is_read_once() {
        let instance = tempfile::tempdir().unwrap();
        std::fs::write(instance.path().join("small"), b"0123456789abcdef").unwrap();
        let excerpt = read_excerpt(instance.path(), &record("small"), 8).unwrap();
        assert_eq!(
            (excerpt.head.as_slice(), excerpt.left_out),
            (&b"0123456789abcdef"[..], 0)
        );
        assert!(excerpt.tail.is_empty());
        assert!(read_excerpt(instance.path(), &record("gone"), 8).is_err());
    }
}
