//! The file one collection is kept in.
//!
//! Responsible for an append-only log of frames, each whole or not at all: a frame that a crash cut short is
//! dropped when the log is opened, damage anywhere else is an error. It may not know what entries mean.
//!
//! A file is the magic line, then frames: length and CRC-32 of the body (both little-endian u32), then the body.
//! A body is a run of entries: a tag byte and one BSON document.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use flate2::Crc;
use fs_err::{File, OpenOptions};

use super::error::StoreError;

const MAGIC: &[u8] = b"labctl stand-in for mongo, 1\n";
/// Length and checksum.
const HEAD: usize = 8;
/// No message is larger, so no frame is.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// One thing that happened to a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tag {
    /// The first entry of each log: the namespace.
    Name = b'N',
    /// A document was inserted.
    Insert = b'I',
    /// The document with the `_id` in the entry was deleted.
    Delete = b'D',
}

impl Tag {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Name, Self::Insert, Self::Delete]
            .into_iter()
            .find(|tag| *tag as u8 == byte)
    }
}

/// What is done with each entry of a log that is opened.
type Visit<'a> = dyn FnMut(Tag, &[u8]) -> Result<(), StoreError> + 'a;

/// An open log, positioned at its end.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    end: u64,
    broken: bool,
}

impl Log {
    /// Makes a new log at `path` with `name` as its first entry; it appears whole or not at all.
    pub(crate) fn create(path: &Path, name: &[u8]) -> Result<Self, StoreError> {
        let unfinished = path.with_extension("new");
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&frame(&[(Tag::Name, name)])?);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&unfinished)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        fs_err::rename(&unfinished, path)?;
        sync_directory(path)?;
        Ok(Self {
            file,
            end: bytes.len() as u64,
            broken: false,
        })
    }

    /// Opens the log at `path`, hands every entry to `visit`, and cuts off what a crash left unfinished.
    ///
    /// The second part of the answer is the number of bytes cut off.
    pub(crate) fn open(path: &Path, visit: &mut Visit<'_>) -> Result<(Self, u64), StoreError> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let size = file.metadata()?.len();
        let end = replay(&mut file, path, size, visit)?;
        if end < size {
            file.set_len(end)?;
            file.sync_data()?;
        }
        file.seek(SeekFrom::Start(end))?;
        Ok((
            Self {
                file,
                end,
                broken: false,
            },
            size - end,
        ))
    }

    /// Appends `entries` as one frame and waits until they are on disk; on failure the log is as it was.
    pub(crate) fn append(&mut self, entries: &[(Tag, &[u8])]) -> Result<(), StoreError> {
        if self.broken {
            return Err(StoreError::Broken { path: self.path() });
        }
        let bytes = frame(entries)?;
        match self.file.write_all(&bytes).and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                self.end += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                let undone = self
                    .file
                    .set_len(self.end)
                    .and_then(|()| self.file.seek(SeekFrom::Start(self.end)));
                self.broken = undone.is_err();
                Err(error.into())
            }
        }
    }

    /// The bytes the log has on disk.
    pub(crate) fn size(&self) -> u64 {
        self.end
    }

    /// Removes the log.
    pub(crate) fn remove(self) -> Result<(), StoreError> {
        let path = self.path();
        fs_err::remove_file(&path)?;
        sync_directory(&path)
    }

    fn path(&self) -> PathBuf {
        // A log is renamed to its place after it was opened under the name of an unfinished one.
        self.file.path().with_extension("log")
    }
}

fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    Ok(File::open(directory)?.sync_all()?)
}

fn frame(entries: &[(Tag, &[u8])]) -> Result<Vec<u8>, StoreError> {
    let length: usize = entries.iter().map(|(_, bytes)| 1 + bytes.len()).sum();
    let too_large = || StoreError::Full {
        limit: LARGEST_BODY as u64,
    };
    let written = u32::try_from(length)
        .ok()
        .filter(|_| length <= LARGEST_BODY)
        .ok_or_else(too_large)?;
    let mut bytes = Vec::with_capacity(HEAD + length);
    bytes.extend_from_slice(&[0; HEAD]);
    for (tag, document) in entries {
        bytes.push(*tag as u8);
        bytes.extend_from_slice(document);
    }
    bytes[..4].copy_from_slice(&written.to_le_bytes());
    let sum = checksum(&bytes[HEAD..]);
    bytes[4..HEAD].copy_from_slice(&sum.to_le_bytes());
    Ok(bytes)
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Reads frames up to the end of `file` and gives the offset after the last whole one.
fn replay(file: &mut File, path: &Path, size: u64, visit: &mut Visit<'_>) -> Result<u64, StoreError> {
    let foreign = || StoreError::Foreign { path: path.to_owned() };
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic).map_err(|_| foreign())?;
    if magic != *MAGIC {
        return Err(foreign());
    }
    let mut offset = MAGIC.len() as u64;
    loop {
        match read_frame(file, size - offset)? {
            Frame::Whole(body) => {
                let damaged = || StoreError::Damaged {
                    path: path.to_owned(),
                    offset,
                };
                for_each_entry(&body, visit, &damaged)?;
                offset += (HEAD + body.len()) as u64;
            }
            Frame::CutShort => return Ok(offset),
            Frame::Damaged => {
                return Err(StoreError::Damaged {
                    path: path.to_owned(),
                    offset,
                });
            }
        }
    }
}

