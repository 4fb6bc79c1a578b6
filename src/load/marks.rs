//! Marks in rendered text: where a value stands that only the run knows, and where a value in a shell text begins and ends.
//!
//! They are private characters, which no text of a lab and no value has.

use super::template::Scope;
use crate::domain::{Hole, Part, Text, shell_quoted};

/// Opens and closes the name of a value that only the run knows.
const OPEN: char = '\u{10fff0}';
const CLOSE: char = '\u{10fff1}';

/// Stand around a value in a shell text.
pub(super) const VALUE: char = '\u{10fff2}';
pub(super) const VALUE_END: char = '\u{10fff3}';

/// Says whether `character` is one of the marks.
pub(super) fn is_mark(character: char) -> bool {
    (OPEN..=VALUE_END).contains(&character)
}

/// Returns the mark of the captured value `name`.
pub(super) fn capture_mark(name: &str) -> String {
    format!("{OPEN}c{name}{CLOSE}")
}

/// Returns the mark of the secret `name`.
pub(super) fn secret_mark(name: &str) -> String {
    format!("{OPEN}s{name}{CLOSE}")
}

/// Returns `value` without characters that would be taken for marks.
pub(super) fn unmarked(value: &str) -> String {
    value.replace(is_mark, "\u{fffd}")
}

/// Quotes `value` for a shell and marks where it begins and ends. Marks of values that only the run knows become marks of values that are
/// quoted when they are filled in, which works because a shell joins quoted pieces that touch.
pub(super) fn quoted(value: &str) -> String {
    let mut result = String::from(VALUE);
    let value = without_value_marks(value);
    if !value.contains(OPEN) {
        result.push_str(&shell_quoted(&value));
        result.push(VALUE_END);
        return result;
    }
    for (is_mark, piece) in pieces(&value) {
        if is_mark {
            result.extend([OPEN, 'q']);
            result.push_str(piece);
            result.push(CLOSE);
        } else if !piece.is_empty() {
            result.push_str(&shell_quoted(piece));
        }
    }
    result.push(VALUE_END);
    result
}

/// Returns `text` without the marks around values in a shell text.
pub(super) fn without_value_marks(text: &str) -> String {
    text.replace([VALUE, VALUE_END], "")
}

/// Says whether a value that is quoted as `quoted` begins with `-`; `None` where only the run knows.
pub(super) fn begins_with_dash(quoted: &str) -> Option<bool> {
    match quoted.strip_prefix('\'').unwrap_or(quoted).chars().next() {
        Some(OPEN) => None,
        first => Some(first == Some('-')),
    }
}

/// Says whether a value that is quoted as `quoted` could be empty.
pub(super) fn may_be_empty(quoted: &str) -> bool {
    pieces(quoted)
        .into_iter()
        .all(|(is_mark, piece)| is_mark || matches!(piece, "" | "''"))
}

/// Splits `text` into plain pieces and what stands inside marks of values that only the run knows.
pub(super) fn pieces(text: &str) -> Vec<(bool, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        found.push((false, before));
        let (mark, after) = after.split_once(CLOSE).unwrap_or((after, ""));
        found.push((true, mark));
        rest = after;
    }
    found.push((false, rest));
    found
}

/// Makes a text of `rendered`; `None` where a mark is damaged.
pub(super) fn parts_of(rendered: &str, scope: &Scope) -> Option<Text> {
    if !rendered.contains([OPEN, CLOSE]) {
        return Some(Text::literal(rendered));
    }
    let mut parts = Vec::new();
    for (is_mark, piece) in pieces(rendered) {
        if is_mark {
            parts.push(Part::Hole(hole_of(piece, scope)?));
        } else if piece.contains(CLOSE) {
            return None;
        } else if !piece.is_empty() {
            parts.push(Part::Literal(piece.to_owned()));
        }
    }
    Some(Text::new(parts))
}

fn hole_of(mark: &str, scope: &Scope) -> Option<Hole> {
    let (quoted, mark) = match mark.strip_prefix('q') {
        Some(mark) => (true, mark),
        None => (false, mark),
    };
    let (name, secret) = match (mark.strip_prefix('c'), mark.strip_prefix('s')) {
        (Some(name), _) => (name, scope.is_secret_capture(name)?),
        (_, Some(name)) => scope.has_secret(name).then_some((name, true))?,
        _ => return None,
    };
    Some(Hole {
        name: name.to_owned(),
        secret,
        quoted,
    })
}
