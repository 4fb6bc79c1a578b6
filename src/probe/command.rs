//! What a command says that only looks.

use crate::domain::{Command, CommandSeen, Observation, ProbeError};
use crate::node::{Look, Transport};
use std::time::Duration;

/// How many bytes of each stream are kept.
const KEPT: usize = 1 << 20;

pub(super) async fn observe_command(
    transport: &dyn Transport,
    command: &Command,
    as_root: bool,
    timeout: Duration,
) -> Result<Observation, ProbeError> {
    let look = Look {
        command: command.clone(),
        as_root,
        deadline: timeout,
        keep: KEPT,
    };
    let looked = transport.look(&look).await?;
    Ok(Observation::Command(CommandSeen {
        ending: looked.ending,
        stdout: looked.stdout,
        stderr: looked.stderr,
        dropped: looked.dropped,
    }))
}
