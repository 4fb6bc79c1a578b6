//! The network that the nodes are on, with addresses that stay.

use super::engine::Engine;
use super::host::Host;
use super::per_node::PerNode;
use super::progress::{Listener, Progress};
use super::subnet::{Range, choose_subnet};
use super::suite::NodeKinds;
use super::{PlaygroundError, lifecycle::LABEL};
use bollard::errors::Error;
use bollard::models::{Ipam, IpamConfig, Network, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptionsBuilder;
use std::collections::HashMap;

/// The first node's address within the network; those before are the gateway's and for whoever needs one.
const FIRST_NODE: u8 = 10;
/// The network is there as long as the playground is, so it is what remembers how the nodes are to be.
const INITS_LABEL: &str = "labctl.inits";
const SUITES_LABEL: &str = "labctl.suites";

/// The network of a playground.
#[derive(Debug, Clone)]
pub(super) struct NodeNetwork {
    pub(super) id: String,
    pub(super) range: Range,
    pub(super) kinds: NodeKinds,
}

impl NodeNetwork {
    /// Returns the address of the node with this `index`.
    pub(super) fn node_address(&self, index: u8) -> std::net::Ipv4Addr {
        self.range.address(FIRST_NODE + index)
    }
}

/// Finds the network of the playground `id`.
pub(super) async fn find(engine: &Engine, id: &str) -> Result<Option<NodeNetwork>, PlaygroundError> {
    let networks = labelled(engine, id).await?;
    Ok(networks.iter().find_map(|network| {
        Some(NodeNetwork {
            id: network.id.clone()?,
            range: *ranges_of(network).first()?,
            kinds: kinds_of(network),
        })
    }))
}

/// Makes the network of the playground `id` on a range that nothing on this machine uses.
pub(super) async fn create(
    engine: &Engine,
    id: &str,
    kinds: NodeKinds,
    host: &Host,
    listener: &Listener<'_>,
) -> Result<NodeNetwork, PlaygroundError> {
    let listed = engine
        .docker
        .list_networks(None)
        .await
        .map_err(PlaygroundError::engine("list its networks"))?;
    let mut taken: Vec<Range> = listed
        .iter()
        .flat_map(ranges_of)
        .chain(host.routed.iter().copied())
        .collect();
    let start = u8::from_str_radix(id.get(..2).unwrap_or_default(), 16).unwrap_or(0);
    loop {
        let range = choose_subnet(start, &taken).ok_or(PlaygroundError::NoSubnet)?;
        match engine.docker.create_network(request(id, range, kinds, host)).await {
            Ok(made) => {
                listener.tell(Progress::NetworkMade {
                    subnet: range.to_string(),
                });
                return Ok(NodeNetwork {
                    id: made.id,
                    range,
                    kinds,
                });
            }
            // Taken meanwhile, or by something that neither the engine's list nor the routes show.
            Err(Error::DockerResponseServerError { message, .. }) if message.contains("overlap") => taken.push(range),
            Err(error) => return Err(PlaygroundError::engine("make the playground's network")(error)),
        }
    }
}

/// Removes the networks of the playground `id`; returns whether there was any.
pub(super) async fn remove(engine: &Engine, id: &str) -> Result<bool, PlaygroundError> {
    let mut any = false;
    for network in labelled(engine, id).await?.into_iter().filter_map(|network| network.id) {
        let removed = engine.docker.remove_network(&network).await;
        removed.map_err(PlaygroundError::engine("remove the playground's network"))?;
        any = true;
    }
    Ok(any)
}

async fn labelled(engine: &Engine, id: &str) -> Result<Vec<Network>, PlaygroundError> {
    let filters = HashMap::from([("label", vec![format!("{LABEL}={id}")])]);
    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    engine
        .docker
        .list_networks(Some(options))
        .await
        .map_err(PlaygroundError::engine("list its networks"))
}

/// Returns what the nodes are; those of a playground from before there was a choice are the usual ones.
fn kinds_of(network: &Network) -> NodeKinds {
    let label = |name: &str| network.labels.as_ref()?.get(name);
    NodeKinds {
        inits: label(INITS_LABEL)
            .and_then(|text| PerNode::parse(text))
            .unwrap_or_default(),
        suites: label(SUITES_LABEL)
            .and_then(|text| PerNode::parse(text))
            .unwrap_or_default(),
    }
}

fn ranges_of(network: &Network) -> Vec<Range> {
    let configs = network
        .ipam
        .as_ref()
        .and_then(|ipam| ipam.config.as_deref())
        .unwrap_or_default();
    configs
        .iter()
        .filter_map(|config| config.subnet.as_deref()?.parse().ok())
        .collect()
}

fn request(id: &str, range: Range, kinds: NodeKinds, host: &Host) -> NetworkCreateRequest {
    let address = IpamConfig {
        subnet: Some(range.to_string()),
        gateway: Some(range.address(1).to_string()),
        ..Default::default()
    };
    let packet_size = host
        .packet_size
        .map(|size| ("com.docker.network.driver.mtu".to_owned(), size.to_string()));
    NetworkCreateRequest {
        name: format!("labctl-{id}"),
        driver: Some("bridge".to_owned()),
        ipam: Some(Ipam {
            config: Some(vec![address]),
            ..Default::default()
        }),
        options: Some(packet_size.into_iter().collect()),
        labels: Some(HashMap::from([
            (LABEL.to_owned(), id.to_owned()),
            (INITS_LABEL.to_owned(), kinds.inits.to_string()),
            (SUITES_LABEL.to_owned(), kinds.suites.to_string()),
        ])),
        ..Default::default()
    }
}
