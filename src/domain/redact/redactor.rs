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
    held: Vec<u8>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    fn masked(redactor: &Redactor, bytes: &[u8], sizes: &[usize]) -> Vec<u8> {
        let mut stream = redactor.stream();
        let mut out = Vec::new();
        let mut rest = bytes;
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let size = sizes.next().map_or(rest.len(), |&size| size.clamp(1, rest.len()));
            let (chunk, after) = rest.split_at(size);
            out.extend(stream.push(chunk));
            rest = after;
        }
        out.extend(stream.finish());
        out
    }

    fn percent_encoded(secret: &str, all: bool) -> String {
        let keep = |byte: &u8| !all && (byte.is_ascii_alphanumeric() || b"-_.~".contains(byte));
        secret
            .bytes()
            .map(|byte| {
                if keep(&byte) {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect()
    }

    fn html_escaped(secret: &str) -> String {
        let secret = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        secret.replace('"', "&quot;").replace('\'', "&#39;")
    }

    /// Every form in which a secret may turn up, without its neighbours.
    fn encoded(secret: &str, before: &str, after: &str) -> Vec<Vec<u8>> {
        let in_text = format!("{before}{secret}{after}");
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let json = serde_json::to_string(secret).unwrap();
        let wrapped: Vec<String> = STANDARD
            .encode(&in_text)
            .as_bytes()
            .chunks(7)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        let texts = [
            secret.to_owned(),
            percent_encoded(secret, false),
            percent_encoded(secret, true).to_lowercase(),
            percent_encoded(secret, false).replace("%20", "+"),
            html_escaped(secret),
            json.get(1..json.len() - 1).unwrap().to_owned(),
            crate::domain::shell_quoted(secret),
            hex.to_uppercase(),
            hex,
            STANDARD.encode(secret),
            STANDARD.encode(&in_text),
            STANDARD_NO_PAD.encode(&in_text),
            URL_SAFE.encode(&in_text),
            URL_SAFE_NO_PAD.encode(&in_text),
            wrapped.join("\n"),
        ];
        texts.into_iter().map(String::into_bytes).collect()
    }

    /// Says whether base64 `text` still decodes to something with the secret in it, whatever its alignment.
    fn holds(masked: &[u8], secret: &str) -> bool {
        let text = String::from_utf8_lossy(masked);
        let decoded = |text: &str| {
            let plain: String = text.replace(['\n', '='], "").replace('-', "+").replace('_', "/");
            (0..4).any(|skip| {
                let rest = plain.get(skip..).unwrap_or_default();
                let whole = rest.get(..rest.len() / 4 * 4).unwrap_or_default();
                STANDARD
                    .decode(whole)
                    .is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(secret))
            })
        };
        text.contains(secret) || text.split("[REDACTED]").any(decoded)
    }

    #[test]
    fn secrets_are_masked_in_ordinary_output() {
        let redactor = Redactor::new(["hunter2", "s3cr&t'x y"]);
        let cases = [
            ("login hunter2 ok", "login [REDACTED] ok"),
            ("hunterhunter2", "hunter[REDACTED]"),
            ("hunter3 hunter", "hunter3 [REDACTED]"),
            (r#"{"p":"s3cr&t'x y"}"#, r#"{"p":"[REDACTED]"}"#),
            ("?p=s3cr%26t%27x+y&q", "?p=[REDACTED]&q"),
            ("<b>s3cr&amp;t&#39;x y</b>", "<b>[REDACTED]</b>"),
            (r"echo 's3cr&t'\''x y'", "echo '[REDACTED]'"),
            ("68756e74657232", "[REDACTED]"),
            ("nothing here", "nothing here"),
        ];
        for (text, expected) in cases {
            assert_eq!(redactor.text(text), expected);
        }
        assert_eq!(
            format!("{redactor:?} {:?}", redactor.stream()),
            "Redactor { .. } RedactingStream { .. }"
        );
    }

    #[test]
    fn overlapping_secrets_are_masked_together() {
        let redactor = Redactor::new(["abcdef", "efghij"]);
        assert_eq!(redactor.text("xabcdefghijx"), "x[REDACTED]x");
    }

    #[test]
    fn each_line_of_a_secret_is_masked_by_itself() {
        let redactor = Redactor::new(["-----BEGIN\n  line one\nline two\n"]);
        assert_eq!(redactor.text("> line one\n> line two"), "> [REDACTED]\n> [REDACTED]");
        assert_eq!(redactor.text("-----BEGIN\n  line one\nline two."), "[REDACTED].");
    }

    #[test]
    fn a_secret_cut_short_by_the_end_is_masked() {
        assert_eq!(
            Redactor::new(["correct horse battery"]).text("it is correct ho"),
            "it is [REDACTED]"
        );
    }

    #[test]
    fn short_secrets_are_refused_and_not_masked() {
        assert!(!Redactor::can_mask("abc"));
        assert_eq!(Redactor::new(["abc", ""]).text("abcabc"), "abcabc");
    }

    #[test]
    fn nothing_is_held_back_of_output_that_starts_no_secret() {
        let mut stream = Redactor::new(["hunter2"]).stream();
        assert_eq!(stream.push(b"Pulling web... done\n"), b"Pulling web... done\n");
        assert_eq!(stream.push(b"hunt"), b"");
        assert_eq!(stream.push(b"ing\n"), b"hunting\n");
    }

    proptest! {
        #[test]
        fn no_form_of_a_secret_survives_however_it_is_cut(
            secret in "[a-zA-Z0-9 !-/:-@\\[-`{-~é日]{4,24}",
            before in "[a-z]{0,4}",
            after in "[a-z]{0,4}",
            sizes in proptest::collection::vec(1usize..12, 1..6),
        ) {
            prop_assume!(Redactor::can_mask(&secret) && secret.trim() == secret);
            prop_assume!(!"[REDACTED]".contains(&secret));
            let redactor = Redactor::new([secret.as_str()]);
            for form in encoded(&secret, &before, &after) {
                let text = [before.as_bytes(), b" ", &form, b" ", after.as_bytes()].concat();
                let out = masked(&redactor, &text, &sizes);
                let shown = String::from_utf8_lossy(&out);
                prop_assert!(shown.contains("[REDACTED]"), "{} -> {shown}", String::from_utf8_lossy(&text));
                prop_assert!(!holds(&out, &secret), "{} -> {shown}", String::from_utf8_lossy(&text));
            }
        }

        #[test]
        fn the_cuts_between_chunks_do_not_matter(
            text in "[abc%12&;#+\\\\'\"/ \n]{0,80}",
            secrets in proptest::collection::vec("[abc%12&;' ]{4,8}", 1..4),
            sizes in proptest::collection::vec(1usize..7, 1..5),
        ) {
            let redactor = Redactor::new(secrets.iter().map(String::as_str));
            let whole = masked(&redactor, text.as_bytes(), &[usize::MAX]);
            prop_assert_eq!(masked(&redactor, text.as_bytes(), &sizes), whole);
        }

        #[test]
        fn what_is_held_back_is_bounded(text in "[hunter2]{0,200}|h{0,400}") {
            let mut stream = Redactor::new(["hunter2hunter2", "hhhh"]).stream();
            for byte in text.bytes() {
                stream.push(&[byte]);
                prop_assert!(stream.held.len() < 14 * 16);
            }
        }
    }
}
