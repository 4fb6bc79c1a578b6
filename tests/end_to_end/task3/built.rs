//! Task 3 as its own subject: what runs where, and where its password stands.

use super::{DEPLOYED, TASK};
use crate::harness::{Bench, InventoryText};
use crate::secrets::assert_free_of;

const PASSWORD: &str = "pl4nt3d-Vx7Qm2/Zs+9Kw";

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
fn task3_deploys_to_both_nodes_and_keeps_its_password() {
    let Some(bench) = DEPLOYED.bench_to_make_it() else {
        return;
    };
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
}
