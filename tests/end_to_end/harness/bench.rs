//! One test's place: its state directory, its inventory, and the nodes.

use super::lease::{Lease, Left};
use super::{Ended, Node, Running, Snapshot};
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long one labctl may take, unless a test says otherwise.
const PATIENCE: Duration = Duration::from_secs(600);

/// The variables that name the state directories of the two playgrounds.
pub const KINDS: &str = "LABCTL_TEST_NODES";
const TODAY: &str = "LABCTL_TEST_NODES_TODAY";

/// One test's place.
pub struct Bench {
    /// The nodes of the playground, in order.
    pub nodes: Vec<Node>,
    directory: PathBuf,
    before: Vec<Snapshot>,
    /// Where the connections are kept, and the directory, where it is this test's alone.
    _temporary: [Option<tempfile::TempDir>; 2],
    /// Last, so that it ends when all else is put back.
    lease: Lease,
}

/// What an inventory says beyond the nodes.
#[derive(Debug, Clone, Default)]
pub struct InventoryText {
    /// Lines for `[defaults]`, which come before the harness's own.
    pub identity_file: Option<PathBuf>,
    /// The known_hosts file, where it is not a copy of the playground's.
    pub known_hosts: Option<PathBuf>,
    /// `strict` where not said otherwise.
    pub host_key: Option<&'static str>,
    /// Further tables.
    pub more: String,
}

/// Returns the place for a test on one node of each init; `None`, after saying so, where there are no nodes to test on.
pub fn bench() -> Option<Bench> {
    Lease::of(KINDS).map(bench_with)
}

/// Does the same on a playground whose nodes are of different ages: trixie, bookworm, trixie.
pub fn bench_of_today() -> Option<Bench> {
    Lease::of(TODAY).map(bench_with)
}

/// Returns the place for a test on the playground of `lease`.
pub(super) fn bench_with(lease: Lease) -> Bench {
    let own = tempfile::Builder::new().prefix("labctl-test-").tempdir().unwrap();
    let directory = own.path().to_owned();
    Bench::on_clean_nodes(lease, directory, Some(own))
}

/// Returns the path of `name` in this repository.
fn repository_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn playground_nodes(state: &Path, connections: &Path) -> Vec<Node> {
    let output = Command::new(env!("CARGO_BIN_EXE_labctl"))
        .args(["playground", "status", "--json", "--state-dir"])
        .arg(state)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{} is no playground: {}",
        state.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let listed: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(listed.len(), 3, "the playground in {} is not up", state.display());
    listed
        .iter()
        .map(|entry| Node::from_status(entry, state, connections))
        .collect()
}

/// The directory that the tests of a stage share.
fn directory_of_stage(lease: &Lease) -> PathBuf {
    lease.playground.join("stage")
}

impl Bench {
    fn on_clean_nodes(lease: Lease, directory: PathBuf, own: Option<tempfile::TempDir>) -> Self {
        let state_of_stage = directory_of_stage(&lease).join("state");
        std::fs::create_dir_all(directory.join("empty")).unwrap();
        let mut bench = Self::in_directory(lease, directory, own);
        std::fs::copy(&bench.nodes[0].known_hosts, bench.path("known_hosts")).unwrap();
        bench.write_inventory(&InventoryText::default());
        if bench.lease.found != Some(Left::Clean) {
            bench.bring_back();
            // What labctl itself knows how to undo goes first; sweeping takes the rest, whatever came of this.
            let cleanup = bench.command_with_state(&["cleanup"], &state_of_stage);
            let _ = catch_unwind(AssertUnwindSafe(|| Running::spawn(cleanup, PATIENCE).wait()));
            bench.sweep();
        }
        let _ = std::fs::remove_dir_all(state_of_stage);
        bench.take_snapshot();
        bench
    }

    fn in_directory(lease: Lease, directory: PathBuf, own: Option<tempfile::TempDir>) -> Self {
        let connections = tempfile::Builder::new().prefix("labctl-test-").tempdir().unwrap();
        Self {
            nodes: playground_nodes(&lease.playground, connections.path()),
            directory,
            before: Vec::new(),
            _temporary: [Some(connections), own],
            lease,
        }
    }

