//! Tells quickly where no pattern can begin.

use crate::forms::Writing;
use crate::gaps::{Spot, is_separator};
use crate::pattern::Pattern;
use crate::reader::{Reader, begins_escape};
use crate::set::ByteSet;
use std::collections::{BTreeMap, BTreeSet};

/// Which patterns can begin with which bytes.
pub(crate) struct Filter {
    /// For each byte its lower seven bits, and whether the byte is odd: what is not seen, an escape, or the end of a line may begin with it.
    classes: Vec<u32>,
    /// For every three of these numbers whether a pattern can begin so.
    triples: Vec<u64>,
    with_triple: BTreeMap<u32, Vec<u32>>,
    with_byte: Vec<Vec<u32>>,
    /// For each pattern what may be seen next behind its first byte.
    seconds: Vec<ByteSet>,
    /// The patterns that may begin with an escape of a byte.
    with_escaped: Vec<Vec<u32>>,
}

const ODD: u32 = 128;

fn class_of(byte: u8) -> u32 {
    u32::from(byte & 127) | if is_odd(byte) { ODD } else { 0 }
}

/// Says whether more than `byte` itself may be meant where it stands within a secret.
fn is_odd(byte: u8) -> bool {
    let is_plain = matches!(byte, b' '..=b'~' | b'\t');
    !is_plain || begins_escape(byte) && !matches!(byte, b'\'' | b'"')
}

/// What a pattern can begin with.
struct Beginnings<'a> {
    pattern: &'a Pattern,
    sets: &'a [ByteSet],
}

impl Beginnings<'_> {
    /// Returns the ways to write the unit at `at`, as far as they are no escapes that are odd.
    fn ways(&self, at: usize) -> Vec<Vec<u8>> {
        let Some(set) = self
            .pattern
            .units
            .get(at)
            .and_then(|unit| self.sets.get(*unit as usize))
        else {
            return Vec::new();
        };
        let mut ways = Vec::new();
        for byte in set.iter() {
            match self.pattern.writing {
                Writing::Text | Writing::Base64 | Writing::Apart => match byte {
                    b'\'' => ways.extend(["'", "''", "'\"'\"'"].map(|way| way.as_bytes().to_vec())),
                    b'"' => ways.extend(["\"", "\"\""].map(|way| way.as_bytes().to_vec())),
                    byte => ways.push(vec![byte]),
                },
                Writing::Hexadecimal => {
                    let digits = [format!("{byte:02x}"), format!("{byte:02X}")];
                    let [lower, upper] = digits.map(String::into_bytes);
                    let pair = |one: &[u8], two: &[u8]| one.iter().take(1).chain(two.iter().skip(1)).copied().collect();
                    ways.extend([pair(&lower, &upper), pair(&upper, &lower), lower, upper]);
                }
                Writing::Octal => ways.push(format!("{byte:03o}").into_bytes()),
                Writing::Decimal => ways.push(format!("{byte}").into_bytes()),
            }
            if self.pattern.writing == Writing::Apart {
                ways.push(format!("{byte:03o}").into_bytes());
            }
        }
        ways
    }

    /// Returns what may stand behind a unit besides the next one.
    fn gaps(&self) -> Vec<u8> {
        match self.pattern.writing {
            Writing::Text | Writing::Base64 => Vec::new(),
            Writing::Hexadecimal => (0..=u8::MAX)
                .filter(|byte| is_separator(*byte) || *byte == b'x' || *byte == b'#')
                .collect(),
            Writing::Apart | Writing::Octal | Writing::Decimal => {
                (0..=u8::MAX).filter(|byte| is_separator(*byte)).collect()
            }
        }
    }

    /// Returns what may be seen behind the first byte.
    fn seconds(&self) -> ByteSet {
        let mut seconds = ByteSet::of(self.gaps());
        let next = self.ways(1);
        let behind_line_end = if next.iter().any(|way| way == b"\n") {
            self.ways(2)
        } else {
            Vec::new()
        };
        let next = next
            .iter()
            .chain(&behind_line_end)
            .filter_map(|way| way.first().copied());
        next.for_each(|byte| seconds.insert(byte));
        self.ways(0)
            .iter()
            .filter_map(|way| way.get(1).copied())
            .for_each(|byte| seconds.insert(byte));
        if self.pattern.writing == Writing::Apart {
            // The place that a line of a dump begins with.
            (b'0'..=b'9')
                .chain(*b"abcdefABCDEF")
                .for_each(|byte| seconds.insert(byte));
        }
        seconds
    }

    /// Puts into `found` the triples that the pattern can begin with.
    fn triples(&self, found: &mut BTreeSet<u32>) {
        let gaps = self.gaps();
        let (second, third) = (self.ways(1), self.ways(2));
        for first in self.ways(0) {
            let mut begun: Vec<(Vec<u8>, usize)> = vec![(first, 1)];
            for _ in 0..2 {
                let mut longer = Vec::new();
                for (text, unit) in begun {
                    if text.len() >= 3 {
                        longer.push((text, unit));
                        continue;
                    }
                    let with = |more: &[u8]| [text.as_slice(), more].concat();
                    longer.extend(gaps.iter().map(|gap| (with(&[*gap]), unit)));
                    let next = if unit == 1 { &second } else { &third };
                    longer.extend(next.iter().map(|way| (with(way), unit + 1)));
                }
                begun = longer;
            }
            found.extend(begun.iter().filter_map(|(text, _)| triple_of(text)));
        }
    }
}

