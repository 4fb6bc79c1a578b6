//! Durations as the flags of Go programs have them, such as `20s` or `1m30s`.

use std::time::Duration;

/// Reads `text`. Units are h, m, s, ms, us and ns; a bare `0` needs none. Negative ones are refused.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let refused = || format!("{text:?} is no duration; write it as 20s or 1m30s");
    let mut rest = text;
    let mut nanoseconds = 0.0;
    while !rest.is_empty() {
        let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let value: f64 = rest[..number].parse().map_err(|_| refused())?;
        rest = &rest[number..];
        let (unit, scale) = [
            ("ms", 1e6),
            ("us", 1e3),
            ("µs", 1e3),
            ("ns", 1.0),
            ("h", 3.6e12),
            ("m", 6e10),
            ("s", 1e9),
        ]
        .into_iter()
        .find(|(unit, _)| rest.starts_with(unit))
        .ok_or_else(refused)?;
        nanoseconds += value * scale;
        rest = &rest[unit.len()..];
    }
    if text.is_empty() || nanoseconds > 9.2e18 {
        return Err(refused());
    }
    Ok(Duration::from_nanos(nanoseconds as u64))
}

/// Shows `duration` as Go prints it: `1m0s`, `20s`, `1h0m0s`.
pub(crate) fn show(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 60.0 {
        return format!("{seconds}s");
    }
    let (minutes, rest) = (duration.as_secs() / 60, seconds % 60.0);
    if minutes < 60 {
        return format!("{minutes}m{rest}s");
    }
    format!("{}h{}m{rest}s", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("60s", 60_000)]
    #[case("1m30s", 90_000)]
    #[case("1.5h", 5_400_000)]
    #[case("250ms", 250)]
    #[case("0", 0)]
    fn what_go_reads_is_read(#[case] text: &str, #[case] milliseconds: u64) {
        assert_eq!(parse(text).unwrap(), Duration::from_millis(milliseconds));
    }

    #[rstest]
    #[case("")]
    #[case("60")]
    #[case("-5s")]
    #[case("5 minutes")]
    #[case("1e99h")]
    #[case("99999999999h")]
    fn what_is_no_duration_is_refused(#[case] text: &str) {
        assert!(parse(text).unwrap_err().contains("is no duration"));
    }

    #[rstest]
    #[case(60, "1m0s")]
    #[case(20, "20s")]
    #[case(3600, "1h0m0s")]
    fn durations_are_shown_as_go_shows_them(#[case] seconds: u64, #[case] shown: &str) {
        assert_eq!(show(Duration::from_secs(seconds)), shown);
    }
}
