//! Task 3 of lab2: DockChat on staging and production, from a registry that wants a password.

use crate::harness::{Bench, InventoryText, Running, bench};
use crate::secrets::assert_free_of;
use std::time::Duration;

const TASK: [&str; 4] = ["run", "lab2", "--task", "task3"];

const PASSWORD: &str = "pl4nt3d-Vx7Qm2/Zs+9Kw";

/// The steps that leave something on any node, in order.
const STEPS: [&str; 8] = [
    "registry-build",
    "registry-trust",
    "registry",
    "login-lab",
    "build-swarm",
    "staging-rename",
    "staging-up",
    "production-up",
];

/// Returns what runs on a node, as `project/service` lines.
fn running(bench: &Bench, node: usize) -> String {
    let form = "{{index .Config.Labels \"com.docker.compose.project\"}}/{{index .Config.Labels \"com.docker.compose.service\"}}";
    bench.nodes[node].root(&format!(
        "docker ps -q | xargs -r docker inspect --format '{form}' | sort"
    ))
}

/// Gives the lab's registry the planted password.
fn plant(bench: &Bench) {
    std::fs::write(bench.path("password"), format!("{PASSWORD}\n")).unwrap();
    bench.write_inventory(&InventoryText {
        more: format!(
            "[secrets]\nlab_registry_password = {{ file = {:?} }}\n",
            bench.path("password")
        ),
        ..Default::default()
    });
}

#[test]
fn task3_deploys_to_both_nodes_keeps_its_password_and_is_undone_to_the_last_byte() {
    let Some(bench) = bench() else { return };
    plant(&bench);
    let node = &bench.nodes[0];
    bench.labctl(&["run", "lab2", "--until", "registry"]).assert_exit(0);
    let watching = node.watch(
        "timeout 50 sh -c 'while [ ! -e /tmp/labctl-seen ]; do cat /proc/[0-9]*/cmdline 2>/dev/null; done' | sort -uz; rm -f /tmp/labctl-seen",
    );
    let seen = std::thread::spawn(move || watching.wait_with_output().unwrap());
    let logging_in = [
        "run",
        "lab2",
        "--from",
        "use-manager",
        "--until",
        "push-mongo",
        "--verbose",
    ];
    bench.labctl(&logging_in).assert_exit(0);
    node.root("touch /tmp/labctl-seen");
    let run = bench.labctl(&[&TASK[..], &["--verbose"]].concat());
    run.assert_exit(0).assert_says(&[
        &format!("http://{}:5000/", bench.nodes[1].address),
        &format!("http://{}:5000/", bench.nodes[2].address),
        "-  build: .",
        "+   - \"constraint:environment==staging\"",
        "-   - \"constraint:environment==staging\"",
        "+   - \"constraint:environment==production\"",
    ]);
    assert_eq!(running(&bench, 1), "dockchat_staging/db\ndockchat_staging/web");
    assert_eq!(running(&bench, 2), "dockchat_production/db\ndockchat_production/web");

    let seen = seen.join().unwrap().stdout;
    assert!(
        String::from_utf8_lossy(&seen).contains("password-stdin"),
        "the login was watched"
    );
    assert_free_of(PASSWORD, "the arguments of a process on node-0", &seen);
    assert_free_of(PASSWORD, "standard output", &run.stdout);
    assert_free_of(PASSWORD, "standard error", &run.stderr);
    for (path, bytes) in bench.kept_files() {
        assert_free_of(PASSWORD, &path.display().to_string(), &bytes);
    }
    for node in &bench.nodes {
        let records = node.root("find /var/lib/labctl -type f -exec cat {} +");
        assert!(!records.is_empty());
        assert_free_of(
            PASSWORD,
            &format!("what labctl keeps on {}", node.name),
            records.as_bytes(),
        );
    }
    // The client keeps it in its own way, where cleanup takes it away.
    assert_eq!(
        node.root("stat -c %a /home/ubuntu/.labctl/docker /home/ubuntu/.labctl/docker/config.json"),
        "700\n600"
    );
    assert!(!node.holds("test -e /home/ubuntu/.docker || test -e /root/.docker"));

    bench
        .labctl(&["verify", "task1", "task2", "task3"])
        .assert_exit(0)
        .assert_says(&["superseded by task3"]);
    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_but_engines_restarted();
}

#[test]
fn task3_killed_in_one_step_after_the_other_goes_on_and_is_cleaned_up() {
    let Some(bench) = bench() else { return };
    for step in STEPS {
        eprintln!("killed in {step}");
        let mut run = bench.start_json(&["run", "lab2"]);
        run.wait_for_step("step_started", step);
        run.kill();
    }
    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_but_engines_restarted();
}

#[test]
fn a_build_that_was_killed_on_another_node_is_cleaned_up_there() {
    let Some(bench) = bench() else { return };
    let mut run = bench.start_json(&TASK);
    run.wait_for_step("step_started", "build-swarm");
    crate::harness::wait_for("a container of the build", Duration::from_secs(20), || {
        let built = |node: &crate::harness::Node| !node.root("docker ps -q").is_empty();
        bench.nodes[1..].iter().any(built).then_some(())
    });
    run.kill();
    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_but_engines_restarted();
}

#[test]
fn another_machine_cleans_up_nodes_that_were_away_with_what_node_0_knows() {
    let Some(bench) = bench() else { return };
    bench.labctl(&TASK).assert_exit(0);
    let other = bench.path("other");
    let cleanup = || Running::spawn(bench.command_with_state(&["cleanup"], &other), Duration::from_secs(240)).wait();
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
    bench.assert_same_but_engines_and_starts();
}
