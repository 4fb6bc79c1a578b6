//! Removes files and directories, and follows no link while it does.

use crate::faults::{Outcome, failed, failed_at};
use crate::mailbox::Mailbox;
use crate::place::{self, Place};
use crate::random;
use crate::write::own_links;
use labctl_agent::{Answer, Fault, Removal, Remove};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, ResolveFlags, fstat, openat, openat2, renameat, unlinkat};
use rustix::io::Errno;
use rustix::path::Arg;
use std::ffi::{CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

/// How deep directories are entered. Those further down are moved up first: each that is entered takes a descriptor.
const DEEPEST: usize = 64;

/// How often a directory is read again that others fill while it is emptied.
const READINGS: usize = 10;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// Removes what stands at a path, until `mailbox` says that nobody wants it any more.
pub(crate) fn remove(order: &Remove, mailbox: &Mailbox) -> Outcome {
    match &order.what {
        Removal::EmptyUpTo(topmost) => remove_empty(&order.path, topmost)?,
        Removal::File => {
            if let Some(place) = place::find_any(&order.path, own_links())? {
                remove_name(&place, AtFlags::empty())?;
            }
        }
        Removal::Tree => {
            if let Some(place) = place::find_any(&order.path, own_links())? {
                remove_tree(&place, mailbox)?;
            }
        }
    }
    Ok(Answer::Done)
}

fn remove_name(place: &Place, flags: AtFlags) -> Result<(), Fault> {
    match unlinkat(&place.directory, &place.name, flags) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => Err(failed(format!("{} is a directory", place.path))),
        Err(error) => Err(failed_at(&place.path, error)),
    }
}

/// Removes `deepest` and what is above it up to `topmost`, until one is not empty or has made way for something else.
fn remove_empty(deepest: &str, topmost: &str) -> Result<(), Fault> {
    let mut path = deepest;
    while path.len() >= topmost.len() {
        let Some(place) = place::find_any(path, own_links())? else {
            path = parent(path);
            continue;
        };
        match unlinkat(&place.directory, &place.name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => path = parent(path),
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR | Errno::BUSY) => return Ok(()),
            Err(error) => return Err(failed_at(path, error)),
        }
    }
    Ok(())
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn remove_tree(place: &Place, mailbox: &Mailbox) -> Result<(), Fault> {
    match unlinkat(&place.directory, &place.name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(failed_at(&place.path, error)),
    }
    let trouble = |error: Errno| failed_at(&place.path, error);
    let device = fstat(&place.directory).map_err(trouble)?.st_dev;
    let top = enter(&place.directory, &place.name, (&place.path, device))?;
    let mut emptying = Emptying {
        top: &top,
        device,
        mailbox,
        moved: false,
        first: None,
    };
    loop {
        emptying.moved = false;
        emptying.empty(&top, &place.path, 0)?;
        if !emptying.moved {
            break;
        }
    }
    match emptying.first {
        Some(fault) => Err(fault),
        None => remove_name(place, AtFlags::REMOVEDIR),
    }
}

fn mounted(path: &str) -> Fault {
    failed(format!(
        "{path}: another file system is mounted there; unmount it first"
    ))
}

/// What empties a directory.
struct Emptying<'a> {
    top: &'a OwnedFd,
    /// The file system that everything is on.
    device: u64,
    mailbox: &'a Mailbox,
    /// Whether something was moved up to the top, and the top has to be read again.
    moved: bool,
    /// The first thing that could not be removed.
    first: Option<Fault>,
}

impl Emptying<'_> {
    /// Removes what is in `directory`, and goes on past what cannot be removed.
    fn empty(&mut self, directory: &OwnedFd, path: &str, depth: usize) -> Result<(), Fault> {
        for _ in 0..READINGS {
            let names = names(directory).map_err(|error| failed_at(path, error))?;
            if names.is_empty() {
                break;
            }
            for name in names {
                if self.mailbox.is_cancelled() {
                    return Err(failed(format!("{path}: removing was broken off")));
                }
                let below = format!("{path}/{}", OsStr::from_bytes(name.as_bytes()).to_string_lossy());
                let removed = self.remove_entry(directory, &name, (&below, depth));
                if let Err(fault) = removed {
                    self.first.get_or_insert(fault);
                }
            }
            if self.first.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn remove_entry(&mut self, directory: &OwnedFd, name: &CString, at: (&str, usize)) -> Result<(), Fault> {
        let (path, depth) = at;
        match unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR) => {}
            Err(error) => return Err(failed_at(path, error)),
        }
        if depth == DEEPEST {
            let new = format!("labctl-{}", random::word());
            renameat(directory, name, self.top, new).map_err(|error| failed_at(path, error))?;
            self.moved = true;
            return Ok(());
        }
        let inner = enter(directory, name, (path, self.device))?;
        self.empty(&inner, path, depth + 1)?;
        drop(inner);
        match unlinkat(directory, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed_at(path, error)),
        }
    }
}

/// Opens the directory `name` in `directory`, where it is on the same file system and nothing is mounted there. `at` is its path, and
/// the file system.
fn enter(directory: &OwnedFd, name: impl Arg + Copy, at: (&str, u64)) -> Result<OwnedFd, Fault> {
    let (path, device) = at;
    let within = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    let opened = match openat2(directory, name, DIRECTORY, Mode::empty(), within) {
        // Before Linux 5.6, and where a filter of system calls does not know it.
        Err(Errno::NOSYS | Errno::PERM) => openat(directory, name, DIRECTORY, Mode::empty()),
        opened => opened,
    };
    let opened = match opened {
        Err(Errno::XDEV) => return Err(mounted(path)),
        opened => opened.map_err(|error| failed_at(path, error))?,
    };
    if fstat(&opened).map_err(|error| failed_at(path, error))?.st_dev != device {
        return Err(mounted(path));
    }
    Ok(opened)
}

/// Returns the names in `directory`.
fn names(directory: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}
