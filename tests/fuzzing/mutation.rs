//! Makes inputs of valid ones.

use super::Dice;
use std::ops::Range;

/// What ends, begins or breaks things in many formats.
const ODD: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xe2\x80\xae",
    b"\xef\xbb\xbf",
    b"\x1b[2J",
    b"\r\n",
    b"\n",
    b"\r",
    b"\t",
    b" ",
    b"\\",
    b"\"",
    b"'",
    b"`",
    b"$(x)",
    b"${x}",
    b"#",
    b";",
    b"|",
    b"=",
    b":",
    b"::",
    b",",
    b"/",
    b"//",
    b"../",
    b"./",
    b"%00",
    b"%s",
    b"%",
    b"*",
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b"{{",
    b"}}",
    b"{%",
    b"%}",
    b"{}",
    b"[]",
    b"\"\"",
    b"null",
    b"true",
    b"-",
    b"--",
    b"@",
    b"!",
    b"~",
    b"\xf4\x8f\xbf\xb0",
];

/// Numbers at which something ends.
const NUMBERS: &[&[u8]] = &[
    b"0",
    b"-1",
    b"1",
    b"00",
    b"255",
    b"256",
    b"65535",
    b"65536",
    b"70000",
    b"2147483647",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"1e400",
    b"-0.0",
    b"0.1",
    b"1e-9",
    b"99999999999999999999999999999999999999",
    b"0x7f",
    b"0o777",
    b"1_0",
];

/// What opens and closes a level.
const NESTS: &[(&[u8], &[u8])] = &[
    (b"[", b"]"),
    (b"{\"a\":", b"}"),
    (b"(", b")"),
    (b"{{", b"}}"),
    (b"{ a = ", b" }"),
    (b"\"", b"\""),
    (b"not ", b""),
    (b"-", b""),
    (b"$(", b")"),
    (b"a.", b""),
    (b"{% if a %}", b"{% endif %}"),
    (b"x|", b""),
    (b"[a.", b"]\n"),
    (b"\\", b""),
];

/// What inputs are made of.
#[derive(Default)]
pub(super) struct Mutator {
    pub(super) seeds: Vec<Vec<u8>>,
    pub(super) words: Vec<Vec<u8>>,
}

impl Mutator {
    /// Makes the input that `dice` decide, of at most `most` bytes.
    pub(super) fn input(&self, dice: &mut Dice, most: usize) -> Vec<u8> {
        let mut input = match dice.below(32) {
            0 | 1 => noise(dice, 300),
            2 | 3 => self.sentence(dice),
            _ if self.seeds.is_empty() => self.sentence(dice),
            4 => return dice.one_of(&self.seeds).clone(),
            _ => self.damaged(dice),
        };
        if dice.once_in(500) {
            grow(dice, &mut input, most);
        }
        input.truncate(most);
        input
    }

    fn damaged(&self, dice: &mut Dice) -> Vec<u8> {
        let mut input = dice.one_of(&self.seeds).clone();
        for _ in 0..=dice.length(8) {
            self.damage(dice, &mut input);
        }
        input
    }

    /// Words one after the other.
    fn sentence(&self, dice: &mut Dice) -> Vec<u8> {
        let count = 1 + dice.length(30);
        (0..count).flat_map(|_| self.word(dice)).collect()
    }

    /// A word that may mean something.
    fn word(&self, dice: &mut Dice) -> Vec<u8> {
        match dice.below(6) {
            0 => dice.one_of(ODD).to_vec(),
            1 => dice.one_of(NUMBERS).to_vec(),
            2 if !self.seeds.is_empty() => {
                let seed = dice.one_of(&self.seeds);
                seed[token(seed, dice.below(seed.len()))].to_vec()
            }
            3 if !self.seeds.is_empty() => {
                let seed = dice.one_of(&self.seeds);
                seed[value(seed, dice.below(seed.len()))].to_vec()
            }
            _ if !self.words.is_empty() => dice.one_of(&self.words).clone(),
            _ => noise(dice, 8),
        }
    }

