//! What programs send to a terminal besides text.

use std::borrow::Cow;

const ESCAPE: u8 = 0x1b;

/// Returns `output` without its control sequences (`ESC [` to a letter): colours, and the erasing of a line. Some programs
/// send them also where no terminal is, as Compose 2.26 does before each line of its logs.
pub fn without_control_sequences(output: &[u8]) -> Cow<'_, [u8]> {
    if !output.contains(&ESCAPE) {
        return Cow::Borrowed(output);
    }
    let mut plain = Vec::with_capacity(output.len());
    let mut rest = output;
    while let Some((&first, behind)) = rest.split_first() {
        rest = if let Some(behind) = after_sequence(rest) {
            behind
        } else {
            plain.push(first);
            behind
        };
    }
    Cow::Owned(plain)
}

/// Returns what stands behind the control sequence at the start of `output`; `None` where there is none, or only its start.
fn after_sequence(output: &[u8]) -> Option<&[u8]> {
    let body = output.strip_prefix(&[ESCAPE, b'['])?;
    let end = body.iter().position(|byte| !(b' '..=b'?').contains(byte))?;
    let (last, behind) = body.get(end..)?.split_first()?;
    (b'@'..=b'~').contains(last).then_some(behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_erasing_go_and_all_else_stays() {
        for (output, plain) in [
            ("\x1b[2Kweb-1  | Running\n", "web-1  | Running\n"),
            ("\x1b[32mdone\x1b[0m\x1b[K", "done"),
            ("\x1b[1;31;40mred", "red"),
            ("a[2K", "a[2K"),
            ("cut short \x1b[3", "cut short \x1b[3"),
            ("\x1b(B \x1b", "\x1b(B \x1b"),
            ("\x1b[1\u{e9}", "\x1b[1\u{e9}"),
            ("", ""),
        ] {
            let seen = without_control_sequences(output.as_bytes());
            assert_eq!(String::from_utf8_lossy(&seen), plain, "{output:?}");
        }
    }
}
