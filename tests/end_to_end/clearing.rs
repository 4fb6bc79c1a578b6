//! `cleanup --scope all`: the tutorial's cleanup.sh, as labctl reads it.

use crate::harness::{Bench, Node, bench_of_today};
use std::io::Write;
use std::process::{Command, Output, Stdio};

const IMAGE: &str = "debian:bookworm";
const KEPT: &str = "/root/labctl-kept";

/// Nodes whose image and options are put back when this is dropped: every other test needs them.
struct Kept<'a>(&'a Bench);

impl<'a> Kept<'a> {
    fn of(bench: &'a Bench) -> Self {
        for node in &bench.nodes {
            node.root(&format!(
                "mkdir {KEPT}; docker save {IMAGE} -o {KEPT}/image.tar; cp -p /etc/default/docker {KEPT}/defaults"
            ));
        }
        Self(bench)
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        for node in &self.0.nodes {
            node.start();
            node.root(&format!(
                "docker load -q -i {KEPT}/image.tar >/dev/null; cp -p {KEPT}/defaults /etc/default/docker; rm -r {KEPT}"
            ));
        }
    }
}

/// Runs labctl on a terminal, where somebody types `answer`.
fn typed(bench: &Bench, arguments: &[&str], answer: &str) -> Output {
    let wanted = bench.command(arguments);
    let words = std::iter::once(wanted.get_program()).chain(wanted.get_args());
    let words: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
    let mut command = Command::new("script");
    command
        .args(["-qec", &words.join(" "), "/dev/null"])
        .env("TERM", "xterm")
        .current_dir(bench.path("empty"));
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let child = child.unwrap();
    writeln!(child.stdin.as_ref().unwrap(), "{answer}").unwrap();
    child.wait_with_output().unwrap()
}

/// Fills the nodes with what is nobody's of the lab.
fn fill(bench: &Bench) {
    for node in &bench.nodes {
        node.root(&format!(
            "docker run -d --name stranger -v /data {IMAGE} sh -c 'trap exit TERM; sleep 1000 & wait' >/dev/null; docker tag {IMAGE} mine:1; \
             docker commit stranger >/dev/null"
        ));
    }
    bench.nodes[1].root(
        "echo 'DOCKER_OPTS=\"--label mine=1\"' >>/etc/default/docker; service docker restart >/dev/null; \
         until docker start stranger >/dev/null 2>&1; do sleep 0.2; done",
    );
}

#[track_caller]
fn assert_clear(node: &Node) {
    let left = node.root(
        "docker ps -aq; docker images -aq; docker volume ls -q; ls /var/lib/labctl /home/ubuntu/labctl-everywhere 2>/dev/null; \
         grep '^DOCKER_OPTS=' /etc/default/docker; tr '\\0' ' ' </proc/$(pidof dockerd)/cmdline | grep -o 'mine=1'; true",
    );
    assert_eq!(left, "", "something is left on {}", node.name);
}

#[test]
fn everything_is_listed_agreed_to_removed_and_proven_gone_also_when_a_node_is_away() {
    let Some(bench) = bench_of_today() else { return };
    let kept = Kept::of(&bench);
    let files = bench.lab("files");
    bench.labctl(&["run", &files, "--only", "everywhere"]).assert_exit(0);
    fill(&bench);
    let untouched = || bench.nodes.iter().all(|node| node.holds("docker top stranger"));

    let all = ["cleanup", "--scope", "all"];
    let listed = [
        "node-2",
        "container stranger of debian:bookworm, which runs",
        "mine:1",
        "DOCKER_OPTS=\"--label mine=1\"",
        "of the lab, taken back first",
        "--yes",
    ];
    bench.labctl(&all).assert_exit(2).assert_says(&listed);
    let refused = typed(&bench, &all, "y");
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(untouched(), "nobody agreed");

    bench.nodes[2].stop();
    let one_away = typed(&bench, &all, "yes");
    assert_eq!(one_away.status.code(), Some(3), "{one_away:?}");
    assert_clear(&bench.nodes[0]);
    assert_clear(&bench.nodes[1]);
    bench.nodes[2].start();
    bench.labctl(&[&all[..], &["--yes"]].concat()).assert_exit(0);
    assert_clear(&bench.nodes[2]);
    bench
        .labctl(&all)
        .assert_exit(0)
        .assert_says(&["nothing is on the nodes"]);

    // No instance is open any more, and nothing of the lab's was left out.
    bench.nodes[0].root(&format!("docker load -q -i {KEPT}/image.tar >/dev/null"));
    bench.labctl(&[&all[..], &["--yes"]].concat()).assert_exit(0);
    assert_clear(&bench.nodes[0]);
    drop(kept);
    bench.assert_same_but_engines_and_starts_of(&["node-2"]);
}
