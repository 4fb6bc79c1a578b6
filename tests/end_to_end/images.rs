//! The images that labctl makes of itself, outside of any lab.

use crate::harness::{Bench, bench_of_today};
use serde_json::Value;
use std::process::Stdio;

const SWARM: &str = "labctl/swarm:1.2.9";
const MONGO: &str = "labctl/mongo:3.6";

/// Returns the id that labctl says the image `name` has.
fn listed_id(bench: &Bench, name: &str) -> String {
    let listed = bench.labctl(&["images", "list", "--json"]);
    let images: Vec<Value> = serde_json::from_slice(&listed.assert_exit(0).stdout).unwrap();
    let image = images.iter().find(|image| image["name"] == name).unwrap();
    image["id"].as_str().unwrap().to_owned()
}

/// Returns the id that `reference` has on the node at `index`; nothing where there is no such image.
fn id_on(bench: &Bench, index: usize, reference: &str) -> String {
    bench.nodes[index].root(&format!("docker images --no-trunc --quiet {reference}"))
}

#[test]
fn images_are_loaded_once_run_there_and_are_taken_away_by_docker() {
    let Some(bench) = bench_of_today() else { return };
    let load = ["images", "load", "swarm", "mongo", "--on", "node-1,node-2"];
    let undo = format!("docker rmi {MONGO} {SWARM}");
    let first = bench.labctl(&load);
    first.assert_exit(0).assert_says(&["✔ loaded", &undo]);
    assert_eq!(first.stdout().matches("✔ loaded").count(), 4, "{}", first.stdout());
    let id = listed_id(&bench, "swarm");
    for index in [1, 2] {
        assert_eq!(id_on(&bench, index, SWARM), id);
        let said = bench.nodes[index].root(&format!("docker run --rm {SWARM} --version"));
        assert!(said.starts_with("swarm version 1.2.9"), "{said}");
    }
    assert_eq!(id_on(&bench, 0, SWARM), "", "node-0 was not named");
    let again = bench.labctl(&load);
    again.assert_exit(0);
    assert_eq!(again.stdout().matches("was there already").count(), 4);
    assert!(!again.text().contains("docker rmi"), "{}", again.text());
    for index in [1, 2] {
        bench.nodes[index].root(&undo);
    }
    bench.assert_nodes_as_before();
}

#[test]
fn an_image_that_had_the_name_before_stays_without_it() {
    let Some(bench) = bench_of_today() else { return };
    let node = &bench.nodes[1];
    // A container's layer, so that the image is nobody else's.
    let older = node.root(&format!(
        "c=$(docker create debian:bookworm true) && docker commit $c {SWARM} && docker rm $c >/dev/null"
    ));
    let load = bench.labctl(&["images", "load", "swarm", "--on", "node-1"]);
    let short = &older["sha256:".len()..][..12];
    load.assert_exit(0).assert_says(&[
        &format!("was {short} until now, which has no name"),
        &format!("docker rmi {short}"),
    ]);
    assert_eq!(id_on(&bench, 1, SWARM), listed_id(&bench, "swarm"));
    node.root(&format!("docker rmi {SWARM} {short}"));
    bench.assert_nodes_as_before();
}

#[test]
fn a_built_archive_is_one_that_docker_loads() {
    let Some(bench) = bench_of_today() else { return };
    let mut build = bench
        .command(&["images", "build", "mongo"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let node = &bench.nodes[0];
    let said = node.root_with("docker load", build.stdout.take().unwrap());
    assert!(build.wait().unwrap().success());
    assert!(said.contains(MONGO), "{said}");
    assert_eq!(id_on(&bench, 0, MONGO), listed_id(&bench, "mongo"));
    node.root(&format!("docker rmi {MONGO}"));
    bench.assert_nodes_as_before();
}

#[test]
fn what_was_loaded_before_a_lab_stays_after_its_cleanup() {
    let Some(mut bench) = bench_of_today() else { return };
    bench
        .labctl(&["images", "load", "mongo", "--on", "node-0"])
        .assert_exit(0);
    bench.take_snapshot();
    bench.labctl(&["run", "lab2", "--until", "mongo-image"]).assert_exit(0);
    bench.clean_up_to_the_snapshot();
    assert_eq!(id_on(&bench, 0, MONGO), listed_id(&bench, "mongo"));
    bench.nodes[0].root(&format!("docker rmi {MONGO}"));
}

#[test]
fn a_node_that_cannot_be_reached_keeps_the_others_from_nothing() {
    let Some(bench) = bench_of_today() else { return };
    let path = bench.path("inventory.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let down = text.replace(
        "name = \"node-1\"",
        "name = \"node-1\"\naddress = \"127.0.0.1\"\nport = 1",
    );
    std::fs::write(&path, down).unwrap();
    let load = bench.labctl(&["images", "load", "swarm"]);
    load.assert_exit(3)
        .assert_says(&["✘ cannot be used", "Connection refused"]);
    assert_eq!(load.stdout().matches("✔ loaded").count(), 2, "{}", load.stdout());
    let id = listed_id(&bench, "swarm");
    for index in [0, 2] {
        assert_eq!(id_on(&bench, index, SWARM), id);
        bench.nodes[index].root(&format!("docker rmi {SWARM}"));
    }
    bench.assert_nodes_as_before();
}
