//! What a command of labctl's own said when it failed.

use super::output::StepOutput;
use crate::node::{OutputSink, Stream};

/// Holds the first words that a command of ours complained with.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    bytes: Vec<u8>,
}

impl Complaint {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).trim().to_owned()
    }
}

impl OutputSink for Complaint {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) {
        let room = 4096_usize.saturating_sub(self.bytes.len());
        if stream == Stream::Stderr {
            self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    fn cut(&mut self, _: Stream, _: u64) {}
}

/// Passes output on and remembers what one command complained about.
pub(super) struct Heard<'a> {
    pub(super) complaint: Complaint,
    pub(super) output: &'a mut StepOutput,
}

impl OutputSink for Heard<'_> {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) {
        self.complaint.chunk(stream, bytes);
        self.output.chunk(stream, bytes);
    }

    fn cut(&mut self, stream: Stream, bytes: u64) {
        self.output.cut(stream, bytes);
    }
}
