//! The documents of one collection, in memory and in its log.
//!
//! Responsible for keeping both the same: what is in memory is on disk first. It may not know queries.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use bson::{Bson, Document, RawDocumentBuf, doc};

use super::bounds::Allowance;
use super::error::StoreError;
use super::log::{Log, Tag};
use super::namespace::Namespace;
use super::order::identity;

/// One stored document.
pub(crate) type Stored = Arc<RawDocumentBuf>;

/// A collection and its log.
#[derive(Debug)]
pub(crate) struct Collection {
    log: Log,
    /// In the order they were inserted.
    documents: BTreeMap<u64, Stored>,
    places: HashMap<Bson, u64>,
    next: u64,
    bytes: u64,
}

impl Collection {
    /// Makes an empty collection called `namespace` with its log at `path`.
    pub(crate) fn create(path: &Path, namespace: &Namespace) -> Result<Self, StoreError> {
        let name = encode(&doc! { "database": &namespace.database, "collection": &namespace.collection })?;
        Ok(Self::empty(Log::create(path, &name)?))
    }

    /// Opens the collection whose log is at `path`; the last part of the answer is the number of bytes a crash left
    /// unfinished in it.
    pub(crate) fn open(path: &Path) -> Result<(Namespace, Self, u64), StoreError> {
        let mut name = None;
        let mut events = Vec::new();
        let foreign = || StoreError::Foreign { path: path.to_owned() };
        let (log, cut) = Log::open(path, &mut |tag, bytes| {
            let document = Allowance::default().decode(bytes).map_err(|_| foreign())?;
            match tag {
                Tag::Name => name = read_name(&document),
                Tag::Insert | Tag::Delete => {
                    let id = document.get("_id").ok_or_else(foreign)?.clone();
                    let raw = (tag == Tag::Insert).then(|| RawDocumentBuf::from_bytes(bytes.to_vec()));
                    events.push((id, raw.transpose().map_err(|_| foreign())?));
                }
            }
            Ok(())
        })?;
        let mut collection = Self::empty(log);
        for (id, raw) in events {
            match raw {
                Some(raw) => collection.remember(&id, Arc::new(raw)),
                None => drop(collection.forget(&id)),
            }
        }
        Ok((name.ok_or_else(foreign)?, collection, cut))
    }

    fn empty(log: Log) -> Self {
        Self {
            log,
            documents: BTreeMap::new(),
            places: HashMap::new(),
            next: 0,
            bytes: 0,
        }
    }

    /// Gives all documents in the order they were inserted.
    pub(crate) fn all(&self) -> Vec<Stored> {
        self.documents.values().cloned().collect()
    }

    /// The number of documents.
    pub(crate) fn len(&self) -> usize {
        self.documents.len()
    }

    /// The bytes the documents have.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The bytes the log has.
    pub(crate) fn size_on_disk(&self) -> u64 {
        self.log.size()
    }

    /// Tells whether a document has this `_id`.
    pub(crate) fn contains(&self, id: &Bson) -> bool {
        self.places.contains_key(&identity(id))
    }

    /// Stores `documents`, each with an `_id` that is not taken.
    pub(crate) fn insert(&mut self, documents: Vec<(Bson, RawDocumentBuf)>) -> Result<(), StoreError> {
        if documents.is_empty() {
            return Ok(());
        }
        let entries: Vec<_> = documents.iter().map(|(_, raw)| (Tag::Insert, raw.as_bytes())).collect();
        self.log.append(&entries)?;
        for (id, raw) in documents {
            self.remember(&id, Arc::new(raw));
        }
        Ok(())
    }

    /// Deletes the documents with these `ids` and tells how many there were.
    pub(crate) fn delete(&mut self, ids: &[Bson]) -> Result<usize, StoreError> {
        let present: Vec<&Bson> = ids.iter().filter(|id| self.contains(id)).collect();
        if present.is_empty() {
            return Ok(0);
        }
        let encoded = present
            .iter()
            .map(|id| encode(&doc! { "_id": *id }))
            .collect::<Result<Vec<_>, _>>()?;
        let entries: Vec<_> = encoded.iter().map(|bytes| (Tag::Delete, bytes.as_slice())).collect();
        self.log.append(&entries)?;
        Ok(present.into_iter().filter(|id| self.forget(id)).count())
    }

    /// Removes the collection from disk.
    pub(crate) fn remove(self) -> Result<(), StoreError> {
        self.log.remove()
    }

    fn remember(&mut self, id: &Bson, raw: Stored) {
        self.forget(id);
        self.bytes += raw.as_bytes().len() as u64;
        self.places.insert(identity(id), self.next);
        self.documents.insert(self.next, raw);
        self.next += 1;
    }

    fn forget(&mut self, id: &Bson) -> bool {
        let raw = self
            .places
            .remove(&identity(id))
            .and_then(|place| self.documents.remove(&place));
        self.bytes -= raw.as_ref().map_or(0, |raw| raw.as_bytes().len() as u64);
        raw.is_some()
    }
}

fn read_name(document: &Document) -> Option<Namespace> {
    Namespace::new(document.get_str("database").ok()?, document.get_str("collection").ok()?).ok()
}

fn encode(document: &Document) -> Result<Vec<u8>, StoreError> {
    document
        .to_vec()
        .map_err(|error| StoreError::Io(std::io::Error::other(error)))
}
