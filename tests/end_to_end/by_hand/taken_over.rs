//! `labctl run lab2 --from task3` on a cluster that a learner built: it goes on, or says what is missing before it changes anything.

use super::{ByHand, SCALED_OUT};
use crate::harness::{Left, Snapshot};

const RUN: [&str; 4] = ["run", "lab2", "--from", "task3"];

/// What the learner's task 1 leaves: the repository, whose files come by standard input.
const CLONE: &str = "mkdir /home/ubuntu/dockchat && cd /home/ubuntu/dockchat && tar -x && \
    printf 'db:\\n  image: mongo\\nweb:\\n  build: .\\n' >docker-compose.yml && \
    git init -q . && git add -A && git -c user.name=l -c user.email=l@localhost commit -q -m DockChat && \
    chown -R ubuntu: /home/ubuntu/dockchat";

impl ByHand<'_> {
    /// Does task 1 as far as anything of it stays: the repository on node-0, and the image, which is that of node-1.
    fn does_task1(&self) {
        let node = &self.bench.nodes[0];
        node.root_with_dockchat(CLONE);
        self.bench.nodes[1].hand_on("nicolaka/dockchat:v1", node);
        node.root("docker tag nicolaka/dockchat:v1 dockchat_web:latest");
    }

    /// Runs it from task 3 on, which must be refused with `words` and leave no trace.
    #[track_caller]
    fn is_refused(&self, words: &[&str]) {
        let before = self.snapshots();
        let run = self.bench.labctl(&RUN);
        run.assert_exit(1).assert_says(words);
        run.assert_says(&["labctl run lab2 --from no-deployments"]);
        for (node, (before, now)) in self.bench.nodes.iter().zip(before.iter().zip(self.snapshots())) {
            now.assert_same_as(before, &node.name);
        }
        self.bench
            .labctl(&["status"])
            .assert_exit(0)
            .assert_says(&["nothing is owed"]);
    }

    fn snapshots(&self) -> Vec<Snapshot> {
        self.bench.nodes.iter().map(Snapshot::of).collect()
    }

    /// Goes on from task 3 where that is possible, and is as it was after the cleanup.
    fn is_gone_on_with(&self) {
        self.is_refused(&[
            "What task3 stands on",
            "task 1 step 1: clone DockChat to ~/dockchat on node-0",
        ]);
        self.does_task1();
        self.is_refused(&["there are containers of a project dockchat_staging already"]);
        self.on(0, "remove staging; remove production");
        self.do_all(&[(0, "docker stop -t 1 one >/dev/null; docker rm one >/dev/null")]);
        self.is_refused(&["✘ node-0  Two Swarm agents run", "task 2 step 5"]);
        self.on(0, "agent one $node_1:2375 $(cat /root/labctl-hub/token); settle");

        let before = self.snapshots();
        let compose = "sha256sum /home/ubuntu/dockchat/docker-compose.yml";
        let mine = self.on(0, compose);
        self.bench
            .labctl(&[&RUN[..], &["--until", "task3"]].concat())
            .assert_exit(0);
        self.on(0, "answers");
        self.bench.labctl(&["verify", "task3"]).assert_exit(0);
        self.bench.labctl(&["cleanup"]).assert_exit(0);
        for (node, (before, now)) in self.bench.nodes.iter().zip(before.iter().zip(self.snapshots())) {
            now.without_contents()
                .assert_same_as(&before.without_contents(), &node.name);
        }
        assert_eq!(self.on(0, compose), mine, "the learner's file is not as it was");
    }
}

#[test]
fn a_cluster_built_by_hand_is_gone_on_with_where_that_is_possible() {
    let Some(mut bench) = SCALED_OUT.bench() else { return };
    ByHand { bench: &bench }.is_gone_on_with();
    bench.sweep();
    bench.leave(Left::Clean);
}
