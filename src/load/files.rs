//! Reads files of this machine: regular ones only, none without end, and of a lab only what lies in its own folder.
//!
//! A lab may come from the net. So a path that a lab names is opened by the kernel below the lab's folder, and a link that leads out of it is
//! not followed. What was opened is looked at, not what was there before: nothing can be put in its place in between.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The largest file that is read: a lab is text that people write.
pub(super) const LARGEST: u64 = 1024 * 1024;

/// The most files that a tree has.
pub(super) const MOST_FILES: usize = 1000;

/// How much the files of a tree hold together.
pub(super) const LARGEST_TREE: u64 = 8 * 1024 * 1024;

/// How deep the folders of a tree lie in each other.
const DEEPEST: usize = 32;

/// What cannot wait: the other end of a pipe need never come, and a terminal must not become ours.
const AT_ONCE: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Opens without reading, to look what it is.
const TO_LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// What `tree_inside` found below a folder.
#[derive(Debug, Default)]
struct Found {
    paths: Vec<String>,
    bytes: u64,
}

/// Opens the file at `path`, which the operator named, and which must be a regular one.
///
/// # Errors
///
/// Where it cannot be opened, or is something else. It never waits.
pub(super) fn open_file(path: &Path) -> std::io::Result<File> {
    // A device may act when it is opened.
    let other = |kind| std::io::Error::new(std::io::ErrorKind::InvalidInput, not_a_file(kind));
    regular(&rustix::fs::stat(path)?).map_err(other)?;
    let opened = rustix::fs::open(path, AT_ONCE, Mode::empty())?;
    regular(&rustix::fs::fstat(&opened)?).map_err(other)?;
    Ok(File::from(opened))
}

/// Reads the text of the file at `path`, which the operator named.
///
/// # Errors
///
/// Says why that is not possible.
pub(super) fn read_file(path: &Path) -> Result<String, String> {
    text_of(open_file(path).map_err(|error| error.to_string())?)
}

/// Reads the text of the file at `path` below `folder`.
///
/// # Errors
///
/// Says why that is not possible, also where a link on the way leads out of `folder`.
pub(super) fn read_inside(folder: &Path, path: &str) -> Result<String, String> {
    let root = open_root(folder)?;
    let looked = open_inside(root.as_fd(), path, TO_LOOK).map_err(reason)?;
    regular(&rustix::fs::fstat(&looked).map_err(reason)?).map_err(not_a_file)?;
    let opened = open_inside(root.as_fd(), path, AT_ONCE).map_err(reason)?;
    regular(&rustix::fs::fstat(&opened).map_err(reason)?).map_err(not_a_file)?;
    text_of(File::from(opened))
}

/// Returns the paths of all files below `start` in `folder`, relative to `start`. A link to a file in `folder` counts as that file.
///
/// # Errors
///
/// Says why that is not possible, also where it holds something else than files and folders, or too much.
pub(super) fn tree_inside(folder: &Path, start: &str) -> Result<Vec<String>, String> {
    let root = open_root(folder)?;
    let mut found = Found::default();
    look_through(root.as_fd(), start, "", 0, &mut found)?;
    Ok(found.paths)
}

fn look_through(root: BorrowedFd<'_>, start: &str, below: &str, depth: usize, found: &mut Found) -> Result<(), String> {
    if depth > DEEPEST {
        return Err(format!("its folders lie more than {DEEPEST} deep in each other"));
    }
    let whole = joined(start, below);
    let place = if whole.is_empty() { "." } else { whole.as_str() };
    let opened = open_inside(root, place, AT_ONCE | OFlags::DIRECTORY).map_err(reason)?;
    for entry in Dir::new(opened).map_err(reason)? {
        let entry = entry.map_err(reason)?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let name = name
            .to_str()
            .map_err(|_| format!("the name of a file in it is not UTF-8 text: {}", name.to_string_lossy()))?;
        let path = joined(below, name);
        let about = |why: String| format!("{path}: {why}");
        let stat = look_at(root, &joined(start, &path), OFlags::NOFOLLOW).map_err(about)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            look_through(root, start, &path, depth + 1, found)?;
            continue;
        }
        let stat = look_at(root, &joined(start, &path), OFlags::empty()).map_err(about)?;
        regular(&stat).map_err(not_a_file).map_err(about)?;
        found.bytes = found
            .bytes
            .saturating_add(u64::try_from(stat.st_size).unwrap_or_default());
        found.paths.push(path);
        if found.paths.len() > MOST_FILES {
            return Err(format!("it has more than {MOST_FILES} files"));
        }
        if found.bytes > LARGEST_TREE {
            return Err(format!("its files hold more than {} MB", LARGEST_TREE / 1024 / 1024));
        }
    }
    Ok(())
}

fn joined(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", name) => name.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, name) => format!("{folder}/{name}"),
    }
}

fn look_at(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<Stat, String> {
    let opened = open_inside(root, path, TO_LOOK | flags).map_err(reason)?;
    rustix::fs::fstat(opened).map_err(reason)
}

fn open_root(folder: &Path) -> Result<OwnedFd, String> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    rustix::fs::open(folder, TO_LOOK | OFlags::DIRECTORY, Mode::empty()).map_err(reason)
}

/// Opens `path` below `root`. Links are followed as long as they stay there.
fn open_inside(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    // The kernel gives up where folders are renamed at the same moment.
    for _ in 0..16 {
        match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            // Kernels before 5.6, and filters of system calls that do not know it.
            Err(Errno::NOSYS | Errno::PERM) => return open_without_links(root, path, flags),
            opened => return opened,
        }
    }
    Err(Errno::AGAIN)
}

/// Opens `path` below `root`, folder by folder, and follows no link at all.
fn open_without_links(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut folder: Option<OwnedFd> = None;
    let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
    while let Some(part) = parts.next() {
        if part == ".." {
            return Err(Errno::XDEV);
        }
        let at = folder.as_ref().map_or(root, AsFd::as_fd);
        let flags = if parts.peek().is_some() {
            TO_LOOK | OFlags::DIRECTORY
        } else {
            flags
        };
        let opened = rustix::fs::openat(at, part, flags | OFlags::NOFOLLOW, Mode::empty())?;
        folder = Some(opened);
    }
    folder.ok_or(Errno::NOENT)
}

fn regular(stat: &Stat) -> Result<(), FileType> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        other => Err(other),
    }
}

fn not_a_file(kind: FileType) -> String {
    let kind = match kind {
        FileType::Directory => "a folder",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Symlink => "a link",
        _ => "something else",
    };
    format!("it is {kind}, and only files are read")
}

fn reason(error: Errno) -> String {
    match error {
        Errno::XDEV => "a link leads out of the lab's folder; a link must be relative and stay in it".to_owned(),
        Errno::LOOP => "its links lead to each other, or to nothing that can be read".to_owned(),
        error => std::io::Error::from(error).to_string(),
    }
}

/// Reads the text of `file`; says why where that is not possible.
fn text_of(file: File) -> Result<String, String> {
    let mut bytes = Vec::new();
    // The size that a file says it has is not always that of what comes out of it.
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!(
            "it is larger than {} MB, which no file of a lab and no inventory is",
            LARGEST / 1024 / 1024
        ));
    }
    String::from_utf8(bytes).map_err(|error| format!("it is not UTF-8 text: {}", error.utf8_error()))
}
