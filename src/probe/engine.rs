//! What a Docker Engine has, read through its API: no table is parsed.

use super::docker::docker_client;
use crate::domain::{
    ContainerSeen, EngineAt, EngineSeen, ImageSeen, NetworkSeen, Observation, PortSeen, Probe, ProbeError, VolumeSeen,
};
use crate::node::{NodeErrorKind, Transport};
use bollard::Docker;
use bollard::errors::Error as DockerError;
use bollard::models::{ContainerSummary, ImageSummary, Network, Volume};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptions, ListVolumesOptions,
};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::timeout;

/// How long one look at an engine may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn observe_engine(
    transport: &dyn Transport,
    at: &EngineAt,
    probe: &Probe,
) -> Result<Observation, ProbeError> {
    let tunnel = match at {
        EngineAt::Socket => transport.engine().await,
        EngineAt::Tcp { host, port } => transport.tunnel(host, *port),
    };
    let tunnel = match tunnel {
        Ok(tunnel) => tunnel,
        // The node could be asked; it is its engine that does not answer.
        Err(error) if error.kind == NodeErrorKind::NodeFault => {
            return Ok(Observation::EngineDown { reason: error.message });
        }
        Err(error) => return Err(error.into()),
    };
    let look = async { ask(&docker_client(&tunnel, PATIENCE.as_secs()).await?, probe).await };
    Ok(match timeout(PATIENCE, look).await {
        Ok(Ok(observation)) => observation,
        Ok(Err(error)) => Observation::EngineDown {
            reason: error.to_string(),
        },
        Err(_) => Observation::EngineDown {
            reason: format!("no answer within {} s", PATIENCE.as_secs()),
        },
    })
}

async fn ask(docker: &Docker, probe: &Probe) -> Result<Observation, DockerError> {
    Ok(match probe {
        Probe::Containers { labels, all, .. } => {
            let mut builder = ListContainersOptionsBuilder::new().all(*all);
            if !labels.is_empty() {
                builder = builder.filters(&HashMap::from([("label".to_owned(), labels.clone())]));
            }
            let listed = docker.list_containers(Some(builder.build())).await?;
            let mut containers: Vec<ContainerSeen> = listed.into_iter().map(container).collect();
            containers.sort_by(|one, other| one.name.cmp(&other.name));
            Observation::Containers { containers }
        }
        Probe::Images { .. } => {
            // Layers of the classic builder are images without a tag, listed only on request.
            let options = ListImagesOptionsBuilder::new().all(true).build();
            let listed = docker.list_images(Some(options)).await?;
            let mut images: Vec<ImageSeen> = listed.into_iter().map(image).collect();
            images.sort_by(|one, other| one.id.cmp(&other.id));
            Observation::Images { images }
        }
        Probe::Networks { .. } => {
            let listed = docker.list_networks(None::<ListNetworksOptions>).await?;
            let mut networks: Vec<NetworkSeen> = listed.into_iter().map(network).collect();
            networks.sort_by(|one, other| one.name.cmp(&other.name));
            Observation::Networks { networks }
        }
        Probe::Volumes { .. } => {
            let listed = docker.list_volumes(None::<ListVolumesOptions>).await?;
            let mut volumes: Vec<VolumeSeen> = listed.volumes.unwrap_or_default().into_iter().map(volume).collect();
            volumes.sort_by(|one, other| one.name.cmp(&other.name));
            Observation::Volumes { volumes }
        }
        _ => Observation::Engine(engine(docker).await?),
    })
}

/// Asks for the information alone: an engine starts programs for it, and again for its version.
async fn engine(docker: &Docker) -> Result<EngineSeen, DockerError> {
    let info = docker.info().await?;
    let spoken = docker.client_version();
    Ok(EngineSeen {
        version: info.server_version.unwrap_or_default(),
        api_version: format!("{}.{}", spoken.major_version, spoken.minor_version),
        name: info.name.unwrap_or_default(),
        labels: info.labels.unwrap_or_default(),
        storage_driver: info.driver,
        root_dir: info.docker_root_dir,
    })
}

fn container(seen: ContainerSummary) -> ContainerSeen {
    // Beside its own name stand those that containers which link to it have for it, in any order.
    let names = seen.names.into_iter().flatten();
    let names = names.map(|name| name.trim_start_matches('/').to_owned());
    let (aliases, names): (Vec<_>, Vec<_>) = names.partition(|name| name.contains('/'));
    ContainerSeen {
        id: seen.id.unwrap_or_default(),
        name: names.into_iter().next().unwrap_or_default(),
        aliases,
        image: seen.image.unwrap_or_default(),
        image_id: seen.image_id.unwrap_or_default(),
        state: seen.state.map(|state| state.to_string()).unwrap_or_default(),
        status: seen.status.unwrap_or_default(),
        command: seen.command.unwrap_or_default(),
        labels: seen.labels.into_iter().flatten().collect(),
        ports: seen
            .ports
            .into_iter()
            .flatten()
            .map(|port| PortSeen {
                inside: port.private_port,
                protocol: port.typ.map(|protocol| protocol.to_string()).unwrap_or_default(),
                address: port.ip,
                published: port.public_port,
            })
            .collect(),
        volumes: seen
            .mounts
            .into_iter()
            .flatten()
            .filter_map(|mount| mount.name)
            .collect(),
        created: seen.created.unwrap_or_default(),
    }
}

fn image(seen: ImageSummary) -> ImageSeen {
    let tags = seen
        .repo_tags
        .into_iter()
        .filter(|tag| tag != "<none>:<none>")
        .collect();
    let digests = seen
        .repo_digests
        .into_iter()
        .filter(|digest| digest != "<none>@<none>")
        .collect();
    ImageSeen {
        id: seen.id,
        tags,
        digests,
        parent: Some(seen.parent_id).filter(|parent| !parent.is_empty()),
        labels: seen.labels.into_iter().collect(),
        created: seen.created,
        size: seen.size,
    }
}

fn network(seen: Network) -> NetworkSeen {
    NetworkSeen {
        id: seen.id.unwrap_or_default(),
        name: seen.name.unwrap_or_default(),
        driver: seen.driver.unwrap_or_default(),
        labels: seen.labels.into_iter().flatten().collect(),
    }
}

fn volume(seen: Volume) -> VolumeSeen {
    VolumeSeen {
        name: seen.name,
        driver: seen.driver,
        labels: seen.labels.into_iter().collect(),
    }
}
