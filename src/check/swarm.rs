//! Judging a classic Swarm manager: whether it is one, and the nodes of its cluster.
//!
//! Responsible for reading what `/version` and `/info` answer. A cluster's nodes stand in a list of pairs there, of which one with the
//! node's name and address begins a node, and those with a `└` tell more of it.

use crate::domain::{HttpSeen, MissingValue, Observation, SwarmCheck, SwarmNodeCheck, Values, Verdict};
use serde_json::Value;

/// A node as the manager lists it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Listed {
    name: String,
    address: String,
    /// `None` where the manager is too old to say.
    status: Option<String>,
    labels: Vec<String>,
    error: Option<String>,
}

impl Listed {
    fn is_healthy(&self) -> bool {
        self.status
            .as_ref()
            .map_or(self.error.is_none(), |status| status == "Healthy")
    }

    fn is(&self, wanted: &SwarmNodeCheck) -> bool {
        let host = self
            .address
            .rsplit_once(':')
            .map_or(self.address.as_str(), |(host, _)| host);
        // Machines of other people may have the same names; an address is the node's or is not.
        let names: &[&str] = if is_address(host) { &[host] } else { &[host, &self.name] };
        wanted.known_as.iter().any(|known| names.contains(&known.as_str()))
    }

    fn shown(&self) -> String {
        format!("{} ({})", self.name, self.address)
    }
}

/// Says whether `host` is an IP address and no name.
fn is_address(host: &str) -> bool {
    host.contains(':') || host.chars().all(|c| c.is_ascii_digit() || c == '.')
}

/// Judges what the manager's `/version` and `/info` answered.
pub(super) fn evaluate_swarm(
    wanted: &SwarmCheck,
    values: &Values,
    seen: &[Observation],
) -> Result<Verdict, MissingValue> {
    let place = format!("{}:{}", wanted.host.fill(values)?, wanted.port);
    let mut expected = format!("a Swarm manager answers on {place}");
    for node in &wanted.nodes {
        expected.push_str(&format!(", {} is healthy", node.node));
        for label in &node.labels {
            expected.push_str(&format!(" with the label {}", label.fill(values)?));
        }
    }
    let told = |holds: bool, actual: String| Verdict {
        holds,
        expected: expected.clone(),
        actual,
        ..Verdict::default()
    };
    let (version, info) = match seen {
        [Observation::Http(version), Observation::Http(info)] => (parsed(version), parsed(info)),
        [Observation::HttpSilent { reason }, ..] | [_, Observation::HttpSilent { reason }] => {
            return Ok(told(false, format!("nothing answers on {place}: {reason}")));
        }
        _ => return Ok(told(false, "nothing was seen".to_owned())),
    };
    let Some(version) = version.as_ref().and_then(|version| version["Version"].as_str()) else {
        return Ok(told(false, format!("what answers on {place} is no Docker API")));
    };
    if !version.starts_with("swarm/") {
        return Ok(told(
            false,
            format!("Docker Engine {version} answers on {place}, not Swarm"),
        ));
    }
    let Some(listed) = info.as_ref().and_then(listed) else {
        return Ok(told(false, format!("{version} on {place} says nothing of its nodes")));
    };
    if wanted.nodes.is_empty() {
        return Ok(told(true, version.to_owned()));
    }
    let faults = faults(wanted, values, &listed)?;
    Ok(if faults.is_empty() {
        told(true, format!("{version} with {} healthy nodes", listed.len()))
    } else {
        told(false, faults.join("; "))
    })
}

fn faults(wanted: &SwarmCheck, values: &Values, listed: &[Listed]) -> Result<Vec<String>, MissingValue> {
    let mut faults = Vec::new();
    for node in &wanted.nodes {
        let Some(found) = chosen(listed, node) else {
            faults.push(format!("{} is not in the cluster", node.node));
            continue;
        };
        if !found.is_healthy() {
            let status = found.status.as_deref().unwrap_or("not healthy");
            let error = found
                .error
                .as_ref()
                .map(|error| format!(": {error}"))
                .unwrap_or_default();
            faults.push(format!("{} is {status}{error}", node.node));
            continue;
        }
        for label in &node.labels {
            let label = label.fill(values)?;
            if !found.labels.contains(&label) {
                let all = found.labels.join(", ");
                faults.push(format!("{} has no label {label}; its labels: {all}", node.node));
            }
        }
    }
    let known: Vec<&Listed> = wanted.nodes.iter().filter_map(|node| chosen(listed, node)).collect();
    let strangers = listed.iter().filter(|listed| !known.contains(listed));
    let mut strangers: Vec<String> = strangers
        .map(|stranger| format!("{} is in the cluster as well", stranger.shown()))
        .collect();
    if let Some(last) = strangers.last_mut() {
        last.push_str(" (an address that no agent renews goes by itself within 3 minutes)");
    }
    faults.append(&mut strangers);
    Ok(faults)
}

/// Returns what is listed of `wanted`: the healthy one where an address that it had before is listed, too.
fn chosen<'a>(listed: &'a [Listed], wanted: &SwarmNodeCheck) -> Option<&'a Listed> {
    let mut candidates = listed.iter().filter(|listed| listed.is(wanted));
    let healthy = candidates.clone().find(|listed| listed.is_healthy());
    healthy.or_else(|| candidates.next())
}

