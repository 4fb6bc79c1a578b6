//! Reads characters out of bytes as a person or a program would: past what is not seen, and through escapes on top of each other.

use crate::unseen::{At, look};
use std::rc::Rc;

/// How many layers of escapes are read through.
const LAYERS: usize = 3;
/// How many places are remembered with what was read there.
const KNOWN: usize = 64;
/// How far a single escape may be stretched by what is not seen.
const STRETCH: usize = 64;

/// What a place stands for besides the byte itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decoded {
    bytes: [u8; 4],
    length: usize,
    /// Where it ends.
    pub(crate) end: usize,
}

impl Decoded {
    fn byte(byte: u8, end: usize) -> Self {
        Self {
            bytes: [byte, 0, 0, 0],
            length: 1,
            end,
        }
    }

    fn character(c: char, end: usize) -> Self {
        let mut bytes = [0; 4];
        let length = c.encode_utf8(&mut bytes).len();
        Self { bytes, length, end }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Whether the bytes ended before something was told.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cuts {
    /// Within a character, or just behind one.
    pub(crate) near: bool,
    /// In a gap that may as well be the end of what was begun.
    pub(crate) far: bool,
}

/// What was read at a place through some layers.
type Known = (usize, usize, Rc<[Decoded]>);

/// Reads one piece of bytes.
pub(crate) struct Reader<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) cuts: Cuts,
    /// Whether what is read stands behind a gap that may as well be the end of what was begun.
    pub(crate) behind_gap: bool,
    /// What was read last at some places, by place and layers.
    known: Vec<Option<Known>>,
    nothing: Rc<[Decoded]>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            cuts: Cuts::default(),
            behind_gap: false,
            known: vec![None; KNOWN],
            nothing: Rc::default(),
        }
    }

    /// Notes that the bytes ended.
    pub(crate) fn cut(&mut self) {
        if self.behind_gap {
            self.cuts.far = true;
        } else {
            self.cuts.near = true;
        }
    }

    /// Returns the byte at `at`.
    pub(crate) fn raw(&mut self, at: usize) -> Option<u8> {
        let byte = self.bytes.get(at).copied();
        if byte.is_none() {
            self.cut();
        }
        byte
    }

    /// Returns the next place from `at` on where something is seen; `None` where that is too far.
    fn seen_from(&mut self, at: usize) -> Option<usize> {
        let mut place = at;
        while place < at + STRETCH {
            match look(self.bytes, place) {
                At::Seen => return Some(place),
                At::Unseen { end, .. } => place = end,
                At::Cut => {
                    self.cut();
                    return None;
                }
            }
        }
        None
    }

    /// Returns what is escaped at `at`.
    pub(crate) fn escaped(&mut self, at: usize) -> Rc<[Decoded]> {
        self.escapes(at, LAYERS)
    }

    fn escapes(&mut self, at: usize, layers: usize) -> Rc<[Decoded]> {
        if layers == 0 || !self.bytes.get(at).is_some_and(|byte| begins_escape(*byte)) {
            return Rc::clone(&self.nothing);
        }
        let slot = (at * (LAYERS + 1) + layers) % KNOWN;
        if let Some(Some((place, depth, decoded))) = self.known.get(slot)
            && (*place, *depth) == (at, layers)
        {
            return Rc::clone(decoded);
        }
        let before = std::mem::take(&mut self.cuts);
        let decoded: Rc<[Decoded]> = self.read_escapes(at, layers).into();
        // What the bytes cut short must be told each time.
        if !self.cuts.near
            && !self.cuts.far
            && let Some(known) = self.known.get_mut(slot)
        {
            *known = Some((at, layers, Rc::clone(&decoded)));
        }
        self.cuts.near |= before.near;
        self.cuts.far |= before.far;
        decoded
    }

    fn read_escapes(&mut self, at: usize, layers: usize) -> Vec<Decoded> {
        let mut found = Vec::new();
        for (first, next) in self.characters(at, layers - 1) {
            match first {
                b'%' => {
                    let codes = self.numbers(next, layers - 1, 16, 2..=2);
                    found.extend(codes.into_iter().filter_map(|(code, end)| byte_of(code, end)));
                }
                b'\\' => self.behind_backslash(next, layers - 1, &mut found),
                b'&' => self.entity(next, layers - 1, &mut found),
                b'+' => found.push(Decoded::byte(b' ', next)),
                b'\'' => {
                    for rest in ["'", "\\''", "\"'\"'"] {
                        let ends = self.literal(next, layers - 1, rest);
                        found.extend(ends.into_iter().map(|end| Decoded::byte(first, end)));
                    }
                }
                b'"' => {
                    let ends = self.literal(next, layers - 1, "\"");
                    found.extend(ends.into_iter().map(|end| Decoded::byte(first, end)));
                }
                _ => {}
            }
        }
        found.sort_by_key(|decoded| (decoded.end, decoded.bytes));
        found.dedup();
        found
    }

    /// Returns the bytes that `at` stands for, each with where it ends.
    fn characters(&mut self, at: usize, layers: usize) -> Vec<(u8, usize)> {
        let Some(at) = self.seen_from(at) else {
            return Vec::new();
        };
        let mut found: Vec<(u8, usize)> = self.raw(at).map(|byte| (byte, at + 1)).into_iter().collect();
        let escapes = self.escapes(at, layers);
        let single = escapes.iter().filter(|decoded| decoded.length == 1);
        found.extend(single.map(|decoded| (decoded.bytes[0], decoded.end)));
        found
    }

    /// Returns the numbers of `count` digits that `at` begins with, each with where it ends.
    fn numbers(
        &mut self,
        at: usize,
        layers: usize,
        radix: u32,
        count: std::ops::RangeInclusive<usize>,
    ) -> Vec<(u32, usize)> {
        let mut numbers = Vec::new();
        let mut begun = vec![(0_u32, at)];
        for length in 1..=*count.end() {
            let mut longer: Vec<(u32, usize)> = Vec::new();
            for (number, place) in begun {
                for (byte, end) in self.characters(place, layers) {
                    let digit = char::from(byte).to_digit(radix);
                    let number = digit.and_then(|digit| number.checked_mul(radix)?.checked_add(digit));
                    longer.extend(number.map(|number| (number, end)));
                }
            }
            longer.dedup();
            if count.contains(&length) {
                numbers.extend_from_slice(&longer);
            }
            begun = longer;
            if begun.is_empty() {
                break;
            }
        }
        numbers
    }

    /// Returns where `text` ends that stands at `at`.
    fn literal(&mut self, at: usize, layers: usize, text: &str) -> Vec<usize> {
        let mut places = vec![at];
        for wanted in text.bytes() {
            let mut next = Vec::new();
            for place in places {
                let found = self.characters(place, layers);
                next.extend(found.iter().filter(|(byte, _)| *byte == wanted).map(|(_, end)| *end));
            }
            next.dedup();
            places = next;
        }
        places
    }

    fn behind_backslash(&mut self, at: usize, layers: usize, found: &mut Vec<Decoded>) {
        for (letter, next) in self.characters(at, layers) {
            let control = match letter {
                b'n' => Some(b'\n'),
                b't' => Some(b'\t'),
                b'r' => Some(b'\r'),
                b'a' => Some(0x07),
                b'b' => Some(0x08),
                b'f' => Some(0x0c),
                b'v' => Some(0x0b),
                b'e' => Some(0x1b),
                letter if letter.is_ascii_punctuation() || letter == b' ' => Some(letter),
                _ => None,
            };
            found.extend(control.map(|byte| Decoded::byte(byte, next)));
            match letter {
                b'x' => {
                    let codes = self.numbers(next, layers, 16, 2..=2);
                    found.extend(codes.into_iter().filter_map(|(code, end)| byte_of(code, end)));
                }
                b'u' => self.utf16(next, layers, found),
                b'U' => {
                    let codes = self.numbers(next, layers, 16, 8..=8);
                    found.extend(codes.into_iter().filter_map(|(code, end)| character_of(code, end)));
                }
                b'0'..=b'7' => {
                    let codes = self.numbers(at, layers, 8, 1..=4);
                    found.extend(codes.into_iter().filter_map(|(code, end)| byte_of(code, end)));
                }
                _ => {}
            }
        }
    }

    /// Reads what stands behind `\u`: four digits, eight in two halves for what UTF-16 has no single unit for, or any in braces.
    fn utf16(&mut self, at: usize, layers: usize, found: &mut Vec<Decoded>) {
        for (unit, end) in self.numbers(at, layers, 16, 4..=4) {
            found.extend(character_of(unit, end));
            if (0xd800..0xdc00).contains(&unit) {
                for behind in self.literal(end, layers, "\\u") {
                    let low = self.numbers(behind, layers, 16, 4..=4);
                    let low = low.into_iter().filter(|(low, _)| (0xdc00..0xe000).contains(low));
                    let both = low.map(|(low, end)| (0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), end));
                    found.extend(both.filter_map(|(code, end)| character_of(code, end)));
                }
            }
        }
        for inside in self.literal(at, layers, "{") {
            for (code, end) in self.numbers(inside, layers, 16, 1..=6) {
                let ends = self.literal(end, layers, "}");
                found.extend(ends.into_iter().filter_map(|end| character_of(code, end)));
            }
        }
    }

    /// Reads what stands behind `&`: a number or a name, and a semicolon.
    fn entity(&mut self, at: usize, layers: usize, found: &mut Vec<Decoded>) {
        let mut numbers = Vec::new();
        for behind in self.literal(at, layers, "#") {
            numbers.extend(self.numbers(behind, layers, 10, 1..=9));
            for x in ["x", "X"] {
                for behind in self.literal(behind, layers, x) {
                    numbers.extend(self.numbers(behind, layers, 16, 1..=8));
                }
            }
        }
        for (code, end) in numbers {
            let ends = self.literal(end, layers, ";");
            found.extend(ends.into_iter().filter_map(|end| character_of(code, end)));
        }
        let (mut name, mut place) = (String::new(), at);
        while let Some(next) = self.seen_from(place)
            && let Some(letter) = self.raw(next).filter(u8::is_ascii_alphabetic)
            && name.len() < LONGEST_NAME
        {
            name.push(char::from(letter));
            place = next + 1;
        }
        if let Some((c, _)) = ENTITIES.iter().find(|(_, names)| names.contains(&name.as_str())) {
            let ends = self.literal(place, layers, ";");
            found.extend(ends.into_iter().map(|end| Decoded::character(*c, end)));
        }
    }
}

