//! The commands that read documents: `find`, `count`, `aggregate`, `getMore`, `killCursors`.
//!
//! Responsible for their arguments and for running queries on a snapshot, so that no query holds up a write. It may
//! not change documents.

use bson::{Bson, Document, doc};

use super::aggregate::{Item, Pipeline, whole};
use super::collection::Stored;
use super::commands::{Reply, StandIn, encode, reply};
use super::cursors::FIRST_BATCH;
use super::error::CommandError;
use super::fields::{self, Fields};
use super::filter::Filter;
use super::namespace::Namespace;
use super::projection::Projection;
use super::sorting::Sorting;

/// Which documents to return, how much of each, in which order.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pub(crate) filter: Filter,
    pub(crate) sorting: Sorting,
    pub(crate) projection: Option<Projection>,
    pub(crate) skip: usize,
    /// None means all.
    pub(crate) limit: Option<usize>,
}

impl Query {
    /// Runs the query on `documents`.
    pub(crate) fn run(&self, documents: Vec<Stored>) -> Result<Vec<Stored>, CommandError> {
        let chosen = if self.filter.is_empty() && self.sorting.is_empty() {
            documents
        } else {
            self.choose(documents)?
        };
        let window = chosen
            .into_iter()
            .skip(self.skip)
            .take(self.limit.unwrap_or(usize::MAX));
        match &self.projection {
            None => Ok(window.collect()),
            Some(projection) => window
                .map(|s| Ok(encode(&projection.apply(decode(&s)?))?.into()))
                .collect(),
        }
    }

    fn choose(&self, documents: Vec<Stored>) -> Result<Vec<Stored>, CommandError> {
        let mut chosen = Vec::new();
        for stored in documents {
            let document = decode(&stored)?;
            if self.filter.matches(&document) {
                chosen.push((self.sorting.key(&document), stored));
            }
        }
        chosen.sort_by(|(left, _), (right, _)| self.sorting.compare(left, right));
        Ok(chosen.into_iter().map(|(_, stored)| stored).collect())
    }
}

/// Takes a stored document apart.
pub(crate) fn decode(stored: &Stored) -> Item {
    Document::try_from(stored.as_ref().as_ref()).map_err(|error| CommandError::internal(error.to_string()))
}

fn parse_filter(document: Option<&Document>) -> Result<Filter, CommandError> {
    document.map_or(Ok(Filter::default()), Filter::parse)
}

/// A limit of 0 means none.
fn parse_limit(fields: Fields<'_>) -> Result<Option<usize>, CommandError> {
    Ok(fields.amount("limit")?.filter(|limit| *limit > 0))
}

impl StandIn {
    /// `find`.
    pub(crate) fn find(&self, namespace: &Namespace, fields: Fields<'_>) -> Reply {
        fields.refuse(&[
            "tailable",
            "awaitData",
            "collation",
            "min",
            "max",
            "returnKey",
            "showRecordId",
            "let",
        ])?;
        let query = Query {
            filter: parse_filter(fields.document("filter")?)?,
            sorting: fields
                .document("sort")?
                .map(Sorting::parse)
                .transpose()?
                .unwrap_or_default(),
            projection: fields
                .document("projection")?
                .map(Projection::parse)
                .transpose()?
                .flatten(),
            skip: fields.amount("skip")?.unwrap_or(0),
            limit: parse_limit(fields)?,
        };
        let size = fields.amount("batchSize")?.unwrap_or(FIRST_BATCH);
        let documents = self.store().documents(namespace);
        let documents = query.run(documents)?;
        let full_name = namespace.to_string();
        let batch = self
            .cursors()
            .start(full_name.clone(), documents, size, fields.flag("singleBatch", false));
        Ok(batch.first_reply(&full_name))
    }

    /// `getMore`.
    pub(crate) fn get_more(&self, database: &str, fields: Fields<'_>) -> Reply {
        let id = fields
            .whole("getMore")?
            .ok_or_else(|| CommandError::type_mismatch("getMore", "a whole number"))?;
        let namespace = format!("{database}.{}", fields.text("collection")?);
        let size = fields
            .amount("batchSize")?
            .filter(|size| *size > 0)
            .unwrap_or(usize::MAX);
        let batch = self.cursors().more(id, &namespace, size)?;
        Ok(batch.next_reply(&namespace))
    }

    /// `killCursors`.
    pub(crate) fn kill_cursors(&self, fields: Fields<'_>) -> Reply {
        let mut cursors = self.cursors();
        let (mut killed, mut unknown) = (Vec::new(), Vec::new());
        for value in fields.array("cursors")? {
            let id = fields::whole(value).ok_or_else(|| CommandError::type_mismatch("cursors", "whole numbers"))?;
            if cursors.kill(id) {
                killed.push(id)
            } else {
                unknown.push(id)
            }
        }
        let (alive, none) = (Vec::<i64>::new(), Vec::<i64>::new());
        reply(&doc! {
            "cursorsKilled": killed, "cursorsNotFound": unknown, "cursorsAlive": alive, "cursorsUnknown": none, "ok": 1.0,
        })
    }

    /// `count`.
    pub(crate) fn count(&self, namespace: &Namespace, fields: Fields<'_>) -> Reply {
        fields.refuse(&["collation"])?;
        let filter = parse_filter(fields.document("query")?)?;
        let (skip, limit) = (fields.amount("skip")?.unwrap_or(0), parse_limit(fields)?);
        let matching = if filter.is_empty() {
            self.store().count(namespace)
        } else {
            let documents = self.store().documents(namespace);
            Query {
                filter,
                ..Query::default()
            }
            .run(documents)?
            .len()
        };
        let counted = matching.saturating_sub(skip).min(limit.unwrap_or(usize::MAX));
        reply(&doc! { "n": whole(i64::try_from(counted).unwrap_or(i64::MAX)), "ok": 1.0 })
    }

    /// `aggregate`.
    pub(crate) fn aggregate(&self, namespace: &Namespace, fields: Fields<'_>) -> Reply {
        fields.refuse(&["explain", "collation", "let"])?;
        let pipeline = Pipeline::parse(fields.array("pipeline")?)?;
        let documents = self.store().documents(namespace);
        let results = pipeline
            .run(documents.iter().map(decode))
            .collect::<Result<Vec<_>, _>>()?;
        let Some(Bson::Document(_)) = fields.0.get("cursor") else {
            return Err(CommandError::bad_value("The 'cursor' option is required"));
        };
        self.start_cursor(namespace.to_string(), results, fields)
    }
}
