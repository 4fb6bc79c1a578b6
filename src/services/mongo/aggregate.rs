//! Pipelines of stages over documents.
//!
//! Responsible for the stages that counting and looking need: `$match`, `$group` with `$sum`, `$sort`, `$skip`,
//! `$limit`, `$project` and `$count`. It may not read from the store, and refuses every other stage.

use std::collections::HashMap;

use bson::{Bson, Document, doc};

use super::error::CommandError;
use super::expression::Expression;
use super::fields::whole as whole_number;
use super::filter::Filter;
use super::order::{Number, identity, number};
use super::projection::Projection;
use super::sorting::Sorting;

/// The most groups one `$group` makes.
const MOST_GROUPS: usize = 100_000;

/// A document that comes out of a stage, or why there is none.
pub(crate) type Item = Result<Document, CommandError>;

/// The stages of an aggregation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pipeline(Vec<Stage>);

#[derive(Debug, Clone, PartialEq)]
enum Stage {
    Match(Filter),
    Group {
        id: Expression,
        sums: Vec<(String, Expression)>,
    },
    Sort(Sorting),
    Skip(usize),
    Limit(usize),
    Project(Projection),
    Count(String),
    /// The number of documents in the collection, for drivers that estimate it.
    CollectionCount,
}

impl Pipeline {
    /// Reads the stages.
    pub(crate) fn parse(stages: &[Bson]) -> Result<Self, CommandError> {
        let stages = stages.iter().map(parse_stage).collect::<Result<Vec<_>, _>>()?;
        match stages.iter().skip(1).any(|stage| *stage == Stage::CollectionCount) {
            true => Err(CommandError::bad_value(
                "$collStats is only valid as the first stage in a pipeline",
            )),
            false => Ok(Self(stages)),
        }
    }

    /// Sends `documents` through the stages.
    pub(crate) fn run<'a>(&'a self, documents: impl Iterator<Item = Item> + 'a) -> Box<dyn Iterator<Item = Item> + 'a> {
        self.0.iter().fold(Box::new(documents), |input, stage| stage.run(input))
    }
}

fn parse_stage(stage: &Bson) -> Result<Stage, CommandError> {
    let bad = || CommandError::bad_value("a pipeline stage must be a document with exactly one field");
    let stage = stage.as_document().filter(|stage| stage.len() == 1).ok_or_else(bad)?;
    let (name, value) = stage.iter().next().ok_or_else(bad)?;
    let document = || {
        value
            .as_document()
            .ok_or_else(|| CommandError::type_mismatch(name, "a document"))
    };
    Ok(match name.as_str() {
        "$match" => Stage::Match(Filter::parse(document()?)?),
        "$group" => parse_group(document()?)?,
        "$sort" => Stage::Sort(Sorting::parse(document()?)?),
        "$skip" => Stage::Skip(parse_amount(name, value)?),
        "$limit" => Stage::Limit(parse_amount(name, value)?),
        "$project" => Stage::Project(
            Projection::parse(document()?)?.ok_or_else(|| CommandError::bad_value("$project needs a field"))?,
        ),
        "$count" => match value.as_str() {
            Some(field) if !field.is_empty() && !field.contains(['$', '.', '\0']) => Stage::Count(field.to_owned()),
            _ => return Err(CommandError::bad_value("$count needs the name of a field")),
        },
        "$collStats" if *document()? == doc! { "count": {} } => Stage::CollectionCount,
        _ => return Err(CommandError::unknown_stage(name)),
    })
}

fn parse_amount(name: &str, value: &Bson) -> Result<usize, CommandError> {
    let amount = whole_number(value).and_then(|amount| usize::try_from(amount).ok());
    amount.ok_or_else(|| CommandError::bad_value(format!("{name} must be a whole number that is not negative")))
}

fn parse_group(group: &Document) -> Result<Stage, CommandError> {
    let id = group
        .get("_id")
        .ok_or_else(|| CommandError::bad_value("a group specification must include an _id"))?;
    let mut sums = Vec::new();
    for (field, accumulator) in group.iter().filter(|(field, _)| *field != "_id") {
        let sum = accumulator
            .as_document()
            .filter(|inner| inner.len() == 1)
            .and_then(|inner| inner.get("$sum"));
        let unknown = || CommandError::bad_value(format!("this stand-in groups by $sum only, not {accumulator}"));
        sums.push((field.clone(), Expression::parse(sum.ok_or_else(unknown)?)?));
    }
    Ok(Stage::Group {
        id: Expression::parse(id)?,
        sums,
    })
}

impl Stage {
    fn run<'a>(&'a self, input: Box<dyn Iterator<Item = Item> + 'a>) -> Box<dyn Iterator<Item = Item> + 'a> {
        match self {
            Self::Match(filter) => {
                Box::new(input.filter(|item| item.as_ref().map_or(true, |document| filter.matches(document))))
            }
            Self::Project(projection) => Box::new(input.map(|item| item.map(|document| projection.apply(document)))),
            Self::Skip(amount) => Box::new(input.skip(*amount)),
            Self::Limit(amount) => Box::new(input.take(*amount)),
            Self::Sort(sorting) => flatten(sorted(sorting, input)),
            Self::Group { id, sums } => flatten(grouped(id, sums, input)),
            Self::Count(field) => flatten(counted(input).map(|count| {
                let found = (count != 0).then(|| doc! { field.as_str(): whole(count) });
                found.into_iter().collect()
            })),
            Self::CollectionCount => flatten(counted(input).map(|count| vec![doc! { "count": whole(count) }])),
        }
    }
}

fn counted(mut input: impl Iterator<Item = Item>) -> Result<i64, CommandError> {
    input.try_fold(0, |count, item| item.map(|_| count + 1))
}

