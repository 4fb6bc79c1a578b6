//! One labctl at a time changes a playground.

use super::PlaygroundError;
use super::progress::{Listener, Progress};
use fs_err as fs;
use std::fs::TryLockError;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const LIMIT: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(200);

/// The name of the lock's file in the state directory.
pub(super) const FILE: &str = "lock";

/// Holds a playground until dropped.
pub(super) struct Lock {
    _file: fs::File,
}

impl Lock {
    /// Takes the playground whose keys are in `state_dir`, which is made where it is missing; waits for another labctl.
    pub(super) async fn take(state_dir: &Path, listener: &Listener<'_>) -> Result<Self, PlaygroundError> {
        let deadline = Instant::now() + LIMIT;
        let mut told = false;
        loop {
            if let Some(lock) = Self::try_take(state_dir)? {
                return Ok(lock);
            }
            if Instant::now() > deadline {
                return Err(PlaygroundError::Busy { waited: LIMIT });
            }
            if !told {
                listener.tell(Progress::WaitingForOther);
                told = true;
            }
            sleep(PAUSE).await;
        }
    }

    fn try_take(state_dir: &Path) -> Result<Option<Self>, PlaygroundError> {
        let path = state_dir.join(FILE);
        let attempt = || -> std::io::Result<Option<Self>> {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(state_dir)?;
            let file = fs::OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)?;
            match file.file().try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Whoever held it may have removed the playground, and this file with it: then it guards nothing.
            let is_current = fs::metadata(&path).is_ok_and(|current| same_file(&current, &file));
            Ok(is_current.then_some(Self { _file: file }))
        };
        attempt().map_err(PlaygroundError::state(&path))
    }
}

fn same_file(current: &std::fs::Metadata, held: &fs::File) -> bool {
    held.metadata()
        .is_ok_and(|held| held.ino() == current.ino() && held.dev() == current.dev())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_not_given_twice_and_a_removed_one_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let state_dir = directory.path().join("playground");
        let held = Lock::try_take(&state_dir).unwrap().expect("nobody else holds it");
        assert!(Lock::try_take(&state_dir).unwrap().is_none());
        fs::remove_file(state_dir.join(FILE)).unwrap();
        assert!(
            Lock::try_take(&state_dir).unwrap().is_some(),
            "a fresh file is a fresh lock"
        );
        drop(held);
    }

    #[test]
    fn a_state_directory_that_cannot_be_made_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Lock::try_take(&file.join("playground")).err().unwrap();
        assert!(error.to_string().contains("file/playground"), "{error}");
        assert!(error.hint().unwrap().contains("XDG_STATE_HOME"));
    }
}
