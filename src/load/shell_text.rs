//! Finds values that stand inside quotes in a shell text. Values are quoted already, and quotes around quotes take
//! them off again: that is how a value becomes a command.

use super::references::Segment;
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Single,
    Double,
    Comment,
}

/// Returns the expressions of `template` that stand inside quotes and are not marked `safe`.
pub(super) fn quoted_expressions(template: &str, segments: &[Segment]) -> Vec<Range<usize>> {
    let mut inside = Inside::Nothing;
    let mut found = Vec::new();
    for segment in segments {
        match segment {
            Segment::Literal(range) => inside = after(inside, &template[range.clone()]),
            Segment::Expression { range, is_safe: false } if matches!(inside, Inside::Single | Inside::Double) => {
                found.push(range.clone());
            }
            Segment::Expression { .. } => {}
        }
    }
    found
}

fn after(mut inside: Inside, text: &str) -> Inside {
    let mut starts_word = true;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (inside, character) {
            (Inside::Nothing | Inside::Double, '\\') => {
                characters.next();
            }
            (Inside::Nothing, '\'') => inside = Inside::Single,
            (Inside::Nothing, '"') => inside = Inside::Double,
            (Inside::Nothing, '#') if starts_word => inside = Inside::Comment,
            (Inside::Single, '\'') | (Inside::Double, '"') | (Inside::Comment, '\n') => inside = Inside::Nothing,
            _ => {}
        }
        starts_word = character.is_whitespace() || ";&|()".contains(character);
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::super::references::scan;
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("echo {{ a }}", 0)]
    #[case("echo \"{{ a }}\"", 1)]
    #[case("echo '{{ a }} {{ b }}'", 2)]
    #[case("echo 'x' {{ a }} \"y\"", 0)]
    #[case("echo \\\" {{ a }}", 0)]
    #[case("# don't\necho {{ a }}", 0)]
    #[case("echo a#'{{ a }}'", 1)]
    #[case("echo \"{{ a | safe }}\"", 0)]
    #[case("echo \"{% if x %}{{ a }}{% endif %}\"", 1)]
    fn values_inside_quotes_are_found(#[case] template: &str, #[case] expected: usize) {
        let found = quoted_expressions(template, &scan(template).segments);
        assert_eq!(found.len(), expected, "{found:?}");
    }
}
