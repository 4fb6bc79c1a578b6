//! Host ports that are taken.

use crate::swarm::manager::scheduler::node::{ContainerFacts, ContainerState, Node};
use crate::swarm::manager::scheduler::request::Request;

/// Which of the host ports that are asked for `node` has given away.
pub(super) fn lack(request: &Request, node: &Node) -> Option<String> {
    let holders = || {
        node.containers
            .iter()
            .filter(|container| holds_ports(container) && !request.replaces(container))
    };
    for wanted in &request.ports {
        if let Some(holder) = holders().find(|holder| holder.ports.iter().any(|held| held.clashes(wanted))) {
            return Some(format!("has port {} taken by {}", wanted.host_port, called(holder)));
        }
    }
    for wanted in &request.host_network_ports {
        if let Some(holder) = holders().find(|holder| holder.host_network_ports.contains(wanted)) {
            return Some(format!(
                "has port {wanted} of the host's network taken by {}",
                called(holder)
            ));
        }
    }
    None
}

/// The ports that are asked for.
pub(super) fn conditions(request: &Request) -> Vec<String> {
    let bridge = request
        .ports
        .iter()
        .map(|port| format!("port {} (Bridge mode)", port.host_port));
    let host = request
        .host_network_ports
        .iter()
        .map(|port| format!("port {port} (Host mode)"));
    bridge.chain(host).collect()
}

fn holds_ports(container: &ContainerFacts) -> bool {
    container.state != ContainerState::Stopped
}

fn called(container: &ContainerFacts) -> &str {
    match container.name() {
        "" => "a container that is being created",
        name => name,
    }
}
