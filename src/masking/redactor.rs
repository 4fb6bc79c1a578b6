//! Replaces secrets by a mask, in texts and in streams cut anywhere.

use crate::filter::Filter;
use crate::forms::{forms_of, seen};
use crate::pattern::{Found, Pattern, Room};
use crate::reader::{Cuts, Reader};
use crate::sanitise::sanitised;
use crate::set::ByteSet;
use crate::stream::RedactingStream;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// How long a piece of a secret is that is looked for as one.
const PIECE: usize = 160;

/// Knows secrets and masks them, raw and encoded.
///
/// Every secret, and every line of one that has several, is found: raw, in either case; with any of its characters escaped for a URL, JSON,
/// HTML, a shell or a string of a programming language, up to three times over; as numbers, separated or not, and in dumps; in base64,
/// standard or URL-safe, at any alignment, padded or not, also of an escaped form, of UTF-16 and of base64; and all of these with what
/// nobody sees between the characters, and with ends of lines in between.
///
/// Not found are compressed, encrypted and reversed forms, other encodings, a secret with other words between its characters, and what is
/// not seen inside of base64.
///
/// Secrets shorter than [`Redactor::SHORTEST`] bytes are not masked: they would turn up by chance all over ordinary
/// output, and the holes in it would tell what they are. Whoever reads secrets refuses them: [`Redactor::can_mask`].
#[derive(Clone, Default)]
pub struct Redactor {
    known: Option<Arc<Known>>,
}

/// What is looked for.
pub(crate) struct Known {
    patterns: Vec<Pattern>,
    sets: Vec<ByteSet>,
    pub(crate) filter: Filter,
}

impl Redactor {
    /// The fewest bytes that are seen of a secret which can be masked.
    pub const SHORTEST: usize = 4;

    /// The most bytes of a secret that can be masked.
    pub const LONGEST: usize = 64 * 1024;

    /// Learns `secrets`.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut parts: Vec<&str> = Vec::new();
        for secret in secrets {
            let whole = secret.trim_end_matches(['\r', '\n']);
            for part in std::iter::once(whole).chain(whole.lines().map(str::trim)) {
                for piece in pieces(part) {
                    if Self::can_mask(piece) && !parts.contains(&piece) {
                        parts.push(piece);
                    }
                }
            }
        }
        if parts.is_empty() {
            return Self::default();
        }
        let (mut patterns, mut sets) = (Vec::new(), Vec::new());
        let mut places: HashMap<ByteSet, u32> = HashMap::new();
        for form in parts.iter().flat_map(|part| forms_of(part)) {
            let units = form.bytes.iter().map(|set| {
                *places.entry(*set).or_insert_with(|| {
                    sets.push(*set);
                    u32::try_from(sets.len() - 1).unwrap_or(u32::MAX)
                })
            });
            patterns.push(Pattern {
                writing: form.writing,
                units: units.collect(),
                over_lines: form.over_lines,
            });
        }
        let filter = Filter::new(&patterns, &sets);
        Self {
            known: Some(Arc::new(Known { patterns, sets, filter })),
        }
    }

    /// Says whether `secret` is long enough to be masked, and not too long.
    pub fn can_mask(secret: &str) -> bool {
        secret.len() <= Self::LONGEST && seen(secret).trim().len() >= Self::SHORTEST
    }

    /// Returns `text` with every secret masked, as it is and as it would be shown. Where only what would be shown has one, that is returned.
    pub fn text(&self, text: &str) -> String {
        let masked = self.masked(text);
        if self.known.is_none() || masked.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')) {
            return masked;
        }
        let shown = sanitised(&masked);
        let masked_again = self.masked(&shown);
        if masked_again == shown { masked } else { masked_again }
    }

    fn masked(&self, text: &str) -> String {
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
        RedactingStream::new(self.known.clone())
    }
}

/// Cuts `text` into pieces of bounded length, none of them much shorter than the others.
fn pieces(text: &str) -> Vec<&str> {
    let count = text.len().div_ceil(PIECE).max(1);
    let mut pieces = Vec::new();
    let mut rest = text;
    for left in (1..=count).rev() {
        let (piece, behind) = rest.split_at(rest.ceil_char_boundary(rest.len() / left));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

impl Known {
    /// Looks for any pattern at `start` of what `reader` reads; where several match, the longest counts.
    pub(crate) fn find_at(&self, reader: &mut Reader<'_>, start: usize, room: &mut Room) -> Found {
        let mut found = Found::default();
        reader.cuts = Cuts::default();
        self.filter.fitting(reader, start, |reader, at| {
            if let Some(pattern) = self.patterns.get(at as usize) {
                let before = reader.cuts;
                found.join(pattern.find_at(reader, start, &self.sets, room));
                reader.cuts = before;
            }
        });
        // Half an escape may be the start of anything.
        let is_cut = reader.cuts.near || reader.cuts.far;
        found.undecided = found.undecided.max(is_cut.then_some(0));
        found
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Redactor").finish_non_exhaustive()
    }
}
