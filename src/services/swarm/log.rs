//! The log of `swarm join` and `swarm manage`, on standard output, where the archived image had it.
//!
//! Responsible for lines as its logger wrote them off a terminal, which people look for. It may not fail.

use std::io::Write as _;

use jiff::Timestamp;

/// The longest message or value that is written, in characters: parts of it may come from a client.
const LONGEST: usize = 1000;

/// Writes a line of the level `level` (`info`, `warning`, `error`), with `fields` as `name=value`.
pub(super) fn log(level: &str, message: &str, fields: &[(&str, &str)]) {
    let mut line = format!("time=\"{:.0}\" level={level} msg={}", Timestamp::now(), quoted(message));
    for (name, value) in fields {
        line += &format!(" {name}={}", quoted(value));
    }
    // A closed standard output is no reason to stop serving.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Puts `text` in quotes where it is not one plain word; control characters are spelled.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) && text.len() <= LONGEST {
        return text.to_owned();
    }
    let short: String = text.chars().take(LONGEST).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_no_plain_word_is_quoted() {
        assert_eq!(quoted("10.0.0.1"), "10.0.0.1");
        assert_eq!(quoted("a \"b\"\n\x1b[0m"), r#""a \"b\"\n\u{1b}[0m""#);
        assert_eq!(quoted(""), "\"\"");
    }
}
