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
    /// What the test before left; `None` where it failed, the nodes are other ones, or another labctl made the stage.
    pub found: Option<Left>,
    /// What this test leaves, unless it fails.
    pub leaves: Left,
    made_of: String,
    file: File,
}

/// What a test that did not fail writes down for the next.
#[derive(Serialize, Deserialize)]
struct Note {
    left: Left,
    made_of: String,
}

/// Returns what tells these nodes and this labctl from all others.
fn made_of(playground: &Path) -> String {
    let key = std::fs::read_to_string(playground.join("playground/identity.pub")).unwrap_or_default();
    let binary = std::fs::metadata(env!("CARGO_BIN_EXE_labctl")).unwrap();
    format!("{key} {} {:?}", binary.len(), binary.modified().unwrap())
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
        let file = options.open(playground.join("lease"));
        let mut file = file.unwrap_or_else(|error| panic!("{} is no playground: {error}", playground.display()));
        file.lock().unwrap();
        let mut found = String::new();
        file.read_to_string(&mut found).unwrap();
        file.set_len(0).unwrap();
        let made_of = made_of(playground);
        let found: Option<Note> = serde_json::from_str(&found).ok();
        Self {
            playground: playground.to_owned(),
            found: found.filter(|note| note.made_of == made_of).map(|note| note.left),
            made_of,
            leaves: Left::Clean,
            file,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // Where this cannot be said, the next test sweeps.
            let note = Note {
                left: self.leaves.clone(),
                made_of: self.made_of.clone(),
            };
            let note = serde_json::to_vec(&note).unwrap_or_default();
            let _ = self.file.rewind().and_then(|()| self.file.write_all(&note));
        }
    }
}
