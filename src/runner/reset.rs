//! What `--reset-nodes` asks for by name: a node without containers that run and with an engine's default options.

use super::baseline::engine_contents;
use super::engine::Engine;
use super::engine_hand::RESTART;
use super::executor::Done;
use super::output::StepOutput;
use super::reports::JournalLost;
use super::shared::Shared;
use crate::domain::{Command, Ending, Outcome, PlannedStep};
use crate::node::{Look, Transport};
use std::sync::Arc;

/// Comments DOCKER_OPTS out; a restart follows where that changed something.
const RESET_OPTIONS: &str = r"
f=/etc/default/docker
grep -Eq '^[[:space:]]*(export[[:space:]]+)?DOCKER_OPTS=' $f 2>/dev/null || exit 0
sed -i -E 's/^([[:space:]]*(export[[:space:]]+)?DOCKER_OPTS=)/#\1/' $f || exit 1
";

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
    for container in contents.containers.iter().filter(|container| container.is_running()) {
        let is_ours = container
            .project()
            .is_some_and(|project| ours.projects.contains(project))
            || ours.containers.contains(&container.name);
        if !is_ours {
            output.say(&format!("removing container {} ({})", container.name, container.image));
            engine
                .remove_container(&container.id)
                .await
                .map_err(|fault| fault.to_string())?;
        }
    }
    let look = Look {
        command: Command::Shell(format!("{RESET_OPTIONS}{RESTART}")),
        as_root: true,
        deadline: step.timeout,
        keep: 8192,
    };
    let looked = transport.look(&look).await.map_err(|error| error.to_string())?;
    match looked.ending {
        Ending::Exited { code: 0 } => Ok(()),
        ending => Err(format!("{ending}: {}", String::from_utf8_lossy(&looked.stderr).trim())),
    }
}
