//! What a step said, as much of it as people read: hostile bytes until they have been through here.

use super::super::sanitise::LineSanitiser;
use crate::domain::{Excerpt, OutputRecord};
use serde::Serialize;
use std::io;

/// The kept output of one stream of a step.
#[derive(Debug, Clone, Serialize)]
pub struct KeptOutput {
    /// The file, its size and its hash.
    pub record: OutputRecord,
    /// Its first lines, clean.
    pub head: Vec<String>,
    /// How many bytes are left out here; the file has them.
    pub left_out: u64,
    /// Its last lines, clean, where some were left out.
    pub tail: Vec<String>,
    /// Why nothing of it can be shown.
    pub problem: Option<String>,
}

impl KeptOutput {
    /// Knows of the file of `record`, which was not read yet.
    pub(super) fn new(record: OutputRecord) -> Self {
        Self {
            record,
            head: Vec::new(),
            left_out: 0,
            tail: Vec::new(),
            problem: None,
        }
    }

    /// Takes in what was `read` of the file.
    pub(super) fn take_in(&mut self, read: io::Result<Excerpt>) {
        match read {
            Ok(excerpt) => {
                self.head = clean_lines(&excerpt.head);
                self.tail = clean_lines(&excerpt.tail);
                self.left_out = excerpt.left_out;
            }
            Err(problem) => self.problem = Some(format!("it cannot be read any more: {}", problem.kind())),
        }
    }
}

fn clean_lines(bytes: &[u8]) -> Vec<String> {
    let mut sanitiser = LineSanitiser::default();
    let mut lines = sanitiser.push(bytes);
    lines.extend(sanitiser.finish());
    lines
}