enum Frame {
    Whole(Vec<u8>),
    /// Nothing, or what a crash may leave of the last frame.
    CutShort,
    Damaged,
}

fn read_frame(file: &mut File, left: u64) -> Result<Frame, StoreError> {
    if left < HEAD as u64 {
        return Ok(Frame::CutShort);
    }
    let mut head = [0; HEAD];
    file.read_exact(&mut head)?;
    let [a, b, c, d, sum @ ..] = head;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    let after_head = left - HEAD as u64;
    if length > LARGEST_BODY {
        return Ok(Frame::Damaged);
    }
    if length as u64 > after_head {
        return Ok(Frame::CutShort);
    }
    if length == 0 {
        // A file system may have grown the file without having written into it.
        let zeros = sum == [0; 4] && all_zero(file)?;
        return Ok(if zeros { Frame::CutShort } else { Frame::Damaged });
    }
    let mut body = vec![0; length];
    file.read_exact(&mut body)?;
    if checksum(&body) == u32::from_le_bytes(sum) {
        return Ok(Frame::Whole(body));
    }
    Ok(if length as u64 == after_head {
        Frame::CutShort
    } else {
        Frame::Damaged
    })
}

fn all_zero(file: &mut File) -> Result<bool, StoreError> {
    let mut chunk = [0; 8192];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            return Ok(true);
        }
        if chunk[..count].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
    }
}

fn for_each_entry(mut body: &[u8], visit: &mut Visit<'_>, damaged: &dyn Fn() -> StoreError) -> Result<(), StoreError> {
    while let Some((tag, rest)) = body.split_first() {
        let tag = Tag::from_byte(*tag).ok_or_else(damaged)?;
        let length = rest
            .first_chunk()
            .map(|bytes| u32::from_le_bytes(*bytes) as usize)
            .ok_or_else(damaged)?;
        let (document, after) = rest.split_at_checked(length).ok_or_else(damaged)?;
        visit(tag, document)?;
        body = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bson::doc;
    use proptest::prelude::*;

    use super::*;

    fn entry(number: i32) -> Vec<u8> {
        doc! { "_id": number }.to_vec().unwrap()
    }

    type Entries = Vec<(Tag, Vec<u8>)>;

    fn read(path: &Path) -> Result<(Entries, u64), StoreError> {
        let mut entries = Vec::new();
        let (_, cut) = Log::open(path, &mut |tag, bytes| {
            entries.push((tag, bytes.to_vec()));
            Ok(())
        })?;
        Ok((entries, cut))
    }

    fn three_frames(path: &Path) -> Vec<usize> {
        let mut log = Log::create(path, &entry(0)).unwrap();
        let mut ends = vec![log.end as usize];
        for number in 1..3 {
            log.append(&[(Tag::Insert, &entry(number)), (Tag::Delete, &entry(number))])
                .unwrap();
            ends.push(log.end as usize);
        }
        ends
    }

    #[test]
    fn what_was_appended_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.log");
        three_frames(&path);
        let (entries, cut) = read(&path).unwrap();
        assert_eq!(cut, 0);
        assert_eq!(entries.iter().map(|(tag, _)| *tag as u8).collect::<Vec<_>>(), b"NIDID");
        assert_eq!(entries[3].1, entry(2));
    }

    #[test]
    fn a_log_cut_anywhere_keeps_its_whole_frames_and_takes_more() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.log");
        let ends = three_frames(&path);
        let whole = std::fs::read(&path).unwrap();
        for length in ends[0]..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let frames = ends.iter().filter(|end| **end <= length).count();
            let (mut log, cut) = Log::open(&path, &mut |_, _| Ok(())).unwrap();
            assert_eq!(cut as usize, length - ends[frames - 1]);
            log.append(&[(Tag::Insert, &entry(9))]).unwrap();
            let (entries, _) = read(&path).unwrap();
            assert_eq!(entries.len(), 1 + 2 * (frames - 1) + 1);
            assert_eq!(entries.last().unwrap().1, entry(9));
        }
    }

    #[test]
    fn a_tail_of_zeros_or_of_garbage_in_the_last_frame_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.log");
        three_frames(&path);
        let whole = std::fs::read(&path).unwrap();
        let mut zeros = whole.clone();
        zeros.resize(whole.len() + 10_000, 0);
        std::fs::write(&path, zeros).unwrap();
        assert_eq!(read(&path).unwrap().1, 10_000);
        let mut garbage = whole.clone();
        *garbage.last_mut().unwrap() ^= 1;
        std::fs::write(&path, garbage).unwrap();
        assert_eq!(read(&path).unwrap().0.len(), 3);
    }

    #[test]
    fn damage_before_the_end_is_an_error_and_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.log");
        let ends = three_frames(&path);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[ends[1] - 1] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let error = read(&path).unwrap_err();
        assert!(
            matches!(error, StoreError::Damaged { offset, .. } if offset == ends[0] as u64),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn a_file_of_somebody_else_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.log");
        std::fs::write(&path, "not ours at all, and longer than the magic line").unwrap();
        assert!(matches!(read(&path), Err(StoreError::Foreign { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_after_the_magic_are_read_or_refused(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("c.log");
            let mut bytes = MAGIC.to_vec();
            bytes.extend(tail);
            std::fs::write(&path, bytes).unwrap();
            let _ = read(&path);
        }
    }
}
