//! Bytes on descriptors, without a buffer of the standard library between them and their reader.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How much is read at once.
pub(crate) const CHUNK: usize = 64 << 10;

/// Reads some bytes from `from` into `buffer`; none at its end.
///
/// # Errors
///
/// Where it cannot be read.
pub(crate) fn read_some(from: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match rustix::io::read(from.as_fd(), &mut *buffer) {
            Ok(read) => return Ok(read),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => await_it(from.as_fd(), PollFlags::IN)?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Fills `buffer` from `from`, and takes no byte more.
///
/// # Errors
///
/// Where it cannot be read, or ends before.
pub(crate) fn read_exactly(from: impl AsFd, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read_some(from.as_fd(), &mut buffer[filled..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
    }
    Ok(())
}

/// Writes all of `bytes` to `to`.
///
/// # Errors
///
/// Where it cannot be written.
pub(crate) fn write_all(to: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(to.as_fd(), bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => await_it(to.as_fd(), PollFlags::OUT)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn await_it(what: impl AsFd, flags: PollFlags) -> io::Result<()> {
    let what = what.as_fd();
    match poll(&mut [PollFd::new(&what, flags)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Locks `mutex`. Nothing here is left half changed by a panic: the program ends with it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