fn triple_of(text: &[u8]) -> Option<u32> {
    let [one, two, three, ..] = text else { return None };
    let class = |byte: u8| class_of(byte) & 127;
    Some(class(*one) << 14 | class(*two) << 7 | class(*three))
}

impl Filter {
    pub(crate) fn new(patterns: &[Pattern], sets: &[ByteSet]) -> Self {
        let mut filter = Self {
            classes: (0..=u8::MAX).map(class_of).collect(),
            triples: vec![0; 1 << 15],
            with_triple: BTreeMap::new(),
            with_byte: vec![Vec::new(); 256],
            seconds: patterns
                .iter()
                .map(|pattern| Beginnings { pattern, sets }.seconds())
                .collect(),
            with_escaped: vec![Vec::new(); 256],
        };
        for (at, pattern) in (0_u32..).zip(patterns) {
            let beginnings = Beginnings { pattern, sets };
            let mut triples = BTreeSet::new();
            beginnings.triples(&mut triples);
            for triple in triples {
                filter.with_triple.entry(triple).or_default().push(at);
                if let Some(word) = filter.triples.get_mut(triple as usize / 64) {
                    *word |= 1 << (triple % 64);
                }
            }
            let firsts = ByteSet::of(beginnings.ways(0).iter().filter_map(|way| way.first().copied()));
            firsts.iter().for_each(|byte| insert(&mut filter.with_byte, byte, at));
            if matches!(pattern.writing, Writing::Text | Writing::Base64)
                && let Some(set) = pattern.units.first().and_then(|unit| sets.get(*unit as usize))
            {
                set.iter().for_each(|byte| insert(&mut filter.with_escaped, byte, at));
            }
        }
        filter
    }

    /// Returns how many bytes stand at the start of `bytes` before the first that a pattern may begin with.
    pub(crate) fn quiet_bytes(&self, bytes: &[u8]) -> usize {
        // Every byte of every output passes here.
        let class = |byte: u8| self.classes.get(usize::from(byte)).copied().unwrap_or(ODD);
        let mut rest = bytes.iter();
        let mut window = [rest.next(), rest.next()].map(|byte| byte.map_or(ODD, |byte| class(*byte)));
        for (quiet, byte) in rest.enumerate() {
            let [one, two] = window;
            let three = class(*byte);
            let may_begin = if (one | two | three) & ODD == 0 {
                let triple = one << 14 | two << 7 | three;
                self.triples
                    .get(triple as usize / 64)
                    .is_some_and(|word| word >> (triple % 64) & 1 == 1)
            } else {
                self.may_begin_oddly(bytes.get(quiet).copied().unwrap_or(0))
            };
            if may_begin {
                return quiet;
            }
            window = [two, three];
        }
        bytes.len().saturating_sub(2)
    }

