//! What a group of documents is computed from.
//!
//! Responsible for the two expressions the stand-in has: a constant and a field. It may not know stages.

use bson::{Bson, Document};

use super::error::CommandError;
use super::filter::{check_path, collect};

/// A constant or the value of a field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    Constant(Bson),
    Field(String),
}

impl Expression {
    /// Reads an expression.
    pub(crate) fn parse(value: &Bson) -> Result<Self, CommandError> {
        let unknown = || CommandError::bad_value(format!("this stand-in has no expression {value}"));
        match value {
            Bson::String(text) => match text.strip_prefix('$') {
                Some(path) if path.is_empty() || path.starts_with('$') => Err(unknown()),
                Some(path) => Ok(Self::Field(check_path(path)?)),
                None => Ok(Self::Constant(value.clone())),
            },
            Bson::Document(inner) if !inner.is_empty() => Err(unknown()),
            Bson::Array(_) => Err(unknown()),
            _ => Ok(Self::Constant(value.clone())),
        }
    }

    /// Computes the expression for `document`; a missing field is null.
    pub(crate) fn value(&self, document: &Document) -> Bson {
        match self {
            Self::Constant(value) => value.clone(),
            Self::Field(path) => {
                let mut found = Vec::new();
                collect(document, path, &mut found);
                found.first().map_or(Bson::Null, |value| (*value).clone())
            }
        }
    }
}
