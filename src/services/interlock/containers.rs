//! Which containers are to be served, and where they are reached.
//!
//! Responsible for reading what a Docker API says of a container: its names for visitors, and the address that its port is published
//! at. Pure.

use std::net::IpAddr;

use serde_json::Value;

use super::data::{InterlockData, Wishes};
use super::words::HostName;

/// A container that is to be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The container's.
    pub(super) id: String,
    /// What it is called in the configuration: its name, as far as it may stand there.
    pub(super) server: String,
    /// What it is reached by; at least one, none twice.
    pub(super) hosts: Vec<HostName>,
    pub(super) address: Address,
    pub(super) data: InterlockData,
}

impl Target {
    /// The same container with nothing of its own in the configuration.
    pub(super) fn without_wishes(&self) -> Self {
        let mut plain = self.clone();
        plain.data.wishes = Wishes::default();
        plain
    }
}

/// Where a port is published.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Address {
    /// An IP address or a host's name.
    pub(super) host: String,
    pub(super) port: u16,
}

/// Why a container is not served.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotServed {
    /// It does not ask for it.
    NoName,
    /// It asks for it, and this is missing.
    Because(&'static str),
}

/// Where ports are that are published on all of a machine's addresses.
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    /// The address to use for every container, whatever is said of it.
    pub(super) forced: Option<String>,
    /// The address of the Docker API, which is the containers' own where it names no node.
    pub(super) api: String,
}

/// Tells whether the container `inspected` can answer: one that is paused or about to start again would keep its visitors waiting.
pub(super) fn can_answer(inspected: &Value) -> bool {
    let state = &inspected["State"];
    state["Running"] != false && state["Paused"] != true && state["Restarting"] != true
}

/// Reads the container `inspected`, and says what of its INTERLOCK_DATA is left out.
pub(super) fn target(inspected: &Value, machine: &Machine) -> (Result<Target, NotServed>, Vec<String>) {
    let (data, left_out) = interlock_data(inspected);
    (served(inspected, machine, data), left_out)
}

fn served(inspected: &Value, machine: &Machine, data: InterlockData) -> Result<Target, NotServed> {
    let hosts = hosts(inspected, &data);
    if hosts.is_empty() {
        return Err(NotServed::NoName);
    }
    let address = address(inspected, machine, data.port).map_err(NotServed::Because)?;
    Ok(Target {
        id: inspected["Id"].as_str().unwrap_or_default().to_owned(),
        server: server_name(inspected),
        hosts,
        address,
        data,
    })
}

fn interlock_data(inspected: &Value) -> (InterlockData, Vec<String>) {
    let environment = inspected["Config"]["Env"].as_array();
    let said = environment
        .into_iter()
        .flatten()
        .find_map(|entry| entry.as_str()?.strip_prefix("INTERLOCK_DATA="));
    said.map(InterlockData::parse).unwrap_or_default()
}

/// The names of a container: its domain with its hostname in front where these differ, and its aliases.
fn hosts(inspected: &Value, data: &InterlockData) -> Vec<HostName> {
    let text = |key: &str| inspected["Config"][key].as_str().unwrap_or_default();
    let id = inspected["Id"].as_str().unwrap_or_default();
    // The engine's own choice is nobody's wish.
    let given = Some(text("Hostname")).filter(|name| !name.is_empty() && !id.starts_with(name));
    let given = given.and_then(HostName::parse);
    let hostname = data.hostname.clone().or(given);
    let domain = data.domain.clone().or_else(|| HostName::parse(text("Domainname")));
    let main = match (hostname, domain) {
        (Some(hostname), Some(domain)) if hostname != domain => HostName::parse(&format!("{hostname}.{domain}")),
        (_, Some(domain)) => Some(domain),
        // Engines used to take a hostname with dots apart.
        (Some(hostname), None) => Some(hostname).filter(|name| name.to_string().contains('.')),
        (None, None) => None,
    };
    let mut hosts: Vec<HostName> = main.into_iter().chain(data.alias_domains.iter().cloned()).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// The address that the wanted port of a container is published at; without a wish that of its lowest port.
fn address(inspected: &Value, machine: &Machine, wanted: Option<u16>) -> Result<Address, &'static str> {
    let ports = inspected["NetworkSettings"]["Ports"].as_object();
    let mut published: Vec<(u16, Address)> = ports
        .into_iter()
        .flatten()
        .filter_map(|(port, bindings)| {
            let private = port.strip_suffix("/tcp").unwrap_or(port).parse().ok()?;
            let binding = bindings
                .as_array()?
                .iter()
                .find_map(|one| bound(one, inspected, machine))?;
            Some((private, binding))
        })
        .collect();
    published.sort();
    match wanted {
        Some(wanted) => published
            .into_iter()
            .find(|(private, _)| *private == wanted)
            .ok_or("the port that its INTERLOCK_DATA names is not published where it can be reached from here"),
        None => published
            .into_iter()
            .next()
            .ok_or("it publishes no TCP port that can be reached from here"),
    }
    .map(|(_, address)| address)
}

