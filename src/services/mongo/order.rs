//! How values compare, whatever their types.
//!
//! Responsible for MongoDB's order of types and of values within a type, and for what counts as the same `_id`.
//! It may not know where the values come from.

use std::cmp::Ordering;

use bson::{Bson, Document};

/// Values compare by value only within one class; the classes themselves are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    MinKey,
    Null,
    Number,
    Text,
    Document,
    Array,
    Binary,
    ObjectId,
    Boolean,
    DateTime,
    Timestamp,
    Regex,
    Pointer,
    Code,
    ScopedCode,
    MaxKey,
}

fn class(value: &Bson) -> Class {
    match value {
        Bson::MinKey => Class::MinKey,
        Bson::Null | Bson::Undefined => Class::Null,
        Bson::Double(_) | Bson::Int32(_) | Bson::Int64(_) | Bson::Decimal128(_) => Class::Number,
        Bson::String(_) | Bson::Symbol(_) => Class::Text,
        Bson::Document(_) => Class::Document,
        Bson::Array(_) => Class::Array,
        Bson::Binary(_) => Class::Binary,
        Bson::ObjectId(_) => Class::ObjectId,
        Bson::Boolean(_) => Class::Boolean,
        Bson::DateTime(_) => Class::DateTime,
        Bson::Timestamp(_) => Class::Timestamp,
        Bson::RegularExpression(_) => Class::Regex,
        Bson::DbPointer(_) => Class::Pointer,
        Bson::JavaScriptCode(_) => Class::Code,
        Bson::JavaScriptCodeWithScope(_) => Class::ScopedCode,
        Bson::MaxKey => Class::MaxKey,
    }
}

/// Compares two values of any types.
pub(crate) fn compare(left: &Bson, right: &Bson) -> Ordering {
    class(left)
        .cmp(&class(right))
        .then_with(|| compare_within_class(left, right))
}

/// Compares two values if they are of one class, as `$lt` and its kin do.
pub(crate) fn compare_same_class(left: &Bson, right: &Bson) -> Option<Ordering> {
    (class(left) == class(right)).then(|| compare_within_class(left, right))
}

fn compare_within_class(left: &Bson, right: &Bson) -> Ordering {
    match (left, right) {
        (Bson::String(a) | Bson::Symbol(a), Bson::String(b) | Bson::Symbol(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Bson::Document(a), Bson::Document(b)) => compare_documents(a, b),
        (Bson::Array(a), Bson::Array(b)) => {
            let first = a.iter().zip(b).map(|(x, y)| compare(x, y)).find(|order| order.is_ne());
            first.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Bson::Binary(a), Bson::Binary(b)) => {
            let key = |binary: &bson::Binary| (binary.bytes.len(), u8::from(binary.subtype));
            key(a).cmp(&key(b)).then_with(|| a.bytes.cmp(&b.bytes))
        }
        (Bson::ObjectId(a), Bson::ObjectId(b)) => a.bytes().cmp(&b.bytes()),
        (Bson::Boolean(a), Bson::Boolean(b)) => a.cmp(b),
        (Bson::DateTime(a), Bson::DateTime(b)) => a.timestamp_millis().cmp(&b.timestamp_millis()),
        (Bson::Timestamp(a), Bson::Timestamp(b)) => (a.time, a.increment).cmp(&(b.time, b.increment)),
        (Bson::RegularExpression(a), Bson::RegularExpression(b)) => {
            (a.pattern.as_str(), a.options.as_str()).cmp(&(b.pattern.as_str(), b.options.as_str()))
        }
        (Bson::JavaScriptCode(a), Bson::JavaScriptCode(b)) => a.cmp(b),
        (Bson::JavaScriptCodeWithScope(a), Bson::JavaScriptCodeWithScope(b)) => {
            a.code.cmp(&b.code).then_with(|| compare_documents(&a.scope, &b.scope))
        }
        (Bson::DbPointer(a), Bson::DbPointer(b)) => format!("{a:?}").cmp(&format!("{b:?}")),
        _ => compare_numbers(left, right),
    }
}

fn compare_documents(left: &Document, right: &Document) -> Ordering {
    for ((left_key, left_value), (right_key, right_value)) in left.iter().zip(right) {
        let order = class(left_value)
            .cmp(&class(right_value))
            .then_with(|| left_key.as_bytes().cmp(right_key.as_bytes()))
            .then_with(|| compare(left_value, right_value));
        if order.is_ne() {
            return order;
        }
    }
    left.len().cmp(&right.len())
}

/// A number, with integers kept exact.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    /// A whole number of up to 64 bits.
    Whole(i64),
    /// Any other number; decimals lose precision here.
    Float(f64),
}

