//! All collections and the directory they are kept in.
//!
//! Responsible for finding the collections at start, for making and removing them, and for the room they may use.
//! It may not know the protocol.

use std::collections::BTreeMap;
use std::fs::TryLockError;
use std::path::{Path, PathBuf};

use bson::{Bson, RawDocumentBuf};
use fs_err::File;

use super::collection::{Collection, Stored};
use super::error::StoreError;
use super::namespace::Namespace;

/// The most bytes of documents that are kept, since all of them are held in memory.
const ROOM: u64 = 256 * 1024 * 1024;
/// Held while a process serves from the directory.
const LOCK: &str = "labctl-stand-in.lock";

/// The collections by name.
#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
    collections: BTreeMap<Namespace, Collection>,
    next_file: u64,
    _lock: std::fs::File,
}

/// What inserting came to, document by document.
#[derive(Debug, Default)]
pub(crate) struct Inserted {
    /// How many were stored.
    pub(crate) count: usize,
    /// The places in the batch, and the ids, of those whose `_id` was taken.
    pub(crate) taken: Vec<(usize, Bson)>,
}

impl Store {
    /// Opens what `directory` holds and reports in `notes` what a person should know about it.
    pub(crate) fn open(directory: &Path, notes: &mut Vec<String>) -> Result<Self, StoreError> {
        if !directory.is_dir() {
            return Err(StoreError::NoDirectory {
                path: directory.to_owned(),
            });
        }
        let lock = lock(directory)?;
        let mut store = Self {
            directory: directory.to_owned(),
            collections: BTreeMap::new(),
            next_file: 1,
            _lock: lock,
        };
        let mut paths = fs_err::read_dir(directory)?
            .map(|e| e.map(|e| e.path()))
            .collect::<Result<Vec<_>, _>>()?;
        paths.sort();
        for path in paths {
            let Some(number) = file_number(&path) else { continue };
            if path.extension().is_some_and(|extension| extension == "new") {
                fs_err::remove_file(&path)?;
                continue;
            }
            let (namespace, collection, cut) = Collection::open(&path)?;
            let count = collection.len();
            notes.push(format!("found {count} documents of {namespace} in {}", path.display()));
            if cut > 0 {
                notes.push(format!(
                    "cut off {cut} bytes of an unfinished write at the end of {}",
                    path.display()
                ));
            }
            store.next_file = store.next_file.max(number + 1);
            store.collections.insert(namespace, collection);
        }
        Ok(store)
    }

    /// Gives the documents of `namespace`, none when it is not there.
    pub(crate) fn documents(&self, namespace: &Namespace) -> Vec<Stored> {
        self.collections.get(namespace).map(Collection::all).unwrap_or_default()
    }

    /// Counts the documents of `namespace`.
    pub(crate) fn count(&self, namespace: &Namespace) -> usize {
        self.collections.get(namespace).map_or(0, Collection::len)
    }

    /// Tells whether `namespace` is there.
    pub(crate) fn contains(&self, namespace: &Namespace) -> bool {
        self.collections.contains_key(namespace)
    }

    /// Lists the collections with their size on disk.
    pub(crate) fn collections(&self) -> impl Iterator<Item = (&Namespace, u64)> {
        self.collections
            .iter()
            .map(|(namespace, collection)| (namespace, collection.size_on_disk()))
    }

    /// Makes the collection `namespace` and tells whether it is new.
    pub(crate) fn create(&mut self, namespace: &Namespace) -> Result<bool, StoreError> {
        if self.contains(namespace) {
            return Ok(false);
        }
        let path = self.directory.join(format!("collection-{}.log", self.next_file));
        let collection = Collection::create(&path, namespace)?;
        self.next_file += 1;
        self.collections.insert(namespace.clone(), collection);
        Ok(true)
    }

    /// Stores `documents`, all in one write; where `ordered`, none after the first whose `_id` is taken.
    pub(crate) fn insert(
        &mut self,
        namespace: &Namespace,
        documents: Vec<(Bson, RawDocumentBuf)>,
        ordered: bool,
    ) -> Result<Inserted, StoreError> {
        let used: u64 = self.collections.values().map(Collection::bytes).sum();
        let more: u64 = documents.iter().map(|(_, raw)| raw.as_bytes().len() as u64).sum();
        if used + more > ROOM {
            return Err(StoreError::Full { limit: ROOM });
        }
        self.create(namespace)?;
        let Some(collection) = self.collections.get_mut(namespace) else {
            return Ok(Inserted::default());
        };
        let mut outcome = Inserted::default();
        let mut accepted = Vec::new();
        let mut in_batch = std::collections::HashSet::new();
        for (place, (id, raw)) in documents.into_iter().enumerate() {
            if collection.contains(&id) || !in_batch.insert(super::order::identity(&id)) {
                outcome.taken.push((place, id));
                if ordered {
                    break;
                }
                continue;
            }
            accepted.push((id, raw));
        }
        outcome.count = accepted.len();
        collection.insert(accepted)?;
        Ok(outcome)
    }

