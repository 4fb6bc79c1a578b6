//! Task 3 undone while nodes are away.

use super::DEPLOYED;
use crate::harness::{Left, Running};
use std::time::Duration;

#[test]
fn another_machine_cleans_up_nodes_that_were_away_with_what_node_0_knows() {
    let Some(mut bench) = DEPLOYED.bench() else { return };
    let other = tempfile::tempdir().unwrap();
    let cleanup = || {
        Running::spawn(
            bench.command_with_state(&["cleanup"], other.path()),
            Duration::from_secs(600),
        )
        .wait()
    };
    // What proves itself goes also without node-0; the layers that only its records prove stay owed.
    bench.nodes[0].stop();
    bench
        .labctl(&["cleanup"])
        .assert_exit(3)
        .assert_says(&["node-0", "only node-0 knows"]);
    for node in [1, 2] {
        assert_eq!(bench.nodes[node].root("docker ps -aq"), "");
    }
    bench.nodes[0].start();
    bench.nodes[2].stop();
    cleanup().assert_exit(3).assert_says(&["node-2"]);
    bench.nodes[2].start();
    cleanup().assert_exit(0);
    bench.assert_same_but_engines_and_starts_of(&["node-0", "node-2"]);
    bench.leave(Left::Clean);
}
