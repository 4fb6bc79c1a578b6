//! What `--reset-nodes` asks for by name: a node without containers that run and with an engine's default options.

use super::baseline::engine_contents;
use super::engine::Engine;
use super::engine_hand::RESTART;
use super::executor::Done;
use super::output::StepOutput;
use super::reports::JournalLost;
use super::shared::Shared;
use crate::domain::{Command, ContainerSeen, Ending, Outcome, PlannedStep};
use crate::node::{Look, Transport};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Comments DOCKER_OPTS out; a restart follows where that changed something, or is wanted anyway.
const RESET_OPTIONS: &str = r"
f=/etc/default/docker
if grep -Eq '^[[:space:]]*(export[[:space:]]+)?DOCKER_OPTS=' $f 2>/dev/null; then
    sed -i -E 's/^([[:space:]]*(export[[:space:]]+)?DOCKER_OPTS=)/#\1/' $f || exit 1
elif [ $restart = changed ]; then
    exit 0
fi
";

/// When an engine whose options were put back to their defaults is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Restart {
    /// Where its file was changed.
    IfChanged,
    /// Always: it may run with what its file does not say any more.
    Always,
}

/// Removes the containers that run on the node and are not ours, and puts its engine's options back to their defaults.
pub(super) async fn reset_node(
    shared: &Arc<Shared>,
    step: &PlannedStep,
    transport: &dyn Transport,
) -> Result<Done, JournalLost> {
    let mut output = StepOutput::new(shared, &step.key, false);
    let outcome = match reset(shared, step, transport, &mut output).await {
        Ok(()) => Outcome::Passed,
        Err(reason) => Outcome::CouldNotStart { reason, hint: None },
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

async fn reset(
    shared: &Arc<Shared>,
    step: &PlannedStep,
    transport: &dyn Transport,
    output: &mut StepOutput,
) -> Result<(), String> {
    let ours = shared.ours(&step.key.node);
    let contents = engine_contents(transport).await.map_err(|error| error.to_string())?;
    let engine = Engine::connect(transport).await.map_err(|fault| fault.to_string())?;
    let is_foreign = |container: &&ContainerSeen| {
        let is_ours = container
            .project()
            .is_some_and(|project| ours.projects.contains(project))
            || ours.containers.contains(&container.name);
        container.is_running() && !is_ours
    };
    let foreign: Vec<&ContainerSeen> = contents.containers.iter().filter(is_foreign).collect();
    if let Some(reason) = remove_containers(&engine, &foreign, output).await.pop_first() {
        return Err(reason);
    }
    let reset = default_options(transport, Restart::IfChanged, step.timeout).await;
    reset.map_err(|ending| ending.to_string())
}

/// Removes `containers` with their anonymous volumes, and returns what the engine said where it did not.
pub(super) async fn remove_containers(
    engine: &Engine,
    containers: &[&ContainerSeen],
    output: &mut StepOutput,
) -> BTreeSet<String> {
    for container in containers {
        output.say(&format!("removing container {} ({})", container.name, container.image));
    }
    let refused = engine.remove_containers(containers).await;
    refused.iter().map(ToString::to_string).collect()
}

/// Comments out the options in the engine's file, and restarts it.
pub(super) async fn default_options(
    transport: &dyn Transport,
    restart: Restart,
    deadline: Duration,
) -> Result<(), Ending> {
    let when = match restart {
        Restart::IfChanged => "changed",
        Restart::Always => "always",
    };
    let look = Look {
        command: Command::Shell(format!("restart={when}{RESET_OPTIONS}{RESTART}")),
        as_root: true,
        deadline,
        keep: 8192,
    };
    let looked = transport.look(&look).await?;
    match looked.ending {
        Ending::Exited { code: 0 } => Ok(()),
        Ending::Exited { .. } | Ending::Signalled { .. } => Err(Ending::CouldNotStart {
            reason: format!("{}: {}", looked.ending, String::from_utf8_lossy(&looked.stderr).trim()),
            hint: None,
        }),
        ending => Err(ending),
    }
}
