//! Fits text into columns by display width, and writes durations and sizes the way people read them.

use std::time::Duration;
use unicode_width::UnicodeWidthChar;

/// Returns how many columns `text` takes; it must have no control characters.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(char_columns).sum()
}

fn char_columns(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Cuts `text` to at most `limit` columns, with an ellipsis where something was cut.
pub(crate) fn truncated(text: &str, limit: usize) -> String {
    if columns(text) <= limit {
        return text.to_owned();
    }
    let Some(room) = limit.checked_sub(1) else {
        return String::new();
    };
    let mut cut = take_columns(text, room).trim_end().to_owned();
    cut.push('…');
    cut
}

/// Returns the longest start of `text` that takes at most `room` columns.
fn take_columns(text: &str, room: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += char_columns(c);
        if used > room {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}

/// Breaks `text` into lines of at most `limit` columns: at spaces, inside a word only where it is longer than a line.
pub(crate) fn wrapped(text: &str, limit: usize) -> Vec<String> {
    let limit = limit.max(8);
    let mut lines = Vec::new();
    let mut line = String::new();
    for mut word in text.split(' ') {
        let joined = columns(&line) + usize::from(!line.is_empty()) + columns(word);
        if !line.is_empty() && joined > limit {
            lines.push(std::mem::take(&mut line));
        }
        while columns(word) > limit {
            let head = take_columns(word, limit);
            lines.push(head.to_owned());
            word = word.get(head.len()..).unwrap_or_default();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// Writes `duration` with the precision that matters at its size: `12 ms`, `1.2 s`, `12 s`, `1 m 04 s`, `1 h 02 m`.
pub fn duration_for_people(duration: Duration) -> String {
    let millis = duration.as_millis();
    let seconds = (millis + 500) / 1000;
    match millis {
        0..100 => format!("{millis} ms"),
        100..9950 => format!("{:.1} s", duration.as_secs_f64()),
        _ if seconds < 60 => format!("{seconds} s"),
        _ if seconds < 3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Writes a deadline: whole seconds stay whole.
pub(crate) fn deadline_for_people(duration: Duration) -> String {
    if duration.subsec_nanos() == 0 && duration.as_secs() <= 120 {
        format!("{} s", duration.as_secs())
    } else if duration.subsec_nanos() == 0 && duration.as_secs().is_multiple_of(60) && duration.as_secs() < 3600 {
        format!("{} min", duration.as_secs() / 60)
    } else {
        duration_for_people(duration)
    }
}

/// Writes whole seconds for a clock that runs: `12 s`, `1 m 04 s`.
pub(crate) fn clock_for_people(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => duration_for_people(Duration::from_secs(seconds)),
    }
}

/// Writes a number of `bytes`: `512 B`, `1.2 MB`.
pub fn size_for_people(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut unit = 0;
    let mut scaled = bytes;
    let mut tenths = 0;
    while scaled >= 1000 && unit + 1 < UNITS.len() {
        tenths = scaled % 1000 / 100;
        scaled /= 1000;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("TB");
    if unit == 0 || scaled >= 100 {
        format!("{scaled} {name}")
    } else {
        format!("{scaled}.{tenths} {name}")
    }
}

/// Writes `count` with its noun: `1 step`, `2 steps`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_naturally() {
        let cases = [
            (12, "12 ms"),
            (1_240, "1.2 s"),
            (9_949, "9.9 s"),
            (9_960, "10 s"),
            (59_400, "59 s"),
            (59_600, "1 m 00 s"),
            (64_000, "1 m 04 s"),
            (3_720_000, "1 h 02 m"),
        ];
        for (millis, text) in cases {
            assert_eq!(duration_for_people(Duration::from_millis(millis)), text);
        }
        assert_eq!(deadline_for_people(Duration::from_secs(300)), "5 min");
        assert_eq!(deadline_for_people(Duration::from_secs(60)), "60 s");
    }

    #[test]
    fn sizes_read_naturally() {
        let cases = [
            (512, "512 B"),
            (1_234, "1.2 kB"),
            (64_000_000, "64.0 MB"),
            (830_000_000, "830 MB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size_for_people(bytes), text);
        }
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(truncated("日本語テキスト", 5), "日本…");
        assert_eq!(truncated("abcdef", 0), "");
        assert_eq!(truncated("abc", 3), "abc");
    }

    proptest! {
        #[test]
        fn truncated_text_fits(text in "\\PC{0,60}", limit in 0usize..40) {
            prop_assert!(columns(&truncated(&text, limit)) <= limit);
        }

        #[test]
        fn wrapped_lines_fit_and_lose_nothing(text in "[a-z日]{0,30}( [a-z日]{1,30}){0,6}", limit in 8usize..40) {
            let lines = wrapped(&text, limit);
            for line in &lines {
                prop_assert!(columns(line) <= limit, "{line:?}");
            }
            let letters = |text: &str| text.replace(' ', "");
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }
    }
}
