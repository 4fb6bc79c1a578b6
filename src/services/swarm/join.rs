//! `swarm join`: an agent, which tells the discovery service again and again where its engine is.
//!
//! Responsible for never giving up: a discovery service that is away comes back, and an agent that has ended does not.

use std::time::Duration;

use tokio::time::{interval, timeout};

use super::log::log;
use super::{JoinOptions, SwarmError};
use crate::services::go_duration;
use crate::services::signals::StopSignals;

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
    let mut tick = interval(options.heartbeat.min(TRY_AGAIN));
    let mut next = None;
    loop {
        let now = tick.tick().await;
        if next.is_some_and(|next| now < next) {
            continue;
        }
        let every = go_duration::show(options.heartbeat);
        log(
            "info",
            &format!("Registering on the discovery service every {every}..."),
            &[
                ("addr", &options.address),
                ("discovery", &options.discovery.to_string()),
            ],
        );
        let registered = timeout(DEADLINE, options.discovery.register(&options.address, options.ttl)).await;
        match registered {
            Ok(Ok(())) => next = Some(now + options.heartbeat),
            Ok(Err(error)) => log("error", &error.to_string(), &[]),
            Err(_) => log("error", "the discovery service did not answer in time", &[]),
        }
    }
}
