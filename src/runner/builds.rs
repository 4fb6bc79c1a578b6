//! What an engine is still at when the client of its build was killed.
//!
//! The classic builder runs a command in a container, keeps what that left as a layer, and removes the container: all of
//! it without its client, once it has begun. A container that is taken away meanwhile stops nothing; the layer would come
//! after the last look, and nobody would be told its id.

use super::baseline::{EngineContents, engine_contents};
use super::engine::Engine;
use super::ownership::Proofs;
use crate::domain::{Baseline, ProbeError};
use crate::node::Transport;
use crate::probe::committed_from;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How long an engine may take to keep a layer: it is as large as what the command made.
const COMMIT: Duration = Duration::from_secs(60);

/// Ends the commands of our builds that still run, and waits until the engine has kept what those made that ended well.
pub(super) async fn let_commits_end(
    transport: &dyn Transport,
    proofs: &Proofs,
    baseline: &Baseline,
    stop: &CancellationToken,
) -> Result<(), String> {
    let deadline = Instant::now() + COMMIT;
    let mut ticks = interval(Duration::from_millis(250));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let contents = engine_contents(transport).await.map_err(|error| error.to_string())?;
        let containers = proofs.containers_of_builds(&contents, baseline);
        if containers.is_empty() || stop.is_cancelled() || Instant::now() > deadline {
            return Ok(());
        }
        let engine = Engine::connect(transport).await.map_err(|fault| fault.to_string())?;
        let mut commits = false;
        for container in containers {
            if container.is_running() {
                // Its command may end well in this very moment; how it ended tells.
                let killed = engine.kill_container(&container.id).await;
                killed.map_err(|fault| fault.to_string())?;
            }
            let ended_well = engine.has_ended_well(&container.id).await;
            commits |= ended_well.map_err(|fault| fault.to_string())?;
        }
        if !commits {
            return Ok(());
        }
    }
}

/// Looks at everything the engine has, and at what the nameless images were committed from that the baseline does not have.
pub(super) async fn contents_with_commits(
    transport: &dyn Transport,
    baseline: &Baseline,
) -> Result<EngineContents, ProbeError> {
    let mut contents = engine_contents(transport).await?;
    let images = contents.images.iter();
    let nameless: Vec<String> = images
        .filter(|image| image.tags.is_empty() && !baseline.images.contains_key(&image.id))
        .map(|image| image.id.clone())
        .collect();
    contents.commits = committed_from(transport, &nameless).await?;
    Ok(contents)
}
