//! Queries, cursors and inserts of the kind that MongoDB had before they were commands.
//!
//! Responsible for answering them with what the commands of today do; pymongo before 3.2 sends nothing else. It may
//! not take messages apart.

use bson::{Bson, Document, RawDocumentBuf};

use super::commands::{StandIn, encode};
use super::cursors::{Batch, FIRST_BATCH};
use super::error::CommandError;
use super::filter::Filter;
use super::namespace::Namespace;
use super::projection::Projection;
use super::reads::Query;
use super::sorting::Sorting;
use super::wire::{self, CURSOR_NOT_FOUND, QUERY_FAILURE};

/// A query of the old kind, as it came.
#[derive(Debug)]
pub(crate) struct OldQuery<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) query: &'a Document,
    pub(crate) fields: &'a Document,
    pub(crate) skip: i32,
    /// 0: as many as the server likes; negative: so many and no cursor; 1: as -1.
    pub(crate) amount: i32,
}

impl StandIn {
    /// Answers a query to message number `request`.
    pub(crate) fn old_query(&self, request: i32, old: &OldQuery<'_>) -> Vec<u8> {
        match self.run_old_query(old) {
            Ok(batch) => old_reply(request, 0, &batch),
            Err(error) => old_error(request, &error),
        }
    }

    fn run_old_query(&self, old: &OldQuery<'_>) -> Result<Batch, CommandError> {
        let namespace = Namespace::parse(old.namespace)?;
        let empty = Document::new();
        let (filter, sort) = match old.query.get("$query").or_else(|| old.query.get("query")) {
            Some(Bson::Document(filter)) => {
                let sort = old.query.get("$orderby").or_else(|| old.query.get("orderby"));
                (filter, sort.and_then(Bson::as_document).unwrap_or(&empty))
            }
            _ => (old.query, &empty),
        };
        let query = Query {
            filter: Filter::parse(filter)?,
            sorting: Sorting::parse(sort)?,
            projection: Projection::parse(old.fields)?,
            skip: usize::try_from(old.skip).unwrap_or(0),
            limit: None,
        };
        let documents = self.store().documents(&namespace);
        let documents = query.run(documents)?;
        let size = if old.amount == 0 {
            FIRST_BATCH
        } else {
            old.amount.unsigned_abs() as usize
        };
        Ok(self.cursors().start(
            old.namespace.to_owned(),
            documents,
            size,
            old.amount < 0 || old.amount == 1,
        ))
    }

    /// Answers a request for more results to message number `request`.
    pub(crate) fn old_get_more(&self, request: i32, namespace: &str, amount: i32, cursor: i64) -> Vec<u8> {
        let size = if amount == 0 {
            usize::MAX
        } else {
            amount.unsigned_abs() as usize
        };
        let batch = self.cursors().more(cursor, namespace, size);
        match batch {
            Ok(batch) => old_reply(request, 0, &batch),
            Err(_) => old_reply(
                request,
                CURSOR_NOT_FOUND,
                &Batch {
                    id: 0,
                    documents: Vec::new(),
                },
            ),
        }
    }

    /// Stores documents for a client that does not want to know what became of them.
    pub(crate) fn old_insert(
        &self,
        namespace: &str,
        documents: Vec<Document>,
        ordered: bool,
    ) -> Result<(), CommandError> {
        let namespace = Namespace::parse(namespace)?;
        self.insert_documents(&namespace, documents, ordered).map(drop)
    }
}

fn old_reply(request: i32, flags: i32, batch: &Batch) -> Vec<u8> {
    wire::legacy(
        request,
        flags,
        batch.id,
        batch.documents.iter().map(|document| document.as_ref().as_ref()),
    )
}

/// Tells `error` to a client that speaks the old protocol.
pub(crate) fn old_error(request: i32, error: &CommandError) -> Vec<u8> {
    let mut reply = error.to_reply();
    reply.insert("$err", error.to_string());
    let raw = encode(&reply).unwrap_or_else(|_| RawDocumentBuf::new());
    wire::legacy(request, QUERY_FAILURE, 0, std::iter::once(raw.as_ref()))
}
