//! Which fields of a document a query returns.
//!
//! Responsible for including or leaving out whole top-level fields. It may not compute new ones.

use bson::{Bson, Document};

use super::error::CommandError;
use super::filter::is_true;
use super::order::number;

/// The fields to keep, or to leave out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Projection {
    fields: Vec<String>,
    keep: bool,
    id: bool,
}

impl Projection {
    /// Reads a projection; an empty one is none.
    pub(crate) fn parse(projection: &Document) -> Result<Option<Self>, CommandError> {
        let mut parsed = Self {
            fields: Vec::new(),
            keep: false,
            id: true,
        };
        let mut id_only = None;
        for (field, value) in projection {
            if field.contains(['.', '$']) || !(matches!(value, Bson::Boolean(_)) || number(value).is_some()) {
                let text = format!("this stand-in projects whole top-level fields only, not {field:?}");
                return Err(CommandError::bad_value(text));
            }
            let keep = is_true(value);
            if field == "_id" {
                parsed.id = keep;
                id_only = Some(keep);
                continue;
            }
            if !parsed.fields.is_empty() && parsed.keep != keep {
                return Err(CommandError::bad_value(
                    "a projection cannot both include and exclude fields",
                ));
            }
            parsed.keep = keep;
            parsed.fields.push(field.clone());
        }
        if parsed.fields.is_empty() {
            parsed.keep = id_only == Some(true);
        }
        Ok((!projection.is_empty()).then_some(parsed))
    }

    /// Gives what is left of `document`.
    pub(crate) fn apply(&self, document: Document) -> Document {
        let wanted = |field: &String| match field.as_str() {
            "_id" => self.id,
            _ => self.fields.contains(field) == self.keep,
        };
        document.into_iter().filter(|(field, _)| wanted(field)).collect()
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(doc! { "a": 1 }, doc! { "_id": 1, "a": 2 })]
    #[case(doc! { "a": true, "_id": 0 }, doc! { "a": 2 })]
    #[case(doc! { "a": 0 }, doc! { "_id": 1, "b": 3 })]
    #[case(doc! { "_id": false }, doc! { "a": 2, "b": 3 })]
    #[case(doc! { "_id": 1 }, doc! { "_id": 1 })]
    fn fields_are_kept_or_left_out(#[case] projection: Document, #[case] expected: Document) {
        let projection = Projection::parse(&projection).unwrap().unwrap();
        assert_eq!(projection.apply(doc! { "_id": 1, "a": 2, "b": 3 }), expected);
    }

    #[rstest]
    #[case(doc! { "a.b": 1 })]
    #[case(doc! { "a": { "$slice": 1 } })]
    #[case(doc! { "a": 1, "b": 0 })]
    fn what_it_does_not_know_it_refuses(#[case] projection: Document) {
        assert!(Projection::parse(&projection).is_err());
    }
}
