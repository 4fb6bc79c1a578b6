//! Who has a playground: one test at a time, whether tests run in one process or in one process each.

use crate::skipping::skip;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// What a test leaves on the nodes of a playground.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Left {
    /// Nothing: they are as they were.
    Clean,
    /// What the tests of the stage of this name share.
    Stage(String),
}

/// A playground that this test has for itself until this is dropped. The lock is the operating system's, so that it ends with the
/// test however the test ends.
#[derive(Debug)]
pub struct Lease {
    /// The state directory of the playground.
    pub playground: PathBuf,
    /// What the test before left; `None` where it failed, or somebody else used the nodes.
    pub found: Option<Left>,
    /// What this test leaves, unless it fails.
    pub leaves: Left,
    file: File,
}

impl Lease {
    /// Waits for the playground whose state directory the variable names. Returns `None`, after saying so, where it names none.
    pub fn of(variable: &str) -> Option<Self> {
        let named = std::env::var_os(variable);
        if named.is_none() {
            skip(&format!("what needs real nodes: {variable} names no playground"));
        }
        named.map(|playground| Self::take(Path::new(&playground)))
    }

    /// Waits for the playground whose state directory is `playground`.
    pub fn take(playground: &Path) -> Self {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(playground.join("lease")).unwrap();
        file.lock().unwrap();
        let mut found = String::new();
        file.read_to_string(&mut found).unwrap();
        file.set_len(0).unwrap();
        Self {
            playground: playground.to_owned(),
            found: serde_json::from_str(&found).ok(),
            leaves: Left::Clean,
            file,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // Where this cannot be said, the next test sweeps.
            let leaves = serde_json::to_vec(&self.leaves).unwrap_or_default();
            let _ = self.file.rewind().and_then(|()| self.file.write_all(&leaves));
        }
    }
}
