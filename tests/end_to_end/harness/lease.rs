//! Who has a playground: one test at a time, whether tests run in one process or in one process each.

use crate::skipping::skip;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// What the file says while nobody has the playground and whoever had it last left its nodes as they were.
const CLEAN: &str = "clean\n";

/// A playground that this test has for itself until this is dropped. The lock is the operating system's, so that it ends with the
/// test however the test ends.
#[derive(Debug)]
pub struct Lease {
    /// The state directory of the playground.
    pub playground: PathBuf,
    /// Whether the test before left the nodes as they were; where it did not, or nobody knows, they want sweeping.
    pub was_clean: bool,
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
        let mut said = String::new();
        file.read_to_string(&mut said).unwrap();
        file.set_len(0).unwrap();
        Self {
            playground: playground.to_owned(),
            was_clean: said == CLEAN,
            file,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // Where this cannot be said, the next test sweeps.
            let _ = self.file.rewind().and_then(|()| self.file.write_all(CLEAN.as_bytes()));
        }
    }
}
