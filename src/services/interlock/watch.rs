//! When to look again at what runs.
//!
//! Responsible for never giving up: a manager that is away comes back, and what happened meanwhile is looked for then.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

use super::docker_api::{ApiError, DockerApi};
use super::log;

/// The first wait after a failure.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long to wait after one failure and the next.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST_WAIT)
    }
}

impl Backoff {
    /// Returns how long to wait now.
    pub(super) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST_WAIT);
        wait
    }
}

/// Why to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    /// The manager's events cannot be followed.
    Away,
    /// The manager is there, again or at last; much may have happened unseen.
    Connected,
    /// Something happened.
    Event,
}

/// Tells `sender` of everything that may change what is served, until nobody listens. `doubt` has the manager asked anew: a connection whose
/// other end has vanished tells nothing for ever.
pub(super) async fn watch(api: DockerApi, sender: Sender<Changed>, doubt: Arc<Notify>) {
    let mut backoff = Backoff::default();
    let mut is_told = false;
    while !sender.is_closed() {
        let begun = Instant::now();
        let ended = tokio::select! {
            ended = follow(&api, &sender) => ended,
            () = doubt.notified() => Ok(()),
        };
        // It must not be lost, as an event may among others.
        let _ = sender.send(Changed::Away).await;
        // One that breaks off at once is as good as away.
        if begun.elapsed() > LONGEST_WAIT {
            backoff = Backoff::default();
            is_told = false;
        }
        let reason = match ended {
            Ok(()) => "the manager tells of no more events".to_owned(),
            Err(error) => reason(&error),
        };
        if is_told {
            log::debug(&reason);
        } else {
            log::warn(&format!(
                "{reason}; what is served stays, and it is tried again and again"
            ));
        }
        is_told = true;
        tokio::select! {
            () = tokio::time::sleep(backoff.next()) => {}
            () = sender.closed() => {}
        }
    }
}

async fn follow(api: &DockerApi, sender: &Sender<Changed>) -> Result<(), ApiError> {
    let mut events = api.events().await?;
    log::info("following the manager's events");
    // Nor must this.
    let _ = sender.send(Changed::Connected).await;
    while let Some(events) = events.next().await? {
        let relevant: Vec<&Value> = events.iter().filter(|event| matters(event)).collect();
        if !relevant.is_empty() {
            log::debug(&format!(
                "{} events, the last {}",
                relevant.len(),
                name(relevant[relevant.len() - 1])
            ));
            tell(sender);
        }
    }
    Ok(())
}

fn tell(sender: &Sender<Changed>) {
    // A full channel says the same already.
    let _ = sender.try_send(Changed::Event);
}

/// Shows `error` with what caused it.
pub(super) fn reason(error: &ApiError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn name(event: &Value) -> &str {
    let text = |key: &str| event[key].as_str().filter(|text| !text.is_empty());
    text("Action").or_else(|| text("status")).unwrap_or_default()
}

/// Tells whether what is served may be another after `event`. What is not known may matter: a look costs little.
pub(super) fn matters(event: &Value) -> bool {
    let name = name(event);
    let kind = event["Type"].as_str().unwrap_or_default();
    let harmless = [
        "attach",
        "detach",
        "top",
        "resize",
        "export",
        "commit",
        "copy",
        "archive-path",
        "extract-to-dir",
        "create",
        "pull",
        "push",
        "tag",
        "untag",
        "delete",
        "import",
        "load",
        "save",
        "prune",
    ];
    !(["image", "volume", "builder", "plugin"].contains(&kind)
        || name.starts_with("exec_")
        || name.starts_with("health_status")
        || harmless.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[test]
    fn waits_grow_and_are_bounded() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..8).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
    }

    #[rstest]
    #[case(json!({ "status": "start", "id": "a" }), true)]
    #[case(json!({ "Type": "container", "Action": "die" }), true)]
    #[case(json!({ "Type": "container", "Action": "unpause" }), true)]
    #[case(json!({ "Type": "swarm", "Action": "engine_connect" }), true)]
    #[case(json!({ "Type": "container", "Action": "exec_start: sh" }), false)]
    #[case(json!({ "Type": "container", "Action": "create" }), false)]
    #[case(json!({ "Type": "image", "Action": "pull" }), false)]
    #[case(json!({ "status": "pull" }), false)]
    fn only_what_may_change_what_is_served_matters(#[case] event: Value, #[case] wanted: bool) {
        assert_eq!(matters(&event), wanted);
    }
}