fn bound(binding: &Value, inspected: &Value, machine: &Machine) -> Option<Address> {
    let port = binding["HostPort"].as_str()?.parse().ok().filter(|port| *port > 0)?;
    let ip: Option<IpAddr> = binding["HostIp"].as_str().and_then(|ip| ip.parse().ok());
    let node: Option<IpAddr> = inspected["Node"]["IP"].as_str().and_then(|ip| ip.parse().ok());
    let host = match (&machine.forced, ip) {
        (Some(forced), _) => forced.clone(),
        (None, Some(ip)) if !ip.is_unspecified() => ip.to_string(),
        (None, _) => node.map_or_else(|| machine.api.clone(), |node| node.to_string()),
    };
    // A node's own loopback is another one here, where HAProxy would find itself.
    let is_elsewhere = machine.forced.is_none() && is_loopback(&host) && !is_loopback(&machine.api);
    (!is_elsewhere).then_some(Address { host, port })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

fn server_name(inspected: &Value) -> String {
    let name = inspected["Name"].as_str().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    let kept = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = name.chars().filter(|c| kept(*c)).take(100).collect();
    let id = inspected["Id"].as_str().unwrap_or_default();
    let id: String = id.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
    match (name.is_empty(), id.is_empty()) {
        (false, _) => name,
        (true, false) => id,
        (true, true) => "container".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn inspected(data: &str, ports: &Value) -> Value {
        json!({
            "Id": "0123456789abcdef0123456789abcdef", "Name": "/node-2/chat_web_1", "Node": { "IP": "10.0.0.2" },
            "Config": { "Hostname": "0123456789ab", "Domainname": "", "Env": ["A=B", format!("INTERLOCK_DATA={data}")] },
            "NetworkSettings": { "Ports": ports },
        })
    }

    fn one_port() -> Value {
        json!({ "5000/tcp": [{ "HostIp": "10.0.0.2", "HostPort": "32769" }] })
    }

    fn machine() -> Machine {
        Machine {
            forced: None,
            api: "10.0.0.9".to_owned(),
        }
    }

    fn hosts_of(inspected: &Value) -> Vec<String> {
        let (target, _) = target(inspected, &machine());
        target
            .map(|target| target.hosts.iter().map(ToString::to_string).collect())
            .unwrap_or_default()
    }

    fn address_of(data: &str, ports: &Value) -> Result<String, NotServed> {
        let (target, _) = target(&inspected(data, ports), &machine());
        target.map(|target| format!("{}:{}", target.address.host, target.address.port))
    }

    #[rstest]
    #[case(r#"{"hostname":"dockchat.com","domain":"dockchat.com"}"#, &["dockchat.com"])]
    #[case(r#"{"hostname":"www","domain":"a.com"}"#, &["www.a.com"])]
    #[case(r#"{"domain":"a.com"}"#, &["a.com"])]
    #[case(r#"{"hostname":"www.a.com"}"#, &["www.a.com"])]
    #[case(r#"{"hostname":"www"}"#, &[])]
    #[case(r#"{"domain":"a.com","alias_domains":["b.com","a.com"]}"#, &["a.com", "b.com"])]
    #[case("{}", &[])]
    fn names_come_from_hostname_domain_and_aliases(#[case] data: &str, #[case] wanted: &[&str]) {
        assert_eq!(hosts_of(&inspected(data, &one_port())), wanted);
    }

    #[test]
    fn a_container_without_data_has_the_name_it_was_given() {
        let mut container = inspected("{}", &one_port());
        container["Config"]["Env"] = Value::Null;
        assert_eq!(hosts_of(&container), [""; 0]);
        container["Config"]["Hostname"] = json!("test.local");
        assert_eq!(hosts_of(&container), ["test.local"]);
        container["Config"]["Domainname"] = json!("example.com");
        container["Config"]["Hostname"] = json!("test");
        assert_eq!(hosts_of(&container), ["test.example.com"]);
    }

    #[rstest]
    #[case(json!({ "5000/tcp": [{ "HostIp": "10.0.0.7", "HostPort": "1" }] }), "10.0.0.7:1")]
    #[case(json!({ "5000/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "1" }] }), "10.0.0.2:1")]
    #[case(json!({ "5000/tcp": [{ "HostIp": "", "HostPort": "1" }] }), "10.0.0.2:1")]
    #[case(json!({ "5000/tcp": [{ "HostIp": "::", "HostPort": "1" }] }), "10.0.0.2:1")]
    #[case(json!({ "443/tcp": null, "8080/tcp": [{ "HostPort": "2" }], "900/tcp": [{ "HostPort": "1" }] }), "10.0.0.2:1")]
    #[case(json!({ "53/udp": [{ "HostPort": "2" }], "80/tcp": [{ "HostPort": "3" }] }), "10.0.0.2:3")]
    fn the_lowest_published_port_is_taken_at_its_nodes_address(#[case] ports: Value, #[case] wanted: &str) {
        assert_eq!(address_of(r#"{"domain":"a.com"}"#, &ports).unwrap(), wanted);
    }

    #[test]
    fn the_port_that_is_asked_for_is_taken_or_none() {
        let ports = json!({ "80/tcp": [{ "HostPort": "1" }], "5000/tcp": [{ "HostPort": "2" }], "6000/tcp": null });
        assert_eq!(
            address_of(r#"{"domain":"a.com","port":5000}"#, &ports).unwrap(),
            "10.0.0.2:2"
        );
        assert!(address_of(r#"{"domain":"a.com","port":6000}"#, &ports).is_err());
        let none = address_of(r#"{"domain":"a.com"}"#, &json!({ "80/tcp": null }));
        assert_eq!(
            none.unwrap_err(),
            NotServed::Because("it publishes no TCP port that can be reached from here")
        );
    }

    #[rstest]
    #[case("127.0.0.1")]
    #[case("::1")]
    #[case("::ffff:127.0.0.1")]
    fn what_is_published_on_a_nodes_loopback_is_only_served_on_that_node(#[case] ip: &str) {
        let ports = json!({ "80/tcp": [{ "HostIp": ip, "HostPort": "80" }] });
        let container = inspected(r#"{"domain":"a.com"}"#, &ports);
        assert!(target(&container, &machine()).0.is_err());
        let here = Machine {
            api: "127.0.0.1".to_owned(),
            forced: None,
        };
        assert!(target(&container, &here).0.is_ok());
        let both =
            json!({ "80/tcp": [{ "HostIp": ip, "HostPort": "80" }, { "HostIp": "10.0.0.7", "HostPort": "81" }] });
        assert_eq!(address_of(r#"{"domain":"a.com"}"#, &both).unwrap(), "10.0.0.7:81");
    }

    #[rstest]
    #[case(json!({ "Running": true, "Paused": false, "Restarting": false }), true)]
    #[case(json!({}), true)]
    #[case(json!({ "Running": false }), false)]
    #[case(json!({ "Running": true, "Paused": true }), false)]
    #[case(json!({ "Running": true, "Restarting": true }), false)]
    fn one_that_is_paused_or_between_two_starts_cannot_answer(#[case] state: Value, #[case] wanted: bool) {
        assert_eq!(can_answer(&json!({ "State": state })), wanted);
    }

    #[test]
    fn without_a_node_the_apis_own_machine_is_meant_and_a_forced_address_wins() {
        let mut container = inspected(
            r#"{"domain":"a.com"}"#,
            &json!({ "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "1" }] }),
        );
        container["Node"] = Value::Null;
        assert_eq!(target(&container, &machine()).0.unwrap().address.host, "10.0.0.9");
        let forced = Machine {
            forced: Some("172.17.0.1".to_owned()),
            ..machine()
        };
        assert_eq!(target(&container, &forced).0.unwrap().address.host, "172.17.0.1");
    }

    #[test]
    fn a_servers_name_is_the_containers_without_its_node() {
        assert_eq!(server_name(&json!({ "Name": "/node-2/chat_web_1" })), "chat_web_1");
        assert_eq!(server_name(&json!({ "Name": "/a b\nserver", "Id": "1" })), "abserver");
        assert_eq!(
            server_name(&json!({ "Name": "/\n", "Id": "0123456789abcdef" })),
            "0123456789ab"
        );
        assert_eq!(server_name(&json!({})), "container");
    }
}
