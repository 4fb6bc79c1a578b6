//! The connection to the Docker Engine that carries the playground, and the errors people meet on the way to it.

use super::PlaygroundError;
use bollard::{API_DEFAULT_VERSION, Docker};
use std::io::{Error, ErrorKind};
use tokio::net::{TcpStream, UnixStream};

const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
const TIMEOUT_SECONDS: u64 = 120;

/// An engine that answered.
pub(super) struct Engine {
    pub(super) docker: Docker,
    /// Its address, for programs that are to use the same one.
    pub(super) host: String,
}

impl Engine {
    /// Connects to the engine that `DOCKER_HOST` names, else to the one of this machine.
    pub(super) async fn connect() -> Result<Self, PlaygroundError> {
        let host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
        Self::connect_to(host.unwrap_or_else(|| DEFAULT_HOST.to_owned())).await
    }

    /// Connects to the engine at `host`. Knocks first: the client library hides whether nobody is there or we may not in.
    pub(super) async fn connect_to(host: String) -> Result<Self, PlaygroundError> {
        let client = if let Some(path) = host.strip_prefix("unix://") {
            knock(&host, UnixStream::connect(path).await.map(drop))?;
            Docker::connect_with_unix(path, TIMEOUT_SECONDS, API_DEFAULT_VERSION)
        } else if let Some(address) = host.strip_prefix("tcp://") {
            knock(&host, TcpStream::connect(address).await.map(drop))?;
            Docker::connect_with_http(&host, TIMEOUT_SECONDS, API_DEFAULT_VERSION)
        } else {
            return Err(PlaygroundError::UnknownHost { host });
        };
        let answered = match client {
            Ok(docker) => docker.negotiate_version().await,
            Err(source) => Err(source),
        };
        let docker = answered.map_err(PlaygroundError::engine("tell its version"))?;
        Ok(Self { docker, host })
    }
}

fn knock(host: &str, answer: Result<(), Error>) -> Result<(), PlaygroundError> {
    let host = host.to_owned();
    answer.map_err(|source| match source.kind() {
        ErrorKind::PermissionDenied => PlaygroundError::NotPermitted { host, source },
        _ => PlaygroundError::NoEngine { host, source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_named_with_the_way_to_get_one() {
        let directory = tempfile::tempdir().unwrap();
        let host = format!("unix://{}/docker.sock", directory.path().display());
        let error = Engine::connect_to(host.clone()).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            format!("no Docker Engine for the playground at {host}")
        );
        assert!(error.hint().unwrap().contains("apt-get install docker.io"));
    }

    #[tokio::test]
    async fn an_address_of_another_kind_is_refused_by_name() {
        let error = Engine::connect_to("ssh://somewhere".to_owned()).await.err().unwrap();
        assert!(error.to_string().contains("ssh://somewhere"), "{error}");
    }

    #[test]
    fn a_socket_for_others_gets_the_hint_about_the_group() {
        let denied = Err(Error::from(ErrorKind::PermissionDenied));
        let error = knock("unix:///var/run/docker.sock", denied).err().unwrap();
        assert!(error.hint().unwrap().contains("usermod -aG docker"));
    }
}