/// How long the names are that HTML has for characters, at most.
const LONGEST_NAME: usize = 20;

/// Says whether an escape of one of the kinds that are read may begin with `byte`.
pub(crate) fn begins_escape(byte: u8) -> bool {
    matches!(byte, b'%' | b'\\' | b'&' | b'+' | b'\'' | b'"')
}

fn byte_of(code: u32, end: usize) -> Option<Decoded> {
    u8::try_from(code).ok().map(|byte| Decoded::byte(byte, end))
}

fn character_of(code: u32, end: usize) -> Option<Decoded> {
    char::from_u32(code).map(|c| Decoded::character(c, end))
}

/// The names that HTML has for characters that stand in secrets.
const ENTITIES: &[(char, &[&str])] = &[
    ('&', &["amp", "AMP"]),
    ('<', &["lt", "LT"]),
    ('>', &["gt", "GT"]),
    ('"', &["quot", "QUOT"]),
    ('\'', &["apos"]),
    (' ', &["nbsp"]),
    ('\t', &["Tab"]),
    ('\n', &["NewLine"]),
    ('!', &["excl"]),
    ('#', &["num"]),
    ('$', &["dollar"]),
    ('%', &["percnt"]),
    ('(', &["lpar"]),
    (')', &["rpar"]),
    ('*', &["ast", "midast"]),
    ('+', &["plus"]),
    (',', &["comma"]),
    ('.', &["period"]),
    ('/', &["sol"]),
    (':', &["colon"]),
    (';', &["semi"]),
    ('=', &["equals"]),
    ('?', &["quest"]),
    ('@', &["commat"]),
    ('[', &["lsqb", "lbrack"]),
    ('\\', &["bsol"]),
    (']', &["rsqb", "rbrack"]),
    ('^', &["Hat"]),
    ('_', &["lowbar", "UnderBar"]),
    ('`', &["grave", "DiacriticalGrave"]),
    ('{', &["lcub", "lbrace"]),
    ('|', &["verbar", "vert", "VerticalLine"]),
    ('}', &["rcub", "rbrace"]),
];
