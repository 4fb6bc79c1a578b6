//! The output of a record, afterwards.

use crate::channel::CHUNK;
use crate::faults::{Outcome, failed_at, is_absent};
use crate::record::{Record, STREAMS};
use labctl_agent::Answer;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;

/// How long an id is.
const SHORTEST: usize = 12;
const LONGEST: usize = 64;

/// How many are told at the most: more than any build prints.
const MOST: usize = 100_000;

/// Removes the output of the record `exec`, not its outcome.
pub(crate) fn forget(instance: &str, exec: &str) -> Outcome {
    let record = Record::new(instance, exec)?;
    for name in STREAMS {
        let path = record.file(name);
        match fs::remove_file(&path) {
            Err(error) if !is_absent(&error) => return Err(failed_at(&path.to_string_lossy(), error)),
            _ => {}
        }
    }
    Ok(Answer::Done)
}

/// Returns the words of 12 to 64 hex digits in the output of the record `exec`.
pub(crate) fn printed_ids(instance: &str, exec: &str) -> Outcome {
    let record = Record::new(instance, exec)?;
    let mut ids = Ids::default();
    let mut buffer = vec![0; CHUNK];
    for name in STREAMS {
        let path = record.file(name);
        let trouble = |error| failed_at(&path.to_string_lossy(), error);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => continue,
            Err(error) => return Err(trouble(error)),
        };
        loop {
            match file.read(&mut buffer).map_err(trouble)? {
                0 => break,
                read => ids.push(&buffer[..read]),
            }
        }
        ids.end_word();
    }
    Ok(Answer::Ids(ids.found.into_iter().collect()))
}

#[derive(Default)]
struct Ids {
    found: BTreeSet<String>,
    word: String,
}

impl Ids {
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
        assert_eq!(ids.found.into_iter().collect::<Vec<_>>(), expected);
    }
}
