//! One output stream of a recorded command on its way to its file.

use crate::channel;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// An output stream.
#[derive(Debug)]
pub(crate) struct Output {
    /// Where it comes from; `None` once nobody can write to it any more.
    pipe: Option<OwnedFd>,
    place: Place,
    cap: u64,
    size: u64,
    cut: u64,
}

/// Where it goes.
#[derive(Debug)]
enum Place {
    /// To this file, which is made when there is something for it.
    Unmade(PathBuf),
    /// To this file.
    File(File),
    /// Nowhere: the disk is full, or nothing is kept any more.
    Nowhere,
}

impl Output {
    /// Makes one without a source, whose first `cap` bytes are kept in the file `path`.
    pub(crate) fn new(path: PathBuf, cap: u64) -> Self {
        Self {
            pipe: None,
            place: Place::Unmade(path),
            cap,
            size: 0,
            cut: 0,
        }
    }

    /// Takes what comes from `pipe` from now on.
    pub(crate) fn open(&mut self, pipe: OwnedFd) {
        self.pipe = Some(pipe);
    }

    /// Returns what becomes readable when there is output; `None` where nobody may write to it any more.
    pub(crate) fn source(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Reads what there is by way of `buffer`; says whether there was anything.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> bool {
        let Some(pipe) = &self.pipe else { return false };
        // Whatever ends it: nothing more comes.
        let read = channel::read_some(pipe, buffer).unwrap_or(0);
        if read == 0 {
            self.pipe = None;
        } else {
            self.take(&buffer[..read]);
        }
        read > 0
    }

    /// Says whether somebody may still write to it.
    pub(crate) fn is_held_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// Keeps nothing from now on; returns how much was kept, and how much was cut off.
    pub(crate) fn close(&mut self) -> (u64, u64) {
        self.place = Place::Nowhere;
        (self.size, self.cut)
    }

    /// Keeps what there is room for, and counts the rest.
    fn take(&mut self, bytes: &[u8]) {
        let room = usize::try_from(self.cap - self.size).unwrap_or(usize::MAX);
        let wanted = bytes.len().min(room);
        let mut left = &bytes[..wanted];
        while let (false, Some(file)) = (left.is_empty(), self.place.file()) {
            match rustix::io::write(file, left) {
                Ok(written) => {
                    self.size += written as u64;
                    left = &left[written..];
                }
                Err(rustix::io::Errno::INTR) => {}
                // The disk is full. What comes later would leave a hole.
                Err(_) => self.place = Place::Nowhere,
            }
        }
        self.cut += (bytes.len() - wanted + left.len()) as u64;
    }
}

impl Place {
    /// Returns the file, which is made where it is not there yet.
    fn file(&mut self) -> Option<&File> {
        if let Self::Unmade(path) = self {
            let mut options = OpenOptions::new();
            let made = options.write(true).create(true).truncate(true).mode(0o600).open(path);
            *self = made.map_or(Self::Nowhere, Self::File);
        }
        match self {
            Self::File(file) => Some(file),
            Self::Unmade(_) | Self::Nowhere => None,
        }
    }
}
