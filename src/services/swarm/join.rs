//! `swarm join`: an agent, which tells the discovery service again and again where its engine is.
//!
//! Responsible for never giving up: a discovery service that is away comes back, and an agent that has ended does not.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use super::log::log;
use super::{JoinOptions, SwarmError};
use crate::signals::StopSignals;
use crate::{go_duration, random};

/// How soon registering is tried again after it failed, where the heartbeat is longer.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// How long one try may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Registers until it is told to stop.
pub(super) async fn run(options: &JoinOptions) -> Result<(), SwarmError> {
    let mut stop = StopSignals::listen().map_err(SwarmError::Signals)?;
    tokio::select! {
        () = register(options) => {}
        signal = stop.wait() => log("info", &format!("told to stop by {signal}"), &[]),
    }
    Ok(())
}

async fn register(options: &JoinOptions) {
    let delay = part_of(options.delay, &random_part());
    if !delay.is_zero() {
        let shown = go_duration::show(delay);
        log(
            "info",
            &format!("Add a random delay {shown} to avoid synchronized registration"),
            &[],
        );
        tokio::time::sleep(delay).await;
    }
    let every = go_duration::show(options.heartbeat);
    again_and_again(options.heartbeat, async || {
        log(
            "info",
            &format!("Registering on the discovery service every {every}..."),
            &[
                ("addr", &options.address),
                ("discovery", &options.discovery.to_string()),
            ],
        );
        match timeout(DEADLINE, options.discovery.register(&options.address, options.ttl)).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => log("error", &error.to_string(), &[]),
            Err(_) => log("error", "the discovery service did not answer in time", &[]),
        }
        false
    })
    .await;
}

/// Four random bytes as hex digits; where the system has none, the whole delay will do.
fn random_part() -> String {
    random::hex::<4>().unwrap_or_else(|_| "ffffffff".to_owned())
}

/// Returns the part of `whole` that eight hex digits stand for: none of it for 00000000, all of it for ffffffff.
fn part_of(whole: Duration, digits: &str) -> Duration {
    let part = u32::from_str_radix(digits, 16).unwrap_or(u32::MAX);
    whole.mul_f64(f64::from(part) / f64::from(u32::MAX))
}

/// Tries at once and then each `heartbeat`, or sooner where a try failed; never ends.
async fn again_and_again(heartbeat: Duration, mut succeeds: impl AsyncFnMut() -> bool) {
    let mut tick = interval(heartbeat);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if !succeeds().await {
            tick.reset_after(heartbeat.min(TRY_AGAIN));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    /// The seconds at which an agent tries within a minute, where the first `failures` of its tries fail.
    async fn tries(heartbeat: u64, failures: usize) -> Vec<u64> {
        let begun = Instant::now();
        let mut seen = Vec::new();
        let tries = again_and_again(Duration::from_secs(heartbeat), async || {
            seen.push(begun.elapsed().as_secs());
            seen.len() > failures
        });
        assert!(timeout(Duration::from_secs(59), tries).await.is_err());
        seen
    }

    #[test]
    fn a_random_delay_is_between_nothing_and_what_was_said() {
        let whole = Duration::from_secs(20);
        assert_eq!(part_of(whole, "00000000"), Duration::ZERO);
        assert_eq!(part_of(whole, "ffffffff"), whole);
        assert_eq!(part_of(whole, "80000000").as_secs(), 10);
        assert_ne!(random_part(), random_part());
    }

    #[tokio::test(start_paused = true)]
    async fn each_heartbeat_is_kept_whatever_its_length() {
        assert_eq!(tries(7, 0).await, [0, 7, 14, 21, 28, 35, 42, 49, 56]);
        assert_eq!(tries(60, 0).await, [0]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_is_tried_again_soon() {
        assert_eq!(tries(60, 3).await, [0, 5, 10, 15]);
        assert_eq!(tries(20, 1).await, [0, 5, 25, 45]);
        assert_eq!(tries(2, 100).await.len(), 30);
    }
}
