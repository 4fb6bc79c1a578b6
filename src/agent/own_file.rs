//! The program's own file on the node, and what dead agents left of theirs.

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The file's name.
const NAME: &str = "labctl-agent";

/// What the names of the directories begin with.
const BEGINNING: &str = "labctl-agent-";

/// How old a leftover is at the least: a younger one may be about to start.
const OLD: Duration = Duration::from_secs(60);

/// The directory that was made for this agent, with its file. Both are removed when this is dropped.
#[derive(Debug)]
pub(crate) struct OwnFile {
    directory: PathBuf,
    /// Shows others that this agent lives.
    locked: Option<File>,
}

impl OwnFile {
    /// Takes over `directory`.
    pub(crate) fn new(directory: &Path) -> Self {
        let file = File::open(directory.join(NAME));
        let locked = file.and_then(|file| {
            flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            Ok(file)
        });
        Self {
            directory: directory.to_owned(),
            // Without a lock, others take it for a leftover once it is old. It is gone by then.
            locked: locked.ok(),
        }
    }

    /// Returns the file's path.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join(NAME)
    }

    /// Removes file and directory.
    pub(crate) fn remove(&self) {
        remove(&self.directory);
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        self.remove();
        self.locked = None;
    }
}

fn remove(directory: &Path) {
    // Whatever else somebody may have put there stays, and the directory with it.
    let _ = fs::remove_file(directory.join(NAME));
    let _ = fs::remove_dir(directory);
}

/// Removes what dead agents of this user left beside `directory`.
pub(crate) fn sweep(directory: &Path) {
    let Some(Ok(entries)) = directory.parent().map(fs::read_dir) else {
        return;
    };
    for entry in entries.flatten() {
        let is_agents = entry.file_name().to_string_lossy().starts_with(BEGINNING);
        if is_agents && entry.path() != directory && is_leftover(&entry.path()).unwrap_or(false) {
            remove(&entry.path());
        }
    }
}

fn is_leftover(directory: &Path) -> io::Result<bool> {
    let found = fs::symlink_metadata(directory)?;
    let age = SystemTime::now().duration_since(found.modified()?).unwrap_or_default();
    if !found.is_dir() || found.uid() != geteuid().as_raw() || age < OLD {
        return Ok(false);
    }
    let file = match File::open(directory.join(NAME)) {
        Ok(file) => file,
        Err(error) => return Ok(error.kind() == io::ErrorKind::NotFound),
    };
    // Whoever lives has it locked.
    Ok(flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok())
}
