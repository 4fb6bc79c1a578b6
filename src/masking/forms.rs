//! The forms in which one secret may stand in a text.

use crate::encodings::{any_case, base64, exact, exchanged, texts};
use crate::gaps::is_separator;
use crate::set::ByteSet;
use crate::unseen::is_passed_over;

/// How many characters a secret must have to be found where every character, or number, is apart from the next, and where a line ends
/// within it: of a shorter one, such pieces turn up by chance.
pub(crate) const SPREAD: usize = 8;

/// How the bytes of a form are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    /// As characters, each raw or escaped.
    Text,
    /// As characters, each apart from the next, as `od -c` writes them.
    Apart,
    /// As base64.
    Base64,
    /// As hexadecimal digits, two for a byte.
    Hexadecimal,
    /// As octal digits, three for a byte, apart.
    Octal,
    /// As decimal numbers, apart.
    Decimal,
}

/// One form of a secret.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) writing: Writing,
    pub(crate) bytes: Vec<ByteSet>,
    /// Whether a line may end within it.
    pub(crate) over_lines: bool,
}

/// Returns `secret` without what a reader passes over.
pub(crate) fn seen(secret: &str) -> String {
    secret.chars().filter(|c| !is_passed_over(*c)).collect()
}

/// Returns all forms of `secret`.
pub(crate) fn forms_of(secret: &str) -> Vec<Form> {
    let seen = seen(secret);
    let over_lines = seen.chars().count() >= SPREAD;
    let mut forms = Vec::new();
    let mut add = |writing, bytes: Vec<ByteSet>, over_lines| {
        let form = Form {
            writing,
            bytes,
            over_lines,
        };
        forms.push(form);
    };
    let mut spellings = vec![seen.clone(), seen.to_lowercase(), seen.to_uppercase()];
    spellings.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
    for spelling in &spellings {
        add(Writing::Text, any_case(spelling.as_bytes()), over_lines);
    }
    let apart: Vec<u8> = seen
        .bytes()
        .filter(|byte| !is_separator(*byte) && *byte != b'\n')
        .collect();
    if over_lines && apart.len() >= SPREAD {
        add(Writing::Apart, any_case(&apart), true);
    }
    for text in texts(secret) {
        let plain = any_case(&text);
        for offset in 0..3 {
            add(Writing::Base64, base64(&exact(&text), offset), true);
        }
        add(Writing::Hexadecimal, exchanged(&plain, 0), true);
        add(Writing::Hexadecimal, exchanged(&plain, 1), true);
        add(Writing::Hexadecimal, plain, true);
    }
    let raw = secret.as_bytes();
    if over_lines {
        add(Writing::Octal, any_case(raw), true);
        add(Writing::Decimal, any_case(raw), true);
    }
    for inner in 0..3 {
        let inner = base64(&exact(raw), inner);
        for outer in 0..3 {
            add(Writing::Base64, base64(&inner, outer), true);
        }
        add(Writing::Hexadecimal, inner, true);
    }
    forms
}
