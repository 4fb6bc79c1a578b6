//! Copies a file as it is: content, owner, mode, time of change and further attributes.

use crate::channel::{CHUNK, read_some, write_all};
use crate::faults::{Outcome, failed, failed_at};
use crate::mailbox::Mailbox;
use crate::place;
use crate::write::{keep_attributes, own_links, put};
use labctl_agent::Answer;
use rustix::fs::{FileType, Mode, OFlags, Timespec, Timestamps, fstat, futimens, openat};
use rustix::io::Errno;

/// Puts a copy of the file at `from` at `to`, unless `mailbox` says meanwhile that nobody wants it any more.
pub(crate) fn copy(from: &str, to: &str, mailbox: &Mailbox) -> Outcome {
    let absent = || failed_at(from, Errno::NOENT);
    let source = place::find_any(from, own_links())?.ok_or_else(absent)?;
    // A pipe does not hold it up.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(&source.directory, &source.name, flags, Mode::empty());
    let file = file.map_err(|error| failed_at(from, error))?;
    let stat = fstat(&file).map_err(|error| failed_at(from, error))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(failed(format!("{from} is not a regular file")));
    }
    let place = place::find(to, own_links())?;
    put(&place, |copy| {
        let mut buffer = vec![0; CHUNK];
        loop {
            if mailbox.is_cancelled() {
                return Err(failed(format!("{from}: copying was broken off")));
            }
            let read = read_some(&file, &mut buffer).map_err(|error| failed_at(from, error))?;
            if read == 0 {
                break;
            }
            write_all(copy, &buffer[..read]).map_err(|error| failed_at(to, error))?;
        }
        keep_attributes(&place, (&file, &stat), copy)?;
        let time = |seconds, nanoseconds: u64| Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds.try_into().unwrap_or_default(),
        };
        let times = Timestamps {
            last_access: time(stat.st_atime, stat.st_atime_nsec),
            last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
        };
        futimens(copy, &times).map_err(|error| failed_at(to, error))
    })?;
    Ok(Answer::Done)
}
