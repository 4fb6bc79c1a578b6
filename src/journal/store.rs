//! The state directory: where instances live and how they are found.

use super::instance::CLOSED;
use super::{Instance, JournalError};
use crate::domain::{InstanceId, Inventory, Node};
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
        let mut found = self.instances_in("instances")?.collect::<Result<Vec<_>, _>>()?;
        found.sort_by_key(|instance| instance.record().opened);
        Ok(found)
    }

    /// Returns the closed instances, the one that something was done in last first. One that cannot be read any more is left
    /// out: nothing is owed in it.
    pub fn closed_instances(&self) -> Result<Vec<Instance>, JournalError> {
        let mut found: Vec<Instance> = self.instances_in(CLOSED)?.flatten().collect();
        found.sort_by_key(|instance| std::cmp::Reverse(instance.last_written()));
        Ok(found)
    }

    fn instances_in(
        &self,
        name: &str,
    ) -> Result<impl Iterator<Item = Result<Instance, JournalError>> + use<>, JournalError> {
        let entries = match fs_err::read_dir(self.root.join(name)) {
            Ok(entries) => Some(entries),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let opened = |entry: io::Result<fs_err::DirEntry>| {
            let directory = match entry {
                Ok(entry) => entry.path(),
                Err(error) => return Some(Err(error.into())),
            };
            // A directory without its record is one that a crash left before anything was touched.
            directory
                .join("instance.json")
                .exists()
                .then(|| Instance::open(directory))
        };
        Ok(entries.into_iter().flatten().filter_map(opened))
    }

    /// Returns the open instances that have a machine in common with `inventory`, oldest first.
    pub fn instances_on(&self, inventory: &Inventory) -> Result<Vec<Instance>, JournalError> {
        let mut instances = self.open_instances()?;
        instances.retain(|instance| instance.is_on(inventory));
        Ok(instances)
    }

    /// Returns the oldest open instance that has a machine in common with `inventory`.
    pub fn instance_on(&self, inventory: &Inventory) -> Result<Option<Instance>, JournalError> {
        Ok(self.instances_on(inventory)?.into_iter().next())
    }
}

/// Says whether two nodes may be one machine: it goes by a name and an address, and its public one changes.
pub(super) fn may_be_one(node: &Node, other: &Node) -> bool {
    let places = |node: &Node| [node.address.to_lowercase(), node.private_ip.to_lowercase()];
    let others = places(other);
    node.login.port.unwrap_or(22) == other.login.port.unwrap_or(22)
        && places(node).iter().any(|place| others.contains(place))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Login, NodeName};
    use std::collections::BTreeMap;

    fn node(address: &str, private_ip: &str, port: Option<u16>) -> Node {
        Node {
            name: NodeName::new("node-0").unwrap(),
            private_ip: private_ip.to_owned(),
            address: address.to_owned(),
            public_address: None,
            groups: Vec::new(),
            vars: BTreeMap::new(),
            login: Login {
                port,
                ..Login::default()
            },
        }
    }

    #[test]
    fn a_machine_is_known_by_its_port_and_any_of_its_addresses() {
        let ours = node("ec2.example", "10.0.0.10", None);
        assert!(may_be_one(&ours, &node("EC2.example", "10.9.9.9", Some(22))));
        assert!(may_be_one(&ours, &node("10.0.0.10", "10.0.0.10", Some(22))));
        assert!(may_be_one(&ours, &node("new.example", "10.0.0.10", None)));
        assert!(!may_be_one(&ours, &node("ec2.example", "10.0.0.10", Some(2222))));
        assert!(!may_be_one(&ours, &node("other.example", "10.0.0.11", None)));
    }
}
