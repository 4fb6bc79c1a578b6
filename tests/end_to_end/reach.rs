//! Nodes that cannot be reached, or are not who they should be.

use crate::harness::{Bench, InventoryText, bench_of_today};
use std::path::Path;
use std::process::Command;

const RUN: [&str; 4] = ["run", "lab2", "--task", "task1"];

fn make_key(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
}

/// Returns the fingerprint of the public key in `text`.
fn fingerprint(bench: &Bench, text: &str) -> String {
    let file = bench.path("public");
    std::fs::write(&file, text).unwrap();
    let output = Command::new("ssh-keygen").arg("-lf").arg(file).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    shown
        .split_whitespace()
        .find(|word| word.starts_with("SHA256:"))
        .unwrap()
        .to_owned()
}

#[test]
fn a_node_that_is_down_ends_a_run_before_anything_is_touched() {
    let Some(bench) = bench_of_today() else { return };
    let down = &bench.nodes[2];
    down.stop();
    let run = bench.labctl(&RUN);
    run.assert_exit(3).assert_says(&["node-2", &down.address]);
    bench.assert_same_on(&["node-0", "node-1"]);
    assert!(
        bench
            .kept_files()
            .iter()
            .all(|(path, _)| !path.ends_with("journal.jsonl")),
        "no instance is left open"
    );
    down.start();
}

#[test]
fn verify_and_cleanup_do_what_they_can_while_a_node_is_down() {
    let Some(bench) = bench_of_today() else { return };
    let files = bench.lab("files");
    bench.labctl(&["run", &files, "--only", "everywhere"]).assert_exit(0);
    bench.labctl(&["verify", "everywhere", "--lab", &files]).assert_exit(0);
    let down = &bench.nodes[2];
    down.stop();

    let verify = bench.labctl(&["verify", "everywhere", "--lab", &files]);
    verify.assert_exit(3).assert_says(&["node-2", &down.address]);
    let cleanup = bench.labctl(&["cleanup"]);
    cleanup
        .assert_exit(3)
        .assert_says(&["node-2", &down.address, "labctl cleanup"]);
    bench.assert_same_on(&["node-0", "node-1"]);
    bench
        .labctl(&["status"])
        .assert_exit(0)
        .assert_says(&["node-2", "labctl-everywhere"]);

    down.start();
    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_but_restarted("node-2");
}

#[test]
fn a_key_that_is_not_accepted_is_named_with_its_user() {
    let Some(bench) = bench_of_today() else { return };
    make_key(&bench.path("stranger"));
    bench.write_inventory(&InventoryText {
        identity_file: Some(bench.path("stranger")),
        ..Default::default()
    });
    let key = bench.path("stranger").display().to_string();
    bench
        .labctl(&RUN)
        .assert_exit(3)
        .assert_says(&[&key, "ubuntu", "node-0", &bench.nodes[0].address]);
    bench.assert_nodes_as_before();
}

#[test]
fn a_changed_host_key_stops_everything_with_both_fingerprints() {
    let Some(bench) = bench_of_today() else { return };
    make_key(&bench.path("other"));
    let other = std::fs::read_to_string(bench.path("other.pub")).unwrap();
    let node = &bench.nodes[0];
    let known_hosts = bench.path("known_others");
    let right = std::fs::read_to_string(bench.path("known_hosts")).unwrap();
    let right: String = right
        .lines()
        .filter(|line| !line.contains(&node.address))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(&known_hosts, format!("{right}{} {other}", node.address)).unwrap();
    let shown = node.root("cat /etc/ssh/ssh_host_ed25519_key.pub");

    for host_key in ["strict", "accept-new"] {
        bench.write_inventory(&InventoryText {
            known_hosts: Some(known_hosts.clone()),
            host_key: Some(host_key),
            ..Default::default()
        });
        let run = bench.labctl(&RUN);
        run.assert_exit(3).assert_says(&[
            "node-0",
            &fingerprint(&bench, &other),
            &fingerprint(&bench, &shown),
            &format!("ssh-keygen -f {} -R {}", known_hosts.display(), node.address),
        ]);
    }
    bench.assert_nodes_as_before();
}

#[test]
fn an_unknown_host_is_refused_where_strict_and_remembered_otherwise() {
    let Some(bench) = bench_of_today() else { return };
    let known_hosts = bench.path("known_nobody");
    std::fs::write(&known_hosts, "").unwrap();
    let inventory = |host_key| InventoryText {
        known_hosts: Some(known_hosts.clone()),
        host_key: Some(host_key),
        ..Default::default()
    };
    bench.write_inventory(&inventory("strict"));
    let run = bench.labctl(&RUN);
    run.assert_exit(3)
        .assert_says(&["node-0", "is not known", &known_hosts.display().to_string()]);
    assert_eq!(std::fs::read_to_string(&known_hosts).unwrap(), "");

    bench.write_inventory(&inventory("accept-new"));
    bench.labctl(&["inventory", "check"]).assert_exit(0);
    for node in &bench.nodes {
        // ssh may keep addresses as hashes.
        let mut find = Command::new("ssh-keygen");
        let found = find
            .arg("-f")
            .arg(&known_hosts)
            .args(["-F", &node.address])
            .output()
            .unwrap();
        assert!(found.status.success(), "{} was not remembered", node.name);
    }
    bench.assert_nodes_as_before();
}
