//! Reads tables of a TOML file, keeping positions and going on after a fault: what serde would report first, this
//! reports together with everything else.

use super::duration::parse_duration;
use super::faults::Faults;
use super::suggest;
use crate::domain::{Diagnostic, Diagnostics, SourceText};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The most errors that are told of a file that is no TOML.
const MOST_ERRORS: usize = 1000;

/// A value with its place.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// Parses `source` as TOML; every syntax error is a fault.
pub(super) fn parse_document(source: &Arc<SourceText>) -> Result<Spanned<DeTable<'_>>, Diagnostics> {
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    if errors.is_empty() {
        return Ok(document);
    }
    let mut faults = Faults::new(source);
    for error in errors.into_iter().take(MOST_ERRORS) {
        let range = error.span().unwrap_or(0..0);
        let is_empty = source
            .text
            .get(range.clone())
            .is_some_and(|text| text.trim().is_empty());
        let message = match one_line(error.message()) {
            // What the reader says of `port =` is about strings, and leads nowhere.
            message if is_empty && message.starts_with("string values must be quoted") => {
                "a value is missing".to_owned()
            }
            message => message,
        };
        faults.push(faults.fault(range, format!("this is not TOML: {message}")));
    }
    faults.finish(None)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A table that is being read: knows which keys it may have.
pub(super) struct Fields<'a> {
    what: &'static str,
    place: Range<usize>,
    table: &'a DeTable<'a>,
    known: Vec<&'static str>,
    missing: Vec<Missing>,
}

/// A key that is not there. It is told at the end, and only where no other key was meant to be it.
struct Missing {
    keys: Vec<&'static str>,
    fault: Diagnostic,
}

impl<'a> Fields<'a> {
    /// Reads `table`, which stands at `place` and is `what`, such as `a step`.
    pub(super) fn new(what: &'static str, place: Range<usize>, table: &'a DeTable<'a>) -> Self {
        Self {
            what,
            place,
            table,
            known: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// Reads `value` as a table.
    pub(super) fn of(what: &'static str, value: &'a Value<'a>, faults: &mut Faults) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Self::new(what, value.span(), table)),
            _ => {
                faults.push(wrong_type(faults, value, "a table"));
                None
            }
        }
    }

    /// Returns where the table stands.
    pub(super) fn place(&self) -> Range<usize> {
        self.place.clone()
    }

    /// Moves the place of faults about the table as a whole to `place`, such as that of its id.
    pub(super) fn set_place(&mut self, place: Range<usize>) {
        self.place = place;
    }

    /// Returns the value of `key`.
    pub(super) fn get(&mut self, key: &'static str) -> Option<&'a Value<'a>> {
        self.known.push(key);
        self.table.get(key)
    }

    /// Returns the place of `key` itself.
    pub(super) fn key_place(&self, key: &str) -> Range<usize> {
        self.table
            .get_key_value(key)
            .map_or_else(|| self.place(), |(key, _)| key.span())
    }

    /// Says whether `key` is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Returns the value of `key`; a fault where it is missing.
    pub(super) fn require(&mut self, key: &'static str, faults: &mut Faults) -> Option<&'a Value<'a>> {
        let value = self.get(key);
        if value.is_none() {
            let fault = faults
                .fault(self.place(), format!("{} needs `{key}`", self.what))
                .label(format!("`{key}` is missing here"));
            self.miss(vec![key], fault);
        }
        value
    }

    /// Returns the text of `key`.
    pub(super) fn text(&mut self, key: &'static str, faults: &mut Faults) -> Option<Spanned<String>> {
        as_text(self.get(key)?, faults)
    }

    /// Returns the text of `key`; a fault where it is missing or empty.
    pub(super) fn required_text(&mut self, key: &'static str, faults: &mut Faults) -> Option<Spanned<String>> {
        let text = as_text(self.require(key, faults)?, faults)?;
        if text.get_ref().trim().is_empty() {
            faults.push(faults.fault(text.span(), format!("`{key}` is empty")));
            return None;
        }
        Some(text)
    }

    /// Returns the texts of `key`: a string, or a list of strings.
    pub(super) fn texts(&mut self, key: &'static str, faults: &mut Faults) -> Vec<Spanned<String>> {
        self.get(key).map_or_else(Vec::new, |value| as_texts(value, faults))
    }

    /// Returns the truth value of `key`.
    pub(super) fn flag(&mut self, key: &'static str, faults: &mut Faults) -> Option<Spanned<bool>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(Spanned::new(value.span(), *flag)),
            _ => {
                faults.push(wrong_type(faults, value, "true or false"));
                None
            }
        }
    }

    /// Returns the duration of `key`.
    pub(super) fn duration(&mut self, key: &'static str, faults: &mut Faults) -> Option<Spanned<Duration>> {
        let value = self.get(key)?;
        if let DeValue::Integer(number) = value.get_ref() {
            let hint = format!("write it with its unit: `\"{}s\"`", number.as_str());
            faults.push(wrong_type(faults, value, "a duration").hint(hint));
            return None;
        }
        let text = as_text(value, faults)?;
        match parse_duration(text.get_ref()) {
            Ok(duration) => Some(Spanned::new(text.span(), duration)),
            Err(problem) => {
                let fault = faults
                    .fault(text.span(), format!("`{key}` is no duration"))
                    .label(problem.to_string())
                    .hint("write it as `30s`, `2m` or `1h 30m`");
                faults.push(fault);
                None
            }
        }
    }

