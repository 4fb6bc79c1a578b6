//! The clusters and their engines.
//!
//! Responsible for what is known, how long, and how much of it; and for keeping it on disk. Time is handed in, in seconds since
//! 1970, so that it survives a restart and tests need not wait.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The most clusters at once.
const MOST_CLUSTERS: usize = 1000;
/// The most engines of one cluster.
const MOST_ENTRIES: usize = 1000;
/// How long a registration lasts that says nothing of it, in seconds.
const DEFAULT_TTL: u64 = 180;
/// The longest registration, in seconds.
const LONGEST_TTL: u64 = 24 * 3600;
/// How long a cluster without an engine is kept, in seconds: as long as a course may last.
const IDLE: u64 = 30 * 24 * 3600;

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no such cluster.
    Unknown,
    /// There is no room for one more.
    Full,
    /// It could not be put on disk.
    NotKept,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Cluster {
    /// Engines, each with the time it expires.
    entries: BTreeMap<String, u64>,
    /// When it was last asked for or told something.
    used: u64,
}

/// All clusters, and the file they are kept in.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    clusters: BTreeMap<String, Cluster>,
}

impl Store {
    /// Reads what is kept in `directory`, which is made where it is missing.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        fs_err::create_dir_all(directory)?;
        let path = directory.join("clusters.json");
        let clusters = match fs_err::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { path, clusters })
    }

    /// Makes a cluster called `token`.
    pub(super) fn create(&mut self, token: String, now: u64) -> Result<(), Refusal> {
        self.clusters.retain(|_, cluster| {
            cluster.entries.retain(|_, expires| *expires > now);
            !cluster.entries.is_empty() || cluster.used.saturating_add(IDLE) > now
        });
        if self.clusters.len() >= MOST_CLUSTERS {
            return Err(Refusal::Full);
        }
        let cluster = Cluster {
            used: now,
            ..Cluster::default()
        };
        self.clusters.insert(token, cluster);
        Ok(())
    }

    /// Registers the engine at `address` for `ttl` seconds.
    pub(super) fn register(&mut self, token: &str, address: &str, ttl: Option<u64>, now: u64) -> Result<(), Refusal> {
        let cluster = self.clusters.get_mut(token).ok_or(Refusal::Unknown)?;
        cluster.entries.retain(|_, expires| *expires > now);
        cluster.used = now;
        if cluster.entries.len() >= MOST_ENTRIES && !cluster.entries.contains_key(address) {
            return Err(Refusal::Full);
        }
        let ttl = ttl.unwrap_or(DEFAULT_TTL).clamp(1, LONGEST_TTL);
        cluster.entries.insert(address.to_owned(), now.saturating_add(ttl));
        Ok(())
    }

    /// Returns the engines of a cluster that have not expired.
    pub(super) fn list(&self, token: &str, now: u64) -> Result<Vec<String>, Refusal> {
        let cluster = self.clusters.get(token).ok_or(Refusal::Unknown)?;
        let alive = cluster.entries.iter().filter(|(_, expires)| **expires > now);
        Ok(alive.map(|(address, _)| address.clone()).collect())
    }

    /// Forgets a cluster.
    pub(super) fn remove(&mut self, token: &str) -> Result<(), Refusal> {
        self.clusters.remove(token).map(drop).ok_or(Refusal::Unknown)
    }

    /// Puts all of it on disk, whole or not at all.
    pub(super) fn save(&self) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(&serde_json::to_vec(&self.clusters)?)?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        (directory, store)
    }

    #[test]
    fn an_engine_is_known_until_its_time_is_over_or_it_is_renewed() {
        let (_directory, mut store) = store();
        store.create("t".to_owned(), 100).unwrap();
        store.register("t", "10.0.0.1:2375", Some(10), 100).unwrap();
        assert_eq!(store.list("t", 109).unwrap(), ["10.0.0.1:2375"]);
        assert_eq!(store.list("t", 110).unwrap(), [""; 0]);
        store.register("t", "10.0.0.1:2375", Some(10), 105).unwrap();
        assert_eq!(store.list("t", 114).unwrap().len(), 1);
        store.register("t", "10.0.0.2:2375", None, 105).unwrap();
        assert_eq!(store.list("t", 105 + DEFAULT_TTL - 1).unwrap(), ["10.0.0.2:2375"]);
    }

    #[test]
    fn only_clusters_it_made_are_known() {
        let (_directory, mut store) = store();
        assert_eq!(store.list("t", 1), Err(Refusal::Unknown));
        assert_eq!(store.register("t", "a:1", None, 1), Err(Refusal::Unknown));
        assert_eq!(store.remove("t"), Err(Refusal::Unknown));
    }

    #[test]
    fn what_is_known_is_bounded_and_old_empty_clusters_make_room() {
        let (_directory, mut store) = store();
        for number in 0..MOST_CLUSTERS {
            store.create(format!("t{number}"), 1).unwrap();
        }
        store.register("t0", "a:1", Some(LONGEST_TTL * 9), IDLE).unwrap();
        assert_eq!(store.create("more".to_owned(), 2), Err(Refusal::Full));
        store.create("more".to_owned(), IDLE + 2).unwrap();
        assert_eq!(store.clusters.len(), 2, "t0 has an engine yet");
        for number in 0..MOST_ENTRIES {
            store.register("more", &format!("a:{number}"), None, IDLE + 2).unwrap();
        }
        assert_eq!(store.register("more", "b:1", None, IDLE + 2), Err(Refusal::Full));
        assert_eq!(store.register("more", "a:1", None, IDLE + 2), Ok(()));
    }

    #[test]
    fn what_was_saved_is_there_again() {
        let (directory, mut store) = store();
        store.create("t".to_owned(), 100).unwrap();
        store.register("t", "a:1", Some(10), 100).unwrap();
        store.save().unwrap();
        assert_eq!(Store::open(directory.path()).unwrap().list("t", 101).unwrap(), ["a:1"]);
    }
}