    /// Deletes the documents with these `ids` and tells how many there were.
    pub(crate) fn delete(&mut self, namespace: &Namespace, ids: &[Bson]) -> Result<usize, StoreError> {
        self.collections
            .get_mut(namespace)
            .map_or(Ok(0), |collection| collection.delete(ids))
    }

    /// Removes the collection `namespace` and tells whether it was there.
    pub(crate) fn drop_collection(&mut self, namespace: &Namespace) -> Result<bool, StoreError> {
        match self.collections.remove(namespace) {
            Some(collection) => collection.remove().map(|()| true),
            None => Ok(false),
        }
    }
}

fn lock(directory: &Path) -> Result<std::fs::File, StoreError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join(LOCK))?
        .into_file();
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Reads the number in the name of a log, finished or not.
fn file_number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_prefix("collection-")?;
    name.strip_suffix(".log")
        .or_else(|| name.strip_suffix(".new"))?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    fn item(id: i32) -> (Bson, RawDocumentBuf) {
        (
            Bson::Int32(id),
            RawDocumentBuf::try_from(&doc! { "_id": id, "text": "hello" }).unwrap(),
        )
    }

    fn open(directory: &Path) -> Store {
        Store::open(directory, &mut Vec::new()).unwrap()
    }

    #[test]
    fn documents_survive_a_restart_in_the_order_they_came() {
        let directory = tempfile::tempdir().unwrap();
        let posts = Namespace::parse("chat.posts").unwrap();
        let mut store = open(directory.path());
        store.insert(&posts, vec![item(3), item(1), item(2)], true).unwrap();
        assert_eq!(store.delete(&posts, &[Bson::Double(1.0), Bson::Int32(9)]).unwrap(), 1);
        drop(store);
        let store = open(directory.path());
        let ids: Vec<_> = store
            .documents(&posts)
            .iter()
            .map(|raw| raw.get_i32("_id").unwrap())
            .collect();
        assert_eq!(ids, [3, 2]);
    }

    #[test]
    fn a_dropped_collection_stays_away_and_others_stay() {
        let directory = tempfile::tempdir().unwrap();
        let (posts, users) = (
            Namespace::parse("chat.posts").unwrap(),
            Namespace::parse("chat.users").unwrap(),
        );
        let mut store = open(directory.path());
        store.insert(&posts, vec![item(1)], true).unwrap();
        store.insert(&users, vec![item(1)], true).unwrap();
        assert!(store.drop_collection(&posts).unwrap());
        assert!(!store.drop_collection(&posts).unwrap());
        drop(store);
        let mut store = open(directory.path());
        assert_eq!((store.contains(&posts), store.count(&users)), (false, 1));
        assert!(store.create(&posts).unwrap());
        assert_eq!(open_names(&store), ["chat.posts", "chat.users"]);
    }

    fn open_names(store: &Store) -> Vec<String> {
        store
            .collections()
            .map(|(namespace, _)| namespace.to_string())
            .collect()
    }

    #[test]
    fn a_taken_id_stops_an_ordered_batch_and_is_left_out_of_another() {
        let directory = tempfile::tempdir().unwrap();
        let posts = Namespace::parse("chat.posts").unwrap();
        let mut store = open(directory.path());
        let ordered = store.insert(&posts, vec![item(1), item(1), item(2)], true).unwrap();
        assert_eq!((ordered.count, ordered.taken.len(), store.count(&posts)), (1, 1, 1));
        let unordered = store.insert(&posts, vec![item(1), item(2), item(3)], false).unwrap();
        assert_eq!((unordered.count, unordered.taken[0].0, store.count(&posts)), (2, 0, 3));
    }

    #[test]
    fn a_second_process_is_kept_out_and_a_missing_directory_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let _first = open(directory.path());
        assert!(matches!(
            Store::open(directory.path(), &mut Vec::new()),
            Err(StoreError::InUse)
        ));
        let missing = Store::open(&directory.path().join("none"), &mut Vec::new());
        assert!(matches!(missing, Err(StoreError::NoDirectory { .. })));
    }
}
