//! Reads durations as people write them: `30s`, `2m`, `1h 30m`.

use jiff::SignedDuration;
use std::time::Duration;

/// The longest duration accepted: a lab that waits longer than a day is mistyped.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidDuration {
    /// It could not be understood.
    #[error("{0}")]
    NotUnderstood(String),
    /// It runs backwards.
    #[error("it is negative")]
    Negative,
    /// It is longer than a day.
    #[error("it is longer than a day")]
    TooLong,
}

/// Reads `text` as a duration.
pub(super) fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let signed: SignedDuration = text
        .trim()
        .parse()
        .map_err(|error: jiff::Error| InvalidDuration::NotUnderstood(reason(&error.to_string())))?;
    let duration = Duration::try_from(signed).map_err(|_| InvalidDuration::Negative)?;
    if duration > LONGEST {
        return Err(InvalidDuration::TooLong);
    }
    Ok(duration)
}

/// Shortens what jiff says to the text that it did not understand, where it names one.
fn reason(message: &str) -> String {
    let rest = message.split_once("unparsed input \"").map(|(_, rest)| rest);
    match rest.and_then(|rest| rest.split_once('"')) {
        Some((rest, _)) => format!("`{rest}` makes no sense here"),
        None => "it needs numbers with units".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("30s", 30)]
    #[case("2m", 120)]
    #[case("1h 30m", 5400)]
    #[case("90 seconds", 90)]
    #[case("PT5M", 300)]
    fn durations_are_read_as_people_write_them(#[case] text: &str, #[case] seconds: u64) {
        assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
    }

    #[rstest]
    #[case("-30s")]
    #[case("30s ago")]
    #[case("5 minuts")]
    #[case("")]
    #[case("30")]
    #[case("25h")]
    fn what_is_no_duration_is_refused(#[case] text: &str) {
        assert!(parse_duration(text).is_err(), "{text:?} was accepted");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            let _ = parse_duration(&text);
        }

        #[test]
        fn whole_seconds_are_kept(seconds in 0_u64..=86_400) {
            prop_assert_eq!(parse_duration(&format!("{seconds}s")), Ok(Duration::from_secs(seconds)));
        }
    }
}
