//! A node as the engine sees it: how its container is made, found, started and removed.

use super::engine::Engine;
use super::network::NodeNetwork;
use super::{NodeInit, NodeState, PlaygroundError, lifecycle::LABEL};
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerSummary, ContainerSummaryStateEnum, EndpointIpamConfig, EndpointSettings, HostConfig,
    HostConfigCgroupnsModeEnum, NetworkingConfig,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    StopContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use std::collections::HashMap;
use std::net::Ipv4Addr;

const NODE_LABEL: &str = "labctl.node";
const KEYS_LABEL: &str = "labctl.keys";
/// An engine with running containers takes its time; after this the plug is pulled.
const STOP_SECONDS: i32 = 15;

/// What a node's container is made of.
pub(super) struct Wanted<'a> {
    pub(super) playground: &'a str,
    pub(super) node: &'a str,
    pub(super) init: NodeInit,
    pub(super) image: &'a str,
    pub(super) keys_mark: &'a str,
    pub(super) network: &'a NodeNetwork,
    pub(super) address: Ipv4Addr,
    pub(super) capabilities: &'a [String],
}

impl Wanted<'_> {
    fn body(&self) -> ContainerCreateBody {
        let labels = [
            (LABEL, self.playground),
            (NODE_LABEL, self.node),
            (KEYS_LABEL, self.keys_mark),
        ];
        let address = EndpointIpamConfig {
            ipv4_address: Some(self.address.to_string()),
            ..Default::default()
        };
        let endpoint = EndpointSettings {
            ipam_config: Some(address),
            ..Default::default()
        };
        let (command, stop_signal) = start_and_stop(self.init);
        ContainerCreateBody {
            cmd: Some(vec![command.to_owned()]),
            stop_signal: Some(stop_signal.to_owned()),
            hostname: Some(self.node.to_owned()),
            image: Some(self.image.to_owned()),
            labels: Some(
                labels
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .collect(),
            ),
            // Anonymous, so that it goes with its container: an engine's store cannot lie on a container's own layers.
            volumes: Some(vec!["/var/lib/docker".to_owned()]),
            host_config: Some(self.host_config()),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(self.network.id.clone(), endpoint)])),
            }),
            ..Default::default()
        }
    }

    /// Everything an init and an engine need, short of `privileged`, which fails where root itself lacks a capability. The
    /// cgroup namespace is the node's own: what it does there stays within its part of this machine's tree.
    fn host_config(&self) -> HostConfig {
        HostConfig {
            network_mode: Some(self.network.id.clone()),
            cap_add: Some(self.capabilities.to_vec()),
            security_opt: Some(vec![
                "seccomp=unconfined".to_owned(),
                "apparmor=unconfined".to_owned(),
                "label=disable".to_owned(),
            ]),
            masked_paths: Some(Vec::new()),
            readonly_paths: Some(Vec::new()),
            cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
            ..Default::default()
        }
    }
}

/// Returns the command that becomes the node's init, and the signal that shuts it down in order.
fn start_and_stop(init: NodeInit) -> (&'static str, &'static str) {
    match init {
        NodeInit::Sysvinit => ("/sbin/init", "SIGINT"),
        NodeInit::Systemd | NodeInit::DockerCe => ("/usr/local/sbin/node-systemd", "SIGRTMIN+3"),
    }
}

/// A node's container that exists.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) id: String,
    /// The node's name; the container's own where the label is gone.
    pub(super) node: String,
    pub(super) keys_mark: String,
    pub(super) state: NodeState,
    /// Whether it was left before its first start, so that its first files may be missing.
    pub(super) is_half_made: bool,
}

/// Finds the containers of the playground `id`, running or not.
pub(super) async fn find_all(engine: &Engine, id: &str) -> Result<Vec<Found>, PlaygroundError> {
    let filters = HashMap::from([("label", vec![format!("{LABEL}={id}")])]);
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&filters)
        .build();
    let listed = engine.docker.list_containers(Some(options)).await;
    let listed = listed.map_err(PlaygroundError::engine("list its containers"))?;
    Ok(listed.into_iter().filter_map(found).collect())
}

