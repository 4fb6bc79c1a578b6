//! The file of `--junit`: refused before a node is touched where it cannot be written, and there whole or not at all.

use super::failure::Failure;
use crate::exit::Exit;
use crate::report::{JunitReporter, Reporter};
use anyhow::Context;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::NamedTempFile;

/// The permissions of a file that others may read: it tells no more than the screen does.
const MODE: u32 = 0o644;

/// A file that a JUnit document will be written to.
pub(super) struct JunitFile {
    path: PathBuf,
    temporary: Arc<Mutex<Option<NamedTempFile>>>,
    /// How writing it ended, once it did.
    ended: Arc<Mutex<Option<io::Result<()>>>>,
}

impl JunitFile {
    /// Makes sure that `path` can be written.
    pub(super) fn prepare(path: &Path) -> Result<Self, Failure> {
        let usable = usable(path);
        let named = path.display().to_string();
        let refused = || format!("--junit cannot write {named}");
        let (path, temporary) = usable.with_context(refused).map_err(|error| {
            Failure::new(Exit::Usage, error).hint("name a file in a directory that is there and that you may write to")
        })?;
        // What an earlier run left would be taken for this one's, should this one not get so far as to write its own.
        let gone = std::fs::remove_file(&path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        });
        gone.with_context(refused)
            .map_err(|error| Failure::new(Exit::Usage, error))?;
        Ok(Self {
            path,
            temporary: Arc::new(Mutex::new(Some(temporary))),
            ended: Arc::default(),
        })
    }

    /// Returns what collects a run and writes it.
    pub(super) fn reporter(&self) -> Box<dyn Reporter> {
        let (path, temporary, ended) = (self.path.clone(), Arc::clone(&self.temporary), Arc::clone(&self.ended));
        Box::new(JunitReporter::new(move |document| {
            let file = temporary.lock().unwrap_or_else(PoisonError::into_inner).take();
            let written = file.map_or(Ok(()), |file| write(file, &path, document));
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(written);
        }))
    }

    /// Says what kept it from being written.
    pub(super) fn written(&self) -> Result<(), Failure> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        let written = ended.unwrap_or_else(|| Err(io::Error::other("it was not written")));
        let failed = || format!("the results could not be written to {}", self.path.display());
        written
            .with_context(failed)
            .map_err(|error| Failure::new(Exit::CouldNotRun, error))
    }
}

/// Finds where `path` leads, and makes a file beside it that will take its place.
pub(super) fn usable(path: &Path) -> io::Result<(PathBuf, NamedTempFile)> {
    let path = match path.canonicalize() {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => std::path::absolute(path)?,
        Err(error) => return Err(error),
    };
    // A device that is replaced by a file is gone.
    if path.exists() && !path.is_file() {
        return Err(io::Error::other("it is there, and no file"));
    }
    if path.file_name().is_none() {
        return Err(io::Error::other("it names no file"));
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    if !directory.is_dir() {
        return Err(io::Error::other(format!(
            "there is no directory {}",
            directory.display()
        )));
    }
    // The error would name a file that nobody asked for.
    let temporary = NamedTempFile::new_in(directory).map_err(|error| io::Error::from(error.kind()))?;
    Ok((path, temporary))
}

/// Puts `document` in the place of `path`, whole or not at all.
pub(super) fn write(mut file: NamedTempFile, path: &Path, document: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.write_all(document)?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(MODE))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
