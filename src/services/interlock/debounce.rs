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
/// The least time from one act to the next.
const GAP: Duration = Duration::from_secs(1);

/// Remembers that there is something to do, and since when.
#[derive(Debug, Default)]
pub(super) struct Debounce {
    waiting: Option<(Instant, Instant)>,
    acted: Option<Instant>,
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
        let due = (last + QUIET).min(first + PATIENCE);
        Some(self.acted.map_or(due, |acted| due.max(acted + GAP)))
    }

    /// Notes that it is acted upon at `now`.
    pub(super) fn done(&mut self, now: Instant) {
        self.waiting = None;
        self.acted = Some(now);
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
        debounce.done(now + QUIET);
        assert_eq!(debounce.due(), None);
        debounce.note(now + QUIET);
        assert_eq!(debounce.due(), Some(now + QUIET + GAP));
    }

    proptest! {
        #[test]
        fn however_events_come_they_are_acted_upon_in_time_and_not_too_often(gaps in prop::collection::vec(0_u64..900, 1..60)) {
            let begun = Instant::now();
            let (mut now, mut debounce, mut acted) = (begun, Debounce::default(), Vec::new());
            debounce.note(now);
            for gap in gaps {
                now += Duration::from_millis(gap);
                if let Some(due) = debounce.due().filter(|due| *due <= now) {
                    acted.push(due);
                    debounce.done(due);
                }
                debounce.note(now);
            }
            acted.extend(debounce.due());
            prop_assert!(acted[0] <= begun + PATIENCE);
            prop_assert!(*acted.last().unwrap() >= now);
            prop_assert!(acted.windows(2).all(|two| two[1] >= two[0] + GAP && two[1] <= two[0] + PATIENCE + GAP));
        }
    }
}
