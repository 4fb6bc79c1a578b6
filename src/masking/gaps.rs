//! What may stand between two characters of a secret.

use crate::reader::Reader;
use crate::unseen::{At, look};

/// How much may be typed and taken back with backspaces between two characters.
const ERASED: usize = 64;
/// How much of that may come before its first backspace is known.
const ERASED_AHEAD: usize = 2;
/// How many blanks are passed over at the end and at the start of a line.
const BLANKS: usize = 64;
/// How long the name may be that Compose writes before each line.
const NAME: usize = 80;
/// How many separators may stand between two numbers or characters.
const SEPARATORS: usize = 24;
/// How long the text beside a line of a dump may be.
const DUMP_TEXT: usize = 100;
/// How many digits the place has that a line of a dump begins with.
const PLACE_DIGITS: std::ops::RangeInclusive<usize> = 4..=16;

/// Somewhere that the next character may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) at: usize,
    /// Whether the gap before it may as well be the end of what was begun.
    pub(crate) far: bool,
    /// Whether a line of a dump ended, with its text beside it.
    pub(crate) dump: bool,
}

/// Says whether `byte` may stand between two characters, or numbers, of something spread out.
pub(crate) fn is_separator(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t' | b':' | b',' | b'-' | b';' | b'|' | b'.' | b'_' | b'/' | b'\'' | b'"'
    )
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn add(spots: &mut Vec<Spot>, spot: Spot) {
    if !spots
        .iter()
        .any(|known| known.at == spot.at && (known.dump || !spot.dump))
    {
        spots.push(spot);
    }
}