fn flatten<'a>(output: Result<Vec<Document>, CommandError>) -> Box<dyn Iterator<Item = Item> + 'a> {
    match output {
        Ok(documents) => Box::new(documents.into_iter().map(Ok)),
        Err(error) => Box::new(std::iter::once(Err(error))),
    }
}

fn sorted(sorting: &Sorting, input: impl Iterator<Item = Item>) -> Result<Vec<Document>, CommandError> {
    let keyed = |item: Item| item.map(|document| (sorting.key(&document), document));
    let mut documents = input.map(keyed).collect::<Result<Vec<_>, _>>()?;
    documents.sort_by(|(left, _), (right, _)| sorting.compare(left, right));
    Ok(documents.into_iter().map(|(_, document)| document).collect())
}

fn grouped(
    id: &Expression,
    sums: &[(String, Expression)],
    input: impl Iterator<Item = Item>,
) -> Result<Vec<Document>, CommandError> {
    let mut places = HashMap::new();
    let mut groups: Vec<(Bson, Vec<Number>)> = Vec::new();
    for item in input {
        let document = item?;
        let value = id.value(&document);
        let place = *places.entry(identity(&value)).or_insert(groups.len());
        if place == groups.len() {
            if place == MOST_GROUPS {
                return Err(CommandError::bad_value(format!("more than {MOST_GROUPS} groups")));
            }
            groups.push((value, vec![Number::Whole(0); sums.len()]));
        }
        for (total, (_, expression)) in groups[place].1.iter_mut().zip(sums) {
            *total = add(*total, number(&expression.value(&document)).unwrap_or(Number::Whole(0)));
        }
    }
    let finished = groups.into_iter().map(|(value, totals)| {
        let fields = sums
            .iter()
            .zip(totals)
            .map(|((field, _), total)| (field.clone(), to_bson(total)));
        std::iter::once(("_id".to_owned(), value)).chain(fields).collect()
    });
    Ok(finished.collect())
}

#[expect(clippy::cast_precision_loss, reason = "a sum with a float in it is a float")]
fn add(left: Number, right: Number) -> Number {
    let float = |number| match number {
        Number::Whole(n) => n as f64,
        Number::Float(n) => n,
    };
    match (left, right) {
        (Number::Whole(a), Number::Whole(b)) => a
            .checked_add(b)
            .map_or(Number::Float(a as f64 + b as f64), Number::Whole),
        _ => Number::Float(float(left) + float(right)),
    }
}

fn to_bson(number: Number) -> Bson {
    match number {
        Number::Whole(n) => whole(n),
        Number::Float(n) => Bson::Double(n),
    }
}

/// Gives a whole number in the smallest type it fits in, as MongoDB does.
pub(crate) fn whole(number: i64) -> Bson {
    i32::try_from(number).map_or(Bson::Int64(number), Bson::Int32)
}

#[cfg(test)]
mod tests {
    use bson::bson;
    use rstest::rstest;

    use super::*;

    fn run(stages: Bson) -> Result<Vec<Document>, CommandError> {
        let documents = [
            doc! { "user": "ann", "n": 1 },
            doc! { "user": "bob", "n": 2.5 },
            doc! { "user": "ann", "n": 4 },
        ];
        let pipeline = Pipeline::parse(stages.as_array().unwrap())?;
        pipeline.run(documents.into_iter().map(Ok)).collect()
    }

    #[test]
    fn counting_as_pymongo_does_it() {
        let counted = run(bson!([{ "$match": { "user": "ann" } }, { "$group": { "_id": 1, "n": { "$sum": 1 } } }]));
        assert_eq!(counted.unwrap(), [doc! { "_id": 1, "n": 2 }]);
        let nobody = run(bson!([{ "$match": { "user": "eve" } }, { "$group": { "_id": 1, "n": { "$sum": 1 } } }]));
        assert_eq!(nobody.unwrap(), []);
    }

    #[test]
    fn groups_sum_fields_and_sort() {
        let stages = bson!([{ "$group": { "_id": "$user", "total": { "$sum": "$n" } } }, { "$sort": { "total": -1 } }]);
        assert_eq!(
            run(stages).unwrap(),
            [doc! { "_id": "ann", "total": 5 }, doc! { "_id": "bob", "total": 2.5 }]
        );
    }

    #[test]
    fn stages_cut_and_count() {
        assert_eq!(
            run(bson!([{ "$skip": 1 }, { "$limit": 5 }, { "$count": "left" }])).unwrap(),
            [doc! { "left": 2 }]
        );
        assert_eq!(
            run(bson!([{ "$limit": 1 }, { "$project": { "n": 1 } }])).unwrap(),
            [doc! { "n": 1 }]
        );
    }

    #[test]
    fn estimating_as_pymongo_does_it() {
        let stages = bson!([{ "$collStats": { "count": {} } }, { "$group": { "_id": 1, "n": { "$sum": "$count" } } }]);
        assert_eq!(run(stages).unwrap(), [doc! { "_id": 1, "n": 3 }]);
    }

    #[rstest]
    #[case(bson!([{ "$limit": 1 }, { "$collStats": { "count": {} } }]))]
    #[case(bson!([{ "$collStats": { "latencyStats": {} } }]))]
    #[case(bson!([{ "$lookup": {} }]))]
    #[case(bson!([{ "$group": { "n": { "$sum": 1 } } }]))]
    #[case(bson!([{ "$group": { "_id": 1, "n": { "$avg": 1 } } }]))]
    #[case(bson!([{ "$skip": -1 }]))]
    #[case(bson!([{ "$limit": 1, "$skip": 1 }]))]
    #[case(bson!([5]))]
    fn what_it_does_not_know_it_refuses(#[case] stages: Bson) {
        assert!(run(stages.clone()).is_err(), "{stages} should be refused");
    }
}
