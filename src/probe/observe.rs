//! One probe, one observation.

use super::{command, engine, engine_options, file, http};
use crate::domain::{Observation, Probe, ProbeError};
use crate::node::Transport;

/// Asks `probe` of the node behind `transport`.
pub async fn observe(transport: &dyn Transport, probe: &Probe) -> Result<Observation, ProbeError> {
    match probe {
        Probe::File { path, as_root } => file::observe_file(transport, path, *as_root).await,
        Probe::Http(probe) => http::observe_http(transport, probe).await,
        Probe::Port { host, port, timeout } => http::observe_port(transport, host, *port, *timeout).await,
        Probe::Command {
            command,
            as_root,
            timeout,
        } => command::observe_command(transport, command, *as_root, *timeout).await,
        Probe::EngineOptions => {
            let options = engine_options::engine_options(transport).await?;
            Ok(Observation::EngineOptions(options))
        }
        Probe::Engine { at }
        | Probe::Containers { at, .. }
        | Probe::Images { at }
        | Probe::Networks { at }
        | Probe::Volumes { at } => engine::observe_engine(transport, at, probe).await,
    }
}
