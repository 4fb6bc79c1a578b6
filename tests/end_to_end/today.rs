//! lab2 where node-0 has the Compose of today, and the cluster has engines of today and of 2015.

use crate::harness::{Bench, InventoryText, Node, bench_of_today};

/// Fails unless the nodes are of the ages that these tests are about.
fn assert_ages(bench: &Bench) {
    let compose = bench.nodes[0].root("docker-compose version --short");
    assert!(
        compose.starts_with("2."),
        "node-0 should have Compose v2, but has {compose}"
    );
    for (node, age) in bench.nodes.iter().zip(["26.", "20.10.", "26."]) {
        let engine = node.root("docker version --format '{{.Server.Version}}'");
        assert!(
            engine.starts_with(age),
            "the engine of {} should be {age}x, but is {engine}",
            node.name
        );
    }
}

/// Lets the inventory name a registry of somebody's own: a namespace in the lab's.
fn name_a_registry(bench: &Bench) -> String {
    let registry = format!("{}:5001/team", bench.nodes[0].address);
    std::fs::write(bench.path("password"), "Rq5w-a-password-of-its-own\n").unwrap();
    let file = bench.path("password");
    bench.write_inventory(&InventoryText {
        more: format!(
            "[secrets]\nlab_registry_password = {{ file = {file:?} }}\nmine = {{ file = {file:?} }}\n\
             [registry]\nhost = {registry:?}\nuser = \"labctl\"\npassword = \"mine\"\n"
        ),
        ..Default::default()
    });
    registry
}

#[test]
fn lab2_runs_with_another_registry_verifies_and_is_undone_on_engines_of_two_ages() {
    let Some(bench) = bench_of_today() else { return };
    assert_ages(&bench);
    let registry = name_a_registry(&bench);
    let run = bench.start_json(&["run", "lab2", "--var", "replicas=4"]).wait();
    run.assert_exit(0);
    assert_eq!(run.outcome("login")["outcome"], "passed");
    bench.labctl(&["verify"]).assert_exit(0);
    let scaled = bench.nodes[2].root("docker ps -q --filter label=com.docker.compose.service=web | wc -l");
    assert_eq!(scaled, "4", "production is not scaled to what was asked for");
    // Compose v2 puts a dash where its predecessor put an underscore.
    bench.nodes[0].root("docker image inspect dockchat-web:latest >/dev/null");
    for node in &bench.nodes[1..] {
        node.root(&format!("docker image inspect {registry}/dockchat:v1 >/dev/null"));
    }

    let again = bench.start_json(&["run", "lab2", "--task", "task2"]).wait();
    again.assert_exit(0);
    assert_eq!(again.outcome("label-engines")["reason"]["why"], "already_holds");

    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_but_engines_restarted();
}

/// A node without the program `docker-compose`, until dropped; `docker compose` stays.
struct OnlyPlugin<'a>(&'a Node);

impl<'a> OnlyPlugin<'a> {
    fn on(node: &'a Node) -> Self {
        node.root("mv /usr/bin/docker-compose /usr/bin/docker-compose.away");
        Self(node)
    }
}

impl Drop for OnlyPlugin<'_> {
    fn drop(&mut self) {
        self.0.root("mv /usr/bin/docker-compose.away /usr/bin/docker-compose");
    }
}

#[test]
fn task1_runs_and_is_undone_where_compose_is_only_a_plugin_of_docker() {
    let Some(bench) = bench_of_today() else { return };
    let _only_plugin = OnlyPlugin::on(&bench.nodes[0]);
    bench.labctl(&["run", "lab2", "--task", "task1"]).assert_exit(0);
    bench
        .labctl(&["plan", "lab2", "--task", "task1"])
        .assert_exit(0)
        .assert_says(&["docker compose up -d"]);
    bench.labctl(&["verify", "task1"]).assert_exit(0);
    bench.clean_up_to_the_snapshot();
}
