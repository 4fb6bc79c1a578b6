//! The expressions of constraints and affinities: `environment==staging`, `region!=us*`, `node==/node-[12]/`,
//! `image==~redis`.

use std::fmt;

use regex::{Regex, RegexBuilder};
use thiserror::Error;

/// The longest expression taken, in bytes.
const LONGEST: usize = 4096;

/// How large a compiled pattern may grow, in bytes.
const PATTERN_BYTES: usize = 1 << 20;

/// Whether an expression wants a match or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

impl Operator {
    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }
}

/// An expression that no container can be scheduled by.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ExpressionError {
    /// Neither `==` nor `!=` is in it.
    #[error("One of operator ==, != is expected in '{0}'")]
    Operator(String),
    /// What stands before the operator is no key.
    #[error("Key '{0}' is invalid")]
    Key(String),
    /// What stands after the operator is no value.
    #[error("Value '{0}' is invalid")]
    Value(String),
    /// The regular expression between slashes cannot be read.
    #[error("Value '{0}' is no regular expression")]
    Pattern(String),
    /// It is longer than anybody writes.
    #[error("an expression of {0} bytes is too long")]
    Length(usize),
}

/// One condition on a node, as a user wrote it.
#[derive(Debug, Clone)]
pub struct Expression {
    /// The label's name, or `node`, `container`, `image`.
    pub key: String,
    /// Whether a match is wanted.
    pub operator: Operator,
    /// The value without `~`.
    pub value: String,
    /// Whether it may be given up where no node satisfies it.
    pub soft: bool,
    pattern: Regex,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        (&self.key, self.operator, &self.value, self.soft) == (&other.key, other.operator, &other.value, other.soft)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, soft, .. } = self;
        write!(formatter, "{key}{}{value} (soft={soft})", self.operator.sign())
    }
}

impl Expression {
    /// Reads `text`, for example `environment==staging`.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        if text.len() > LONGEST {
            return Err(ExpressionError::Length(text.len()));
        }
        let (key, operator, value) = split(text).ok_or_else(|| ExpressionError::Operator(text.to_owned()))?;
        if !is_key(key) {
            return Err(ExpressionError::Key(key.to_owned()));
        }
        let hard = value.trim_start_matches('~');
        if hard.is_empty() || !hard.chars().all(is_of_values) {
            return Err(ExpressionError::Value(value.to_owned()));
        }
        let pattern = RegexBuilder::new(&pattern_of(hard))
            .size_limit(PATTERN_BYTES)
            .build()
            .map_err(|_| ExpressionError::Pattern(hard.to_owned()))?;
        Ok(Self {
            key: key.to_owned(),
            operator,
            value: hard.to_owned(),
            soft: value.starts_with('~'),
            pattern,
        })
    }

    /// Tells whether one of `values` matches (for `==`), or none does (for `!=`).
    pub fn holds_for<'a>(&self, values: impl IntoIterator<Item = &'a str>) -> bool {
        let matched = values.into_iter().any(|value| self.pattern.is_match(value));
        match self.operator {
            Operator::Equal => matched,
            Operator::NotEqual => !matched,
        }
    }

    /// The value where it is to be taken as it stands: neither a glob nor a regular expression.
    pub fn literal(&self) -> Option<&str> {
        (regex_of(&self.value).is_none() && !self.value.contains('*')).then_some(self.value.as_str())
    }

    /// The expression as it was written.
    pub fn written(&self) -> String {
        let tilde = if self.soft { "~" } else { "" };
        format!("{}{}{tilde}{}", self.key, self.operator.sign(), self.value)
    }
}

/// Splits at the operator: `==` anywhere comes before `!=`, as upstream looks for it.
fn split(text: &str) -> Option<(&str, Operator, &str)> {
    let at = |operator: Operator| {
        text.split_once(operator.sign())
            .map(|(key, value)| (key, operator, value))
    };
    at(Operator::Equal).or_else(|| at(Operator::NotEqual))
}

fn is_key(text: &str) -> bool {
    let mut characters = text.chars();
    let first = characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    first && text.len() > 1 && characters.all(|rest| rest.is_ascii_alphanumeric() || "-_.".contains(rest))
}

fn is_of_values(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || character.is_ascii_whitespace()
        || ":-_.*/()?+[]\\^$|=!@,{}".contains(character)
}

fn regex_of(value: &str) -> Option<&str> {
    value
        .strip_prefix('/')
        .and_then(|rest| rest.strip_suffix('/'))
        .filter(|inner| !inner.is_empty())
}

fn pattern_of(value: &str) -> String {
    match regex_of(value) {
        Some(inner) => inner.to_owned(),
        None => format!("^(?s:{})$", regex::escape(value).replace("\\*", ".*")),
    }
}
