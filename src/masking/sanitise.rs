//! Makes the output of nodes safe to show: it is hostile bytes of any size until it has been through here.
//!
//! What comes out has no control characters but line feeds, no escape sequences, nothing that reorders or hides text,
//! and lines of bounded length. Works on chunks cut anywhere, in bounded memory.

use crate::unseen::{SEQUENCE_LIMIT, is_unseen};
use std::mem;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How many characters of a line are kept; the rest of it is dropped and marked.
const LINE_LIMIT: usize = 4096;
/// How many marks may be stacked on one character.
const MARKS_LIMIT: usize = 3;
const TAB: usize = 8;

/// Turns bytes, in chunks cut anywhere, into clean lines.
#[derive(Debug, Default)]
pub struct LineSanitiser {
    state: State,
    /// The bytes of a character not yet complete.
    pending: Vec<u8>,
    line: String,
    characters: usize,
    marks: usize,
    /// A carriage return was seen: the next character starts the line anew.
    returned: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// Inside a CSI sequence, which a byte from `@` to `~` ends.
    Control(usize),
    /// Inside an OSC, DCS, SOS, PM or APC text, which BEL or ST ends; here a line feed does too, so that one never
    /// closed cannot hide what follows.
    StringBody(usize),
    /// After ESC inside such a text.
    StringEscape(usize),
}

impl LineSanitiser {
    /// Takes in more `bytes` and returns the lines they complete, without their line feeds.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            let taken = self.plain_text(rest);
            if taken == 0 {
                self.byte(byte, &mut lines);
            }
            rest = rest.get(taken.max(1)..).unwrap_or_default();
        }
        lines
    }

    /// Takes in plain text from the start of `bytes` at once and returns how much: nearly all output is just that.
    fn plain_text(&mut self, bytes: &[u8]) -> usize {
        if self.state != State::Text || self.returned || !self.pending.is_empty() {
            return 0;
        }
        let plain = bytes
            .iter()
            .position(|byte| !matches!(byte, b' '..=b'~'))
            .unwrap_or(bytes.len());
        if self.characters > LINE_LIMIT {
            // What nobody will see is passed over in bulk: looked at byte by byte, a line without end takes minutes.
            self.marks = if plain > 0 { 0 } else { self.marks };
            return plain;
        }
        let room = plain.min(LINE_LIMIT.saturating_sub(self.characters));
        if let Some(Ok(text)) = bytes.get(..room).map(std::str::from_utf8) {
            self.line.push_str(text);
            self.characters += room;
            self.marks = if room > 0 { 0 } else { self.marks };
        }
        room
    }

    /// Returns the line that is not complete yet, as far as it is known.
    pub fn partial(&self) -> &str {
        &self.line
    }

    /// Returns the last line where it did not end with a line feed, and starts anew.
    pub fn finish(&mut self) -> Option<String> {
        if !self.pending.is_empty() {
            self.pending.clear();
            self.character(char::REPLACEMENT_CHARACTER);
        }
        let line = mem::take(self).line;
        (!line.is_empty()).then_some(line)
    }

    /// Collects the bytes of one character; what is no UTF-8 becomes the replacement character.
    fn byte(&mut self, byte: u8, lines: &mut Vec<String>) {
        if self.pending.is_empty() && byte < 0x80 {
            return self.scalar(char::from(byte), lines);
        }
        self.pending.push(byte);
        match std::str::from_utf8(&self.pending) {
            Ok(text) => {
                let complete = text.chars().next();
                self.pending.clear();
                if let Some(complete) = complete {
                    self.scalar(complete, lines);
                }
            }
            Err(error) if error.error_len().is_none() => {}
            Err(_) => self.invalid(lines),
        }
    }

    fn invalid(&mut self, lines: &mut Vec<String>) {
        let bytes = mem::take(&mut self.pending);
        let Some((&last, before)) = bytes.split_last() else {
            return;
        };
        if before.is_empty() {
            // A lone byte from 0x80 to 0x9f is a control character of terminals that speak eight bits.
            let meant = if (0x80..0xa0).contains(&last) {
                char::from(last)
            } else {
                char::REPLACEMENT_CHARACTER
            };
            return self.scalar(meant, lines);
        }
        self.scalar(char::REPLACEMENT_CHARACTER, lines);
        // The byte that broke the character may start the next one.
        self.byte(last, lines);
    }

    fn scalar(&mut self, c: char, lines: &mut Vec<String>) {
        if c == '\n' {
            self.state = State::Text;
            self.returned = false;
            self.characters = 0;
            self.marks = 0;
            lines.push(mem::take(&mut self.line));
            return;
        }
        self.state = match self.state {
            State::Text => self.text(c),
            State::Escape => self.escape(c),
            State::Control(_) if ('@'..='~').contains(&c) => State::Text,
            State::Control(length) if length < SEQUENCE_LIMIT => match start_of_sequence(c) {
                Some(state) => state,
                None => State::Control(length + 1),
            },
            State::StringBody(_) | State::StringEscape(_) if matches!(c, '\u{7}' | '\u{9c}') => State::Text,
            State::StringEscape(_) if c == '\\' => State::Text,
            State::StringEscape(_) if c == '[' => State::Control(0),
            State::StringBody(length) if c == '\u{1b}' => State::StringEscape(length),
            State::StringBody(length) | State::StringEscape(length) if length < SEQUENCE_LIMIT => {
                State::StringBody(length + 1)
            }
            State::Control(_) | State::StringBody(_) | State::StringEscape(_) => self.text(c),
        };
    }

    fn escape(&mut self, c: char) -> State {
        match c {
            '[' => State::Control(0),
            ']' | 'P' | 'X' | '^' | '_' => State::StringBody(0),
            ' '..='/' | '\u{1b}' => State::Escape,
            '0'..='~' => State::Text,
            _ => self.text(c),
        }
    }

    fn text(&mut self, c: char) -> State {
        if let Some(state) = start_of_sequence(c) {
            return state;
        }
        match c {
            '\r' => self.returned = true,
            '\u{8}' => self.backspace(),
            '\t' => {
                let gap = TAB - self.line.width() % TAB;
                (0..gap).for_each(|_| self.character(' '));
            }
            '\u{2028}' | '\u{2029}' => self.character(' '),
            c if is_unseen(c) => {}
            c => self.character(c),
        }
        State::Text
    }

    fn backspace(&mut self) {
        if self.characters <= LINE_LIMIT && self.line.pop().is_some() {
            self.characters -= 1;
        }
    }

    fn character(&mut self, c: char) {
        if mem::take(&mut self.returned) {
            self.line.clear();
            self.characters = 0;
        }
        let mark = c.width() == Some(0);
        self.marks = if mark { self.marks + 1 } else { 0 };
        if self.marks > MARKS_LIMIT {
            return;
        }
        match self.characters {
            0..LINE_LIMIT => {
                self.line.push(c);
                self.characters += 1;
            }
            LINE_LIMIT => {
                self.line.push('…');
                self.characters += 1;
            }
            _ => {}
        }
    }
}

