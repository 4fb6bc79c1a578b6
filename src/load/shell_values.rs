//! Judges values in shell texts: each must be one word of a command there, and no option.

use super::marks::{self, VALUE, VALUE_END, is_mark};
use super::references::Segment;
use crate::domain::{Misreading, ShellPiece, ValuePlace, places_of_values};
use std::ops::Range;

/// What is wrong with a value in a shell text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    Misread(Misreading),
    /// It begins with `-`, and would be an option.
    Option,
    /// It is not quoted, and only the run knows it.
    Bare,
}

/// What is told of a value that is wrong where it stands.
pub(super) struct Told {
    pub(super) message: &'static str,
    pub(super) label: &'static str,
    pub(super) hint: &'static str,
}

const OUT_OF_IT: &str = "take it out of there: `name={{ ... }}` in a line before, and `\"$name\"` here";

impl Wrong {
    /// Returns what to tell.
    pub(super) fn told(self) -> Told {
        let (message, label, hint) = match self {
            Self::Option => (
                "this argument begins with a value that begins with `-`, and would be taken for an option",
                "it is where an option may stand",
                "give another value, or put `--` before it, where the program takes that for the end of its options",
            ),
            Self::Bare => (
                "this value is not quoted",
                "a node said what it is, and that is never code for a shell",
                "take `| safe` away",
            ),
            Self::Misread(Misreading::Quotes) => (
                "this value stands inside quotes",
                "it is quoted already, and these quotes would take that off",
                "take it out of the quotes, or write `| safe` where it holds shell code on purpose",
            ),
            Self::Misread(Misreading::HereDocument) => (
                "this value stands in a here-document",
                "nothing quotes it there, and `$(...)` in it would run",
                "give the text with `stdin` or `write`, where a value is only text; or set `name={{ ... }}` in a line before, and \
                 write `$name` here",
            ),
            Self::Misread(Misreading::Backquotes) => (
                "this value stands between backquotes",
                "they take backslashes away before it is read",
                "write `$(...)` in place of the backquotes",
            ),
            Self::Misread(Misreading::Expansion) => (
                "this value stands inside `${...}` or `$((...))`",
                "its quotes do not mean there what they mean elsewhere",
                OUT_OF_IT,
            ),
            Self::Misread(Misreading::Comment) => (
                "this value stands in a comment",
                "a line break in it would end the comment, and the rest would run",
                "write it elsewhere, or use `{# #}` for a comment that the shell never sees",
            ),
            Self::Misread(Misreading::Escaped) => (
                "this value follows a `$` or a backslash",
                "that changes what its quotes mean",
                "put something between them, or take the `$` or the backslash away",
            ),
            Self::Misread(Misreading::Code) => (
                "this value is read as code",
                "`eval`, `trap` and the `-c` of a shell read it a second time, without its quotes",
                "hand it over in `env` and write `\"$NAME\"` in the code, or write `| safe` where it holds shell code on purpose",
            ),
            Self::Misread(Misreading::Unclear) => (
                "this value stands where shells do not agree on what is read",
                "what it follows can be read in more than one way",
                "set `name={{ ... }}` in the first line, and write `\"$name\"` here",
            ),
        };
        Told { message, label, hint }
    }
}

/// Returns the expressions of `template` that are not marked `safe`, each with what its value would be as far as this can be seen before
/// it is rendered.
pub(super) fn places_of_expressions(template: &str, segments: &[Segment]) -> Vec<(Range<usize>, ValuePlace)> {
    let mut expressions = Vec::new();
    let pieces: Vec<ShellPiece<'_>> = segments
        .iter()
        .map(|segment| match segment {
            Segment::Literal(range) => ShellPiece::Text(&template[range.clone()]),
            Segment::Expression { is_safe: true, .. } => ShellPiece::Code,
            Segment::Expression { range, .. } => {
                expressions.push(range.clone());
                ShellPiece::Value { may_be_empty: true }
            }
        })
        .collect();
    expressions.into_iter().zip(places_of_values(&pieces)).collect()
}

/// Finds the first value of the shell text `rendered`, which has its marks, that is wrong where it stands.
pub(super) fn wrong_value(rendered: &str) -> Option<Wrong> {
    let mut pieces = Vec::new();
    let mut values = Vec::new();
    let mut rest = rendered;
    while let Some((before, after)) = rest.split_once(VALUE) {
        pieces.push(ShellPiece::Text(before));
        let (value, after) = after.split_once(VALUE_END).unwrap_or((after, ""));
        values.push(value);
        pieces.push(ShellPiece::Value {
            may_be_empty: marks::may_be_empty(value),
        });
        rest = after;
    }
    pieces.push(ShellPiece::Text(rest));
    if pieces
        .iter()
        .any(|piece| matches!(piece, ShellPiece::Text(text) if text.contains(is_mark)))
    {
        return Some(Wrong::Bare);
    }
    let places = places_of_values(&pieces).into_iter().zip(values);
    let wrong = places.filter_map(|(place, value)| match place {
        ValuePlace::Misread(why) => Some(Wrong::Misread(why)),
        // What only the run knows is judged then.
        ValuePlace::Argument if marks::begins_with_dash(value) == Some(true) => Some(Wrong::Option),
        _ => None,
    });
    wrong.into_iter().next()
}

/// Says whether the marks in the shell text `rendered` are in pairs.
pub(super) fn is_whole(rendered: &str) -> bool {
    let mut is_open = false;
    for mark in rendered
        .chars()
        .filter(|character| [VALUE, VALUE_END].contains(character))
    {
        if is_open == (mark == VALUE) {
            return false;
        }
        is_open = !is_open;
    }
    !is_open
}
