//! The last lines of a running step's output, in bounded memory.

use super::sanitise::LineSanitiser;
use crate::domain::Stream;
use std::collections::VecDeque;

/// How many lines are kept for the case that the step fails, or changes a text.
pub(crate) const KEPT: usize = 60;

/// The last lines of both streams in the order in which they were completed.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    stdout: LineSanitiser,
    stderr: LineSanitiser,
    lines: VecDeque<String>,
    /// How many lines there were, kept or not.
    total: u64,
}

impl Tail {
    /// Takes in more bytes of a `stream` and returns the lines they complete.
    pub(crate) fn push(&mut self, stream: Stream, bytes: &[u8]) -> Vec<String> {
        let sanitiser = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let lines = sanitiser.push(bytes);
        for line in lines.iter().rev().take(KEPT).rev() {
            self.keep(line.clone());
        }
        self.total += lines.len().saturating_sub(KEPT) as u64;
        lines
    }

    /// Completes the lines that did not end with a line feed and returns them.
    pub(crate) fn finish(&mut self) -> Vec<String> {
        let rest: Vec<String> = [self.stdout.finish(), self.stderr.finish()]
            .into_iter()
            .flatten()
            .collect();
        for line in &rest {
            self.keep(line.clone());
        }
        rest
    }

    fn keep(&mut self, line: String) {
        self.total += 1;
        self.lines.push_back(line);
        if self.lines.len() > KEPT {
            self.lines.pop_front();
        }
    }

    /// Returns the last `count` lines that show something, the incomplete ones included.
    pub(crate) fn last(&self, count: usize) -> Vec<&str> {
        let partial = [self.stderr.partial(), self.stdout.partial()];
        let kept = self.lines.iter().rev().map(String::as_str);
        let mut last: Vec<&str> = partial
            .into_iter()
            .chain(kept)
            .filter(|line| !line.trim().is_empty())
            .take(count)
            .collect();
        last.reverse();
        last
    }

    /// Returns the kept lines and how many there were in all.
    pub(crate) fn into_kept(self) -> (Vec<String>, u64) {
        (self.lines.into(), self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_much_output_are_kept() {
        let mut tail = Tail::default();
        for at in 0..1000 {
            tail.push(Stream::Stdout, format!("line {at}\n").as_bytes());
        }
        tail.push(Stream::Stderr, b"no line feed");
        assert_eq!(tail.last(2), ["line 999", "no line feed"]);
        tail.finish();
        let (kept, total) = tail.into_kept();
        assert_eq!((kept.len(), total), (KEPT, 1001));
        assert_eq!(kept.last().map(String::as_str), Some("no line feed"));
    }
}
