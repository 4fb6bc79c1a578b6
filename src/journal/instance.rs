//! One instance's directory: `instance.json`, `journal.jsonl`, `output/`, `report/`.

use super::{EventWriter, InstanceLock, JournalWriter};
use crate::domain::{Event, InstanceId, Inventory, RunId, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The version of the files in an instance's directory.
pub const JOURNAL_VERSION: u32 = 1;

/// The directory beside `instances` that closed ones are moved to.
pub(super) const CLOSED: &str = "closed";

/// The directory of an instance that its reports are in.
pub const REPORTS: &str = "report";

/// Why an instance's files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file could not be read or written.
    #[error("could not use the state directory")]
    Io(#[from] io::Error),
    /// A file is not what labctl writes.
    #[error("{path}, line {line}: not an entry that labctl wrote")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the reader said.
        #[source]
        source: serde_json::Error,
    },
    /// The files were written by a newer labctl.
    #[error("{path} was written by a newer labctl (format {found}; this one reads up to {JOURNAL_VERSION})")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Another labctl works on this instance.
    #[error("another labctl is at work on these nodes: {holder}")]
    Locked {
        /// Who it is.
        holder: String,
    },
}

/// What `instance.json` holds: what was decided when the instance was opened, and the variables given since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceRecord {
    /// The format's version.
    pub format: u32,
    /// The instance.
    pub id: InstanceId,
    /// How the lab was named: a path or a name.
    pub lab: String,
    /// The lab's file; `None` where it is built in.
    #[serde(default)]
    pub lab_file: Option<PathBuf>,
    /// The nodes it runs on, as they were then; holds no secret.
    pub inventory: Inventory,
    /// The lab's variables that were given.
    pub vars: BTreeMap<String, String>,
    /// When it was opened.
    pub opened: Timestamp,
}

impl InstanceRecord {
    /// Reads the record `text`, which stands at `path`.
    pub(super) fn parse(text: &[u8], path: PathBuf) -> Result<Self, JournalError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |source| JournalError::Damaged {
            path: path.clone(),
            line: 1,
            source,
        };
        let version: Version = serde_json::from_slice(text).map_err(damaged)?;
        if version.format > JOURNAL_VERSION {
            return Err(JournalError::Newer {
                path,
                found: version.format,
            });
        }
        serde_json::from_slice(text).map_err(damaged)
    }

    /// Says whether it is of the lab in `file`, or of the built-in one called `name` where there is no file.
    pub fn is_of_lab(&self, name: &str, file: Option<&Path>) -> bool {
        match (&self.lab_file, file) {
            (Some(ours), Some(file)) => ours == file,
            (None, None) => self.lab == name,
            _ => false,
        }
    }
}

/// An instance's directory.
#[derive(Debug)]
pub struct Instance {
    directory: PathBuf,
    record: InstanceRecord,
}

impl Instance {
    /// Creates the directory of a new instance.
    pub fn create(directory: PathBuf, record: InstanceRecord) -> Result<Self, JournalError> {
        super::store::create_private(&directory.join("output"))?;
        let instance = Self { directory, record };
        instance.write_record()?;
        // The entries that lead to it are as durable as what it holds.
        for above in instance.directory.ancestors().skip(1).take(2) {
            super::store::sync_directory(above)?;
        }
        Ok(instance)
    }

    fn write_record(&self) -> Result<(), JournalError> {
        let text = serde_json::to_vec_pretty(&self.record).map_err(io::Error::from)?;
        super::store::write_whole(&self.directory.join("instance.json"), &text)
    }

    /// Remembers `vars` for later runs and looks. The lock must be held.
    pub fn remember_vars(&mut self, vars: BTreeMap<String, String>) -> Result<(), JournalError> {
        self.record.vars = vars;
        self.write_record()
    }

    /// Opens the instance in `directory`.
    pub fn open(directory: PathBuf) -> Result<Self, JournalError> {
        let path = directory.join("instance.json");
        let text = fs_err::read(&path)?;
        let record = InstanceRecord::parse(&text, path)?;
        Ok(Self { directory, record })
    }

    /// Returns what was decided when it was opened.
    pub fn record(&self) -> &InstanceRecord {
        &self.record
    }

    /// Returns its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns where its journal is.
    pub fn journal_path(&self) -> PathBuf {
        self.directory.join("journal.jsonl")
    }

    /// Reads every event, dropping a torn last line.
    pub fn events(&self) -> Result<Vec<Event>, JournalError> {
        Ok(super::writer::read_events(&self.journal_path())?.0)
    }

    /// Reads the events and folds them.
    pub fn state(&self) -> Result<State, JournalError> {
        Ok(State::of(&self.events()?))
    }

    /// Takes the lock and opens the journal for a run. The writer holds the lock for as long as it lives.
    pub fn writer(&self, run: RunId, verb: &str) -> Result<Box<dyn EventWriter>, JournalError> {
        let lock = InstanceLock::take(&self.directory, verb)?;
        Ok(Box::new(JournalWriter::open(&self.journal_path(), run, lock)?))
    }

    /// Returns where its directory is when it is closed; itself where it is closed already.
    pub fn closed_directory(&self) -> PathBuf {
        let instances = self.directory.parent().unwrap_or(Path::new(""));
        if instances.ends_with(CLOSED) {
            return self.directory.clone();
        }
        // The same id may be opened again, where the nodes tell of it; not at the same moment.
        let name = format!("{}-{}", self.record.id, self.record.opened.as_second());
        instances.with_file_name(CLOSED).join(name)
    }

    /// Closes an instance that leaves nothing: its directory moves to `closed/`, so that reports stay readable.
    /// The lock must be held, and may be: it moves along.
    pub fn close(&self) -> Result<(), JournalError> {
        let closed = self.closed_directory();
        if let Some(above) = closed.parent() {
            super::store::create_private(above)?;
        }
        fs_err::rename(&self.directory, closed)?;
        Ok(())
    }

    /// Writes `content` to the file `name` of its reports, whole or not at all, and returns where that is.
    pub fn write_report(&self, name: &str, content: &[u8]) -> Result<PathBuf, JournalError> {
        let directory = self.directory.join(REPORTS);
        super::store::create_private(&directory)?;
        let path = directory.join(name);
        super::store::write_whole(&path, content)?;
        Ok(path)
    }

    /// Says whether it has a machine in common with `inventory`.
    pub fn is_on(&self, inventory: &Inventory) -> bool {
        let ours = &self.record.inventory.nodes;
        ours.iter().any(|node| {
            inventory
                .nodes
                .iter()
                .any(|other| super::store::may_be_one(node, other))
        })
    }

    /// Returns when something was last written to its journal.
    pub(super) fn last_written(&self) -> Option<std::time::SystemTime> {
        fs_err::metadata(self.journal_path())
            .and_then(|file| file.modified())
            .ok()
    }

    /// Removes an instance that never changed anything.
    pub fn discard(&self) -> Result<(), JournalError> {
        fs_err::remove_dir_all(&self.directory)?;
        Ok(())
    }
}