impl Reader<'_> {
    /// Adds to `spots` every place that follows `from` when what is not seen, or was erased, is passed over.
    pub(crate) fn pass_unseen(&mut self, from: Spot, spots: &mut Vec<Spot>) {
        let mut place = from.at;
        let before = self.behind_gap;
        self.behind_gap = from.far;
        loop {
            match look(self.bytes, place) {
                At::Seen => {
                    add(spots, Spot { at: place, ..from });
                    match self.erased(place) {
                        Some(end) => place = end,
                        None => break,
                    }
                }
                At::Unseen { end, lone } => {
                    if place + lone < end {
                        add(
                            spots,
                            Spot {
                                at: place + lone,
                                ..from
                            },
                        );
                    }
                    place = end;
                }
                At::Cut => {
                    self.cut();
                    break;
                }
            }
        }
        self.behind_gap = before;
    }

    /// Returns where it ends where all that was typed from `at` on is taken back with backspaces.
    pub(crate) fn erased(&mut self, at: usize) -> Option<usize> {
        let window = self
            .bytes
            .get(at..self.bytes.len().min(at + ERASED))
            .unwrap_or_default();
        let first = window.iter().find(|byte| matches!(byte, 0x08 | b'\n'));
        if first == Some(&b'\n') {
            return None;
        }
        if first.is_none() {
            if self.bytes.len() < at + ERASED && window.len() <= ERASED_AHEAD {
                let before = std::mem::replace(&mut self.behind_gap, true);
                self.cut();
                self.behind_gap = before;
            }
            return None;
        }
        let (mut height, mut place) = (0_usize, at);
        while place < at + ERASED {
            match self.bytes.get(place) {
                Some(0x08) => {
                    height = height.checked_sub(1)?;
                    place += 1;
                    if height == 0 {
                        return Some(place);
                    }
                }
                Some(b'\n') => return None,
                _ => match look(self.bytes, place) {
                    At::Seen => {
                        height += 1;
                        place += self.character_length(place);
                    }
                    At::Unseen { end, .. } => place = end,
                    At::Cut => {
                        let before = std::mem::replace(&mut self.behind_gap, true);
                        self.cut();
                        self.behind_gap = before;
                        return None;
                    }
                },
            }
        }
        None
    }

    fn character_length(&self, at: usize) -> usize {
        let rest = self.bytes.get(at + 1..).unwrap_or_default();
        1 + rest
            .iter()
            .take(3)
            .take_while(|byte| (0x80..0xc0).contains(*byte))
            .count()
    }

    /// Passes over up to `most` bytes that are `wanted`, and what is not seen between them; returns where that ends.
    fn pass(&mut self, mut at: usize, most: usize, wanted: impl Fn(u8) -> bool) -> Option<usize> {
        let mut count = 0;
        loop {
            match look(self.bytes, at) {
                At::Unseen { end, .. } => at = end,
                At::Seen if count < most && self.bytes.get(at).is_some_and(|byte| wanted(*byte)) => {
                    at += 1;
                    count += 1;
                }
                At::Seen => return Some(at),
                At::Cut => {
                    self.cuts.far = true;
                    return None;
                }
            }
        }
    }

    /// Adds to `spots` every place in the next line that what stands at `from` may go on at: behind blanks, behind a mark, or behind the
    /// name that Compose writes before each line.
    pub(crate) fn pass_line_end(&mut self, from: Spot, spots: &mut Vec<Spot>) {
        let Some(mut at) = self.pass(from.at, BLANKS, is_blank) else {
            return;
        };
        if self.bytes.get(at) == Some(&b'\\') && matches!(self.bytes.get(at + 1), Some(b'\n' | b'\r')) {
            at += 1;
        }
        let mut ends: Vec<usize> = Vec::new();
        match self.bytes.get(at..).unwrap_or_default() {
            [b'\n', ..] => ends.push(at + 1),
            [b'\r', b'\n', ..] => ends.push(at + 2),
            [b'\\' | b'%' | b'&', ..] => {
                let before = std::mem::replace(&mut self.behind_gap, true);
                for decoded in self.escaped(at).iter() {
                    match decoded.bytes() {
                        b"\n" => ends.push(decoded.end),
                        b"\r" => {
                            let feeds = self.escaped(decoded.end);
                            ends.extend(feeds.iter().filter(|feed| feed.bytes() == b"\n").map(|feed| feed.end));
                        }
                        _ => {}
                    }
                }
                self.behind_gap = before;
            }
            _ => {}
        }
        for end in ends {
            self.begin_line(end, from, spots);
        }
    }

    fn begin_line(&mut self, at: usize, from: Spot, spots: &mut Vec<Spot>) {
        let Some(behind_blanks) = self.begin_text(at, from, spots) else {
            return;
        };
        let mark = |byte: u8| matches!(byte, b'>' | b'#' | b'*' | b'+' | b'-' | b'|');
        if self.bytes.get(behind_blanks).is_some_and(|byte| mark(*byte)) {
            self.begin_text(behind_blanks + 1, from, spots);
        }
        let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let Some(behind_name) = self.pass(behind_blanks, NAME, name) else {
            return;
        };
        let Some(bar) = self.pass(behind_name, BLANKS, is_blank) else {
            return;
        };
        if self.bytes.get(bar) == Some(&b'|') {
            self.begin_text(bar + 1, from, spots);
        }
    }

    /// Adds to `spots` every place from `at` on up to behind the blanks there, and returns that one. A blank may be the secret's own.
    fn begin_text(&mut self, at: usize, from: Spot, spots: &mut Vec<Spot>) -> Option<usize> {
        let spot = |at| Spot { at, far: true, ..from };
        self.pass_unseen(spot(at), spots);
        let behind = self.pass(at, BLANKS, is_blank)?;
        (at..behind).for_each(|place| add(spots, spot(place)));
        self.pass_unseen(spot(behind), spots);
        Some(behind)
    }

    /// Adds to `spots` every place in the next line of a dump that what stands at `from` may go on at: behind the text beside the line and
    /// the place that the next one begins with.
    pub(crate) fn pass_dump_line(&mut self, from: Spot, spots: &mut Vec<Spot>) {
        let window = self
            .bytes
            .get(from.at..self.bytes.len().min(from.at + DUMP_TEXT))
            .unwrap_or_default();
        if !matches!(window.first(), Some(b' ' | b'\t' | b'\r' | b'\n' | b'|')) {
            return;
        }
        let Some(feed) = window.iter().position(|byte| *byte == b'\n') else {
            if window.len() < DUMP_TEXT {
                self.cuts.far = true;
            }
            return;
        };
        let dump = window.get(..feed).is_some_and(|text| !text.trim_ascii().is_empty());
        let Some(start) = self.pass(from.at + feed + 1, BLANKS, is_blank) else {
            return;
        };
        let Some(behind) = self.pass(start, *PLACE_DIGITS.end(), |byte| byte.is_ascii_hexdigit()) else {
            return;
        };
        let spot = |at| Spot {
            at,
            far: true,
            dump: dump || from.dump,
        };
        if PLACE_DIGITS.contains(&(behind - start)) {
            let colon = self.pass(behind, 1, |byte| byte == b':');
            if let Some(at) = colon.and_then(|at| self.pass(at, BLANKS, is_blank)) {
                add(spots, spot(at));
            }
        }
        if dump {
            add(spots, spot(start));
        }
    }

    /// Adds to `spots` every place behind one or more separators.
    pub(crate) fn pass_separators(&mut self, from: Spot, spots: &mut Vec<Spot>) {
        let mut at = from.at;
        for _ in 0..SEPARATORS {
            let Some(next) = self.pass(at, 1, is_separator) else {
                return;
            };
            if next == at
                || self
                    .bytes
                    .get(at..next)
                    .is_some_and(|passed| !passed.iter().any(|b| is_separator(*b)))
            {
                break;
            }
            at = next;
            add(spots, Spot { at, far: true, ..from });
        }
    }

    /// Adds to `spots` the place behind what marks a number at `from`.
    pub(crate) fn pass_number_mark(&mut self, from: Spot, spots: &mut Vec<Spot>) {
        for mark in ["0x", "0X", "\\x", "x", "\\", "%", "#"] {
            let rest = self.bytes.get(from.at..).unwrap_or_default();
            if rest.starts_with(mark.as_bytes()) {
                let at = from.at + mark.len();
                add(spots, Spot { at, far: true, ..from });
            }
        }
    }
}
