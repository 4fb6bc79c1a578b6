//! What the supervisor answers: frames, read in pieces of any size.

use crate::node::printable::printable_line;
use crate::node::{Ending, OutputSink, Stream};
use std::time::Duration;

/// Stands at the start of a line before the first frame; whatever a login shell printed before it is skipped.
const HANDSHAKE: &[u8] = b"labctl-exec-1\n";

/// How much noise is tolerated before the handshake.
const NOISE: usize = 64 << 10;

/// The longest header line of a frame.
const HEADER: usize = 128;

/// Reads the supervisor's answer, in pieces of any size.
#[derive(Debug, Default)]
pub struct Answer {
    state: State,
    line: Vec<u8>,
    delivered: [u64; 2],
    reason: Vec<u8>,
    conclusion: Option<(String, i32)>,
    broken: bool,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    BeforeHandshake,
    Header,
    Body(Body, u64),
    Over,
}

#[derive(Debug, Clone, Copy)]
enum Body {
    Output(Stream),
    Reason,
}

/// How an exec ended as the supervisor says it, or why it could not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conclusion {
    /// It ended.
    Ended(Ending),
    /// The supervisor has no such record, or could not keep one.
    Fault(String),
}

impl Answer {
    /// Starts reading an answer that goes on after `delivered` bytes of standard output and error.
    pub fn after(delivered: [u64; 2]) -> Self {
        Self {
            delivered,
            ..Self::default()
        }
    }

    /// Returns how many bytes of standard output and error were handed on.
    pub fn delivered(&self) -> [u64; 2] {
        self.delivered
    }

    /// Returns whether the supervisor has said anything.
    pub fn has_begun(&self) -> bool {
        !matches!(self.state, State::BeforeHandshake)
    }

    /// Takes the next `bytes`; hands output on to `sink`.
    pub fn feed(&mut self, mut bytes: &[u8], sink: &mut dyn OutputSink) {
        while !bytes.is_empty() && !self.broken {
            match self.state {
                State::BeforeHandshake => bytes = self.skip_noise(bytes),
                State::Header => bytes = self.header(bytes, sink),
                State::Body(body, left) => bytes = self.body(body, left, bytes, sink),
                State::Over => return,
            }
        }
    }

