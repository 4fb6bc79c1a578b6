//! What the playground must know of this machine: capabilities, routes, resolvers, the size of packets.

use super::capabilities::capabilities_to_add;
use super::subnet::{Range, routed_ranges};
use std::net::IpAddr;

/// What was found out about this machine; what cannot be read is taken as on a usual server.
pub(super) struct Host {
    pub(super) capabilities: Vec<String>,
    pub(super) routed: Vec<Range>,
    pub(super) resolvers: Vec<IpAddr>,
    /// The packet size of the way out, where it is smaller than Ethernet's.
    pub(super) packet_size: Option<u32>,
}

impl Host {
    pub(super) fn look() -> Self {
        let read = |path: &str| fs_err::read_to_string(path).unwrap_or_default();
        let last = read("/proc/sys/kernel/cap_last_cap").trim().parse().unwrap_or(40);
        let routes = read("/proc/net/route");
        let mut resolvers = resolvers(&read("/etc/resolv.conf"));
        if resolvers.is_empty() {
            // Where systemd-resolved listens on loopback, it keeps the real ones here.
            resolvers = self::resolvers(&read("/run/systemd/resolve/resolv.conf"));
        }
        let packet_size = default_interface(&routes)
            .and_then(|interface| read(&format!("/sys/class/net/{interface}/mtu")).trim().parse().ok())
            .filter(|size| *size < 1500);
        Self {
            capabilities: capabilities_to_add(&read("/proc/self/status"), last),
            routed: routed_ranges(&routes),
            resolvers,
            packet_size,
        }
    }
}

/// Returns the resolvers in the text of a resolv.conf that a container can reach: loopback is another one inside it.
/// The nodes' network has no IPv6, so an IPv6 resolver is only better than none.
fn resolvers(text: &str) -> Vec<IpAddr> {
    let addresses = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver"))
            .then(|| words.next()?.parse::<IpAddr>().ok())
            .flatten()
    });
    let outside: Vec<IpAddr> = addresses.filter(|address| !address.is_loopback()).collect();
    let ipv4: Vec<IpAddr> = outside.iter().copied().filter(IpAddr::is_ipv4).collect();
    if ipv4.is_empty() { outside } else { ipv4 }
}

fn default_interface(routes: &str) -> Option<&str> {
    let fields = routes
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields
        .into_iter()
        .find(|fields| fields.get(1) == Some(&"00000000") && fields.get(7) == Some(&"00000000"))
        .and_then(|fields| fields.first().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_resolvers_are_left_out() {
        let text = "# made by hand\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nsearch example\nnameserver nonsense\nnameserver\n";
        assert_eq!(resolvers(text), ["192.0.2.53".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn an_ipv6_resolver_is_used_only_where_there_is_no_other() {
        assert_eq!(resolvers("nameserver 2001:db8::53\n").len(), 1);
        assert_eq!(
            resolvers("nameserver 2001:db8::53\nnameserver 192.0.2.53\n"),
            ["192.0.2.53".parse::<IpAddr>().unwrap()]
        );
    }

    #[test]
    fn the_way_out_is_the_default_routes_interface() {
        let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                    docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
                    ens5\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
        assert_eq!(default_interface(text), Some("ens5"));
    }
}