fn parsed(seen: &HttpSeen) -> Option<Value> {
    if seen.status != 200 || seen.dropped > 0 {
        return None;
    }
    serde_json::from_slice(&seen.body).ok()
}

/// Reads the nodes out of `/info`. Clients before API 1.22 are shown them where an engine shows its storage driver.
fn listed(info: &Value) -> Option<Vec<Listed>> {
    let pairs = ["SystemStatus", "DriverStatus"]
        .iter()
        .find_map(|key| info[key].as_array())?;
    let mut nodes: Vec<Listed> = Vec::new();
    let mut begun = false;
    for pair in pairs {
        let (name, value) = (pair[0].as_str()?, pair[1].as_str()?);
        if name.trim_start_matches('\u{8}') == "Nodes" {
            begun = true;
        } else if let Some((_, key)) = name.split_once('└') {
            let node = nodes.last_mut()?;
            match key.trim() {
                "Status" => node.status = Some(value.to_owned()),
                "Labels" => node.labels = value.split(", ").map(str::to_owned).collect(),
                "Error" if value != "(none)" => node.error = Some(value.to_owned()),
                _ => {}
            }
        } else if begun {
            nodes.push(Listed {
                name: name.trim().to_owned(),
                address: value.to_owned(),
                ..Listed::default()
            });
        }
    }
    begun.then_some(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{NodeName, Text};
    use rstest::rstest;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn answer(body: &Value) -> Observation {
        Observation::Http(HttpSeen {
            status: 200,
            headers: BTreeMap::new(),
            body: body.to_string().into_bytes(),
            dropped: 0,
        })
    }

    fn wanted() -> SwarmCheck {
        let node = |number: u8, label: &str| SwarmNodeCheck {
            node: NodeName::new(format!("node-{number}")).unwrap(),
            known_as: vec![format!("10.0.0.{number}")],
            labels: vec![Text::literal(label)],
        };
        SwarmCheck {
            host: Text::literal("127.0.0.1"),
            port: 3375,
            nodes: vec![node(1, "environment=staging"), node(2, "environment=production")],
        }
    }

    fn node(name: &str, address: &str, status: &str, labels: &str) -> Vec<Value> {
        vec![
            json!([name, address]),
            json!(["  └ ID", "X"]),
            json!(["  └ Status", status]),
            json!(["  └ Labels", labels]),
            json!([
                "  └ Error",
                if status == "Healthy" {
                    "(none)"
                } else {
                    "connection refused"
                }
            ]),
        ]
    }

    fn judged(nodes: Vec<Vec<Value>>) -> Verdict {
        let mut status = vec![json!(["Role", "primary"]), json!(["Nodes", nodes.len().to_string()])];
        status.extend(nodes.into_iter().flatten());
        let seen = [
            answer(&json!({ "Version": "swarm/1.2.9" })),
            answer(&json!({ "DriverStatus": null, "SystemStatus": status })),
        ];
        evaluate_swarm(&wanted(), &Values::default(), &seen).unwrap()
    }

    #[test]
    fn both_nodes_healthy_and_labelled_hold() {
        let verdict = judged(vec![
            node(" a", "10.0.0.1:2375", "Healthy", "environment=staging, kernel=5"),
            node(" b", "10.0.0.2:2375", "Healthy", "environment=production"),
        ]);
        assert!(verdict.holds, "{}", verdict.actual);
    }

    #[rstest]
    #[case(
        "10.0.0.1:2375",
        "Healthy",
        "environment=production",
        "node-1 has no label environment=staging"
    )]
    #[case("10.0.0.1:2375", "Pending", "", "node-1 is Pending: connection refused")]
    #[case(
        "10.0.0.9:2375",
        "Healthy",
        "",
        "node-1 is not in the cluster; node-2 is not in the cluster"
    )]
    fn what_is_wrong_is_named(#[case] address: &str, #[case] status: &str, #[case] labels: &str, #[case] words: &str) {
        let verdict = judged(vec![node(" a", address, status, labels)]);
        assert!(!verdict.holds);
        assert!(verdict.actual.starts_with(words), "{}", verdict.actual);
    }

    #[test]
    fn an_engine_is_no_manager() {
        let engine = answer(&json!({ "Version": "20.10.24" }));
        let seen = [engine.clone(), engine];
        let verdict = evaluate_swarm(&wanted(), &Values::default(), &seen).unwrap();
        assert!(!verdict.holds);
        assert_eq!(
            verdict.actual,
            "Docker Engine 20.10.24 answers on 127.0.0.1:3375, not Swarm"
        );
    }

    #[test]
    fn a_manager_of_2015_shows_its_nodes_in_another_place_and_no_status() {
        let status = json!([
            ["\u{8}Role", "primary"],
            ["\u{8}Nodes", "1"],
            ["node-1", "10.0.0.1:2375"],
            [" └ Labels", "a=b"]
        ]);
        let nodes = listed(&json!({ "DriverStatus": status })).unwrap();
        assert_eq!(nodes.len(), 1);
        assert!(nodes[0].is_healthy());
        assert_eq!(nodes[0].labels, ["a=b"]);
    }
}
