//! Changes to a node's Docker Engine through its API: what the engine does itself, without a command on the node.

use crate::domain::{ContainerSeen, Ending, ProbeError};
use crate::node::{NodeError, Transport, Tunnel};
use crate::probe::docker_client;
use bollard::Docker;
use bollard::errors::Error as DockerError;
use bollard::models::ContainerStateStatusEnum;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ImportImageOptionsBuilder, InspectContainerOptions, KillContainerOptions,
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder, RemoveVolumeOptions,
    StartContainerOptions, TagImageOptionsBuilder,
};
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use std::collections::BTreeMap;

/// How long one exchange with the engine may take, in seconds; what streams is bounded by the step.
const EXCHANGE: u64 = 120;

/// How many containers are removed at a time.
const AT_ONCE: usize = 4;

/// Why the engine did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineFault {
    /// It answered, and refused.
    #[error("{0}")]
    Refused(String),
    /// The engine did not answer, or broke off.
    #[error("{0}")]
    Silent(String),
    /// The engine could not be asked: its node says no, or cannot be reached.
    #[error("{0}")]
    Node(ProbeError),
}

impl From<NodeError> for EngineFault {
    fn from(error: NodeError) -> Self {
        Self::Node(error.into())
    }
}

impl From<ProbeError> for EngineFault {
    fn from(error: ProbeError) -> Self {
        Self::Node(error)
    }
}

impl From<DockerError> for EngineFault {
    fn from(error: DockerError) -> Self {
        match error {
            DockerError::DockerResponseServerError { message, .. } => Self::Refused(message),
            DockerError::DockerStreamError { error } => Self::Refused(error),
            // What is left is the way to the engine: sockets, timeouts, answers that broke off. That the connection to the node is
            // broken, only ssh says.
            other => Self::Silent(other.to_string()),
        }
    }
}

impl From<EngineFault> for Ending {
    fn from(fault: EngineFault) -> Self {
        match fault {
            EngineFault::Refused(reason) => Self::CouldNotStart { reason, hint: None },
            EngineFault::Silent(reason) => Self::CouldNotStart {
                reason: format!("the Docker Engine broke off: {reason}"),
                hint: Some("is it running? `sudo service docker status` on the node".to_owned()),
            },
            EngineFault::Node(ProbeError::Unreachable { reason, hint }) => Self::LostConnection { reason, hint },
            EngineFault::Node(ProbeError::CannotLook { reason, hint }) => Self::CouldNotStart { reason, hint },
        }
    }
}

/// A node's engine; the way to it stays open while the value lives.
pub(super) struct Engine {
    docker: Docker,
    _tunnel: Tunnel,
}

/// What becomes of a removal: things that are gone, or going, are as good as removed.
fn removed(result: Result<(), DockerError>) -> Result<(), EngineFault> {
    match result {
        Err(DockerError::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        Err(DockerError::DockerResponseServerError {
            status_code: 409,
            message,
        }) if message.contains("already in progress") => Ok(()),
        other => Ok(other?),
    }
}

/// Splits a reference into repository and tag; `latest` where it has none, and no tag where it is one by digest.
fn repository_and_tag(reference: &str) -> (&str, &str) {
    if reference.contains('@') {
        return (reference, "");
    }
    match reference.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (reference, "latest"),
    }
}

impl Engine {
    pub(super) async fn connect(transport: &dyn Transport) -> Result<Self, EngineFault> {
        let tunnel = transport.engine().await?;
        let docker = docker_client(&tunnel, EXCHANGE).await?;
        Ok(Self {
            docker,
            _tunnel: tunnel,
        })
    }

    pub(super) async fn pull(&self, reference: &str) -> Result<(), EngineFault> {
        let (repository, tag) = repository_and_tag(reference);
        let mut options = CreateImageOptionsBuilder::new().from_image(repository);
        if !tag.is_empty() {
            options = options.tag(tag);
        }
        let options = options.build();
        self.docker
            .create_image(Some(options), None, None)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        Ok(())
    }

