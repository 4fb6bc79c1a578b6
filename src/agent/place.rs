//! Finds the place that a path leads to, one directory after the other, so that nobody can put a link in the way meanwhile. Whatever
//! is written, copied or removed goes this way.

use crate::faults::{failed, failed_at};
use crate::write::flush_directory;
use labctl_agent::Fault;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, mkdirat, open, openat, readlinkat, statat};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;

/// How many links are followed, as the kernel does.
const MOST_LINKS: usize = 40;

/// Whose links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// Everybody's: whoever writes may only do what the login user may.
    All,
    /// Those in directories that root alone may write to.
    OfRoot,
}

/// Where something stands or is to stand: a name in a directory.
#[derive(Debug)]
pub(crate) struct Place {
    /// The directory.
    pub(crate) directory: OwnedFd,
    /// The name.
    pub(crate) name: OsString,
    /// The path, for people.
    pub(crate) path: String,
}

/// Finds the place of the file that `path` leads to: what stands there is no directory and no link.
///
/// # Errors
///
/// Where it leads to no such place, or over a link that is not followed.
pub(crate) fn find(path: &str, links: Links) -> Result<Place, Fault> {
    check(path, "a file")?;
    let found = Walk::new(path, links, Last::File)?.walk()?;
    found.ok_or_else(|| no_directory(path))
}

/// Finds the place of whatever stands at `path`, without following a link there; `None` where a directory on the way is missing.
///
/// # Errors
///
/// Where the way leads over a link that is not followed.
pub(crate) fn find_any(path: &str, links: Links) -> Result<Option<Place>, Fault> {
    check(path, "anything")?;
    Walk::new(path, links, Last::Any)?.walk()
}

/// Makes the directory at `path`, and those on the way that are missing.
///
/// # Errors
///
/// Where one cannot be made, something else is in the way, or the way leads over a link that is not followed.
pub(crate) fn make_directories(path: &str, links: Links) -> Result<(), Fault> {
    check(path, "a directory")?;
    Walk::new(path, links, Last::NewDirectory)?.walk().map(|_| ())
}

fn check(path: &str, what: &str) -> Result<(), Fault> {
    let last = path.rsplit('/').next().unwrap_or_default();
    if !path.starts_with('/') || matches!(last, "" | "." | "..") || path.contains('\0') {
        return Err(failed(format!("{path:?} cannot be the path of {what}")));
    }
    Ok(())
}

fn no_directory(path: &str) -> Fault {
    failed(format!("{path}: no such directory"))
}

/// What a path may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// A file, there or not. A link there is followed.
    File,
    /// Anything, there or not. A link there is the thing itself.
    Any,
    /// A directory, which is made where it is missing, as are those on the way.
    NewDirectory,
}

struct Walk<'a> {
    asked: &'a str,
    links: Links,
    last: Last,
    /// The directories that were entered, and their names.
    entered: Vec<(OsString, OwnedFd)>,
    root: OwnedFd,
    ahead: VecDeque<OsString>,
    followed: usize,
}

