//! The output of a step, in a file of the instance's directory: capped, hashed, secrets already masked.

use crate::domain::{Excerpt, OutputRecord, Stream};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

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

/// One stream's file while it grows. There is none before the first byte: most steps say nothing, and files that come and go are slow.
#[derive(Debug)]
pub struct OutputFile {
    file: Option<fs_err::File>,
    stream: Stream,
    place: PathBuf,
    path: String,
    size: u64,
    cut: u64,
    hash: Sha256,
}

fn relative(name: &str) -> String {
    format!("output/{name}")
}

impl OutputFile {
    /// Prepares for `output/NAME` below `instance`.
    pub fn new(instance: &Path, name: &str, stream: Stream) -> Self {
        Self {
            file: None,
            stream,
            place: Self::place(instance, name),
            path: relative(name),
            size: 0,
            cut: 0,
            hash: Sha256::new(),
        }
    }

    /// Returns where the output called `name` is kept of `instance`, whose directory that is.
    pub fn place(instance: &Path, name: &str) -> PathBuf {
        instance.join(relative(name))
    }

    /// Appends `bytes`, up to the cap.
    ///
    /// # Errors
    ///
    /// Where the file cannot be made or written.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let room = usize::try_from(OUTPUT_CAP - self.size).unwrap_or(usize::MAX);
        let kept = &bytes[..bytes.len().min(room)];
        self.made()?.write_all(kept)?;
        self.hash.update(kept);
        self.size += kept.len() as u64;
        self.cut += (bytes.len() - kept.len()) as u64;
        Ok(())
    }

    fn made(&mut self) -> io::Result<&mut fs_err::File> {
        if self.file.is_none() {
            self.file = Some(fs_err::File::create(&self.place)?);
        }
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Notes that the node cut `bytes`.
    pub fn note_cut(&mut self, bytes: u64) {
        self.cut += bytes;
    }

    /// Makes the file durable and returns its record; `None` for a stream that is empty.
    ///
    /// # Errors
    ///
    /// Where it cannot be made durable.
    pub fn finish(mut self) -> io::Result<Option<OutputRecord>> {
        if self.size == 0 && self.cut == 0 {
            return Ok(None);
        }
        // There is a file also where all of it was cut off.
        self.made()?.sync_all()?;
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
