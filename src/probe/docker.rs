//! The client of a node's Docker Engine.

use crate::node::{ApiVersion, Tunnel};
use bollard::errors::Error as DockerError;
use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker};

/// Returns a client of the engine behind `tunnel` that speaks the newest version of the API that both know; one exchange may take `seconds`.
///
/// # Errors
///
/// Where the engine was not asked for its version before, and does not tell it now.
pub async fn docker_client(tunnel: &Tunnel, seconds: u64) -> Result<Docker, DockerError> {
    let socket = tunnel.socket.to_string_lossy();
    let newest = ApiVersion {
        major: API_DEFAULT_VERSION.major_version,
        minor: API_DEFAULT_VERSION.minor_version,
    };
    match tunnel.api_version {
        Some(theirs) => {
            let ApiVersion { major, minor } = theirs.min(newest);
            let version = ClientVersion {
                major_version: major,
                minor_version: minor,
            };
            Docker::connect_with_unix(&socket, seconds, &version)
        }
        None => {
            let docker = Docker::connect_with_unix(&socket, seconds, API_DEFAULT_VERSION)?;
            docker.negotiate_version().await
        }
    }
}
