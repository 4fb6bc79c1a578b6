//! What becomes of a step's output: masked, kept in a file, shown while it arrives, and a part of it held for checks.

use super::second_look::SecondLook;
use super::shared::Shared;
use crate::domain::{NodeName, OutputRecord, RedactingStream, StepKey, Stream};
use crate::journal::OutputFile;
use crate::node::OutputSink;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many bytes of the beginning, and again of the end, of a stream are held for checks and captures.
const HELD: usize = 2 * 1024 * 1024;

/// The beginning and the end of a stream of any length.
#[derive(Debug, Default)]
struct Held {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl Held {
    fn push(&mut self, bytes: &[u8]) {
        let room = HELD - self.head.len();
        let (first, rest) = bytes.split_at(bytes.len().min(room));
        self.head.extend_from_slice(first);
        let rest = &rest[rest.len().saturating_sub(HELD)..];
        let excess = (self.tail.len() + rest.len()).saturating_sub(HELD);
        self.dropped += (bytes.len() - first.len() - rest.len() + excess) as u64;
        self.tail.drain(..excess);
        self.tail.extend(rest);
    }

    fn into_bytes(mut self) -> Vec<u8> {
        self.head.extend(self.tail);
        self.head
    }
}

struct OneStream {
    stream: Stream,
    held: Held,
    masked: RedactingStream,
    shown: SecondLook,
    file: Option<OutputFile>,
    problem: Option<io::Error>,
}

/// A step's output, stream by stream.
pub(super) struct StepOutput {
    shared: Arc<Shared>,
    step: StepKey,
    /// Whether output waits until the step's secrets are known: then nothing of it is shown or written before.
    withheld: bool,
    streams: [OneStream; 2],
}

/// What a finished step's output leaves.
pub(super) struct FinishedOutput {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    /// Whether that is all there was.
    pub(super) complete: bool,
}

/// The names of the streams, as files are called.
const STREAMS: [&str; 2] = ["out", "err"];

fn file_name(exec: &str, node: &NodeName, stream: &str) -> String {
    format!("{exec}.{node}.{stream}")
}

/// Returns the files that the output of `exec` on `node` goes to, in the instance's `directory`.
pub(super) fn step_output_files(directory: &Path, exec: &str, node: &NodeName) -> [PathBuf; 2] {
    STREAMS.map(|stream| OutputFile::place(directory, &file_name(exec, node, stream)))
}

impl StepOutput {
    /// Prepares for the output of `step`; `withheld` where the step captures a secret from it.
    pub(super) fn new(shared: &Arc<Shared>, step: &StepKey, withheld: bool) -> Self {
        let redactor = shared.redactor();
        let stream = |stream, name: &str| {
            let exec = format!("{}-{}", shared.id, step.step);
            let name = file_name(&exec, &step.node, name);
            OneStream {
                stream,
                held: Held::default(),
                masked: redactor.stream(),
                shown: SecondLook::new(redactor.clone()),
                file: Some(OutputFile::new(&shared.directory, &name, stream)),
                problem: None,
            }
        };
        let streams = [stream(Stream::Stdout, STREAMS[0]), stream(Stream::Stderr, STREAMS[1])];
        Self {
            shared: Arc::clone(shared),
            step: step.clone(),
            withheld,
            streams,
        }
    }

    /// Adds a line of labctl's own to standard output.
    pub(super) fn say(&mut self, line: &str) {
        self.chunk(Stream::Stdout, format!("{line}\n").as_bytes());
    }

    fn of(&mut self, stream: Stream) -> &mut OneStream {
        match stream {
            Stream::Stdout => &mut self.streams[0],
            Stream::Stderr => &mut self.streams[1],
        }
    }

    /// Takes what is held for checks and captures.
    pub(super) fn held(&mut self) -> FinishedOutput {
        let take = |one: &mut OneStream| Held {
            head: one.held.head.clone(),
            tail: one.held.tail.clone(),
            dropped: one.held.dropped,
        };
        let complete = self.streams.iter().all(|one| one.held.dropped == 0);
        FinishedOutput {
            stdout: take(&mut self.streams[0]).into_bytes(),
            stderr: take(&mut self.streams[1]).into_bytes(),
            complete,
        }
    }

    /// Flushes what masking held back, makes the files durable and returns their records.
    pub(super) fn finish(mut self) -> io::Result<Vec<OutputRecord>> {
        if self.withheld {
            self.release();
        }
        let mut records = Vec::new();
        let Self {
            shared, step, streams, ..
        } = self;
        for mut one in streams {
            let last = one.masked.finish();
            let mut last = one.shown.look(last);
            last.extend(one.shown.finish());
            one.write(&last);
            shared.reports.output(&step, one.stream, last);
            if let Some(problem) = one.problem {
                return Err(problem);
            }
            if let Some(file) = one.file {
                records.extend(file.finish()?);
            }
        }
        Ok(records)
    }

    /// Keeps standard output for ever from being shown or written: a secret may stand in it that was not found.
    pub(super) fn hide_stdout(&mut self) {
        let note = "(standard output is left out: a secret was to be captured from it and is not there as expected)\n";
        self.streams[0].held = Held::default();
        self.streams[0].held.push(note.as_bytes());
    }

    /// Writes what was withheld, now that the secrets in it are known.
    fn release(&mut self) {
        let redactor = self.shared.redactor();
        for index in 0..self.streams.len() {
            let one = &mut self.streams[index];
            let held = std::mem::take(&mut one.held);
            if let Some(file) = &mut one.file {
                file.note_cut(held.dropped);
            }
            let held = held.into_bytes();
            one.masked = redactor.stream();
            one.shown = SecondLook::new(redactor.clone());
            let masked = one.masked.push(&held);
            let masked = one.shown.look(masked);
            one.write(&masked);
            let stream = one.stream;
            self.shared.reports.output(&self.step, stream, masked);
        }
    }
}

impl OneStream {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(file) = &mut self.file
            && let Err(problem) = file.write(bytes)
        {
            self.file = None;
            self.problem = Some(problem);
        }
    }
}

impl OutputSink for StepOutput {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) {
        let withheld = self.withheld;
        let one = self.of(stream);
        one.held.push(bytes);
        if withheld {
            return;
        }
        let masked = one.masked.push(bytes);
        let masked = one.shown.look(masked);
        one.write(&masked);
        self.shared.reports.output(&self.step, stream, masked);
    }

    fn cut(&mut self, stream: Stream, bytes: u64) {
        if let Some(file) = &mut self.of(stream).file {
            file.note_cut(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_output_is_bounded_and_keeps_both_ends() {
        let mut held = Held::default();
        for _ in 0..100 {
            held.push(&vec![b'm'; HELD / 10]);
        }
        held.push(b"end");
        let bytes = held.into_bytes();
        assert_eq!(bytes.len(), 2 * HELD);
        assert!(bytes.ends_with(b"mend"));
    }
}