fn found(summary: ContainerSummary) -> Option<Found> {
    let labels = summary.labels.unwrap_or_default();
    let label = |key: &str| labels.get(key).cloned();
    let own_name = || {
        summary
            .names
            .iter()
            .flatten()
            .next()
            .map(|name| name.trim_start_matches('/').to_owned())
    };
    Some(Found {
        node: label(NODE_LABEL).or_else(own_name).unwrap_or_default(),
        keys_mark: label(KEYS_LABEL).unwrap_or_default(),
        id: summary.id?,
        is_half_made: summary.state == Some(ContainerSummaryStateEnum::CREATED),
        state: match summary.state {
            Some(ContainerSummaryStateEnum::RUNNING) => NodeState::Running,
            _ => NodeState::Stopped,
        },
    })
}

/// Makes a container that is not started yet, with `files` unpacked in it; returns its id.
pub(super) async fn create(engine: &Engine, wanted: &Wanted<'_>, files: Vec<u8>) -> Result<String, PlaygroundError> {
    let name = format!("labctl-{}-{}", wanted.playground, wanted.node);
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    let made = engine.docker.create_container(Some(options), wanted.body()).await;
    let id = made
        .map_err(PlaygroundError::engine(format!("make {}", wanted.node)))?
        .id;
    let options = UploadToContainerOptionsBuilder::default().path("/").build();
    let uploaded = engine
        .docker
        .upload_to_container(&id, Some(options), bollard::body_full(files.into()))
        .await;
    if let Err(error) = uploaded {
        // Without its keys it would be in the way of the next try.
        remove(engine, &id, wanted.node).await?;
        return Err(PlaygroundError::engine(format!(
            "put the first files on {}",
            wanted.node
        ))(error));
    }
    Ok(id)
}

/// Starts the container `id` of `node`.
pub(super) async fn start(engine: &Engine, id: &str, node: &str) -> Result<(), PlaygroundError> {
    engine
        .docker
        .start_container(id, None)
        .await
        .map_err(PlaygroundError::engine(format!("start {node}")))
}

/// Shuts the container `id` of `node` down; its engine stops in order where it does so in time.
pub(super) async fn stop(engine: &Engine, id: &str, node: &str) -> Result<(), PlaygroundError> {
    let options = StopContainerOptionsBuilder::default().t(STOP_SECONDS).build();
    engine
        .docker
        .stop_container(id, Some(options))
        .await
        .map_err(PlaygroundError::engine(format!("stop {node}")))
}

/// Removes the container `id` of `node` with its anonymous volume, running or not.
pub(super) async fn remove(engine: &Engine, id: &str, node: &str) -> Result<(), PlaygroundError> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match engine.docker.remove_container(id, Some(options)).await {
        // Gone already, or on its way.
        Ok(())
        | Err(Error::DockerResponseServerError {
            status_code: 404 | 409, ..
        }) => Ok(()),
        Err(error) => Err(PlaygroundError::engine(format!("remove {node}"))(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::suite::NodeKinds;
    use super::*;

    #[test]
    fn a_node_asks_for_its_capabilities_by_name_and_never_for_privileged() {
        let network = NodeNetwork {
            id: "n".to_owned(),
            range: "10.77.0.0/24".parse().unwrap(),
            kinds: NodeKinds::default(),
        };
        let capabilities = ["SYS_ADMIN".to_owned()];
        let wanted = Wanted {
            playground: "ab12cd34",
            node: "node-0",
            init: NodeInit::DockerCe,
            image: "labctl/playground-node:1",
            keys_mark: "k",
            network: &network,
            address: network.node_address(0),
            capabilities: &capabilities,
        };
        let body = serde_json::to_value(wanted.body()).unwrap();
        assert_eq!(body["HostConfig"]["CapAdd"], serde_json::json!(["SYS_ADMIN"]));
        assert_eq!(body["HostConfig"].get("Privileged"), None);
        assert_eq!(body["HostConfig"]["MaskedPaths"], serde_json::json!([]));
        assert_eq!(
            body["NetworkingConfig"]["EndpointsConfig"]["n"]["IPAMConfig"]["IPv4Address"],
            "10.77.0.10"
        );
        assert_eq!(body["Labels"][LABEL], "ab12cd34");
        assert_eq!(body["Cmd"], serde_json::json!(["/usr/local/sbin/node-systemd"]));
        assert_eq!(body["StopSignal"], "SIGRTMIN+3");
    }
}
