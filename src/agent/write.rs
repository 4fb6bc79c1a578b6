//! Writes files, whole or not at all.

use crate::channel::write_all;
use crate::faults::{Outcome, failed, failed_at};
use crate::place::{self, Links, Place};
use labctl_agent::{Answer, Fault, Write};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid, XattrFlags, fchmod, fchown, fsetxattr, fstat, fsync, getxattr,
    listxattr, openat, renameat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd};

/// How large the names and the values of a file's further attributes may be.
const ATTRIBUTES: usize = 64 << 10;

/// Writes a file.
pub(crate) fn write(order: &Write) -> Outcome {
    let place = place::find(&order.path, own_links())?;
    replace(&place, &order.content.0, order.mode)?;
    Ok(Answer::Done)
}

/// Says which links this process may follow where it writes.
pub(crate) fn own_links() -> Links {
    if geteuid().is_root() { Links::OfRoot } else { Links::All }
}

/// Puts `content` at `place`: written beside it, flushed, and renamed. Mode, owner and further attributes of what is replaced stay; `mode`
/// is stronger.
///
/// # Errors
///
/// Where any of that does not work. Nothing has changed then.
pub(crate) fn replace(place: &Place, content: &[u8], mode: Option<u32>) -> Result<(), Fault> {
    let trouble = |error: Errno| failed_at(&place.path, error);
    let old = existing(place)?;
    put(place, |file| {
        write_all(file, content).map_err(|error| failed_at(&place.path, error))?;
        match &old {
            Some((old, stat)) => keep_attributes(place, (old, stat), file)?,
            None => fchmod(file, Mode::from_raw_mode(0o644)).map_err(trouble)?,
        }
        match mode {
            Some(mode) => fchmod(file, Mode::from_raw_mode(mode & 0o7777)).map_err(trouble),
            None => Ok(()),
        }
    })
}

/// Puts a new file at `place`, which `fill` makes what it is to be: beside the place first, flushed, then renamed.
///
/// # Errors
///
/// Where any of that does not work. Nothing has changed then.
pub(crate) fn put(place: &Place, fill: impl FnOnce(&OwnedFd) -> Result<(), Fault>) -> Result<(), Fault> {
    let trouble = |error: Errno| failed_at(&place.path, error);
    let mut name = place.name.clone();
    name.push(format!(".labctl-{}", &crate::random::word()[..6]));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&place.directory, &name, flags, Mode::from_raw_mode(0o600)).map_err(trouble)?;
    let mut unfinished = Unfinished {
        place,
        name: Some(name),
    };
    fill(&file)?;
    fsync(&file).map_err(trouble)?;
    unfinished.finish().map_err(trouble)?;
    flush_directory(&place.directory).map_err(trouble)
}

/// Returns the file at `place`, where there is one.
fn existing(place: &Place) -> Result<Option<(OwnedFd, Stat)>, Fault> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let trouble = |error: Errno| failed_at(&place.path, error);
    let old = match openat(&place.directory, &place.name, flags, Mode::empty()) {
        Ok(old) => old,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(trouble(error)),
    };
    let stat = fstat(&old).map_err(trouble)?;
    let path = &place.path;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(Some((old, stat))),
        FileType::Directory => Err(failed(format!("{path} is a directory"))),
        FileType::Symlink => Err(failed(format!("{path} has just become a link"))),
        _ => Err(failed(format!("{path} is not a regular file"))),
    }
}

/// Gives `new` the owner, mode and further attributes of the file `old`, of which `stat` is known.
///
/// # Errors
///
/// Where the owner cannot be kept.
pub(crate) fn keep_attributes(place: &Place, (old, stat): (&OwnedFd, &Stat), new: &OwnedFd) -> Result<(), Fault> {
    let trouble = |error: Errno| failed_at(&place.path, error);
    let own = fstat(new).map_err(trouble)?;
    if (own.st_uid, own.st_gid) != (stat.st_uid, stat.st_gid) {
        let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        let kept = fchown(new, Some(uid), Some(gid));
        kept.map_err(|_| failed(format!("{}: its owner cannot be kept", place.path)))?;
    }
    fchmod(new, Mode::from_raw_mode(stat.st_mode & 0o7777)).map_err(trouble)?;
    copy_further_attributes(old, new);
    Ok(())
}

/// Copies access lists and the like, as far as the file system and this process's rights go.
fn copy_further_attributes(old: &OwnedFd, new: &OwnedFd) {
    // The descriptor is for the path alone, as the file itself may not be readable.
    let path = format!("/proc/self/fd/{}", old.as_raw_fd());
    let mut names = vec![0; ATTRIBUTES];
    let Ok(size) = listxattr(&path, &mut names) else { return };
    for name in names[..size].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; ATTRIBUTES];
        if let Ok(size) = getxattr(&path, name, &mut value) {
            // Those that only the kernel sets are refused.
            let _ = fsetxattr(new, name, &value[..size], XattrFlags::empty());
        }
    }
}

/// Flushes what is in `directory`.
///
/// # Errors
///
/// Where that does not work.
pub(crate) fn flush_directory(directory: &OwnedFd) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat(directory, ".", flags, Mode::empty()).and_then(fsync) {
        // One that may be written to, not read; or a file system that flushes no directories.
        Err(Errno::ACCESS | Errno::INVAL) => Ok(()),
        flushed => flushed,
    }
}

/// A file that is removed again where it is not finished.
struct Unfinished<'a> {
    place: &'a Place,
    name: Option<OsString>,
}

impl Unfinished<'_> {
    fn finish(&mut self) -> Result<(), Errno> {
        if let Some(name) = &self.name {
            renameat(&self.place.directory, name, &self.place.directory, &self.place.name)?;
        }
        self.name = None;
        Ok(())
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // Why it is unfinished is told; more cannot be done.
            let _ = unlinkat(&self.place.directory, name, AtFlags::empty());
        }
    }
}
