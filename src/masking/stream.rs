//! Masks secrets in bytes that come in chunks.

use crate::pattern::{Found, Room};
use crate::reader::Reader;
use crate::redactor::Known;
use crate::unseen::{At, look};
use std::fmt;
use std::mem;
use std::sync::Arc;

const MASK: &[u8] = b"[REDACTED]";
/// How many units of a secret make a text that ends within it worth masking, or holding back until it is known how it goes on.
pub(crate) const TELLING: usize = 4;
/// How much is held back before it is made shorter.
const HELD: usize = 64 * 1024;
/// How far back something is watched that has begun in what was passed on.
const WATCHED: usize = 4096;
/// How much is kept then of a row of signs that nobody sees.
const UNSEEN_KEPT: usize = 256;

/// Masks secrets in bytes that come in chunks. Holds back only what may be the start of a secret, in bounded memory: of a row of signs that
/// nobody sees, behind what may be the start of a secret, it lets go of all but the first where there are tens of thousands of them.
pub struct RedactingStream {
    known: Option<Arc<Known>>,
    pub(crate) buffer: Vec<u8>,
    /// How many bytes of the buffer were passed on already. They are still there for what began in them.
    passed: usize,
    /// Where in the buffer something began that was too short to be held back when a gap came.
    watched: Vec<usize>,
    /// How many bytes from the first held one on belong to a secret.
    covered: usize,
    /// Whether the last byte belonged to a secret.
    masking: bool,
    room: Room,
}

impl RedactingStream {
    pub(crate) fn new(known: Option<Arc<Known>>) -> Self {
        Self {
            known,
            buffer: Vec::new(),
            passed: 0,
            watched: Vec::new(),
            covered: 0,
            masking: false,
            room: Room::default(),
        }
    }

    /// Takes in more `bytes` and returns what can be passed on.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.buffer.extend_from_slice(bytes);
        self.pass_on(false)
    }

    /// Returns what was held back; the start of a secret that the end cut short is masked too.
    pub fn finish(&mut self) -> Vec<u8> {
        self.pass_on(true)
    }

    fn pass_on(&mut self, at_end: bool) -> Vec<u8> {
        let bytes = mem::take(&mut self.buffer);
        let Some(known) = self.known.clone() else { return bytes };
        let mut reader = Reader::new(&bytes);
        let mut at = self.passed;
        let mut covered = at + self.covered;
        let mut watched = Vec::new();
        let mut waits = false;
        for start in mem::take(&mut self.watched) {
            let found = known.find_at(&mut reader, start, &mut self.room);
            covered = covered.max(found.end.unwrap_or(0));
            let goes_on = found.undecided.is_some() || found.open.is_some();
            if goes_on && !at_end && at - start <= WATCHED {
                watched.push(start);
                waits |= must_wait(&found);
            }
        }
        let mut out = Vec::with_capacity(bytes.len() - at);
        while let Some(&byte) = bytes.get(at).filter(|_| !waits) {
            if at >= covered {
                let quiet = known.filter.quiet_bytes(bytes.get(at..).unwrap_or_default());
                if quiet > 0 {
                    self.masking = false;
                    out.extend_from_slice(bytes.get(at..at + quiet).unwrap_or_default());
                    at += quiet;
                    continue;
                }
            }
            let found = known.find_at(&mut reader, at, &mut self.room);
            if !at_end && must_wait(&found) {
                break;
            }
            if !at_end && found.open.is_some() {
                watched.push(at);
            }
            let cut_short = found.undecided.is_some_and(|seen| seen >= TELLING);
            let end = found.end.max(cut_short.then_some(bytes.len()));
            // Secrets that overlap or touch are one mask: what stands between two of them would tell of both.
            covered = covered.max(end.unwrap_or(0));
            if at >= covered {
                self.masking = false;
                out.push(byte);
            } else if !mem::replace(&mut self.masking, true) {
                out.extend_from_slice(MASK);
            }
            at += 1;
        }
        let from = watched.first().copied().unwrap_or(at).min(at);
        self.watched = watched.iter().map(|start| start - from).collect();
        self.covered = covered.saturating_sub(at);
        self.passed = at - from;
        self.buffer = bytes.get(from..).unwrap_or_default().to_vec();
        if self.buffer.len() - self.passed > HELD && !at_end {
            self.shorten();
        }
        out
    }

    /// Lets go of most of what nobody sees in what is held back.
    fn shorten(&mut self) {
        let bytes = mem::take(&mut self.buffer);
        let (head, held) = bytes.split_at(self.passed.min(bytes.len()));
        self.buffer = head.to_vec();
        let (mut at, mut row) = (0, 0);
        while at < held.len() {
            let (end, is_seen) = match look(held, at) {
                At::Seen => (at + 1, true),
                At::Unseen { end, .. } => (end, false),
                // What is not complete yet stays.
                At::Cut => (held.len(), true),
            };
            row = if is_seen { 0 } else { row + end - at };
            if row <= UNSEEN_KEPT {
                self.buffer.extend_from_slice(held.get(at..end).unwrap_or_default());
            }
            at = end;
        }
    }
}

/// Says whether it must be known how `found` goes on before anything more is passed on.
fn must_wait(found: &Found) -> bool {
    found.undecided.is_some() || found.open.is_some_and(|seen| seen >= TELLING)
}

impl fmt::Debug for RedactingStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RedactingStream").finish_non_exhaustive()
    }
}
