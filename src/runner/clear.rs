//! What `cleanup --scope all` asks for by name: a node without any container, any image, and any option of the engine that it was not
//! installed with, whoever made them.
//!
//! Responsible for the look that people are shown before, for the removal, and for the look that proves it. What is the lab's has been
//! taken back by then.

use super::baseline::{EngineContents, engine_contents};
use super::engine::{Engine, EngineFault};
use super::executor::Done;
use super::output::StepOutput;
use super::ownership::leaves;
use super::reports::JournalLost;
use super::reset::{Restart, default_options, remove_containers};
use super::shared::Shared;
use super::undo::SETTLE;
use crate::check::{Ours, changed_options};
use crate::domain::{
    ContainerSeen, Ending, EngineOptions, EventKind, ImageSeen, Observation, Outcome, PlannedStep, Probe, ProbeError,
    Removable,
};
use crate::node::Transport;
use crate::probe::observe;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// How often what an engine refuses to remove is tried again.
const AGAIN: Duration = Duration::from_millis(250);

/// What a node has of Docker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Everything {
    /// What would be taken away.
    pub found: Vec<Removable>,
    /// Why the engine could not say what it has, where it could not.
    pub engine_is_silent: Option<String>,
}

/// Looks at all that [`Work::Clear`](crate::domain::Work::Clear) would take from a node.
pub async fn look_at_everything(transport: &dyn Transport) -> Result<Everything, ProbeError> {
    let mut found = Vec::new();
    let engine_is_silent = match engine_contents(transport).await {
        Ok(contents) => {
            found.extend(contents.containers.iter().map(container));
            found.extend(contents.images.iter().map(image));
            None
        }
        Err(ProbeError::CannotLook { reason, .. }) => Some(reason),
        Err(error) => return Err(error),
    };
    let lines = engine_options(transport).await?.docker_opts.into_iter();
    found.extend(lines.map(|line| Removable::EngineOption {
        says: format!("/etc/default/docker has the line {line}"),
    }));
    Ok(Everything {
        found,
        engine_is_silent,
    })
}

fn container(seen: &ContainerSeen) -> Removable {
    Removable::Container {
        name: seen.name.clone(),
        image: seen.image.clone(),
        running: seen.is_running(),
    }
}

fn image(seen: &ImageSeen) -> Removable {
    Removable::Image {
        id: seen.id.clone(),
        tags: seen.tags.clone(),
    }
}

async fn engine_options(transport: &dyn Transport) -> Result<EngineOptions, ProbeError> {
    match observe(transport, &Probe::EngineOptions).await? {
        Observation::EngineOptions(options) => Ok(options),
        _ => Err(ProbeError::CannotLook {
            reason: "the node answered something that was not asked".to_owned(),
            hint: None,
        }),
    }
}

/// Takes everything from the node, and reports what is left all the same.
pub(super) async fn clear_node(
    shared: &Arc<Shared>,
    step: &PlannedStep,
    transport: &dyn Transport,
) -> Result<Done, JournalLost> {
    let mut output = StepOutput::new(shared, &step.key, false);
    let cleared = timeout(step.timeout, clear(shared, step, transport, &mut output)).await;
    let outcome = match cleared {
        Ok(Ok(left)) => {
            let is_clear = left.is_empty();
            let node = step.key.node.clone();
            shared.reports.event(EventKind::NodeCleared { node, left }).await?;
            if is_clear {
                Outcome::Passed
            } else {
                Outcome::FailedCheck
            }
        }
        Ok(Err(ending)) => ending.into(),
        Err(_) => Outcome::TimedOut { after: step.timeout },
    };
    match output.finish() {
        Ok(output) => Ok(Done { outcome, output }),
        Err(error) => Ok(Outcome::CannotTell {
            reason: error.to_string(),
            hint: None,
        }
        .into()),
    }
}

async fn clear(
    shared: &Shared,
    step: &PlannedStep,
    transport: &dyn Transport,
    output: &mut StepOutput,
) -> Result<Vec<Removable>, Ending> {
    // An engine that does not start with its options gets others first; one that runs is rid of its containers before, which would
    // hold up its restart.
    match Engine::connect(transport).await {
        Ok(engine) => remove_everything(shared, transport, &engine, output).await?,
        Err(EngineFault::Node(error @ ProbeError::Unreachable { .. })) => return Err(lost(error)),
        Err(EngineFault::Silent(reason)) => output.say(&format!("the Docker Engine does not answer: {reason}")),
        Err(EngineFault::Node(ProbeError::CannotLook { reason, .. }) | EngineFault::Refused(reason)) => {
            output.say(&format!("the Docker Engine refuses: {reason}"))
        }
    }
    if shared.stop.is_cancelled() {
        return Err(Ending::Cancelled);
    }
    let options = engine_options(transport).await.map_err(lost)?;
    if !changed_options(&options, &Ours::default()).is_empty() {
        output.say("giving the engine the options that it was installed with");
        default_options(transport, Restart::Always, step.timeout).await?;
        // What the engine was told to restart may have come back with it.
        let engine = Engine::connect(transport).await?;
        remove_everything(shared, transport, &engine, output).await?;
    }
    let left = look_at_everything(transport).await.map_err(lost)?;
    match left.engine_is_silent {
        Some(reason) => Err(Ending::CouldNotStart { reason, hint: None }),
        None => Ok(left.found),
    }
}

fn lost(error: ProbeError) -> Ending {
    match error {
        ProbeError::Unreachable { reason, hint } => Ending::LostConnection { reason, hint },
        ProbeError::CannotLook { reason, hint } => Ending::CouldNotStart { reason, hint },
    }
}

/// Removes containers and images until there are none, or nothing more goes away.
async fn remove_everything(
    shared: &Shared,
    transport: &dyn Transport,
    engine: &Engine,
    output: &mut StepOutput,
) -> Result<(), Ending> {
    let limit = Instant::now() + SETTLE;
    let mut ticks = interval(AGAIN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let contents = engine_contents(transport).await.map_err(lost)?;
        let is_empty = contents.containers.is_empty() && contents.images.is_empty();
        if is_empty || shared.stop.is_cancelled() {
            return Ok(());
        }
        let mut refused = BTreeSet::new();
        let gone_before = gone(&contents);
        let containers: Vec<&ContainerSeen> = contents.containers.iter().collect();
        refused.extend(remove_containers(engine, &containers, output).await);
        let all = contents.images.iter().map(|image| image.id.clone()).collect();
        for image in leaves(&all, &contents) {
            match engine.remove_image_and_names(&image.id).await {
                Ok(()) if image.tags.is_empty() => {}
                Ok(()) => output.say(&format!("removing image {}", image.tags.join(", "))),
                Err(fault @ (EngineFault::Silent(_) | EngineFault::Node(_))) => return Err(fault.into()),
                Err(fault) => drop(refused.insert(fault.to_string())),
            }
        }
        let now = engine_contents(transport).await.map_err(lost)?;
        if gone(&now) == gone_before && Instant::now() > limit {
            refused.iter().for_each(|reason| output.say(reason));
            return Ok(());
        }
    }
}

/// Returns how much there still is.
fn gone(contents: &EngineContents) -> (usize, usize) {
    (contents.containers.len(), contents.images.len())
}
