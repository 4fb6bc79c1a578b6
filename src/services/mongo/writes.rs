//! The commands that change documents: `insert`, `delete`, `create`, `drop`, `dropDatabase`.
//!
//! Responsible for their arguments and for answering only when the change is on disk. It may not know the protocol.

use bson::oid::ObjectId;
use bson::{Bson, Document, RawDocumentBuf, doc};

use super::bounds::LARGEST_DOCUMENT;
use super::commands::{LARGEST_INSERT, Reply, StandIn, encode, reply};
use super::error::CommandError;
use super::fields::Fields;
use super::filter::Filter;
use super::namespace::Namespace;
use super::reads::decode;

impl StandIn {
    /// `insert`.
    pub(crate) fn insert(&self, namespace: &Namespace, fields: Fields<'_>) -> Reply {
        check_write_concern(fields)?;
        let documents = fields.array("documents")?.iter().map(|value| match value {
            Bson::Document(document) => Ok(document.clone()),
            _ => Err(CommandError::type_mismatch("documents", "an array of documents")),
        });
        let documents = documents.collect::<Result<Vec<_>, _>>()?;
        let (count, errors) = self.insert_documents(namespace, documents, fields.flag("ordered", true))?;
        let mut answer = doc! { "n": to_int(count), "ok": 1.0 };
        if !errors.is_empty() {
            answer.insert("writeErrors", errors);
        }
        reply(&answer)
    }

    /// Stores `documents` and gives the number stored and MongoDB's errors about the others.
    pub(crate) fn insert_documents(
        &self,
        namespace: &Namespace,
        documents: Vec<Document>,
        ordered: bool,
    ) -> Result<(usize, Vec<Document>), CommandError> {
        if documents.is_empty() || documents.len() > LARGEST_INSERT {
            let text = format!(
                "Write batch sizes must be between 1 and {LARGEST_INSERT}. Got {}.",
                documents.len()
            );
            return Err(CommandError::bad_value(text));
        }
        let prepared = documents.into_iter().map(with_id).collect::<Result<Vec<_>, _>>()?;
        let outcome = self
            .store()
            .insert(namespace, prepared, ordered)
            .map_err(|e| CommandError::not_stored(&e))?;
        let taken = outcome
            .taken
            .into_iter()
            .map(|(place, id)| CommandError::duplicate_key(&namespace.to_string(), &id).to_write_error(to_int(place)));
        Ok((outcome.count, taken.collect()))
    }

    /// `delete`.
    pub(crate) fn delete(&self, namespace: &Namespace, fields: Fields<'_>) -> Reply {
        check_write_concern(fields)?;
        let mut deletions = Vec::new();
        for value in fields.array("deletes")? {
            let deletion = value
                .as_document()
                .ok_or_else(|| CommandError::type_mismatch("deletes", "documents"))?;
            let deletion = Fields(deletion);
            deletion.refuse(&["collation"])?;
            let query = deletion
                .document("q")?
                .ok_or_else(|| CommandError::type_mismatch("q", "a document"))?;
            let limit = deletion.amount("limit")?.filter(|limit| *limit <= 1);
            let limit = limit.ok_or_else(|| CommandError::bad_value("the limit of a delete must be 0 or 1"))?;
            deletions.push((Filter::parse(query)?, limit));
        }
        // One at a time from looking to deleting, or two clients would both count one document.
        let mut store = self.store();
        let mut count = 0;
        for (filter, limit) in deletions {
            let mut ids = Vec::new();
            for stored in store.documents(namespace) {
                let document = decode(&stored)?;
                if filter.matches(&document) {
                    ids.extend(document.get("_id").cloned());
                    if limit == 1 {
                        break;
                    }
                }
            }
            count += store
                .delete(namespace, &ids)
                .map_err(|e| CommandError::not_stored(&e))?;
        }
        reply(&doc! { "n": to_int(count), "ok": 1.0 })
    }

    /// `create`.
    pub(crate) fn create(&self, namespace: &Namespace, fields: Fields<'_>) -> Reply {
        fields.refuse(&[
            "capped",
            "viewOn",
            "timeseries",
            "validator",
            "collation",
            "clusteredIndex",
        ])?;
        match self.store().create(namespace) {
            Ok(true) => reply(&doc! { "ok": 1.0 }),
            Ok(false) => Err(CommandError::namespace_exists(&namespace.to_string())),
            Err(error) => Err(CommandError::not_stored(&error)),
        }
    }

    /// `drop`.
    pub(crate) fn drop_collection(&self, namespace: &Namespace) -> Reply {
        let full_name = namespace.to_string();
        match self.store().drop_collection(namespace) {
            Ok(true) => reply(&doc! { "nIndexesWas": 1, "ns": full_name, "ok": 1.0 }),
            // The words are what drivers of before MongoDB 7.0 look for, to ignore the error.
            Ok(false) => Err(CommandError::namespace_not_found("ns not found")),
            Err(error) => Err(CommandError::not_stored(&error)),
        }
    }

    /// `dropDatabase`.
    pub(crate) fn drop_database(&self, database: &str) -> Reply {
        let mut store = self.store();
        let ours = store
            .collections()
            .filter(|(namespace, _)| namespace.database == database);
        let names: Vec<Namespace> = ours.map(|(namespace, _)| namespace.clone()).collect();
        for namespace in names {
            store
                .drop_collection(&namespace)
                .map_err(|e| CommandError::not_stored(&e))?;
        }
        reply(&doc! { "dropped": database, "ok": 1.0 })
    }
}

fn check_write_concern(fields: Fields<'_>) -> Result<(), CommandError> {
    let Some(concern) = fields.document("writeConcern")? else {
        return Ok(());
    };
    match concern.get("w").and_then(super::fields::whole) {
        Some(w) if w > 1 => Err(CommandError::bad_value(
            "cannot use 'w' > 1 when a host is not replicated",
        )),
        _ => Ok(()),
    }
}

/// Gives the id of `document`, making one where it has none, and its bytes with the id in front.
fn with_id(mut document: Document) -> Result<(Bson, RawDocumentBuf), CommandError> {
    let id = document
        .remove("_id")
        .unwrap_or_else(|| Bson::ObjectId(ObjectId::new()));
    if matches!(id, Bson::Array(_) | Bson::RegularExpression(_) | Bson::Undefined) {
        return Err(CommandError::bad_value(
            "The '_id' value cannot be an array, a regular expression or undefined",
        ));
    }
    let whole: Document = std::iter::once(("_id".to_owned(), id.clone()))
        .chain(document)
        .collect();
    let raw = encode(&whole)?;
    match raw.as_bytes().len() > LARGEST_DOCUMENT {
        true => Err(CommandError::bad_value(format!(
            "a document is larger than {LARGEST_DOCUMENT} bytes"
        ))),
        false => Ok((id, raw)),
    }
}

fn to_int(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
