//! Host ports: what a container asks for, and when two containers ask for the same.

use std::net::IpAddr;

use serde_json::Value;

/// A host port that a container holds or asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortBinding {
    /// The address on the host; empty for all.
    pub host_ip: String,
    /// The port on the host, 1 to 65535.
    pub host_port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

impl PortBinding {
    /// Tells whether one host cannot give both.
    pub fn clashes(&self, other: &Self) -> bool {
        self.host_port == other.host_port
            && self.protocol == other.protocol
            && (self.host_ip == other.host_ip || self.is_everywhere() || other.is_everywhere())
    }

    fn is_everywhere(&self) -> bool {
        self.host_ip.is_empty() || self.host_ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
    }
}

/// The host ports in `bindings`, an engine's `PortBindings` or `Ports`; ports left to the engine are not among them.
pub fn host_ports(bindings: Option<&Value>) -> Vec<PortBinding> {
    let Some(Value::Object(bindings)) = bindings else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (container_port, wanted) in bindings {
        let protocol = container_port.split_once('/').map_or("tcp", |(_, protocol)| protocol);
        for binding in wanted.as_array().into_iter().flatten() {
            let host_ip = binding["HostIp"].as_str().unwrap_or_default();
            if let Some(host_port) = one_port(binding.get("HostPort")) {
                found.push(PortBinding {
                    host_ip: host_ip.to_owned(),
                    host_port,
                    protocol: protocol.to_ascii_lowercase(),
                });
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The port that `text` names; none where the engine is to choose: nothing, `0`, or a range.
fn one_port(text: Option<&Value>) -> Option<u16> {
    let port = match text? {
        Value::String(text) => text.parse().ok()?,
        Value::Number(number) => u16::try_from(number.as_u64()?).ok()?,
        _ => return None,
    };
    (port != 0).then_some(port)
}
