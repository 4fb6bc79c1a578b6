//! Which documents a query means.
//!
//! Responsible for reading a query document into tests, refusing operators the stand-in does not have, and for
//! applying them. It may not read from the store.

use bson::{Bson, Document};

use super::error::CommandError;
use super::order::{compare_same_class, number};

/// The most parts of a dotted path.
const MOST_PARTS: usize = 16;

/// A query, all of whose clauses must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Filter(Vec<Clause>);

#[derive(Debug, Clone, PartialEq)]
enum Clause {
    Any(Vec<Filter>),
    All(Vec<Filter>),
    None(Vec<Filter>),
    Field { path: String, tests: Vec<Test> },
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Equal(Bson),
    NotEqual(Bson),
    Compared { value: Bson, less: bool, equal: bool },
    In(Vec<Bson>),
    NotIn(Vec<Bson>),
    Exists(bool),
    Not(Vec<Test>),
}

impl Filter {
    /// Reads a query document.
    pub(crate) fn parse(query: &Document) -> Result<Self, CommandError> {
        let mut clauses = Vec::new();
        for (key, value) in query {
            clauses.push(match key.as_str() {
                "$comment" => continue,
                "$and" => Clause::All(parse_branches(key, value)?),
                "$or" => Clause::Any(parse_branches(key, value)?),
                "$nor" => Clause::None(parse_branches(key, value)?),
                _ if key.starts_with('$') => return Err(unknown(key)),
                _ => Clause::Field {
                    path: check_path(key)?,
                    tests: parse_tests(value)?,
                },
            });
        }
        Ok(Self(clauses))
    }

    /// Tells whether every document matches.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells whether `document` matches.
    pub(crate) fn matches(&self, document: &Document) -> bool {
        self.0.iter().all(|clause| match clause {
            Clause::All(branches) => branches.iter().all(|branch| branch.matches(document)),
            Clause::Any(branches) => branches.iter().any(|branch| branch.matches(document)),
            Clause::None(branches) => !branches.iter().any(|branch| branch.matches(document)),
            Clause::Field { path, tests } => {
                let mut found = Vec::new();
                collect(document, path, &mut found);
                tests.iter().all(|test| test.holds(&found))
            }
        })
    }
}

fn unknown(operator: &str) -> CommandError {
    CommandError::bad_value(format!(
        "unknown operator: {operator} (this stand-in for MongoDB knows only a few)"
    ))
}

fn parse_branches(operator: &str, value: &Bson) -> Result<Vec<Filter>, CommandError> {
    let bad = || CommandError::bad_value(format!("{operator} must be a nonempty array of documents"));
    let branches = value.as_array().filter(|array| !array.is_empty()).ok_or_else(bad)?;
    branches
        .iter()
        .map(|branch| Filter::parse(branch.as_document().ok_or_else(bad)?))
        .collect()
}

fn parse_tests(value: &Bson) -> Result<Vec<Test>, CommandError> {
    match value {
        Bson::Document(operators) if operators.keys().next().is_some_and(|key| key.starts_with('$')) => operators
            .iter()
            .map(|(operator, operand)| parse_test(operator, operand))
            .collect(),
        Bson::RegularExpression(_) => Err(unknown("$regex")),
        _ => Ok(vec![Test::Equal(value.clone())]),
    }
}

fn parse_test(operator: &str, operand: &Bson) -> Result<Test, CommandError> {
    let compared = |less, equal| Test::Compared {
        value: operand.clone(),
        less,
        equal,
    };
    Ok(match operator {
        _ if matches!(operand, Bson::RegularExpression(_)) => return Err(unknown("$regex")),
        "$eq" => Test::Equal(operand.clone()),
        "$ne" => Test::NotEqual(operand.clone()),
        "$lt" => compared(true, false),
        "$lte" => compared(true, true),
        "$gt" => compared(false, false),
        "$gte" => compared(false, true),
        "$in" => Test::In(parse_list(operator, operand)?),
        "$nin" => Test::NotIn(parse_list(operator, operand)?),
        "$exists" => Test::Exists(is_true(operand)),
        "$not" => match operand {
            Bson::Document(inner) if !inner.is_empty() => Test::Not(parse_tests(operand)?),
            _ => return Err(CommandError::bad_value("$not needs a document of operators")),
        },
        _ => return Err(unknown(operator)),
    })
}

fn parse_list(operator: &str, operand: &Bson) -> Result<Vec<Bson>, CommandError> {
    let list = operand
        .as_array()
        .ok_or_else(|| CommandError::bad_value(format!("{operator} needs an array")))?;
    match list.iter().any(|item| matches!(item, Bson::RegularExpression(_))) {
        true => Err(unknown("$regex")),
        false => Ok(list.clone()),
    }
}

/// Tells whether `value` counts as true where a flag is expected.
pub(crate) fn is_true(value: &Bson) -> bool {
    match value {
        Bson::Boolean(flag) => *flag,
        Bson::Null | Bson::Undefined => false,
        _ => number(value).is_none_or(|_| !compare_same_class(value, &Bson::Int32(0)).is_some_and(|o| o.is_eq())),
    }
}

