//! Finds where a file is to be written, one directory after the other, so that nobody can put a link in the way meanwhile.

use crate::faults::{failed, failed_at};
use labctl_agent::Fault;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, open, openat, readlinkat, statat};
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

/// Where a file is to be: a name in a directory. What has the name is no directory and no link.
#[derive(Debug)]
pub(crate) struct Place {
    /// The directory.
    pub(crate) directory: OwnedFd,
    /// The name.
    pub(crate) name: OsString,
    /// The path, for people.
    pub(crate) path: String,
}

/// Finds the place that `path` leads to.
///
/// # Errors
///
/// Where it leads to none, or over a link that is not followed.
pub(crate) fn find(path: &str, links: Links) -> Result<Place, Fault> {
    let last = path.rsplit('/').next().unwrap_or_default();
    if !path.starts_with('/') || matches!(last, "" | "." | "..") || path.contains('\0') {
        return Err(failed(format!("{path:?} cannot be the path of a file")));
    }
    Walk::new(path, links)?.walk()
}

struct Walk<'a> {
    asked: &'a str,
    links: Links,
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
    fn new(asked: &'a str, links: Links) -> Result<Self, Fault> {
        Ok(Self {
            asked,
            links,
            entered: Vec::new(),
            root: open("/", DIRECTORY, Mode::empty()).map_err(|error| failed_at("/", error))?,
            ahead: parts(asked.as_bytes()).collect(),
            followed: 0,
        })
    }

    fn walk(mut self) -> Result<Place, Fault> {
        while let Some(name) = self.ahead.pop_front() {
            let is_last = self.ahead.is_empty();
            if name == ".." {
                self.entered.pop();
                continue;
            }
            let path = self.path_of(&name);
            let found = match statat(self.here(), &name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) if is_last => return self.place(name),
                Err(Errno::NOENT | Errno::NOTDIR) => return Err(self.no_directory()),
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
                _ if is_last => return self.place(name),
                _ => return Err(self.no_directory()),
            }
        }
        // A link led to a directory.
        Err(failed(format!("{} is a directory", self.asked)))
    }

    fn here(&self) -> &OwnedFd {
        self.entered.last().map_or(&self.root, |(_, directory)| directory)
    }

    fn path_of(&self, name: &OsStr) -> String {
        let entered = self.entered.iter().map(|(name, _)| name.as_os_str());
        let names = entered.chain([name]);
        names.map(|name| format!("/{}", name.to_string_lossy())).collect()
    }

    fn no_directory(&self) -> Fault {
        failed(format!("{}: no such directory", self.asked))
    }

    fn place(mut self, name: OsString) -> Result<Place, Fault> {
        let path = self.path_of(&name);
        let directory = self.entered.pop().map_or(self.root, |(_, directory)| directory);
        Ok(Place { directory, name, path })
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
