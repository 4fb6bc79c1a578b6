//! The texts that a secret becomes when it is encoded as a whole.

use crate::set::ByteSet;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a URL leaves as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Returns what may be encoded in turn: the secret itself, in capitals and in small letters, as UTF-16, and escaped for a URL, JSON, HTML
/// and a shell, where that makes a difference.
pub(crate) fn texts(secret: &str) -> Vec<Vec<u8>> {
    let json = serde_json::to_string(secret).unwrap_or_default();
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let candidates = [
        secret.to_owned(),
        secret.to_lowercase(),
        secret.to_uppercase(),
        utf8_percent_encode(secret, ESCAPED).to_string(),
        json.trim_start_matches('"')
            .get(..json.len().saturating_sub(2))
            .map_or_else(String::new, str::to_owned),
        html.replace('"', "&quot;").replace('\'', "&#39;"),
        secret.replace('\'', "'\\''"),
    ];
    let wide = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for text in candidates.into_iter().map(String::into_bytes).chain([wide]) {
        if !text.is_empty() && !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// Returns `text`, exactly.
pub(crate) fn exact(text: &[u8]) -> Vec<ByteSet> {
    text.iter().map(|&byte| ByteSet::of([byte])).collect()
}

/// Returns `text`, its ASCII letters in either case.
pub(crate) fn any_case(text: &[u8]) -> Vec<ByteSet> {
    text.iter().map(|&byte| ByteSet::any_case(byte)).collect()
}

/// Returns `text` with the bytes of each pair exchanged, as dumps of words of two bytes show it, where it starts `offset` bytes (0 or 1)
/// after the start of a word.
pub(crate) fn exchanged(text: &[ByteSet], offset: usize) -> Vec<ByteSet> {
    let mut words = vec![ByteSet::ALL; offset];
    words.extend_from_slice(text);
    if !words.len().is_multiple_of(2) {
        words.push(ByteSet::ALL);
    }
    words.chunks_mut(2).for_each(<[ByteSet]>::reverse);
    // A neighbour at either end tells nothing.
    let known = |set: &ByteSet| *set != ByteSet::ALL;
    let start = words.iter().position(known).unwrap_or(0);
    let end = words.iter().rposition(known).map_or(0, |last| last + 1);
    words.get(start..end).unwrap_or_default().to_vec()
}

/// Returns the base64 of `text`, standard or URL-safe, where it starts `offset` bytes (0 to 2) after a multiple of three.
///
/// Characters that hold bits of a neighbour as well stand for all their possibilities, so no bit of the secret is left.
pub(crate) fn base64(text: &[ByteSet], offset: usize) -> Vec<ByteSet> {
    let (first, last) = (offset * 8, (offset + text.len()) * 8);
    let at = |byte: usize| byte.checked_sub(offset).and_then(|at| text.get(at)).copied();
    let mut characters = Vec::new();
    for start in (0..last).step_by(6).filter(|start| start + 6 > first) {
        let (one, two) = (start / 8, (start + 5) / 8);
        let (high, low) = (at(one).unwrap_or(ByteSet::ALL), at(two).unwrap_or(ByteSet::ALL));
        let mut set = ByteSet::default();
        for high in high.iter() {
            for low in low.iter().filter(|low| one != two || *low == high) {
                let both = u16::from(high) << 8 | u16::from(low);
                insert_characters(&mut set, both >> (10 - start % 8) & 63);
            }
        }
        characters.push(set);
    }
    characters
}

fn insert_characters(set: &mut ByteSet, value: u16) {
    match value {
        62 => b"+-".iter().for_each(|byte| set.insert(*byte)),
        63 => b"/_".iter().for_each(|byte| set.insert(*byte)),
        value => ALPHABET
            .get(usize::from(value))
            .into_iter()
            .for_each(|byte| set.insert(*byte)),
    }
}
