//! In which order a query returns documents.
//!
//! Responsible for reading a sort document and for sorting by it, equal documents staying as they were. It may not
//! choose which documents.

use std::cmp::Ordering;

use bson::{Bson, Document};

use super::error::CommandError;
use super::filter::{check_path, collect};
use super::order::{compare, number};

/// The paths to sort by, the most important first.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Sorting(Vec<(String, bool)>);

impl Sorting {
    /// Reads a sort document; each direction is 1 or -1.
    pub(crate) fn parse(sort: &Document) -> Result<Self, CommandError> {
        let mut keys = Vec::new();
        for (path, direction) in sort {
            let one = number(direction).is_some() && compare(direction, &Bson::Int32(1)).is_eq();
            let minus_one = number(direction).is_some() && compare(direction, &Bson::Int32(-1)).is_eq();
            if !one && !minus_one {
                return Err(CommandError::bad_value(format!(
                    "the sort direction of {path:?} must be 1 or -1"
                )));
            }
            keys.push((check_path(path)?, minus_one));
        }
        Ok(Self(keys))
    }

    /// Tells whether there is nothing to sort by.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives the values `document` is sorted by.
    pub(crate) fn key(&self, document: &Document) -> Vec<Bson> {
        self.0
            .iter()
            .map(|(path, descending)| sort_value(document, path, *descending))
            .collect()
    }

    /// Compares two keys made by this sorting.
    pub(crate) fn compare(&self, left: &[Bson], right: &[Bson]) -> Ordering {
        let orders = self
            .0
            .iter()
            .zip(left.iter().zip(right))
            .map(|((_, descending), (left, right))| {
                let order = compare(left, right);
                if *descending { order.reverse() } else { order }
            });
        orders
            .into_iter()
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

/// An array sorts by its smallest element when ascending and by its largest when descending.
fn sort_value(document: &Document, path: &str, descending: bool) -> Bson {
    let mut found = Vec::new();
    collect(document, path, &mut found);
    let values = found.iter().flat_map(|value| match value {
        Bson::Array(elements) => elements.as_slice(),
        other => std::slice::from_ref(*other),
    });
    let chosen = if descending {
        values.max_by(|a, b| compare(a, b))
    } else {
        values.min_by(|a, b| compare(a, b))
    };
    chosen.cloned().unwrap_or(Bson::Null)
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    fn sorted(sort: Document, mut documents: Vec<Document>) -> Vec<Document> {
        let sorting = Sorting::parse(&sort).unwrap();
        documents.sort_by(|a, b| sorting.compare(&sorting.key(a), &sorting.key(b)));
        documents
    }

    #[test]
    fn documents_sort_by_several_keys_and_missing_ones_come_first() {
        let documents = vec![
            doc! { "a": 2, "b": 1 },
            doc! { "a": 1, "b": 1 },
            doc! { "b": 9 },
            doc! { "a": 2, "b": 5 },
        ];
        let expected = vec![
            doc! { "b": 9 },
            doc! { "a": 1, "b": 1 },
            doc! { "a": 2, "b": 5 },
            doc! { "a": 2, "b": 1 },
        ];
        assert_eq!(sorted(doc! { "a": 1, "b": -1 }, documents), expected);
    }

    #[test]
    fn an_array_sorts_by_its_extreme() {
        let documents = vec![doc! { "a": [1, 9] }, doc! { "a": 5 }];
        assert_eq!(sorted(doc! { "a": 1 }, documents.clone()), documents);
        assert_eq!(sorted(doc! { "a": -1 }, documents.clone()), documents);
    }

    #[test]
    fn a_direction_that_is_none_is_refused() {
        for sort in [
            doc! { "a": 0 },
            doc! { "a": "up" },
            doc! { "a": { "$meta": "textScore" } },
        ] {
            assert!(Sorting::parse(&sort).is_err());
        }
    }
}
