//! The names of databases and collections.
//!
//! Responsible for refusing names that MongoDB refuses. It may not know what is stored under them.

use std::fmt;

use super::error::CommandError;

/// The longest name of a database, in bytes.
const LONGEST_DATABASE: usize = 63;
/// The longest full name of a collection, in bytes.
const LONGEST: usize = 255;

/// A database and a collection in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Namespace {
    /// The name of the database.
    pub(crate) database: String,
    /// The name of the collection, dots allowed.
    pub(crate) collection: String,
}

impl Namespace {
    /// Checks both names.
    pub(crate) fn new(database: &str, collection: &str) -> Result<Self, CommandError> {
        check_database(database)?;
        let bad = collection.is_empty()
            || collection.starts_with('.')
            || collection.contains(['$', '\0'])
            || collection.starts_with("system.")
            || database.len() + 1 + collection.len() > LONGEST;
        if bad {
            return Err(CommandError::invalid_namespace(format!(
                "Invalid namespace specified '{database}.{collection}'"
            )));
        }
        Ok(Self {
            database: database.to_owned(),
            collection: collection.to_owned(),
        })
    }

    /// Takes a full name apart at its first dot.
    pub(crate) fn parse(full: &str) -> Result<Self, CommandError> {
        match full.split_once('.') {
            Some((database, collection)) => Self::new(database, collection),
            None => Err(CommandError::invalid_namespace(format!(
                "Invalid namespace specified '{full}'"
            ))),
        }
    }
}

/// Checks the name of a database.
pub(crate) fn check_database(database: &str) -> Result<(), CommandError> {
    let bad = database.is_empty()
        || database.len() > LONGEST_DATABASE
        || database.contains(['/', '\\', '.', ' ', '"', '$', '\0']);
    if bad {
        return Err(CommandError::invalid_namespace(format!(
            "Invalid database name: '{database}'"
        )));
    }
    Ok(())
}

impl fmt::Display for Namespace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.database, self.collection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_may_have_dots_and_a_database_may_not() {
        let namespace = Namespace::parse("chat.posts.old").unwrap();
        assert_eq!(
            (namespace.database.as_str(), namespace.collection.as_str()),
            ("chat", "posts.old")
        );
        assert!(check_database("a.b").is_err());
    }

    #[test]
    fn names_that_mongodb_refuses_are_refused() {
        for full in [
            "",
            "chat",
            "chat.",
            ".posts",
            "chat.$cmd",
            "chat.a\0b",
            "chat..a",
            "a b.c",
        ] {
            assert!(Namespace::parse(full).is_err(), "{full:?} should be refused");
        }
        assert!(Namespace::new("chat", &"c".repeat(251)).is_err());
    }
}