    fn may_begin_oddly(&self, byte: u8) -> bool {
        begins_escape(byte)
            || self
                .with_byte
                .get(usize::from(byte))
                .is_some_and(|patterns| !patterns.is_empty())
    }

    /// Calls `take` with every pattern that may begin at `start` of what `reader` reads.
    pub(crate) fn fitting(&self, reader: &mut Reader<'_>, start: usize, mut take: impl FnMut(&mut Reader<'_>, u32)) {
        let window = reader.bytes.get(start..).unwrap_or_default();
        let Some(&first) = window.first() else { return };
        match window {
            [one, two, three, ..] if ![one, two, three].iter().any(|byte| is_odd(**byte)) => {
                let patterns = triple_of(window).and_then(|triple| self.with_triple.get(&triple));
                for pattern in patterns.into_iter().flatten() {
                    take(reader, *pattern);
                }
            }
            _ => {
                let patterns = self
                    .with_byte
                    .get(usize::from(first))
                    .filter(|patterns| !patterns.is_empty());
                let Some(patterns) = patterns else {
                    return self.fitting_escapes(reader, start, take);
                };
                let next = next_bytes(reader, start);
                for pattern in patterns {
                    if self
                        .seconds
                        .get(*pattern as usize)
                        .is_some_and(|seconds| seconds.meets(&next))
                    {
                        take(reader, *pattern);
                    }
                }
            }
        }
        self.fitting_escapes(reader, start, take);
    }

    fn fitting_escapes(&self, reader: &mut Reader<'_>, start: usize, mut take: impl FnMut(&mut Reader<'_>, u32)) {
        if !reader.bytes.get(start).is_some_and(|byte| begins_escape(*byte)) {
            return;
        }
        let mut firsts = ByteSet::default();
        let escaped = reader.escaped(start);
        escaped
            .iter()
            .filter_map(|decoded| decoded.bytes().first())
            .for_each(|byte| firsts.insert(*byte));
        for byte in firsts.iter() {
            for pattern in self.with_escaped.get(usize::from(byte)).into_iter().flatten() {
                take(reader, *pattern);
            }
        }
    }
}

/// Returns what may be seen behind the byte at `start`: any byte where the bytes end before that can be told.
fn next_bytes(reader: &mut Reader<'_>, start: usize) -> ByteSet {
    let mut next = ByteSet::default();
    let behind = start + 1;
    if reader.bytes.get(behind) == Some(&0x08) {
        return ByteSet::ALL;
    }
    let before = std::mem::take(&mut reader.cuts);
    let spot = Spot {
        at: behind,
        far: false,
        dump: false,
    };
    let mut spots = vec![spot];
    reader.pass_unseen(spot, &mut spots);
    reader.pass_line_end(spot, &mut spots);
    for spot in spots {
        reader.raw(spot.at).into_iter().for_each(|byte| next.insert(byte));
        let escaped = reader.escaped(spot.at);
        escaped
            .iter()
            .filter_map(|decoded| decoded.bytes().first())
            .for_each(|byte| next.insert(*byte));
    }
    let cuts = std::mem::replace(&mut reader.cuts, before);
    if cuts.near || cuts.far { ByteSet::ALL } else { next }
}

fn insert(lists: &mut [Vec<u32>], byte: u8, pattern: u32) {
    if let Some(list) = lists.get_mut(usize::from(byte))
        && list.last() != Some(&pattern)
    {
        list.push(pattern);
    }
}
