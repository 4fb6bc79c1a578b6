//! The ids of containers and images in what a command printed: words of 12 to 64 lower-case hex digits.

use std::collections::BTreeSet;
use std::io::{self, Read};

/// How long an id is.
const SHORTEST: usize = 12;
const LONGEST: usize = 64;

/// How many are told at the most: more than any build prints.
const MOST: usize = 100_000;

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// The ids found so far.
#[derive(Debug, Default)]
pub struct Ids {
    found: BTreeSet<String>,
    word: String,
}

impl Ids {
    /// Finds those in all that `output` has. A word does not go on in the next output.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    pub fn read(&mut self, mut output: impl Read) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        loop {
            match output.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => self.push(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.end_word();
        Ok(())
    }

    /// Returns them sorted, each once.
    pub fn into_sorted(self) -> Vec<String> {
        self.found.into_iter().collect()
    }

    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if matches!(byte, b'0'..=b'9' | b'a'..=b'f') {
                self.word.push(char::from(*byte));
                if self.word.len() == LONGEST {
                    self.end_word();
                }
            } else if !self.word.is_empty() {
                self.end_word();
            }
        }
    }

    fn end_word(&mut self) {
        if self.word.len() >= SHORTEST && self.found.len() < MOST {
            self.found.insert(self.word.clone());
        }
        self.word.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_split_as_grep_does() {
        let long = "a".repeat(64) + &"b".repeat(12) + "c";
        let mut ids = Ids::default();
        for piece in ["x 0123456789a y 0123456", "789ab\n", &long, " 0123456789AB"] {
            ids.push(piece.as_bytes());
        }
        ids.end_word();
        let expected = ["0123456789ab".to_owned(), "a".repeat(64), "b".repeat(12) + "c"];
        assert_eq!(ids.into_sorted(), expected);
    }
}
