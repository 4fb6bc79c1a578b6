//! The directory of an instance, in the directory of all.

use crate::accounts::Accounts;
use crate::faults::{Outcome, failed, failed_at, is_absent};
use crate::place;
use crate::stopping;
use crate::write::{self, own_links};
use labctl_agent::{Answer, Fault};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open as open_path};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long another labctl may be at the same directory.
const BUSY: Duration = Duration::from_secs(10);

/// How often is looked whether it still is.
const LOOKING: Duration = Duration::from_millis(20);

/// Makes `directory/name` ready; no other instance may have its directory there.
pub(crate) fn open(directory: &str, name: &str) -> Outcome {
    check_name(name)?;
    let own = format!("{directory}/{name}");
    if look(directory)?.is_none() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| failed_at(directory, error))?;
    }
    check(directory)?;
    let locked = lock_directory(directory)?;
    refuse_others(directory, name)?;
    if look(&own)?.is_none() {
        let made = DirBuilder::new().mode(0o700).create(&own);
        made.map_err(|error| failed_at(&own, error))?;
    }
    check(&own)?;
    fs::set_permissions(&own, Permissions::from_mode(0o700)).map_err(|error| failed_at(&own, error))?;
    drop(locked);
    Ok(Answer::Done)
}

/// Ends what still runs of the instance, and removes its directory; that of all as well, where it is empty.
pub(crate) fn close(directory: &str, name: &str) -> Outcome {
    check_name(name)?;
    let own = format!("{directory}/{name}");
    match look(&own)? {
        None => return Ok(Answer::Done),
        Some(found) if found.is_symlink() => return Err(is_link(&own)),
        Some(_) => {}
    }
    stopping::stop_all(&own)?;
    let mut removed = fs::remove_dir_all(&own);
    if removed
        .as_ref()
        .is_err_and(|error| error.kind() == io::ErrorKind::DirectoryNotEmpty)
    {
        // Somebody was still writing; nobody is now.
        removed = fs::remove_dir_all(&own);
    }
    match removed {
        Err(error) if !is_absent(&error) => return Err(failed_at(&own, error)),
        _ => {}
    }
    // There may be another instance.
    let _ = fs::remove_dir(directory);
    Ok(Answer::Done)
}

/// Writes `name` durably in the directory `instance`.
pub(crate) fn keep(instance: &str, name: &str, content: &[u8]) -> Outcome {
    if !name.split('/').all(is_plain) {
        return Err(failed(format!("{name:?} cannot be the name of something kept")));
    }
    if !look(instance)?.is_some_and(|found| found.is_dir()) {
        return Err(failed(format!("no such instance on this node: {instance}")));
    }
    let parts: Vec<&str> = name.split('/').collect();
    let mut directory = instance.to_owned();
    for part in &parts[..parts.len() - 1] {
        let parent = directory.clone();
        directory = format!("{directory}/{part}");
        match DirBuilder::new().mode(0o700).create(&directory) {
            Ok(()) => flush(&parent)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed_at(&directory, error)),
        }
    }
    let place = place::find(&format!("{instance}/{name}"), own_links())?;
    write::replace(&place, content, Some(0o600))?;
    Ok(Answer::Done)
}

fn flush(directory: &str) -> Result<(), Fault> {
    let opened = open_directory(directory)?;
    write::flush_directory(&opened).map_err(|error| failed_at(directory, error))
}

fn is_plain(part: &str) -> bool {
    let may_be = |c: char| c.is_ascii_alphanumeric() || "._-@+:".contains(c);
    !part.is_empty() && !part.starts_with('.') && part.chars().all(may_be)
}

fn check_name(name: &str) -> Result<(), Fault> {
    if is_plain(name) {
        return Ok(());
    }
    Err(failed(format!("{name:?} cannot be the name of an instance")))
}

/// Returns what stands at `path`.
fn look(path: &str) -> Result<Option<Metadata>, Fault> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed_at(path, error)),
    }
}

fn is_link(path: &str) -> Fault {
    failed(format!("{path} is a link; labctl does not follow it: remove it"))
}

/// Refuses a directory whose content others could change.
fn check(path: &str) -> Result<(), Fault> {
    let found = look(path)?.ok_or_else(|| failed(format!("{path} was removed meanwhile")))?;
    if found.is_symlink() {
        return Err(is_link(path));
    }
    if !found.is_dir() {
        return Err(failed(format!("{path} is not a directory")));
    }
    let own = geteuid().as_raw();
    if found.uid() != own {
        let accounts = Accounts::default();
        let (owner, own) = (accounts.user(found.uid()), accounts.user(own));
        return Err(failed(format!("{path} belongs to {owner}, not to {own}: remove it")));
    }
    if found.mode() & 0o022 != 0 {
        return Err(failed(format!(
            "{path} can be written to by others: remove it, or take that away"
        )));
    }
    Ok(())
}

fn open_directory(path: &str) -> Result<OwnedFd, Fault> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    open_path(path, flags, Mode::empty()).map_err(|error| failed_at(path, error))
}

/// Locks `directory` as long as what is returned lives.
fn lock_directory(directory: &str) -> Result<OwnedFd, Fault> {
    let opened = open_directory(directory)?;
    let started = Instant::now();
    loop {
        match flock(&opened, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(opened),
            Err(Errno::WOULDBLOCK | Errno::INTR) if started.elapsed() < BUSY => sleep(LOOKING),
            Err(Errno::WOULDBLOCK) => return Err(failed(format!("another labctl is changing {directory}"))),
            Err(error) => return Err(failed_at(directory, error)),
        }
    }
}

fn refuse_others(directory: &str, name: &str) -> Result<(), Fault> {
    let trouble = |error: io::Error| failed_at(directory, error);
    for entry in fs::read_dir(directory).map_err(trouble)? {
        let other = entry.map_err(trouble)?;
        let other_name = other.file_name();
        let is_hidden = other_name.to_string_lossy().starts_with('.');
        if other_name != name && !is_hidden && other.path().is_dir() {
            let path = other.path().display().to_string();
            return Err(failed(format!("another labctl has its instance there: {path}")));
        }
    }
    Ok(())
}
