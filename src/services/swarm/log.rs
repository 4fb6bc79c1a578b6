//! The log of `swarm join` and `swarm manage`, on standard output, where the archived image had it.
//!
//! Responsible for lines as its logger wrote them off a terminal, which people look for. It may not fail.

use std::io::Write as _;
use std::str::FromStr;
use std::sync::OnceLock;

use jiff::Timestamp;

/// The longest message or value that is written, in characters: parts of it may come from a client.
const LONGEST: usize = 1000;

/// What is written and what is not; set once, before anything is logged.
static LEVEL: OnceLock<Level> = OnceLock::new();

/// How much a line matters, by the archived image's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Level {
    Debug,
    #[default]
    Info,
    Warning,
    Error,
    Fatal,
    Panic,
}

impl FromStr for Level {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name.to_lowercase().as_str() {
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" | "warning" => Ok(Self::Warning),
            "error" => Ok(Self::Error),
            "fatal" => Ok(Self::Fatal),
            "panic" => Ok(Self::Panic),
            _ => Err(format!("not a valid logrus Level: {name:?}")),
        }
    }
}

/// Leaves out from now on what matters less than `level`.
pub(super) fn set_level(level: Level) {
    // A second call would come too late: what was logged is logged.
    let _ = LEVEL.set(level);
}

/// Writes a line of the level `level` (`debug`, `info`, `warning`, `error`, `fatal`), unless it matters too little, with `fields` as `name=value`.
pub(super) fn log(level: &str, message: &str, fields: &[(&str, &str)]) {
    let least = LEVEL.get().copied().unwrap_or_default();
    if level.parse::<Level>().is_ok_and(|level| level < least) {
        return;
    }
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
