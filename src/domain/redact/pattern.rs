//! Finds one secret in one family of forms, telling apart "not here" from "not yet to be told".

use super::forms::Unit;

/// A secret as a sequence of units, each of which may be written in several ways.
#[derive(Clone)]
pub(super) struct Pattern {
    units: Vec<Unit>,
}

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Found {
    /// Where the longest match ends.
    pub(super) end: Option<usize>,
    /// Whether more bytes could make a match, or a longer one.
    pub(super) undecided: bool,
    /// How many units were seen before the bytes came to their end.
    pub(super) units_seen: usize,
}

impl Pattern {
    /// Makes a pattern of `units`; at least two.
    pub(super) fn new(units: Vec<Unit>) -> Self {
        Self { units }
    }

    /// Returns the pairs of bytes that a match can start with, for a quick look before [`Self::find_at`].
    pub(super) fn first_pairs(&self) -> Vec<(u8, u8)> {
        let starts = |at: usize| self.units.get(at).into_iter().flatten();
        let mut pairs = Vec::new();
        for form in starts(0) {
            let cases = |byte: u8| [byte, if form.any_case { byte.to_ascii_uppercase() } else { byte }];
            match form.bytes.as_slice() {
                [] => {}
                [first] => {
                    for next in starts(1).filter_map(|next| next.bytes.first().map(|&byte| (byte, next.any_case))) {
                        let upper = if next.1 { next.0.to_ascii_uppercase() } else { next.0 };
                        for first in cases(*first) {
                            pairs.extend([(first, next.0), (first, upper)]);
                        }
                    }
                }
                [first, second, ..] => {
                    for first in cases(*first) {
                        pairs.extend(cases(*second).map(|second| (first, second)));
                    }
                }
            }
        }
        pairs
    }

    /// Looks for the pattern in `bytes` at `start`. `reached` and `next` are room to work in.
    pub(super) fn find_at(&self, bytes: &[u8], start: usize, room: &mut Room) -> Found {
        let mut found = Found::default();
        room.reached.clear();
        room.reached.push(start);
        for (at, unit) in self.units.iter().enumerate() {
            room.next.clear();
            for &place in &room.reached {
                let rest = bytes.get(place..).unwrap_or_default();
                for form in unit {
                    match starts_with(rest, &form.bytes, form.any_case) {
                        Start::Whole => {
                            let end = place + form.bytes.len();
                            if !room.next.contains(&end) {
                                room.next.push(end);
                            }
                        }
                        Start::Cut => {
                            found.undecided = true;
                            found.units_seen = at;
                        }
                        Start::No => {}
                    }
                }
            }
            std::mem::swap(&mut room.reached, &mut room.next);
            if room.reached.is_empty() {
                return found;
            }
        }
        found.end = room.reached.iter().copied().max();
        found
    }
}

/// Room to work in, kept between calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Room {
    reached: Vec<usize>,
    next: Vec<usize>,
}

enum Start {
    Whole,
    /// The bytes end within the form.
    Cut,
    No,
}

fn starts_with(bytes: &[u8], form: &[u8], any_case: bool) -> Start {
    let same = |(seen, wanted): (&u8, &u8)| seen == wanted || (any_case && seen.to_ascii_lowercase() == *wanted);
    if !bytes.iter().zip(form).all(same) {
        Start::No
    } else if bytes.len() < form.len() {
        Start::Cut
    } else {
        Start::Whole
    }
}
