//! What stands in the output of programs and is not seen on a terminal: control characters, escape sequences, signs without width.

use unicode_width::UnicodeWidthChar;

/// How long an escape sequence may be before it is taken for text that merely looks like one.
pub(crate) const SEQUENCE_LIMIT: usize = 4096;

/// Says whether `c` is a control character, reorders text, or shows nothing where something stands.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Says whether a reader looks past `c` in the middle of a word: what is not seen, marks on the character before, and the sign for bytes
/// that are no text.
pub(crate) fn is_passed_over(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        c if c.is_ascii() => c.is_control(),
        c => c == char::REPLACEMENT_CHARACTER || is_unseen(c) || c.width() == Some(0),
    }
}

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// Something that is seen, or the end of a line.
    Seen,
    /// Something that is passed over, up to `end`; what follows its first `lone` bytes may also be taken for text.
    Unseen { end: usize, lone: usize },
    /// The bytes end before it can be told.
    Cut,
}

impl At {
    fn character(at: usize, length: usize) -> Self {
        Self::Unseen {
            end: at + length,
            lone: length,
        }
    }
}

/// Returns what stands at `at` in `bytes`.
pub(crate) fn look(bytes: &[u8], at: usize) -> At {
    match bytes.get(at) {
        None => At::Cut,
        Some(b' '..=b'~' | b'\n' | b'\t') => At::Seen,
        Some(b'\r') => match bytes.get(at + 1) {
            None => At::Cut,
            Some(b'\n') => At::Seen,
            Some(_) => At::character(at, 1),
        },
        Some(0x1b) => sequence(escape(bytes, at + 1), 1),
        Some(byte) if byte.is_ascii() => At::character(at, 1),
        Some(_) => beyond_ascii(bytes, at),
    }
}

fn beyond_ascii(bytes: &[u8], at: usize) -> At {
    let window = bytes.get(at..bytes.len().min(at + 4)).unwrap_or_default();
    let valid = match std::str::from_utf8(window) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() > 0 => {
            let valid = window.get(..error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(valid).unwrap_or_default()
        }
        Err(error) if error.error_len().is_none() => return At::Cut,
        // No text. A lone byte from 0x80 to 0x9f is a control character of terminals that speak eight bits.
        Err(_) => return control(bytes, at, 1, window.first().copied().map_or('\0', char::from)),
    };
    match valid.chars().next() {
        Some(c) if is_passed_over(c) => control(bytes, at, c.len_utf8(), c),
        _ => At::Seen,
    }
}

/// Returns what the character `c` of `length` bytes begins, which is passed over.
fn control(bytes: &[u8], at: usize, length: usize, c: char) -> At {
    match c {
        '\u{9b}' => sequence(parameters(bytes, at + length), length),
        '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => sequence(body(bytes, at + length), length),
        _ => At::character(at, length),
    }
}

fn sequence(end: Option<usize>, lone: usize) -> At {
    end.map_or(At::Cut, |end| At::Unseen { end, lone })
}

/// Returns where a sequence ends of which ESC stands before `at`; `None` where the bytes end first.
fn escape(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'[' => return parameters(bytes, at + 1),
            b']' | b'P' | b'X' | b'^' | b'_' => return body(bytes, at + 1),
            b' '..=b'/' => at += 1,
            b'0'..=b'~' => return Some(at + 1),
            _ => return Some(at),
        }
    }
}

/// Returns where a control sequence ends whose parameters begin at `at`.
fn parameters(bytes: &[u8], at: usize) -> Option<usize> {
    let limit = at + SEQUENCE_LIMIT;
    for place in at..limit {
        match bytes.get(place)? {
            b'@'..=b'~' => return Some(place + 1),
            b'\n' | 0x1b => return Some(place),
            _ => {}
        }
    }
    Some(limit)
}

/// Returns where a text for the terminal ends that begins at `at`: behind BEL or ST, before the end of a line.
fn body(bytes: &[u8], at: usize) -> Option<usize> {
    let limit = at + SEQUENCE_LIMIT;
    for place in at..limit {
        match bytes.get(place)? {
            0x07 | 0x9c => return Some(place + 1),
            b'\n' => return Some(place),
            0x1b => match bytes.get(place + 1)? {
                b'\\' => return Some(place + 2),
                b'[' => return Some(place),
                _ => {}
            },
            _ => {}
        }
    }
    Some(limit)
}
