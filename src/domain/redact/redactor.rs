//! Replaces secrets by a mask, in texts and in streams cut anywhere.

use super::forms::{base64_units, hex_units, text_units};
use super::pattern::{Found, Pattern, Room};
use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::Arc;

const MASK: &[u8] = b"[REDACTED]";
/// How many units of a secret make a text that ends within it worth masking.
const TELLING: usize = 4;

/// Knows secrets and masks them, raw and encoded.
///
/// Every secret, and every line of one that has several, is found raw; with any of its characters escaped for a URL,
/// JSON, HTML, a shell or a string of a programming language; in hexadecimal digits; and in base64, standard or
/// URL-safe, at any alignment, padded or not, wrapped or not. Not found: compressed or encrypted forms, and two encodings
/// on top of each other beyond a percent- or JSON-escaped base64.
///
/// Secrets shorter than [`Redactor::SHORTEST`] bytes are not masked: they would turn up by chance all over ordinary
/// output, and the holes in it would tell what they are. Whoever reads secrets refuses them: [`Redactor::can_mask`].
#[derive(Clone, Default)]
pub struct Redactor {
    known: Option<Arc<Known>>,
}

struct Known {
    patterns: Vec<Pattern>,
    /// For each pair of bytes whether some pattern can start with it.
    pairs: Vec<bool>,
    /// Which patterns those are.
    starting_with: BTreeMap<usize, Vec<usize>>,
}

impl Redactor {
    /// The fewest bytes that a secret must have to be masked.
    pub const SHORTEST: usize = 4;

    /// Learns `secrets`.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut patterns = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for secret in secrets {
            let whole = secret.trim_end_matches(['\r', '\n']);
            for part in std::iter::once(whole).chain(whole.lines().map(str::trim)) {
                if Self::can_mask(part) && !seen.contains(&part) {
                    seen.push(part);
                    patterns.extend(patterns_of(part));
                }
            }
        }
        if patterns.is_empty() {
            return Self::default();
        }
        let mut pairs = vec![false; 1 << 16];
        let mut starting_with: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, pattern) in patterns.iter().enumerate() {
            for (first, second) in pattern.first_pairs() {
                let place = pair_place(first, second);
                pairs.iter_mut().skip(place).take(1).for_each(|pair| *pair = true);
                let known = starting_with.entry(place).or_default();
                if known.last() != Some(&at) {
                    known.push(at);
                }
            }
        }
        Self {
            known: Some(Arc::new(Known {
                patterns,
                pairs,
                starting_with,
            })),
        }
    }

    /// Says whether `secret` is long enough to be masked.
    pub fn can_mask(secret: &str) -> bool {
        secret.trim().len() >= Self::SHORTEST
    }

    /// Returns `text` with every secret masked.
    pub fn text(&self, text: &str) -> String {
        if self.known.is_none() {
            return text.to_owned();
        }
        let mut stream = self.stream();
        let mut masked = stream.push(text.as_bytes());
        masked.extend(stream.finish());
        String::from_utf8_lossy(&masked).into_owned()
    }

    /// Returns a stream that masks what passes through it.
    pub fn stream(&self) -> RedactingStream {
        RedactingStream {
            known: self.known.clone(),
            held: Vec::new(),
            covered: 0,
            masking: false,
            room: Room::default(),
        }
    }
}

fn patterns_of(secret: &str) -> Vec<Pattern> {
    let bytes = secret.as_bytes();
    let mut patterns = vec![Pattern::new(text_units(secret)), Pattern::new(hex_units(bytes))];
    patterns.extend((0..3).map(|offset| Pattern::new(base64_units(bytes, offset))));
    patterns
}

fn pair_place(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

impl Known {
    /// Returns how many bytes stand at the start of `bytes` before the first that a pattern may start with.
    fn quiet_bytes(&self, bytes: &[u8]) -> usize {
        // Every byte of every output passes here: this loop is written to be quick without optimisation, too.
        let mut pair = usize::from(bytes.first().copied().unwrap_or(0));
        let mut quiet = 0;
        for byte in bytes.iter().skip(1) {
            pair = (pair << 8 | usize::from(*byte)) & 0xffff;
            if self.pairs.get(pair) == Some(&true) {
                break;
            }
            quiet += 1;
        }
        quiet
    }

    /// Looks for any pattern at `start`; where several match, the longest counts.
    fn find_at(&self, bytes: &[u8], start: usize, room: &mut Room) -> Found {
        let mut best = Found::default();
        let mut look = |pattern: &Pattern| {
            let found = pattern.find_at(bytes, start, room);
            best.end = best.end.max(found.end);
            best.undecided |= found.undecided;
            best.units_seen = best.units_seen.max(found.units_seen);
        };
        match (bytes.get(start), bytes.get(start + 1)) {
            (Some(&first), Some(&second)) => {
                let fitting = self.starting_with.get(&pair_place(first, second));
                fitting
                    .into_iter()
                    .flatten()
                    .filter_map(|&at| self.patterns.get(at))
                    .for_each(look);
            }
            _ => self.patterns.iter().for_each(&mut look),
        }
        best
    }
}

/// Masks secrets in bytes that come in chunks. Holds back only what may be the start of a secret, so never more than the
/// longest form of the longest one.
pub struct RedactingStream {
    known: Option<Arc<Known>>,
    pub(super) held: Vec<u8>,
    /// How many bytes from the first held one on belong to a secret.
    covered: usize,
    /// Whether the last byte belonged to a secret.
    masking: bool,
    room: Room,
}

impl RedactingStream {
    /// Takes in more `bytes` and returns what can be passed on.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        self.pass_on(false)
    }

    /// Returns what was held back; the start of a secret that the end cut short is masked too.
    pub fn finish(&mut self) -> Vec<u8> {
        self.pass_on(true)
    }

    fn pass_on(&mut self, at_end: bool) -> Vec<u8> {
        let Some(known) = self.known.clone() else {
            return mem::take(&mut self.held);
        };
        let bytes = mem::take(&mut self.held);
        let mut out = Vec::with_capacity(bytes.len());
        let mut covered = self.covered;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if at >= covered {
                let quiet = known.quiet_bytes(bytes.get(at..).unwrap_or_default());
                if quiet > 0 {
                    self.masking = false;
                    out.extend_from_slice(bytes.get(at..at + quiet).unwrap_or_default());
                    at += quiet;
                    continue;
                }
            }
            let found = known.find_at(&bytes, at, &mut self.room);
            if found.undecided && !at_end {
                break;
            }
            let cut_short = found.undecided && found.units_seen >= TELLING;
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
        self.covered = covered.saturating_sub(at);
        self.held = bytes.get(at..).unwrap_or_default().to_vec();
        out
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl fmt::Debug for RedactingStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RedactingStream").finish_non_exhaustive()
    }
}
