//! Where containers go, as clients and learners see it: bodies of create requests in, names of nodes out.

use std::sync::Arc;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::{ContainerFacts, ContainerState, Filter, ImageFacts, Node, Request, Resources, Scheduler, Strategy};

const GIB: u64 = 1 << 30;

fn node(name: &str, label: &str) -> Node {
    Node {
        id: format!("id-{name}"),
        name: name.to_owned(),
        addr: format!("{name}:2375"),
        labels: [("environment", label), ("storagedriver", "overlay2")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        containers: Vec::new(),
        images: Vec::new(),
        networks: Vec::new(),
        used: Resources::default(),
        total: Resources {
            nano_cpus: 2_000_000_000,
            memory: 4 * GIB,
        },
        health: 100,
        trouble: None,
    }
}

pub(super) fn two() -> Vec<Node> {
    vec![node("node-1", "staging"), node("node-2", "production")]
}

fn request(name: &str, body: &Value) -> Request {
    Request::parse(Some(name), body.to_string().as_bytes()).unwrap()
}

fn put(node: &mut Node, name: &str, request: &Request) {
    let facts = ContainerFacts {
        id: format!("{name:0<64}"),
        names: vec![name.to_owned()],
        state: ContainerState::Running,
        ..request.reservation()
    };
    node.used = node.used.plus(facts.reserved);
    node.containers.push(Arc::new(facts));
}

/// The name of the node that gets what `body` asks for, or why none does.
fn place(nodes: &[Node], body: &Value) -> Result<String, String> {
    let found = Scheduler::default()
        .best(&request("new", body), nodes)
        .map(|node| node.name.clone());
    found.map_err(|refused| refused.to_string())
}

fn asking(entry: &str) -> Value {
    json!({ "Image": "image", "Env": [entry] })
}

#[rstest]
#[case("constraint:environment==staging", "node-1")]
#[case("constraint:environment!=staging", "node-2")]
#[case("constraint:environment==prod*", "node-2")]
#[case("constraint:environment==/^st.*g$/", "node-1")]
#[case("constraint:environment!=/prod/", "node-1")]
#[case("constraint:node==node-2", "node-2")]
#[case("constraint:storagedriver==overlay2", "node-2")]
#[case("constraint:environment==~nowhere", "node-2")]
#[case("constraint:environment==~staging", "node-1")]
#[case("whitelist:node==node-2|node-9", "node-2")]
#[case("whitelist:node==~node-9", "node-2")]
#[case("affinity:image==only-there", "node-2")]
#[case("affinity:container==db", "node-1")]
#[case("affinity:container!=db", "node-2")]
fn expressions_choose_nodes(#[case] entry: &str, #[case] wanted: &str) {
    let mut nodes = two();
    put(&mut nodes[0], "db", &request("db", &json!({ "Image": "image" })));
    nodes[1].images.push(Arc::new(ImageFacts {
        id: "sha256:1".to_owned(),
        tags: vec!["only-there:latest".to_owned()],
        digests: Vec::new(),
    }));
    assert_eq!(place(&nodes, &asking(entry)).unwrap(), wanted);
}

#[test]
fn what_no_node_has_is_told_node_by_node() {
    let refused = place(&two(), &asking("constraint:environment==nowhere")).unwrap_err();
    for words in [
        "constraint:environment==nowhere",
        "node-1: has environment=staging",
        "node-2: ",
    ] {
        assert!(refused.contains(words), "{refused}");
    }
    let mut nodes = two();
    nodes.iter_mut().for_each(|node| node.health = 0);
    assert!(place(&nodes, &json!({})).unwrap_err().contains("No healthy node"));
    assert!(place(&[], &json!({})).is_err());
}

#[test]
fn what_was_asked_leaves_the_environment_and_stays_in_a_label() {
    let body = json!({ "Image": "image", "Env": ["constraint:environment==staging", "A=b"] });
    let sent = request("new", &body).body_for(&node("node-1", "staging"), 2);
    assert_eq!(sent["Env"], json!(["A=b"]));
    assert_eq!(
        sent["Labels"]["com.docker.swarm.constraints"],
        r#"["environment==staging"]"#
    );
    assert_eq!(place(&two(), &sent).unwrap(), "node-1", "and is read from there again");
}

#[test]
fn a_whitelist_is_kept_and_told_and_only_counts_where_its_filter_does() {
    let body = asking("whitelist:node==node-8|node-9");
    let refused = place(&two(), &body).unwrap_err();
    assert!(
        refused.contains("[whitelist:node==node-8|node-9 (soft=false)]"),
        "{refused}"
    );
    assert!(refused.contains("node-1: is node node-1 (whitelist)"), "{refused}");
    let sent = request("new", &body).body_for(&node("node-1", "staging"), 2);
    assert_eq!(
        sent["Labels"]["com.docker.swarm.whitelists"],
        r#"["node==node-8|node-9"]"#
    );
    let without = Scheduler {
        filters: vec![Filter::Health],
        ..Scheduler::default()
    };
    assert!(without.best(&request("new", &body), &two()).is_ok());
    assert_eq!(
        Scheduler::default().filter_names(),
        "health, port, containerslots, dependency, affinity, constraint, whitelist"
    );
}

#[test]
fn linked_containers_go_to_the_same_node() {
    let mut nodes = two();
    put(&mut nodes[1], "db", &request("db", &json!({ "Image": "image" })));
    for host in [
        json!({ "Links": ["db:db"] }),
        json!({ "Links": ["/node-2/db:db"] }),
        json!({ "VolumesFrom": ["db:ro"] }),
        json!({ "NetworkMode": "container:db" }),
    ] {
        let body = json!({ "Image": "image", "HostConfig": host });
        assert_eq!(place(&nodes, &body), Ok("node-2".to_owned()), "{host}");
    }
    let missing = json!({ "Image": "image", "HostConfig": { "Links": ["nothing:x"] } });
    assert!(place(&nodes, &missing).unwrap_err().contains("nothing"));
}

fn with_port(port: &str) -> Value {
    json!({ "Image": "image", "HostConfig": { "PortBindings": { "80/tcp": [{ "HostPort": port }] } } })
}

#[test]
fn a_host_port_is_given_once_a_node() {
    let mut nodes = two();
    put(&mut nodes[0], "one", &request("one", &with_port("80")));
    assert_eq!(place(&nodes, &with_port("80")).unwrap(), "node-2");
    put(&mut nodes[1], "two", &request("two", &with_port("80")));
    assert!(place(&nodes, &with_port("80")).unwrap_err().contains("(port)"));
    assert!(place(&nodes, &with_port("81")).is_ok());
    assert!(place(&nodes, &with_port("")).is_ok(), "the engine chooses");
}

#[test]
fn memory_is_given_once() {
    let with_memory = |memory: u64| json!({ "Image": "image", "HostConfig": { "Memory": memory } });
    let mut nodes = two();
    put(&mut nodes[0], "big", &request("big", &with_memory(3 * GIB)));
    assert_eq!(place(&nodes, &with_memory(2 * GIB)).unwrap(), "node-2");
    assert!(
        place(&nodes, &with_memory(5 * GIB))
            .unwrap_err()
            .contains("no resources available")
    );
}

proptest! {
    #[test]
    fn spread_keeps_nodes_even_and_binpack_fills_one(count in 1_usize..30) {
        for (strategy, most_apart) in [(Strategy::Spread, 1), (Strategy::Binpack, count)] {
            let scheduler = Scheduler { strategy, ..Scheduler::default() };
            let mut nodes = two();
            for number in 0..count {
                let wanted = request("new", &json!({ "Image": "image" }));
                let first = scheduler.best(&wanted, &nodes).unwrap().name.clone();
                let chosen = nodes.iter_mut().find(|node| node.name == first).unwrap();
                put(chosen, &format!("c{number}"), &wanted);
            }
            let apart = nodes[0].containers.len().abs_diff(nodes[1].containers.len());
            prop_assert!(apart <= most_apart, "{strategy}: {apart}");
            if strategy == Strategy::Binpack {
                prop_assert_eq!(apart, count);
            }
        }
    }

    #[test]
    fn no_port_is_given_twice_and_no_memory_that_is_not_there(
        wanted in prop::collection::vec((1_u16..4, 0_u64..3 * GIB), 0..20)
    ) {
        let mut nodes = two();
        for (number, (port, memory)) in wanted.into_iter().enumerate() {
            let mut body = with_port(&port.to_string());
            body["HostConfig"]["Memory"] = json!(memory);
            let asked = request("new", &body);
            let Ok(found) = Scheduler::default().best(&asked, &nodes) else { continue };
            let first = found.name.clone();
            let chosen = nodes.iter_mut().find(|node| node.name == first).unwrap();
            put(chosen, &format!("c{number}"), &asked);
        }
        for node in &nodes {
            prop_assert!(node.used.memory <= node.total.memory);
            let mut ports: Vec<u16> =
                node.containers.iter().flat_map(|one| &one.ports).map(|port| port.host_port).collect();
            let all = ports.len();
            ports.sort_unstable();
            ports.dedup();
            prop_assert_eq!(ports.len(), all);
        }
    }

    #[test]
    fn any_body_is_read_or_refused_and_the_same_body_goes_to_the_same_node(text in "\\PC{0,200}", entry in "(constraint|affinity):\\PC{0,20}") {
        let _ = Request::parse(None, text.as_bytes());
        let body = asking(&entry).to_string();
        if let Ok(wanted) = Request::parse(None, body.as_bytes()) {
            let nodes = two();
            let chosen = || Scheduler::default().best(&wanted, &nodes).map(|found| found.name.clone());
            prop_assert_eq!(chosen(), chosen());
        }
    }
}

#[test]
fn a_network_named_after_its_node_reaches_the_engine_under_its_own_name() {
    let mut nodes = two();
    nodes[1].networks = vec!["back".to_owned()];
    let body = json!({
        "HostConfig": { "NetworkMode": "node-2/back" },
        "NetworkingConfig": { "EndpointsConfig": { "node-2/back": { "Aliases": ["db"] } } },
    });
    assert_eq!(place(&nodes, &body).unwrap(), "node-2");
    let sent = request("new", &body).body_for(&nodes[1], 2);
    assert_eq!(sent["HostConfig"]["NetworkMode"], "back");
    assert_eq!(
        sent["NetworkingConfig"]["EndpointsConfig"],
        json!({ "back": { "Aliases": ["db"] } })
    );
}
