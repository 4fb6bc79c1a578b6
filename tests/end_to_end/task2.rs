//! Task 2 of lab2 in other ways than the usual one.

use crate::cluster::{TASK, listens_everywhere};
use crate::harness::bench;

/// Steps that leave something on nodes of every init. `sweep` kills in more, without a cleanup after each.
const STEPS: [&str; 2] = ["label-engines", "manager"];

#[test]
fn task2_killed_in_a_step_is_cleaned_up() {
    let Some(bench) = bench() else { return };
    for step in STEPS {
        eprintln!("killed in {step}");
        let mut run = bench.start_json(&TASK);
        run.wait_for_step("step_started", step);
        run.kill();
        bench.labctl(&["cleanup"]).assert_exit(0);
        bench.assert_same_but_engines_restarted();
    }
}

#[test]
fn an_engine_is_opened_to_everyone_only_where_a_flag_says_so() {
    let Some(bench) = bench() else { return };
    let everyone = [&TASK[..], &["--var", "docker_bind=0.0.0.0"]].concat();
    bench
        .labctl(&everyone)
        .assert_exit(2)
        .assert_says(&["root on node-1", "--expose-docker"]);
    bench.assert_nodes_as_before();
    bench
        .labctl(&[&everyone[..], &["--expose-docker"]].concat())
        .assert_exit(0);
    assert!(listens_everywhere(&bench.nodes[1], 2375));
    assert!(listens_everywhere(&bench.nodes[0], 3375));
    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_but_engines_restarted();
}