    /// Returns the place of a test that makes a stage.
    pub(super) fn before_stage(lease: Lease) -> Self {
        let directory = directory_of_stage(&lease);
        let bench = Self::on_clean_nodes(lease, directory, None);
        std::fs::write(bench.path("before.json"), serde_json::to_vec(&bench.before).unwrap()).unwrap();
        bench
    }

    /// Returns the place of a test on the stage that the test before left. The nodes before are those before the stage was made.
    pub(super) fn on_stage(lease: Lease) -> Self {
        let directory = directory_of_stage(&lease);
        let mut bench = Self::in_directory(lease, directory, None);
        bench.before = serde_json::from_slice(&std::fs::read(bench.path("before.json")).unwrap()).unwrap();
        bench.lease.leaves = bench.lease.found.clone().unwrap();
        bench
    }

    /// Says what this test leaves on the nodes. Where it fails, nobody knows.
    pub fn leave(&mut self, left: Left) {
        self.lease.leaves = left;
    }

    /// Lets the nodes be reached again, and starts those that are down.
    fn bring_back(&self) {
        for node in &self.nodes {
            node.open_again();
            node.start();
        }
    }

    /// Takes away what a test that failed before left on the nodes: nothing that a lab or a test makes may stand in the way
    /// of the next one.
    pub fn sweep(&self) {
        self.bring_back();
        for node in &self.nodes {
            node.root(
                "for e in $(grep -lza '^LABCTL_EXEC=' /proc/[0-9]*/environ 2>/dev/null); do \
                   e=${e#/proc/}; kill -KILL ${e%/environ} 2>/dev/null; done; \
                 for m in /var/lib/labctl /home/ubuntu/labctl-small; do ! mountpoint -q $m || umount -l $m; done; \
                 sed -i '/^DOCKER_OPTS=/d; /^# mine$/d' /etc/default/docker; rm -rf /etc/systemd/system/docker.service.d; \
                 if tr '\\0' ' ' </proc/$(pidof dockerd)/cmdline | grep -Eq 'tcp://|--label'; then \
                   if [ -d /run/systemd/system ]; then systemctl daemon-reload; systemctl reset-failed docker.service docker.socket; \
                     systemctl restart docker.socket docker.service; else service docker restart; fi; \
                   until docker version >/dev/null 2>&1; do sleep 0.2; done; fi >/dev/null 2>&1; \
                 rm -rf /var/lib/labctl /home/ubuntu/labctl-* /etc/labctl-test.* /root/labctl-* /tmp/labctl-* /home/ubuntu/.labctl /home/ubuntu/dockchat /etc/docker/certs.d; \
                 docker ps -aq | xargs -r docker rm -f -v >/dev/null; \
                 docker images --format '{{.Repository}}:{{.Tag}}' | grep -vx debian:bookworm | grep -v '<none>' \
                   | xargs -r docker rmi -f >/dev/null 2>&1; \
                 docker image prune -f >/dev/null; docker network prune -f >/dev/null; \
                 docker volume ls -q | xargs -r docker volume rm >/dev/null; true",
            );
        }
    }

    /// Remembers the nodes as they are now.
    pub fn take_snapshot(&mut self) {
        self.before = self.snapshots();
    }

    fn snapshots(&self) -> Vec<Snapshot> {
        std::thread::scope(|scope| {
            let looks: Vec<_> = self
                .nodes
                .iter()
                .map(|node| scope.spawn(|| Snapshot::of(node)))
                .collect();
            looks.into_iter().map(|look| look.join().unwrap()).collect()
        })
    }

    /// Fails unless every node is as it was when it was last remembered.
    #[track_caller]
    pub fn assert_nodes_as_before(&self) {
        for ((node, before), now) in self.nodes.iter().zip(&self.before).zip(self.snapshots()) {
            now.assert_same_as(before, &node.name);
        }
    }

    /// Does the same for all nodes, whose engines may have been restarted.
    #[track_caller]
    pub fn assert_same_but_engines_restarted(&self) {
        for ((node, before), now) in self.nodes.iter().zip(&self.before).zip(self.snapshots()) {
            now.without_engine()
                .assert_same_as(&before.without_engine(), &node.name);
        }
    }

