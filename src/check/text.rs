//! Judging a text: an output, a file's content, the body of an HTTP answer.

use crate::domain::{MissingValue, TextMatch, Values, Verdict};
use regex::RegexBuilder;

/// How many characters of a text a verdict quotes.
const QUOTED: usize = 400;

/// How many characters of a text a verdict shows within a sentence.
const SHORT: usize = 160;

/// A text that was seen, or a part of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    /// What the verdict calls it.
    pub(super) what: &'a str,
    /// Its bytes.
    pub(super) bytes: &'a [u8],
    /// Whether that is all of it.
    pub(super) complete: bool,
}

/// Judges a text by `wanted`. Where only a part of it was kept, nothing is concluded from what is missing in that part.
pub(super) fn evaluate_text(seen: Seen<'_>, wanted: &TextMatch, values: &Values) -> Result<Verdict, MissingValue> {
    let Seen { what, bytes, complete } = seen;
    let text = String::from_utf8_lossy(bytes);
    let mut expected = Vec::new();
    let (mut holds, mut matched) = (true, None);
    let mut ask = |sentence: String, is_so: bool| {
        expected.push(sentence);
        holds &= is_so;
    };
    if let Some(equals) = &wanted.equals {
        let equals = equals.fill(values)?;
        ask(
            format!("is {:?}", equals.trim()),
            complete && text.trim() == equals.trim(),
        );
    }
    for part in &wanted.contains {
        let part = part.fill(values)?;
        ask(format!("contains {part:?}"), text.contains(part.as_str()));
    }
    for part in &wanted.lacks {
        let part = part.fill(values)?;
        ask(
            format!("does not contain {part:?}"),
            complete && !text.contains(part.as_str()),
        );
    }
    if let Some(pattern) = &wanted.regex {
        // The loader has compiled it once; one that does not compile cannot match either.
        let regex = RegexBuilder::new(pattern).multi_line(true).build();
        match wanted.times {
            None => ask(
                format!("matches /{pattern}/"),
                regex.is_ok_and(|regex| regex.is_match(&text)),
            ),
            Some(times) => {
                let found = regex.map_or(0, |regex| regex.find_iter(&text).count());
                matched = (found != times).then_some(found);
                ask(format!("matches /{pattern}/ {times} times"), complete && found == times);
            }
        }
    }
    if expected.is_empty() {
        expected.push("can be read".to_owned());
    }
    let mut actual = quoted(what, &text);
    if let Some(found) = matched {
        actual.push_str(&format!(", with {found} matches"));
    }
    if !complete {
        actual.push_str(", and there was more of it than is kept for checks");
    }
    Ok(Verdict {
        holds,
        expected: format!("{what} {}", expected.join(" and ")),
        actual,
        ..Verdict::default()
    })
}

/// Returns `text` on one line, its end left out where it is long.
pub(super) fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHORT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Quotes `text`, its middle left out where it is long.
pub(super) fn quoted(what: &str, text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return format!("{what} is empty");
    }
    let length = text.chars().count();
    if length <= QUOTED {
        return format!("{what} is {text:?}");
    }
    let head: String = text.chars().take(QUOTED / 2).collect();
    let tail: String = text.chars().skip(length - QUOTED / 2).collect();
    format!("{what} is {head:?} … {tail:?} ({length} characters)")
}