fn start_of_sequence(c: char) -> Option<State> {
    match c {
        '\u{1b}' => Some(State::Escape),
        '\u{9b}' => Some(State::Control(0)),
        '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => Some(State::StringBody(0)),
        _ => None,
    }
}

/// Returns `text` as clean lines joined by line feeds.
pub fn sanitised(text: &str) -> String {
    let mut sanitiser = LineSanitiser::default();
    let mut lines = sanitiser.push(text.as_bytes());
    lines.extend(sanitiser.finish());
    lines.join("\n")
}

/// Returns `text` as one clean line; its own line feeds become spaces.
pub fn sanitised_line(text: &str) -> String {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.to_owned();
    }
    sanitised(text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn cleaned(bytes: &[u8]) -> Vec<String> {
        let mut sanitiser = LineSanitiser::default();
        let mut lines = sanitiser.push(bytes);
        lines.extend(sanitiser.finish());
        lines
    }

    #[rstest]
    #[case::colour(b"\x1b[1;31mred\x1b[0m", &["red"])]
    #[case::window_title(b"\x1b]0;owned\x07after", &["after"])]
    #[case::hyperlink(b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", &["link"])]
    #[case::unterminated_title_hides_only_its_line(b"a\x1b]0;never closed\nvisible", &["a", "visible"])]
    #[case::device_control(b"\x1bP1$r0m\x1b\\x", &["x"])]
    #[case::eight_bit_controls(b"\x9b31mred\x9d0;t\x9cx", &["redx"])]
    #[case::eight_bit_controls_in_utf8("\u{9b}31mred\u{9d}0;t\u{9c}x".as_bytes(), &["redx"])]
    #[case::sequence_within_a_sequence(b"\x1b[31\x1b[0mx", &["x"])]
    #[case::charset(b"\x1b(0lqk\x1b(B", &["lqk"])]
    #[case::reordering("a\u{202e}cba\u{2066}x".as_bytes(), &["acbax"])]
    #[case::invalid_utf8(b"a\xffb\xc3(\xe2\x82x", &["a\u{fffd}b\u{fffd}(\u{fffd}x"])]
    #[case::cut_character(b"a\xe2\x82", &["a\u{fffd}"])]
    #[case::tabs(b"ab\tc\n\td", &["ab      c", "        d"])]
    #[case::windows_lines(b"a\r\nb\r\n", &["a", "b"])]
    #[case::progress_bar(b"10%\r50%\r100%\r\ndone", &["100%", "done"])]
    #[case::spinner(b"work /\x08-\x08|\n", &["work |"])]
    #[case::bells(b"\x07a\x00b\x7fc\x0b\x0c", &["abc"])]
    #[case::stacked_marks("a\u{301}\u{301}\u{301}\u{301}\u{301}b".as_bytes(), &["a\u{301}\u{301}\u{301}b"])]
    fn hostile_output_is_made_plain(#[case] bytes: &[u8], #[case] lines: &[&str]) {
        assert_eq!(cleaned(bytes), lines);
    }

    #[test]
    fn a_line_without_end_takes_bounded_memory() {
        let mut sanitiser = LineSanitiser::default();
        for _ in 0..1000 {
            assert!(sanitiser.push(&[b'x'; 1000]).is_empty());
        }
        assert!(sanitiser.partial().len() < LINE_LIMIT + 8);
        assert!(sanitiser.partial().ends_with('…'));
    }

    #[test]
    fn a_line_without_end_is_passed_over_quickly() {
        let started = std::time::Instant::now();
        let mut sanitiser = LineSanitiser::default();
        for _ in 0..50 {
            sanitiser.push(&vec![b'x'; 64 << 10]);
        }
        assert_eq!(sanitiser.push(b"\x1b[0m\nnext\n")[1..], ["next"]);
        assert!(started.elapsed().as_secs() < 5, "it took {:?}", started.elapsed());
    }

    fn hostile_bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..12),
            prop::sample::select(vec![
                &b"\x1b["[..],
                b"\x1b]0;",
                b"\x1bP",
                b"\x1b\\",
                b"\x07",
                b"\x9b",
                b"\xc2\x9b",
                b"\xc2\x85",
                b"\r",
                b"\n",
                b"\t",
                b"\x08",
                b"31m",
                b"text",
                b"\xe2\x80\xae",
                b"\xf0\x9f",
                b"\x98\x80",
                b"\x7f",
                b"\xcc\x81",
            ])
            .prop_map(<[u8]>::to_vec),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_control_character_comes_out(bytes in hostile_bytes()) {
            for line in cleaned(&bytes) {
                prop_assert!(!line.chars().any(|c| c.is_control() || is_unseen(c)), "{line:?}");
            }
        }

        #[test]
        fn the_cuts_between_chunks_do_not_matter(bytes in hostile_bytes(), size in 1usize..9) {
            let mut sanitiser = LineSanitiser::default();
            let mut lines: Vec<String> = bytes.chunks(size).flat_map(|chunk| sanitiser.push(chunk)).collect();
            prop_assert!(!sanitiser.partial().chars().any(char::is_control));
            lines.extend(sanitiser.finish());
            prop_assert_eq!(lines, cleaned(&bytes));
        }

        #[test]
        fn cleaning_twice_is_cleaning_once(bytes in hostile_bytes()) {
            let once = sanitised(&String::from_utf8_lossy(&bytes));
            let twice = sanitised(&once);
            prop_assert_eq!(twice.trim_end_matches('\n'), once.trim_end_matches('\n'));
        }
    }
}