    fn damage(&self, dice: &mut Dice, input: &mut Vec<u8>) {
        let at = dice.below(input.len() + 1);
        let inside = dice.below(input.len());
        match dice.below(17) {
            0 => input
                .iter_mut()
                .skip(inside)
                .take(1)
                .for_each(|byte| *byte ^= 1 << dice.below(8)),
            1 => input
                .iter_mut()
                .skip(inside)
                .take(1)
                .for_each(|byte| *byte = dice.byte()),
            2 => insert(input, at, &noise(dice, 8)),
            3 => drop(input.drain(at..(at + dice.length(64)).min(input.len()))),
            4 => input.truncate(at),
            5 => {
                let part = input[at..(at + dice.length(64)).min(input.len())].to_vec();
                insert(input, at, &part.repeat(1 + dice.length(64)));
            }
            6 | 7 => insert(input, at, &self.word(dice)),
            8 | 9 => replace(input, token(input, inside), &self.word(dice)),
            10 | 11 => replace(input, value(input, inside), &self.word(dice)),
            12 => {
                let number: &&[u8] = dice.one_of(NUMBERS);
                replace(input, digits(input, inside), number);
            }
            13 => {
                let part = value(input, inside);
                let twice = [&input[part.clone()], b",", &input[part.clone()]].concat();
                replace(input, part, &twice);
            }
            14 => {
                let (open, close) = *dice.one_of(NESTS);
                let (part, depth) = (value(input, inside), 1 + dice.length(300));
                let nested = [&open.repeat(depth), &input[part.clone()], &close.repeat(depth)].concat();
                replace(input, part, &nested);
            }
            15 => self.move_lines(dice, input),
            _ => {
                if let Some(other) = (!self.seeds.is_empty()).then(|| dice.one_of(&self.seeds)) {
                    input.truncate(at);
                    input.extend_from_slice(&other[dice.below(other.len() + 1)..]);
                }
            }
        }
    }

    /// Repeats, removes or brings in lines.
    fn move_lines(&self, dice: &mut Dice, input: &mut Vec<u8>) {
        let other = if self.seeds.is_empty() {
            &*input
        } else {
            dice.one_of(&self.seeds)
        };
        let theirs = line(other, dice.below(other.len()));
        let theirs = other[theirs].to_vec();
        let ours = line(input, dice.below(input.len()));
        match dice.below(3) {
            0 => insert(input, ours.start, &theirs),
            1 => replace(input, ours, &theirs),
            _ => replace(input, ours, b""),
        }
    }
}

fn insert(input: &mut Vec<u8>, at: usize, part: &[u8]) {
    replace(input, at..at, part);
}

fn replace(input: &mut Vec<u8>, range: Range<usize>, part: &[u8]) {
    input.splice(range, part.iter().copied());
}

fn noise(dice: &mut Dice, most: usize) -> Vec<u8> {
    (0..dice.length(most)).map(|_| dice.byte()).collect()
}

/// Repeats a part of `input` until it is large: what takes longer than its length says shows only then.
fn grow(dice: &mut Dice, input: &mut Vec<u8>, most: usize) {
    let part = match dice.below(3) {
        0 => value(input, dice.below(input.len())),
        1 => line(input, dice.below(input.len())),
        _ => {
            let at = dice.below(input.len());
            at..(at + 1 + dice.length(16)).min(input.len())
        }
    };
    let part = input[part].to_vec();
    if part.is_empty() {
        return;
    }
    let room = most.saturating_sub(input.len());
    let at = dice.below(input.len() + 1);
    insert(input, at, &part.repeat(dice.length(room) / part.len()));
}

/// The token at `at`: a run of letters and digits, or one byte.
fn token(input: &[u8], at: usize) -> Range<usize> {
    run(input, at, |byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn digits(input: &[u8], at: usize) -> Range<usize> {
    let next = input.iter().skip(at).position(u8::is_ascii_digit);
    let at = next.map_or(at, |next| at + next);
    run(input, at, |byte| byte.is_ascii_digit())
}

fn run(input: &[u8], at: usize, belongs: impl Fn(u8) -> bool) -> Range<usize> {
    let before = input[..at].iter().rev().take_while(|byte| belongs(**byte)).count();
    let after = input[at..].iter().take_while(|byte| belongs(**byte)).count();
    if after == 0 {
        at..(at + 1).min(input.len())
    } else {
        at - before..at + after
    }
}

/// The line at `at`, with its end.
fn line(input: &[u8], at: usize) -> Range<usize> {
    let start = input[..at]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let end = input[at..].iter().position(|byte| *byte == b'\n');
    start..end.map_or(input.len(), |end| at + end + 1)
}

/// The value that begins at `at` or after it: all of a list, a table or a text in quotes, otherwise a token.
fn value(input: &[u8], at: usize) -> Range<usize> {
    let starts = |byte: &u8| b"[{\"(".contains(byte) || byte.is_ascii_alphanumeric();
    let at = input.iter().skip(at).position(starts).map_or(at, |next| at + next);
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (index, byte) in input.iter().enumerate().skip(at) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' | b'(' if !quoted => depth += 1,
            b']' | b'}' | b')' if !quoted => depth = depth.saturating_sub(1),
            _ if depth == 0 && !quoted => return token(input, at),
            _ => {}
        }
        if depth == 0 && !quoted {
            return at..index + 1;
        }
    }
    at..input.len()
}