    fn skip_noise<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let end = bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(bytes.len(), |at| at + 1);
        self.line.extend_from_slice(&bytes[..end]);
        if self.line == HANDSHAKE {
            self.state = State::Header;
            self.line.clear();
        } else if self.line.ends_with(b"\n") {
            self.line.clear();
        } else if self.line.len() > NOISE {
            self.broken = true;
        }
        &bytes[end..]
    }

    fn header<'a>(&mut self, bytes: &'a [u8], sink: &mut dyn OutputSink) -> &'a [u8] {
        let end = bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(bytes.len(), |at| at + 1);
        self.line.extend_from_slice(&bytes[..end]);
        if self.line.ends_with(b"\n") {
            let line = String::from_utf8_lossy(&self.line).trim_end().to_owned();
            self.line.clear();
            self.understand(&line, sink);
        } else if self.line.len() > HEADER {
            self.broken = true;
        }
        &bytes[end..]
    }

    fn understand(&mut self, line: &str, sink: &mut dyn OutputSink) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
        match (words.first().copied(), number(1)) {
            (Some("o"), Some(length)) => self.state = State::Body(Body::Output(Stream::Stdout), length),
            (Some("e"), Some(length)) => self.state = State::Body(Body::Output(Stream::Stderr), length),
            (Some("r"), Some(length)) => self.state = State::Body(Body::Reason, length),
            (Some("c"), Some(stdout)) => {
                for (stream, cut) in [(Stream::Stdout, stdout), (Stream::Stderr, number(2).unwrap_or(0))] {
                    if cut > 0 {
                        sink.cut(stream, cut);
                    }
                }
            }
            (Some("x"), None) => self.conclude(&words),
            (Some("."), None) => {}
            _ => self.broken = true,
        }
        if let State::Body(_, 0) = self.state {
            self.state = State::Header;
        }
    }

    fn conclude(&mut self, words: &[&str]) {
        let kind = words.get(1).copied().unwrap_or_default();
        let number = words.get(2).and_then(|word| word.parse().ok()).unwrap_or_default();
        self.conclusion = Some((kind.to_owned(), number));
        self.state = State::Over;
    }

    fn body<'a>(&mut self, body: Body, left: u64, bytes: &'a [u8], sink: &mut dyn OutputSink) -> &'a [u8] {
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let (taken, rest) = bytes.split_at(take);
        match body {
            Body::Output(stream) => {
                sink.chunk(stream, taken);
                self.delivered[usize::from(stream == Stream::Stderr)] += take as u64;
            }
            Body::Reason if self.reason.len() < NOISE => self.reason.extend_from_slice(taken),
            Body::Reason => {}
        }
        self.state = match left - take as u64 {
            0 => State::Header,
            left => State::Body(body, left),
        };
        rest
    }

    /// Returns how it ended, once that is known; `deadline` is what it was given.
    pub fn conclusion(&self, deadline: Duration) -> Option<Conclusion> {
        if self.broken {
            return Some(Conclusion::Fault("the supervisor's answer made no sense".to_owned()));
        }
        let (kind, number) = self.conclusion.as_ref()?;
        let reason = printable_line(&self.reason);
        Some(Conclusion::Ended(match kind.as_str() {
            "exited" => Ending::Exited { code: *number },
            "signalled" => Ending::Signalled { signal: *number },
            "timedout" => Ending::TimedOut { after: deadline },
            "cancelled" => Ending::Cancelled,
            "unstarted" => Ending::CouldNotStart { reason },
            "lost" => Ending::LostConnection { reason },
            _ => return Some(Conclusion::Fault(reason)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept(Vec<(Stream, Vec<u8>)>, Vec<(Stream, u64)>);

    impl OutputSink for Kept {
        fn chunk(&mut self, stream: Stream, bytes: &[u8]) {
            match self.0.last_mut() {
                Some((last, kept)) if *last == stream => kept.extend_from_slice(bytes),
                _ => self.0.push((stream, bytes.to_vec())),
            }
        }

        fn cut(&mut self, stream: Stream, bytes: u64) {
            self.1.push((stream, bytes));
        }
    }

    #[test]
    fn an_answer_is_the_same_in_pieces_of_any_size() {
        let told = b"motd\nlabctl-exec-2\n\nlabctl-exec-1\no 6\nx 1\n\x00\xffe 2\nab.\n.\nc 0 7\nx exited 3\ntrailing";
        for size in 1..told.len() {
            let (mut answer, mut kept) = (Answer::after([10, 0]), Kept::default());
            for piece in told.chunks(size) {
                answer.feed(piece, &mut kept);
            }
            let expected = vec![
                (Stream::Stdout, b"x 1\n\x00\xff".to_vec()),
                (Stream::Stderr, b"ab".to_vec()),
            ];
            assert_eq!(kept.0, expected, "in pieces of {size}");
            assert_eq!(kept.1, [(Stream::Stderr, 7)]);
            assert_eq!(answer.delivered(), [16, 2]);
            assert_eq!(
                answer.conclusion(Duration::ZERO),
                Some(Conclusion::Ended(Ending::Exited { code: 3 }))
            );
        }
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_a_fault_of_the_node() {
        for told in ["o\n", "o -1\n", "hello\n", &"x".repeat(1000), "x strange 0\n"] {
            let mut answer = Answer::default();
            answer.feed(format!("labctl-exec-1\n{told}").as_bytes(), &mut Kept::default());
            let conclusion = answer.conclusion(Duration::ZERO);
            assert!(
                matches!(conclusion, Some(Conclusion::Fault(_))),
                "{told:?} gave {conclusion:?}"
            );
        }
    }
}
