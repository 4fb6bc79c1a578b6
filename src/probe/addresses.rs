//! Which address others reach a node by.

use super::said::output;
use crate::domain::ProbeError;
use crate::node::Transport;
use std::net::Ipv4Addr;

/// Returns an address of the node's own: the one that `private_ip` leads to, else a private one, in doubt the one that ssh came in by.
pub(super) async fn private_address(transport: &dyn Transport, private_ip: &str) -> Result<Option<String>, ProbeError> {
    let (listed, resolved) = tokio::join!(
        output(transport, &["ip", "-o", "-4", "addr", "show"]),
        resolved(transport, private_ip)
    );
    let own = own_addresses(&listed?.unwrap_or_default());
    let came_in_by = transport.hello().ssh_connection.split(' ').nth(2).map(str::to_owned);
    Ok(chosen_address(&own, &resolved?, came_in_by))
}

/// Returns the IPv4 addresses that the node itself finds under a name.
async fn resolved(transport: &dyn Transport, name: &str) -> Result<Vec<String>, ProbeError> {
    if name.parse::<Ipv4Addr>().is_ok() {
        return Ok(vec![name.to_owned()]);
    }
    let text = output(transport, &["getent", "ahostsv4", "--", name])
        .await?
        .unwrap_or_default();
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let mut addresses: Vec<String> = text.lines().filter_map(first).collect();
    addresses.dedup();
    Ok(addresses)
}

/// Reads the addresses that `ip -o -4 addr show` lists, but for loopback and bridges of the engine's.
pub(super) fn own_addresses(listed: &str) -> Vec<String> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let interface = words.nth(1)?;
        let is_bridge = interface == "lo" || ["docker", "br-", "veth"].iter().any(|name| interface.starts_with(name));
        let address = words.nth(1)?.split('/').next()?.to_owned();
        (!is_bridge).then_some(address)
    };
    listed.lines().filter_map(address).collect()
}

fn chosen_address(own: &[String], resolved: &[String], came_in_by: Option<String>) -> Option<String> {
    let is_private = |address: &&String| address.parse().is_ok_and(|address: Ipv4Addr| address.is_private());
    // A name of the node's own often leads to 127.0.1.1 there.
    let named = resolved.iter().find(|address| own.contains(address)).cloned();
    let mut others = came_in_by.iter().filter(|address| own.contains(address)).chain(own);
    named
        .or_else(|| others.find(is_private).cloned())
        .or(came_in_by)
        .filter(|address| !address.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_nodes_own_is_chosen() {
        let listed = "1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet 10.0.0.5/24 brd 10.0.0.255 scope global eth0\n\
                      3: docker0    inet 172.17.0.1/16 scope global docker0\n4: eth1    inet 203.0.113.7/24 scope global eth1\n";
        let own = own_addresses(listed);
        assert_eq!(own, ["10.0.0.5", "203.0.113.7"]);
        let chosen = |resolved: &[&str], came: &str| {
            let resolved: Vec<String> = resolved.iter().map(|text| (*text).to_owned()).collect();
            chosen_address(&own, &resolved, Some(came.to_owned()).filter(|came| !came.is_empty()))
        };
        assert_eq!(chosen(&["127.0.1.1"], "203.0.113.7").as_deref(), Some("10.0.0.5"));
        assert_eq!(chosen(&["203.0.113.7"], "10.0.0.5").as_deref(), Some("203.0.113.7"));
        assert_eq!(
            chosen_address(&[], &[], Some("192.0.2.1".to_owned())).as_deref(),
            Some("192.0.2.1")
        );
        assert_eq!(chosen_address(&[], &[], None), None);
    }
}