    /// Does the same for all nodes, whose engines may have been restarted, and of which those called `names` were restarted by the test.
    #[track_caller]
    pub fn assert_same_but_engines_and_starts_of(&self, names: &[&str]) {
        for ((node, before), now) in self.nodes.iter().zip(&self.before).zip(self.snapshots()) {
            let (mut now, mut before) = (now.without_engine(), before.without_engine());
            if names.contains(&node.name.as_str()) {
                (now, before) = (now.without_start(), before.without_start());
            }
            now.assert_same_as(&before, &node.name);
        }
    }

    /// Does the same for the nodes called `names` only.
    #[track_caller]
    pub fn assert_same_on(&self, names: &[&str]) {
        for (node, before) in self.nodes.iter().zip(&self.before) {
            if names.contains(&node.name.as_str()) {
                Snapshot::of(node).assert_same_as(before, &node.name);
            }
        }
    }

    /// Does the same for all nodes, of which `name` was restarted by the test.
    #[track_caller]
    pub fn assert_same_but_restarted(&self, name: &str) {
        for (node, before) in self.nodes.iter().zip(&self.before) {
            let now = Snapshot::of(node);
            if node.name == name {
                now.without_start().assert_same_as(&before.without_start(), name);
            } else {
                now.assert_same_as(before, &node.name);
            }
        }
    }

    /// Returns a path in the test's own directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Returns the state directory.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Writes the test's inventory anew.
    pub fn write_inventory(&self, text: &InventoryText) {
        let first = &self.nodes[0];
        let identity = text.identity_file.as_deref().unwrap_or(&first.identity);
        let known_hosts = text.known_hosts.clone().unwrap_or_else(|| self.path("known_hosts"));
        let mut written = format!(
            "{}\n[defaults]\nuser = {:?}\nport = {}\nidentity_file = {:?}\nknown_hosts = {:?}\nhost_key = {:?}\nconnect_timeout = \"5s\"\n",
            text.more,
            first.user,
            first.port,
            identity,
            known_hosts,
            text.host_key.unwrap_or("strict"),
        );
        for node in &self.nodes {
            written += &format!("\n[[node]]\nname = {:?}\nprivate_ip = {:?}\n", node.name, node.address);
        }
        std::fs::write(self.path("inventory.toml"), written).unwrap();
    }

    /// Returns labctl with `arguments`, this test's state directory and inventory, in an empty working directory.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_with_state(arguments, &self.state())
    }

    /// Does the same with another state directory.
    pub fn command_with_state(&self, arguments: &[&str], state: &Path) -> Command {
        let mut command = self.bare_command(arguments);
        command.arg("--state-dir").arg(state);
        command.arg("--inventory").arg(self.path("inventory.toml"));
        command
    }

    /// Returns labctl with `arguments` and nothing else that tells it where its state and the nodes are.
    pub fn bare_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_labctl"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LABCTL_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .current_dir(self.path("empty"))
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs labctl to its end.
    #[track_caller]
    pub fn labctl(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait()
    }

    /// Starts labctl.
    #[track_caller]
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::spawn(self.command(arguments), PATIENCE)
    }

    /// Starts labctl with its events on standard output.
    #[track_caller]
    pub fn start_json(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        command.arg("--json");
        Running::spawn(command, PATIENCE)
    }

    /// Returns the path of one of the tests' own labs, as an argument.
    pub fn lab(&self, name: &str) -> String {
        repository_path(&format!("tests/end_to_end/labs/{name}.toml"))
            .display()
            .to_string()
    }

    /// Returns every byte that labctl keeps for this test: journals, outputs, records.
    pub fn kept_files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut open = vec![self.state()];
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                match entry.path() {
                    path if path.is_dir() => open.push(path),
                    path => found.push((path.clone(), std::fs::read(path).unwrap())),
                }
            }
        }
        found
    }

    /// Returns the events in the journal of the only instance, open or closed.
    #[track_caller]
    pub fn journal(&self) -> Vec<Value> {
        let journals: Vec<_> = self
            .kept_files()
            .into_iter()
            .filter(|(path, _)| path.ends_with("journal.jsonl"))
            .collect();
        assert_eq!(journals.len(), 1, "there should be one instance");
        let text = String::from_utf8(journals[0].1.clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Cleans up and fails unless that ends well and every node is as it was.
    #[track_caller]
    pub fn clean_up_to_the_snapshot(&self) {
        let cleanup = self.labctl(&["cleanup"]);
        cleanup.assert_exit(0);
        self.assert_nodes_as_before();
    }
}
