//! Looks once more for secrets in what an output comes to when it is shown: what is sent and what is seen are not the same.

use crate::domain::{LineSanitiser, Redactor};

/// Reads an output along, as a terminal would show it.
pub(super) struct SecondLook {
    redactor: Redactor,
    sanitiser: LineSanitiser,
    /// Whether the line that is not complete yet has anything that is shown otherwise than it was sent.
    is_odd: bool,
}

impl SecondLook {
    pub(super) fn new(redactor: Redactor) -> Self {
        Self {
            redactor,
            sanitiser: LineSanitiser::default(),
            is_odd: false,
        }
    }

    /// Returns `bytes`, with every line that would show a secret replaced by what it may show. What was passed on of such a line before is
    /// followed by a carriage return, so that the line is shown anew.
    pub(super) fn look(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let is_plain = |bytes: &[u8]| bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t'));
        if !self.is_odd && is_plain(&bytes) {
            self.sanitiser.push(&bytes);
            return bytes;
        }
        let mut out = Vec::with_capacity(bytes.len());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.is_odd |= !is_plain(line);
            let complete = self.sanitiser.push(line);
            let masked = complete
                .first()
                .filter(|_| self.is_odd)
                .and_then(|shown| self.masked(shown));
            match masked {
                Some(masked) => out.extend(format!("\r{masked}\n").into_bytes()),
                None => out.extend_from_slice(line),
            }
            if !complete.is_empty() {
                self.is_odd = false;
            }
        }
        out
    }

    /// Returns what must follow a last line without an end that would show a secret.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let last = self.sanitiser.finish();
        let masked = last.filter(|_| self.is_odd).and_then(|shown| self.masked(&shown));
        masked.map_or_else(Vec::new, |masked| format!("\r{masked}").into_bytes())
    }

    fn masked(&self, shown: &str) -> Option<String> {
        let masked = self.redactor.text(shown);
        (masked != shown).then_some(masked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_shows_a_secret_is_shown_masked() {
        let mut look = SecondLook::new(Redactor::new(["hunter2-Kx9"]));
        let mut out = look.look(b"one\nhunter2-\x1b[31m".to_vec());
        out.extend(look.look(b"Kx9\x07\nthree\n".to_vec()));
        out.extend(look.look(b"\x1b[1mhunter2-Kx9".to_vec()));
        out.extend(look.finish());
        let mut sanitiser = LineSanitiser::default();
        let mut shown = sanitiser.push(&out);
        shown.extend(sanitiser.finish());
        assert_eq!(shown, ["one", "[REDACTED]", "three", "[REDACTED]"]);
    }

    #[test]
    fn what_shows_no_secret_passes_unchanged() {
        let mut look = SecondLook::new(Redactor::new(["hunter2-Kx9"]));
        let text = b"\xff\x00\x1b]0;title\x07\r\n10%\r50%\rplain\n";
        assert_eq!(look.look(text.to_vec()), text);
        assert!(look.finish().is_empty());
    }
}
