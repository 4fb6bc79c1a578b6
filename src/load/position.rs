//! Finds a place inside a text of a TOML file: the text a program sees and the text in the file differ by quotes and
//! escapes.

use crate::domain::SourceText;
use std::ops::Range;
use std::sync::Arc;

/// A text of a file, for pointing into it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Located<'a> {
    /// The text as it is used.
    pub(super) text: &'a str,
    /// The file it stands in.
    pub(super) source: &'a Arc<SourceText>,
    /// The TOML string it is written as; `None` where the text is the whole file.
    pub(super) token: Option<&'a Range<usize>>,
}

impl Located<'_> {
    /// Returns where `range` of the text stands in the file.
    pub(super) fn place(&self, range: Range<usize>) -> Range<usize> {
        let Some(token) = self.token else {
            return range;
        };
        let Some(written) = self.source.text.get(token.clone()) else {
            return token.clone();
        };
        let start = written_offset(written, range.start);
        let end = written_offset(written, range.end).max(start);
        token.start + start..token.start + end
    }
}

/// Returns where byte `offset` of a string's value stands in its TOML notation `written`.
fn written_offset(written: &str, offset: usize) -> usize {
    let (delimiter, literal) = match written.as_bytes() {
        [b'\'', b'\'', b'\'', ..] => (3, true),
        [b'"', b'"', b'"', ..] => (3, false),
        [b'\'', ..] => (1, true),
        [b'"', ..] => (1, false),
        _ => return offset.min(written.len()),
    };
    let mut rest = written.get(delimiter..).unwrap_or_default();
    if delimiter == 3 {
        rest = rest
            .strip_prefix("\r\n")
            .or_else(|| rest.strip_prefix('\n'))
            .unwrap_or(rest);
    }
    let mut seen = 0;
    while seen < offset {
        let (length, meaning) = next_piece(rest, literal);
        if length == 0 {
            break;
        }
        rest = rest.get(length..).unwrap_or_default();
        seen += meaning;
    }
    written.len() - rest.len()
}

/// Returns how many bytes the next character takes in the file, and how many in the value.
fn next_piece(rest: &str, literal: bool) -> (usize, usize) {
    let mut characters = rest.chars();
    match (characters.next(), characters.next()) {
        (None, _) => (0, 0),
        (Some('\\'), Some(kind)) if !literal => escape_piece(rest, kind),
        (Some(character), _) => (character.len_utf8(), character.len_utf8()),
    }
}

fn escape_piece(rest: &str, kind: char) -> (usize, usize) {
    let digits = match kind {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        kind if kind.is_whitespace() => {
            let blank = rest[1..].len() - rest[1..].trim_start().len();
            return (1 + blank, 0);
        }
        kind => return (1 + kind.len_utf8(), 1),
    };
    let character = rest
        .get(2..2 + digits)
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .and_then(char::from_u32);
    match character {
        Some(character) => (2 + digits, character.len_utf8()),
        None => (2, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use toml::de::{DeTable, DeValue};

    #[rstest]
    #[case(r#"a = "xxNEEDLE""#)]
    #[case(r"a = 'xxNEEDLE'")]
    #[case(r#"a = "tab\tquote\" \u00e4 \U0001F433 \\NEEDLE and more""#)]
    #[case("a = \"\"\"\n  first\n  NEEDLE\"\"\"")]
    #[case("a = '''\nfirst\nNEEDLE'''")]
    #[case("a = \"\"\"one \\\n    two NEEDLE\"\"\"")]
    fn a_word_of_a_value_is_found_in_the_file(#[case] file: &str) {
        let document = DeTable::parse(file).unwrap();
        let value = document.get_ref().get("a").unwrap();
        let DeValue::String(text) = value.get_ref() else {
            panic!()
        };
        let source = Arc::new(SourceText {
            name: "a".into(),
            text: file.into(),
        });
        let located = Located {
            text,
            source: &source,
            token: Some(&value.span()),
        };
        let start = text.find("NEEDLE").unwrap();
        let place = located.place(start..start + 6);
        assert_eq!(&file[place], "NEEDLE");
    }
}