const DIRECTORY: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl<'a> Walk<'a> {
    fn new(asked: &'a str, links: Links, last: Last) -> Result<Self, Fault> {
        Ok(Self {
            asked,
            links,
            last,
            entered: Vec::new(),
            root: open("/", DIRECTORY, Mode::empty()).map_err(|error| failed_at("/", error))?,
            ahead: parts(asked.as_bytes()).collect(),
            followed: 0,
        })
    }

    /// Returns the place; `None` where a directory on the way is missing, and for a directory that stands there now.
    fn walk(mut self) -> Result<Option<Place>, Fault> {
        while let Some(name) = self.ahead.pop_front() {
            let is_last = self.ahead.is_empty() && self.last != Last::NewDirectory;
            if is_last && self.last == Last::Any {
                return Ok(Some(self.place(name)));
            }
            if name == ".." {
                self.entered.pop();
                continue;
            }
            let path = self.path_of(&name);
            let found = match statat(self.here(), &name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) if is_last => return Ok(Some(self.place(name))),
                Err(Errno::NOENT) if self.last == Last::NewDirectory => self.make(&name, &path)?,
                Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
                Err(error) => return Err(failed_at(&path, error)),
                Ok(found) => FileType::from_raw_mode(found.st_mode),
            };
            match found {
                FileType::Symlink => self.follow(&name, &path)?,
                FileType::Directory if is_last => return Err(failed(format!("{path} is a directory"))),
                FileType::Directory => {
                    let directory = openat(self.here(), &name, DIRECTORY, Mode::empty());
                    let directory = directory.map_err(|error| failed_at(&path, error))?;
                    self.entered.push((name, directory));
                }
                _ if is_last => return Ok(Some(self.place(name))),
                _ if self.last == Last::NewDirectory => return Err(failed(format!("{path} is not a directory"))),
                _ => return Ok(None),
            }
        }
        match self.last {
            Last::NewDirectory => Ok(None),
            // A link led to a directory.
            Last::File | Last::Any => Err(failed(format!("{} is a directory", self.asked))),
        }
    }

    /// Makes the directory `name`. Another one who makes it meanwhile is as good.
    fn make(&self, name: &OsStr, path: &str) -> Result<FileType, Fault> {
        match mkdirat(self.here(), name, Mode::from_raw_mode(0o777)) {
            made @ (Ok(()) | Err(Errno::EXIST)) => {
                if made.is_ok() {
                    flush_directory(self.here()).map_err(|error| failed_at(path, error))?;
                }
                let made = statat(self.here(), name, AtFlags::SYMLINK_NOFOLLOW);
                let made = made.map_err(|error| failed_at(path, error))?;
                Ok(FileType::from_raw_mode(made.st_mode))
            }
            Err(error) => Err(failed_at(path, error)),
        }
    }

    fn here(&self) -> &OwnedFd {
        self.entered.last().map_or(&self.root, |(_, directory)| directory)
    }

    fn path_of(&self, name: &OsStr) -> String {
        let entered = self.entered.iter().map(|(name, _)| name.as_os_str());
        let names = entered.chain([name]);
        names.map(|name| format!("/{}", name.to_string_lossy())).collect()
    }

    fn place(mut self, name: OsString) -> Place {
        let path = self.path_of(&name);
        let directory = self.entered.pop().map_or(self.root, |(_, directory)| directory);
        Place { directory, name, path }
    }

    fn follow(&mut self, name: &OsStr, path: &str) -> Result<(), Fault> {
        if self.links == Links::OfRoot {
            let directory = fstat(self.here()).map_err(|error| failed_at(path, error))?;
            if !is_of_root_alone(&directory) {
                let message = format!("{path} is a link in a directory of others; root does not follow it");
                return Err(failed(message));
            }
        }
        self.followed += 1;
        if self.followed > MOST_LINKS {
            return Err(failed(format!("{}: too many links", self.asked)));
        }
        let target = readlinkat(self.here(), name, Vec::new()).map_err(|error| failed_at(path, error))?;
        let target = target.as_bytes();
        if target.starts_with(b"/") {
            self.entered.clear();
        }
        let ahead = std::mem::take(&mut self.ahead);
        self.ahead = parts(target).chain(ahead).collect();
        Ok(())
    }
}

fn parts(path: &[u8]) -> impl Iterator<Item = OsString> {
    let parts = path
        .split(|byte| *byte == b'/')
        .filter(|part| !matches!(*part, b"" | b"."));
    parts.map(|part| OsString::from_vec(part.to_vec()))
}

/// Says whether nobody but root can write to a directory.
pub(crate) fn is_of_root_alone(directory: &Stat) -> bool {
    let is_open_to_group = directory.st_mode & 0o020 != 0 && directory.st_gid != 0;
    directory.st_uid == 0 && directory.st_mode & 0o002 == 0 && !is_open_to_group
}
