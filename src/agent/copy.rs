//! Copies a file as it is: content, owner, mode, time of change and further attributes.

use crate::channel::{CHUNK, read_some, write_all};
use crate::faults::{Outcome, failed, failed_at};
use crate::place;
use crate::write::{keep_attributes, own_links, put};
use labctl_agent::Answer;
use rustix::fs::{FileType, Mode, OFlags, Timespec, Timestamps, fstat, futimens, openat};
use rustix::io::Errno;

/// Puts a copy of the file at `from` at `to`.
pub(crate) fn copy(from: &str, to: &str) -> Outcome {
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
            let read = read_some(&file, &mut buffer).map_err(|error| failed_at(from, error))?;
            if read == 0 {
                break;
            }
            write_all(copy, &buffer[..read]).map_err(|error| failed_at(to, error))?;
        }
        keep_attributes(&place, (&file, &stat), copy)?;
        let changed = Timespec {
            tv_sec: stat.st_mtime,
            tv_nsec: stat.st_mtime_nsec.try_into().unwrap_or_default(),
        };
        let times = Timestamps {
            last_access: changed,
            last_modification: changed,
        };
        futimens(copy, &times).map_err(|error| failed_at(to, error))
    })?;
    Ok(Answer::Done)
}