/// Reads `value` as a number, if it is one.
pub(crate) fn number(value: &Bson) -> Option<Number> {
    match value {
        Bson::Int32(n) => Some(Number::Whole(i64::from(*n))),
        Bson::Int64(n) => Some(Number::Whole(*n)),
        Bson::Double(n) => Some(Number::Float(*n)),
        Bson::Decimal128(n) => Some(Number::Float(n.to_string().parse().unwrap_or(f64::NAN))),
        _ => None,
    }
}

fn compare_numbers(left: &Bson, right: &Bson) -> Ordering {
    match (number(left), number(right)) {
        (Some(Number::Whole(a)), Some(Number::Whole(b))) => a.cmp(&b),
        (Some(Number::Whole(a)), Some(Number::Float(b))) => compare_whole_to_float(a, b),
        (Some(Number::Float(a)), Some(Number::Whole(b))) => compare_whole_to_float(b, a).reverse(),
        (Some(Number::Float(a)), Some(Number::Float(b))) => compare_floats(a, b),
        // The classes without values: null, the smallest and the largest key.
        _ => Ordering::Equal,
    }
}

/// NaN is the smallest number and equal to itself; both zeros are equal.
fn compare_floats(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right)
        .unwrap_or_else(|| right.is_nan().cmp(&left.is_nan()))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the float was found to be within the integers' range"
)]
fn compare_whole_to_float(whole: i64, float: f64) -> Ordering {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() || float < -LIMIT {
        Ordering::Greater
    } else if float >= LIMIT {
        Ordering::Less
    } else {
        whole
            .cmp(&(float.trunc() as i64))
            .then_with(|| 0.0.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal))
    }
}

/// Gives the form of `value` in which equal values are identical, so that 1 and 1.0 are one `_id`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "only floats equal to an integer are cast"
)]
pub(crate) fn identity(value: &Bson) -> Bson {
    match value {
        Bson::Int32(n) => Bson::Int64(i64::from(*n)),
        Bson::Double(n) if compare_whole_to_float(*n as i64, *n).is_eq() => Bson::Int64(*n as i64),
        Bson::Symbol(text) => Bson::String(text.clone()),
        Bson::Document(inner) => Bson::Document(
            inner
                .iter()
                .map(|(key, value)| (key.clone(), identity(value)))
                .collect(),
        ),
        Bson::Array(inner) => Bson::Array(inner.iter().map(identity).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use bson::{bson, doc};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_compare_by_value_across_types() {
        assert_eq!(compare(&bson!(1), &bson!(1.0)), Ordering::Equal);
        assert_eq!(
            compare(&Bson::Int64(i64::MAX), &Bson::Double(i64::MAX as f64)),
            Ordering::Less
        );
        assert_eq!(compare(&Bson::Int64(2), &Bson::Double(2.5)), Ordering::Less);
        assert_eq!(compare(&Bson::Int64(-2), &Bson::Double(-2.5)), Ordering::Greater);
        assert_eq!(compare(&Bson::Double(f64::NAN), &Bson::Int32(i32::MIN)), Ordering::Less);
    }

    #[test]
    fn types_have_an_order_of_their_own() {
        let ordered = [
            Bson::MinKey,
            Bson::Null,
            bson!(1000),
            bson!("a"),
            bson!({}),
            bson!([]),
            Bson::ObjectId(bson::oid::ObjectId::from_bytes([0; 12])),
            bson!(false),
            Bson::MaxKey,
        ];
        assert!(ordered.is_sorted_by(|a, b| compare(a, b).is_lt()));
        assert_eq!(compare_same_class(&bson!(1), &bson!("1")), None);
    }

    #[test]
    fn one_id_is_the_same_in_every_number_type() {
        assert_eq!(identity(&bson!(7)), identity(&bson!(7.0)));
        assert_ne!(identity(&bson!(7)), identity(&bson!(7.5)));
        assert_eq!(
            identity(&Bson::Document(doc! { "a": 1 })),
            identity(&Bson::Document(doc! { "a": 1_i64 }))
        );
    }

    proptest! {
        #[test]
        fn whole_numbers_and_floats_are_ordered_consistently(whole in any::<i64>(), float in any::<f64>()) {
            let (a, b) = (Bson::Int64(whole), Bson::Double(float));
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
        }
    }
}
