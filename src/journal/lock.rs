//! One run at a time per instance: an advisory lock that the kernel drops when its holder dies.

use super::JournalError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long another one's look at a lock may keep it from being taken.
const GLANCE: Duration = Duration::from_millis(300);

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// The process.
    pub pid: u32,
    /// What it does, such as `run`.
    pub verb: String,
    /// Since when.
    pub since: Timestamp,
}

impl fmt::Display for LockHolder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "`labctl {}`, process {}, since {:.0}",
            self.verb, self.pid, self.since
        )
    }
}

/// A lock, held for as long as the value lives.
#[derive(Debug)]
pub struct InstanceLock {
    _file: File,
}

impl InstanceLock {
    /// Returns who holds the lock of the instance in `directory`, where anybody does; leaves the lock as it is.
    pub fn holder(directory: &Path) -> io::Result<Option<String>> {
        let mut file: File = match fs_err::File::open(directory.join("lock")) {
            Ok(file) => file.into(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(read_holder(&mut file)?)),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Takes the lock of the instance in `directory` for `verb`, or says who holds it.
    pub fn take(directory: &Path, verb: &str) -> Result<Self, JournalError> {
        let path = directory.join("lock");
        let mut file: File = fs_err::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?
            .into();
        let patience = Instant::now() + GLANCE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                // Somebody may only be looking who holds it.
                Err(TryLockError::WouldBlock) if Instant::now() < patience => sleep(Duration::from_millis(10)),
                Err(TryLockError::WouldBlock) => {
                    let holder = read_holder(&mut file)?;
                    return Err(JournalError::Locked { holder });
                }
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
        let holder = LockHolder {
            pid: std::process::id(),
            verb: verb.to_owned(),
            since: Timestamp::now(),
        };
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&serde_json::to_vec(&holder).map_err(io::Error::from)?)?;
        Ok(Self { _file: file })
    }
}

fn read_holder(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let holder = serde_json::from_str::<LockHolder>(&text);
    Ok(holder.map_or_else(|_| "it has just started".to_owned(), |holder| holder.to_string()))
}
