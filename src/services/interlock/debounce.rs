//! Many events, one reload.
//!
//! Responsible for when to act: a while after the last event of a burst, at most so long after its first, and never twice in quick
//! succession. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// How long nothing must happen.
const QUIET: Duration = Duration::from_millis(250);
/// How long a burst that does not end is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Remembers that there is something to do, and since when.
#[derive(Debug, Default)]
pub(super) struct Debounce {
    waiting: Option<(Instant, Instant)>,
}

impl Debounce {
    /// Notes that something happened at `now`.
    pub(super) fn note(&mut self, now: Instant) {
        let first = self.waiting.map_or(now, |(first, _)| first);
        self.waiting = Some((first, now));
    }

    /// Returns when to act; `None` where there is nothing to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let (first, last) = self.waiting?;
        Some((last + QUIET).min(first + PATIENCE))
    }

    /// Notes that it is being acted upon.
    pub(super) fn done(&mut self) {
        self.waiting = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_event_is_acted_upon_soon() {
        let (now, mut debounce) = (Instant::now(), Debounce::default());
        assert_eq!(debounce.due(), None);
        debounce.note(now);
        assert_eq!(debounce.due(), Some(now + QUIET));
        debounce.done();
        assert_eq!(debounce.due(), None);
    }

    proptest! {
        #[test]
        fn a_burst_is_acted_upon_once_and_in_time(gaps in prop::collection::vec(0_u64..249, 1..60)) {
            let begun = Instant::now();
            let (mut now, mut debounce, mut acted) = (begun, Debounce::default(), Vec::new());
            debounce.note(now);
            for gap in gaps {
                now += Duration::from_millis(gap);
                if let Some(due) = debounce.due().filter(|due| *due <= now) {
                    acted.push(due);
                    debounce.done();
                }
                debounce.note(now);
            }
            acted.extend(debounce.due());
            let mut since = begun;
            for due in &acted {
                prop_assert!(*due <= since + PATIENCE + QUIET);
                since = *due;
            }
            prop_assert!(acted.len() as u128 <= 1 + (now - begun).as_millis() / 1750);
        }
    }
}
