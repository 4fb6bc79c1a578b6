//! The state directory: where instances live and how they are found.

use super::{Instance, JournalError};
use crate::domain::{InstanceId, Inventory};
use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The state directory, `$XDG_STATE_HOME/labctl` by default.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Uses `root`, which need not be there yet.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Returns the directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Creates the directory where it is missing.
    pub fn create(&self) -> Result<(), JournalError> {
        Ok(create_private(&self.root)?)
    }

    /// Returns the directory that `id` has or would have.
    pub fn directory(&self, id: &InstanceId) -> PathBuf {
        self.root.join("instances").join(id.as_str())
    }

    /// Returns the open instances, oldest first.
    pub fn open_instances(&self) -> Result<Vec<Instance>, JournalError> {
        let instances = self.root.join("instances");
        let entries = match fs_err::read_dir(&instances) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut found = Vec::new();
        for entry in entries {
            let directory = entry?.path();
            // A directory without its record is one that a crash left before anything was touched.
            if directory.join("instance.json").exists() {
                found.push(Instance::open(directory)?);
            }
        }
        found.sort_by_key(|instance| instance.record().opened);
        Ok(found)
    }

    /// Returns the open instance that has a node in common with `inventory`.
    pub fn instance_on(&self, inventory: &Inventory) -> Result<Option<Instance>, JournalError> {
        let places = |inventory: &Inventory| -> Vec<(String, Option<u16>)> {
            inventory
                .nodes
                .iter()
                .map(|node| (node.address.clone(), node.login.port))
                .collect()
        };
        let wanted = places(inventory);
        Ok(self.open_instances()?.into_iter().find(|instance| {
            places(&instance.record().inventory)
                .iter()
                .any(|place| wanted.contains(place))
        }))
    }
}

/// Creates `directory` and what is missing above it, open to nobody else: outputs tell more than they should.
pub(super) fn create_private(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Writes `content` to `path` so that a crash leaves either the old file or the new one, readable by the owner alone.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> Result<(), JournalError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_directory(directory)?;
    Ok(())
}

/// Makes the entries of `directory` durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    fs_err::File::open(directory)?.sync_all()
}