    /// Returns the whole number of `key`, which must lie in `range`.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<i64>,
        faults: &mut Faults,
    ) -> Option<Spanned<i64>> {
        as_number(self.get(key)?, range, faults)
    }

    /// Returns the tables of `key`: `[[...]]`, or a list of inline tables.
    pub(super) fn tables(&mut self, key: &'static str, faults: &mut Faults) -> Vec<&'a Value<'a>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => {
                faults.push(wrong_type(faults, value, "a list of tables"));
                Vec::new()
            }
        }
    }

    /// Returns name and value of every entry of the table at `key`, in the file's order.
    pub(super) fn entries(&mut self, key: &'static str, faults: &mut Faults) -> Vec<(Spanned<String>, &'a Value<'a>)> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        match value.get_ref() {
            DeValue::Table(table) => entries_of(table),
            _ => {
                faults.push(wrong_type(faults, value, "a table"));
                Vec::new()
            }
        }
    }

    /// Returns the one of `kinds` that is there; a fault where there is none or more than one.
    pub(super) fn exactly_one(&mut self, kinds: &[&'static str], faults: &mut Faults) -> Option<&'static str> {
        self.known.extend(kinds);
        let present: Vec<&'static str> = kinds.iter().copied().filter(|kind| self.has(kind)).collect();
        match present[..] {
            [one] => Some(one),
            [] => {
                let message = format!("{} needs exactly one of {}", self.what, suggest::listed(kinds));
                let fault = faults.fault(self.place(), message).label("none of them is here");
                self.miss(kinds.to_vec(), fault);
                None
            }
            [first, second, ..] => {
                let message = format!("{} has both `{first}` and `{second}`", self.what);
                let fault = faults
                    .fault(self.key_place(second), message)
                    .label("one too many")
                    .hint("keep one and move the other into an entry of its own");
                faults.push(fault);
                None
            }
        }
    }

    /// Notes that none of `keys` is there; `fault` is told in the end.
    pub(super) fn miss(&mut self, keys: Vec<&'static str>, fault: Diagnostic) {
        self.missing.push(Missing { keys, fault });
    }

    /// Ends the reading: every key that nobody asked for is a fault, as is every key that is missing.
    pub(super) fn finish(mut self, faults: &mut Faults) {
        for (key, _) in self.table.iter() {
            if self.known.iter().any(|known| known == key.get_ref()) {
                continue;
            }
            let wanted = self.missing.iter().flat_map(|missing| &missing.keys).copied();
            let meant = suggest::nearest(key.get_ref(), wanted);
            let mut fault = faults
                .fault(key.span(), format!("{} has no key `{}`", self.what, key.get_ref()))
                .label("not known here");
            fault.hint = match meant {
                Some(meant) => Some(format!("did you mean `{meant}`?")),
                None => suggest::hint(key.get_ref(), self.known.iter().copied()),
            };
            faults.push(fault);
            if let Some(meant) = meant {
                self.missing.retain(|missing| !missing.keys.contains(&meant));
            }
        }
        faults.extend(self.missing.into_iter().map(|missing| missing.fault));
    }
}

/// Returns name and value of every entry of `table`, in the file's order.
pub(super) fn entries_of<'a>(table: &'a DeTable<'a>) -> Vec<(Spanned<String>, &'a Value<'a>)> {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| (Spanned::new(key.span(), key.get_ref().to_string()), value))
        .collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// Returns `value` as text.
pub(super) fn as_text(value: &Value<'_>, faults: &mut Faults) -> Option<Spanned<String>> {
    match value.get_ref() {
        DeValue::String(text) => Some(Spanned::new(value.span(), text.to_string())),
        _ => {
            faults.push(wrong_type(faults, value, "a string"));
            None
        }
    }
}

/// Returns `value` as texts: a string, or a list of strings.
pub(super) fn as_texts(value: &Value<'_>, faults: &mut Faults) -> Vec<Spanned<String>> {
    match value.get_ref() {
        DeValue::String(text) => vec![Spanned::new(value.span(), text.to_string())],
        DeValue::Array(items) => items.iter().filter_map(|item| as_text(item, faults)).collect(),
        _ => {
            faults.push(wrong_type(faults, value, "a string or a list of strings"));
            Vec::new()
        }
    }
}

/// Returns `value` as a whole number in `range`.
pub(super) fn as_number(
    value: &Value<'_>,
    range: std::ops::RangeInclusive<i64>,
    faults: &mut Faults,
) -> Option<Spanned<i64>> {
    let DeValue::Integer(integer) = value.get_ref() else {
        faults.push(wrong_type(faults, value, "a whole number"));
        return None;
    };
    let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
    match number.filter(|number| range.contains(number)) {
        Some(number) => Some(Spanned::new(value.span(), number)),
        None => {
            let message = format!("this number must lie between {} and {}", range.start(), range.end());
            faults.push(faults.fault(value.span(), message).label("out of range"));
            None
        }
    }
}

/// Makes the fault for a `value` that is not `wanted`.
pub(super) fn wrong_type(faults: &Faults, value: &Value<'_>, wanted: &str) -> Diagnostic {
    let article = match value.get_ref() {
        DeValue::Integer(_) | DeValue::Array(_) => "an",
        _ => "a",
    };
    let found = format!("this is {article} {}", value.get_ref().type_str());
    faults
        .fault(value.span(), format!("{wanted} is wanted here"))
        .label(found)
}