impl Test {
    /// Tells whether the test holds for what was found at a path; nothing found counts as null.
    fn holds(&self, found: &[&Bson]) -> bool {
        match self {
            Self::Equal(value) => any_equal(found, value),
            Self::NotEqual(value) => !any_equal(found, value),
            Self::Compared { value, less, equal } => candidates(found).any(|candidate| {
                compare_same_class(candidate, value).is_some_and(|order| match order {
                    std::cmp::Ordering::Equal => *equal,
                    std::cmp::Ordering::Less => *less,
                    std::cmp::Ordering::Greater => !*less,
                })
            }),
            Self::In(values) => values.iter().any(|value| any_equal(found, value)),
            Self::NotIn(values) => !values.iter().any(|value| any_equal(found, value)),
            Self::Exists(wanted) => found.is_empty() != *wanted,
            Self::Not(tests) => !tests.iter().all(|test| test.holds(found)),
        }
    }
}

fn any_equal(found: &[&Bson], value: &Bson) -> bool {
    let equal = |candidate: &Bson| compare_same_class(candidate, value).is_some_and(|order| order.is_eq());
    candidates(found).any(equal) || (found.is_empty() && equal(&Bson::Null))
}

/// A test on an array holds when it holds for the array or for one of its elements.
fn candidates<'a>(found: &'a [&'a Bson]) -> impl Iterator<Item = &'a Bson> {
    found.iter().flat_map(|value| {
        let elements = value.as_array().map(Vec::as_slice).unwrap_or_default();
        std::iter::once(*value).chain(elements)
    })
}

/// Refuses a path of so many parts that following it through arrays in arrays would take for ever.
pub(crate) fn check_path(path: &str) -> Result<String, CommandError> {
    match path.split('.').count() > MOST_PARTS {
        true => Err(CommandError::bad_value(format!(
            "a path may have at most {MOST_PARTS} parts"
        ))),
        false => Ok(path.to_owned()),
    }
}

/// Collects the values at a dotted `path`; a step into an array goes to one element or through all of them.
pub(crate) fn collect<'a>(document: &'a Document, path: &str, found: &mut Vec<&'a Bson>) {
    let (head, rest) = match path.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (path, None),
    };
    if let Some(value) = document.get(head) {
        descend(value, rest, found);
    }
}

fn descend<'a>(value: &'a Bson, rest: Option<&str>, found: &mut Vec<&'a Bson>) {
    let Some(rest) = rest else {
        found.push(value);
        return;
    };
    match value {
        Bson::Document(inner) => collect(inner, rest, found),
        Bson::Array(elements) => {
            let (head, tail) = rest
                .split_once('.')
                .map_or((rest, None), |(head, tail)| (head, Some(tail)));
            if let Some(element) = head.parse::<usize>().ok().and_then(|index| elements.get(index)) {
                descend(element, tail, found);
            }
            for inner in elements.iter().filter_map(Bson::as_document) {
                collect(inner, rest, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;
    use rstest::rstest;

    use super::*;

    fn holds(query: Document, document: Document) -> bool {
        Filter::parse(&query).unwrap().matches(&document)
    }

    #[rstest]
    #[case(doc! {})]
    #[case(doc! { "user": "ann" })]
    #[case(doc! { "age": 7.0 })]
    #[case(doc! { "age": { "$gt": 5, "$lte": 7 } })]
    #[case(doc! { "age": { "$ne": 8 }, "none": Bson::Null })]
    #[case(doc! { "user": { "$in": ["bob", "ann"] } })]
    #[case(doc! { "user": { "$nin": ["bob"] } })]
    #[case(doc! { "tags": "red" })]
    #[case(doc! { "tags.1": "blue" })]
    #[case(doc! { "home.city": { "$exists": true }, "home.street": { "$exists": false } })]
    #[case(doc! { "pets.name": "rex" })]
    #[case(doc! { "$or": [{ "user": "bob" }, { "age": { "$gte": 7 } }] })]
    #[case(doc! { "$nor": [{ "user": "bob" }], "$and": [{ "age": { "$not": { "$lt": 7 } } }] })]
    fn this_matches(#[case] query: Document) {
        let document = doc! {
            "user": "ann", "age": 7, "tags": ["red", "blue"], "home": { "city": "Ulm" },
            "pets": [{ "name": "tom" }, { "name": "rex" }],
        };
        assert!(holds(query.clone(), document), "{query} should match");
    }

    #[rstest]
    #[case(doc! { "user": "bob" })]
    #[case(doc! { "age": "7" })]
    #[case(doc! { "age": { "$gt": "5" } })]
    #[case(doc! { "age": { "$lt": 7 } })]
    #[case(doc! { "missing": { "$gt": 0 } })]
    #[case(doc! { "user": Bson::Null })]
    fn this_does_not_match(#[case] query: Document) {
        assert!(
            !holds(query.clone(), doc! { "user": "ann", "age": 7 }),
            "{query} should not match"
        );
    }

    #[rstest]
    #[case(doc! { "$where": "1" })]
    #[case(doc! { "user": { "$regex": "a" } })]
    #[case(doc! { "user": { "$not": { "$size": 1 } } })]
    #[case(doc! { "$or": [] })]
    #[case(doc! { "user": { "$in": 5 } })]
    fn what_it_does_not_know_it_refuses(#[case] query: Document) {
        assert!(Filter::parse(&query).is_err(), "{query} should be refused");
    }
}
