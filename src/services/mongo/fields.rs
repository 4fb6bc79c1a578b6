//! The fields of a command.
//!
//! Responsible for reading them with the right type, or an error that names the field. It may not know commands.

use bson::{Bson, Document};

use super::error::CommandError;
use super::filter::is_true;
use super::order::{Number, number};

/// The fields of one command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a Document);

impl<'a> Fields<'a> {
    /// A string that must be there.
    pub(crate) fn text(&self, field: &str) -> Result<&'a str, CommandError> {
        self.0
            .get(field)
            .and_then(Bson::as_str)
            .ok_or_else(|| CommandError::type_mismatch(field, "a string"))
    }

    /// A document, if it is there and not null.
    pub(crate) fn document(&self, field: &str) -> Result<Option<&'a Document>, CommandError> {
        match self.present(field) {
            None => Ok(None),
            Some(value) => value
                .as_document()
                .map(Some)
                .ok_or_else(|| CommandError::type_mismatch(field, "a document")),
        }
    }

    /// An array that must be there.
    pub(crate) fn array(&self, field: &str) -> Result<&'a [Bson], CommandError> {
        let array = self.0.get(field).and_then(Bson::as_array);
        array
            .map(Vec::as_slice)
            .ok_or_else(|| CommandError::type_mismatch(field, "an array"))
    }

    /// A whole number of any sign, if it is there and not null.
    pub(crate) fn whole(&self, field: &str) -> Result<Option<i64>, CommandError> {
        let Some(value) = self.present(field) else {
            return Ok(None);
        };
        whole(value)
            .map(Some)
            .ok_or_else(|| CommandError::type_mismatch(field, "a whole number"))
    }

    /// A whole number that is not negative, if it is there and not null.
    pub(crate) fn amount(&self, field: &str) -> Result<Option<usize>, CommandError> {
        let Some(value) = self.whole(field)? else {
            return Ok(None);
        };
        let amount = usize::try_from(value);
        amount
            .map(Some)
            .map_err(|_| CommandError::bad_value(format!("{field} must not be negative, but is {value}")))
    }

    /// Whether a flag is set; `default` where it is not there.
    pub(crate) fn flag(&self, field: &str, default: bool) -> bool {
        self.present(field).map_or(default, is_true)
    }

    /// Refuses a command with one of `fields`, which would change its result in a way the stand-in cannot.
    pub(crate) fn refuse(&self, fields: &[&str]) -> Result<(), CommandError> {
        let asked = |field: &&&str| match self.present(field) {
            None => false,
            Some(Bson::Document(inner)) => !inner.is_empty(),
            Some(value) => is_true(value),
        };
        match fields.iter().find(asked) {
            Some(field) => Err(CommandError::bad_value(format!(
                "this stand-in for MongoDB has no {field:?}"
            ))),
            None => Ok(()),
        }
    }

    fn present(&self, field: &str) -> Option<&'a Bson> {
        self.0
            .get(field)
            .filter(|value| !matches!(value, Bson::Null | Bson::Undefined))
    }
}

/// Reads `value` as a whole number, whatever its type.
#[expect(
    clippy::cast_possible_truncation,
    reason = "only floats without a fraction are cast, and the cast saturates"
)]
pub(crate) fn whole(value: &Bson) -> Option<i64> {
    match number(value)? {
        Number::Whole(n) => Some(n),
        Number::Float(n) => (n.fract() == 0.0).then_some(n as i64),
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn numbers_of_any_type_are_read_and_others_are_named() {
        let document = doc! { "a": 3.0, "b": -1, "c": "x", "d": Bson::Null, "e": 1.5 };
        let fields = Fields(&document);
        assert_eq!(fields.amount("a").unwrap(), Some(3));
        assert_eq!(fields.amount("d").unwrap(), None);
        assert_eq!(fields.whole("b").unwrap(), Some(-1));
        for field in ["b", "c", "e"] {
            assert!(fields.amount(field).unwrap_err().to_string().contains(field));
        }
    }

    #[test]
    fn what_would_change_the_result_is_refused() {
        assert!(Fields(&doc! { "tailable": true }).refuse(&["tailable"]).is_err());
        assert!(
            Fields(&doc! { "tailable": false, "collation": {} })
                .refuse(&["tailable", "collation"])
                .is_ok()
        );
    }
}
