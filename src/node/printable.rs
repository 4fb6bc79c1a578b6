//! Makes what a node or ssh said fit to be shown: it is hostile until proven otherwise.

use labctl_masking::is_unseen;

/// How much of a message is shown; nobody reads more, and a node could send any amount.
const LIMIT: usize = 4000;

/// Returns `bytes` as text without control characters, except line ends, and of bounded length.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut kept: String = without_controls(bytes).chars().take(LIMIT).collect();
    kept.truncate(kept.trim_end().len());
    kept
}

/// Returns `bytes` as text without control characters, except line ends. It is as long as they are: for what is searched, not shown.
pub(crate) fn without_controls(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars()
        .map(|c| if c == '\t' { ' ' } else { c })
        .filter(|c| *c == '\n' || !(c.is_control() || is_unseen(*c)))
        .collect()
}

/// Returns `bytes` as a single line: lines joined by `; `.
pub(crate) fn printable_line(bytes: &[u8]) -> String {
    let text = printable(bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_do_not_survive() {
        assert_eq!(printable(b"a\x1b[31mred\x07\r\nb\xff\x00\n"), "a[31mred\nb\u{fffd}");
        assert_eq!(printable_line(b"\n one\n\n two \n"), "one; two");
        assert_eq!(printable("x\u{202e}y".as_bytes()), "xy");
    }

    #[test]
    fn a_message_has_an_end() {
        assert_eq!(printable(&[b'a'; 100_000]).len(), LIMIT);
    }
}