    /// Returns the id of the image `reference`, a name, a digest or an id; `None` where there is none.
    pub(super) async fn image_id(&self, reference: &str) -> Result<Option<String>, EngineFault> {
        match self.docker.inspect_image(reference).await {
            Ok(image) => Ok(image.id),
            Err(DockerError::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Says whether the image `id` is there and has no name.
    pub(super) async fn is_nameless(&self, id: &str) -> Result<bool, EngineFault> {
        match self.docker.inspect_image(id).await {
            Ok(image) => Ok(image.repo_tags.unwrap_or_default().is_empty()),
            Err(DockerError::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn tag(&self, image: &str, reference: &str) -> Result<(), EngineFault> {
        let (repository, tag) = repository_and_tag(reference);
        let options = TagImageOptionsBuilder::new().repo(repository).tag(tag).build();
        Ok(self.docker.tag_image(image, Some(options)).await?)
    }

    pub(super) async fn load(&self, archive: Vec<u8>) -> Result<(), EngineFault> {
        let options = ImportImageOptionsBuilder::new().quiet(true).build();
        let body = bollard::body_full(archive.into());
        self.docker
            .import_image(options, body, None)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        Ok(())
    }

    /// Returns the containers that run, by id with their names.
    pub(super) async fn running(&self) -> Result<BTreeMap<String, String>, EngineFault> {
        let options = ListContainersOptionsBuilder::new().all(false).build();
        let listed = self.docker.list_containers(Some(options)).await?;
        let named = listed.into_iter().filter_map(|container| {
            let names = container.names.unwrap_or_default();
            // A link gives a container further names, with a slash in them.
            let own = names.iter().map(|name| name.trim_start_matches('/'));
            let own = own.filter(|name| !name.contains('/')).map(str::to_owned).next();
            let id = container.id?;
            Some((id.clone(), own.unwrap_or(id)))
        });
        Ok(named.collect())
    }

    /// Starts a container; returns false where there is none.
    pub(super) async fn start(&self, id: &str) -> Result<bool, EngineFault> {
        match self.docker.start_container(id, None::<StartContainerOptions>).await {
            Ok(()) => Ok(true),
            Err(DockerError::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Says whether containers live on while the engine restarts.
    pub(super) async fn keeps_containers_alive(&self) -> Result<bool, EngineFault> {
        Ok(self.docker.info().await?.live_restore_enabled.unwrap_or(false))
    }

    /// Kills what runs in a container; one that has ended or is gone needs no killing.
    pub(super) async fn kill_container(&self, id: &str) -> Result<(), EngineFault> {
        match self.docker.kill_container(id, None::<KillContainerOptions>).await {
            Err(DockerError::DockerResponseServerError {
                status_code: 404 | 409, ..
            }) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Says whether a container is there whose command has ended with status 0.
    pub(super) async fn has_ended_well(&self, id: &str) -> Result<bool, EngineFault> {
        match self.docker.inspect_container(id, None::<InspectContainerOptions>).await {
            Ok(container) => Ok(container.state.is_some_and(|state| {
                state.status == Some(ContainerStateStatusEnum::EXITED) && state.exit_code == Some(0)
            })),
            Err(DockerError::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a container, running or not, with its anonymous volumes.
    pub(super) async fn remove_container(&self, id: &str) -> Result<(), EngineFault> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        removed(self.docker.remove_container(id, Some(options)).await)
    }

    /// Removes `containers`, some at a time: an engine mostly waits for each to be gone. Returns what did not work.
    pub(super) async fn remove_containers(&self, containers: &[&ContainerSeen]) -> Vec<EngineFault> {
        let ids: Vec<String> = containers.iter().map(|container| container.id.clone()).collect();
        let mut faults = Vec::new();
        for some in ids.chunks(AT_ONCE) {
            let removed = join_all(some.iter().map(|id| self.remove_container(id))).await;
            faults.extend(removed.into_iter().filter_map(Result::err));
        }
        faults
    }

    pub(super) async fn remove_network(&self, id: &str) -> Result<(), EngineFault> {
        removed(self.docker.remove_network(id).await)
    }

    pub(super) async fn remove_volume(&self, name: &str) -> Result<(), EngineFault> {
        removed(self.docker.remove_volume(name, None::<RemoveVolumeOptions>).await)
    }

    /// Removes a tag, or an image by id, and nothing else: its parents may be somebody else's.
    pub(super) async fn remove_image(&self, reference: &str) -> Result<(), EngineFault> {
        let options = RemoveImageOptionsBuilder::new().force(false).noprune(true).build();
        removed(
            self.docker
                .remove_image(reference, Some(options), None)
                .await
                .map(|_| ()),
        )
    }

    /// Removes an image by id with all its names; its parents are left.
    pub(super) async fn remove_image_and_names(&self, id: &str) -> Result<(), EngineFault> {
        let options = RemoveImageOptionsBuilder::new().force(true).noprune(true).build();
        removed(self.docker.remove_image(id, Some(options), None).await.map(|_| ()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_a_registry_is_not_taken_for_a_tag() {
        assert_eq!(repository_and_tag("mongo:3.6"), ("mongo", "3.6"));
        assert_eq!(
            repository_and_tag("host:5000/dockchat"),
            ("host:5000/dockchat", "latest")
        );
        assert_eq!(
            repository_and_tag("host:5000/dockchat:v1"),
            ("host:5000/dockchat", "v1")
        );
    }
}
