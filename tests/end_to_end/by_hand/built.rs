//! The cluster as it should be, where nothing is wrong with it.

use super::{BUILT, ByHand, Found};
use crate::harness::{Bench, InventoryText};
use std::time::Instant;

impl ByHand<'_> {
    /// Stopped containers of another try, made in another way, say nothing of those that run.
    fn forgives_what_an_earlier_try_left(&self) {
        let label = "--label com.docker.compose.project=try --label com.docker.compose.service";
        self.on(
            1,
            &format!("docker create --name try_web {label}=web nicolaka/dockchat:v1; docker create --name try_db {label}=db mongo"),
        );
        self.bench.labctl(&["verify", "task3"]).assert_exit(0);
        self.on(1, "docker rm -v try_web try_db");
    }
}

#[test]
fn a_cluster_that_was_built_by_hand_is_right_and_looking_changes_nothing() {
    let Some(mut bench) = BUILT.bench_to_make_it() else {
        return;
    };
    let begun = Instant::now();
    ByHand::build(&bench);
    eprintln!("built: {:.1} s", begun.elapsed().as_secs_f32());

    bench.take_snapshot();
    let begun = Instant::now();
    let verify = bench.labctl(&["verify", "task3", "--json"]);
    eprintln!("looked at: {:.1} s", begun.elapsed().as_secs_f32());
    verify.assert_exit(0);
    bench.labctl(&["verify", "task2"]).assert_exit(0);
    bench.assert_nodes_as_before();
    assert!(
        bench
            .kept_files()
            .iter()
            .all(|(path, _)| !path.ends_with("journal.jsonl")),
        "looking opens no instance"
    );
    let looked = verify
        .events()
        .iter()
        .filter(|event| event.is_kind("check_judged"))
        .count();
    assert!(looked >= 30, "{looked} checks were looked at");

    one_node_out_of_reach(&bench);
    ByHand { bench: &bench }.forgives_what_an_earlier_try_left();
}

/// Nothing is said of what nobody could look at, and it is one finding.
fn one_node_out_of_reach(bench: &Bench) {
    let known_hosts = bench.path("known_hosts");
    let inventory = std::fs::read_to_string(bench.path("inventory.toml")).unwrap();
    let closed = inventory.replace("name = \"node-2\"\n", "name = \"node-2\"\nport = 1\n");
    assert_ne!(closed, inventory);
    std::fs::write(bench.path("inventory.toml"), closed).unwrap();
    let verify = bench.labctl(&["verify", "task3", "--json"]);
    verify.assert_exit(3);
    let found = Found::of(&verify);
    assert_eq!(found.findings.len(), 1, "{:#?}", found.findings);
    let cause = &found.findings[0]["cause"];
    assert_eq!(
        (&cause["kind"], &cause["node"]),
        (&"node_unreachable".into(), &"node-2".into())
    );
    bench.write_inventory(&InventoryText {
        known_hosts: Some(known_hosts),
        ..InventoryText::default()
    });
}
