//! An instance that the labctl before the agent opened, and that was killed in the middle of a run: what it wrote on its controller and on its
//! node, and what its `status` said. Numbers of processes are ones that no kernel gives, and records of commands that had ended are left out.

use super::transport::server::{Server, can_mount, is_alive, look, until};
use crate::fake_nodes::engine_server::EngineServer;
use crate::skipping::skip;
use labctl::node::Transport;
use regex::Regex;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

const ID: &str = "before-05b26668";

/// The step that ran when labctl was killed.
const RUNNING: &str = "20261130-214758-1b05-wait";

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ssh/version_before/fixture")
}

/// A node as that run left it, and the controller.
struct Bench {
    server: Server,
    _engine: EngineServer,
}

impl Bench {
    /// Returns `None`, after saying so, where nothing can be mounted here: the old instance knows its node's files by their whole paths.
    fn new() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().display();
        let mounts = format!(
            "mount --bind {place}/lib /var/lib && mount -t tmpfs none /run && mkdir /run/sshd && \
             ln -s {place}/engine /run/docker.sock && mount -t tmpfs none /etc/default && \
             {{ [ ! -d /etc/docker ] || mount -t tmpfs none /etc/docker; }}"
        );
        if !can_mount() {
            skip("an instance of the version before: nothing can be mounted here");
            return None;
        }
        let lib = directory.path().join("lib");
        for (path, content) in [
            ("lab-notes/notes", "hello\n"),
            ("kept/settings", "the lab's\n"),
            ("lab-begun", ""),
            ("lab-more", ""),
        ] {
            let path = lib.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let node = lib.join("labctl").join(ID);
        copy(&fixture().join("node"), &node);
        fs::write(node.join("supervisor"), SUPERVISOR).unwrap();
        for private in ["labctl", &format!("labctl/{ID}")] {
            fs::set_permissions(lib.join(private), fs::Permissions::from_mode(0o700)).unwrap();
        }
        // Git does not keep it. A backup has the mode of its original.
        let backup = node.join("backup/6bfd0ac9080bf1cd");
        fs::set_permissions(backup, fs::Permissions::from_mode(0o640)).unwrap();
        let engine = EngineServer::start(&directory.path().join("engine"));
        let server = Server::start_among(directory, "", &mounts);
        let bench = Self {
            server,
            _engine: engine,
        };
        bench.write_controller();
        Some(bench)
    }

    fn write_controller(&self) {
        let instance = self.server.path("state/instances").join(ID);
        copy(&fixture().join("controller"), &instance);
        let path = instance.join("instance.json");
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("DIRECTORY", &self.server.directory.path().display().to_string());
        fs::write(path, text.replace("PORT", &self.server.port.to_string())).unwrap();
    }

    /// Returns a path in what the node has as /var/lib.
    fn lib(&self, name: &str) -> PathBuf {
        self.server.path("lib").join(name)
    }

    async fn labctl(&self, words: &[&str]) -> Output {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_labctl"))
            .arg("--state-dir")
            .arg(self.server.path("state"))
            .args(words)
            .current_dir(self.server.directory.path())
            .env("HOME", self.server.directory.path())
            .output()
            .await
            .unwrap()
    }

    /// Cleans up with `words`, and fails unless that puts the node back.
    async fn assert_cleaned_up(&self, words: &[&str]) {
        assert!(self.lib("lab-begun").exists() && self.lib("lab-notes/notes").exists());
        let output = self.labctl(words).await;
        let said = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}\n{complaint}");
        assert!(said.contains("6 things taken back"), "{said}");
        assert!(said.contains("Nothing of the lab is left on node-0."), "{said}");
        let left = fs::read_dir(self.lib("")).unwrap().flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["kept"]);
        let settings = self.lib("kept/settings");
        assert_eq!(fs::read_to_string(&settings).unwrap(), "mine\n");
        assert_eq!(settings.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
        let open = fs::read_dir(self.server.path("state/instances")).unwrap().count();
        assert_eq!(open, 0, "the instance is still open");
    }
}

/// The shell script that ran an old labctl's commands on nodes.
const SUPERVISOR: &str = include_str!("../../../src/agent/tests/fixtures/supervisor-v1.sh");

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test]
async fn status_tells_of_an_instance_of_the_version_before_what_that_version_told() {
    let Some(bench) = Bench::new() else { return };
    let output = bench.labctl(&["status"]).await;
    let said = String::from_utf8(output.stdout).unwrap();
    let said = Regex::new(r"\(.* ago\)").unwrap().replace(&said, "(AGO)");
    assert_eq!(said, fs::read_to_string(fixture().join("status.txt")).unwrap());
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn cleanup_takes_an_instance_of_the_version_before_back() {
    let Some(bench) = Bench::new() else { return };
    bench.assert_cleaned_up(&["cleanup"]).await;
}

#[tokio::test]
async fn cleanup_reads_from_the_node_what_the_version_before_did_where_its_journal_is_lost() {
    let Some(bench) = Bench::new() else { return };
    fs::remove_dir_all(bench.server.path("state")).unwrap();
    let inventory = format!(
        "[defaults]\nuser = \"root\"\nport = {}\nidentity_file = \"user\"\nknown_hosts = \"known_hosts\"\n\
         [[node]]\nname = \"node-0\"\nprivate_ip = \"127.0.0.1\"\n",
        bench.server.port
    );
    fs::write(bench.server.path("nodes.toml"), inventory).unwrap();
    bench.assert_cleaned_up(&["cleanup", "--inventory", "nodes.toml"]).await;
}

#[tokio::test]
async fn cleanup_ends_a_command_of_the_version_before_that_still_runs() {
    let Some(bench) = Bench::new() else { return };
    let kept = format!("/var/lib/labctl/{ID}");
    let record = bench.lib(&format!("labctl/{ID}/exec/{RUNNING}"));
    fs::remove_dir_all(&record).unwrap();
    let order = "uid=0 gid=0 directory='/'\nenvironment() {\nexport PATH='/usr/bin:/bin'\n}\n\
                 set -- '/bin/sh' '-c' 'echo $$; sleep 600'\n";
    fs::write(bench.lib("order"), order).unwrap();
    let length = order.len();
    let start =
        format!("setsid sh {kept}/supervisor run {RUNNING} {length} 0 600 1000000 1 </var/lib/order >/dev/null 2>&1 &");
    let node = bench.server.connect().await;
    node.look(&look(&start)).await.unwrap();
    let printed = record.join("stdout");
    until("it runs", || {
        fs::read_to_string(&printed).is_ok_and(|text| text.ends_with('\n'))
    })
    .await;
    node.close().await;
    fs::remove_file(bench.lib("order")).unwrap();
    let pid = fs::read_to_string(printed).unwrap();
    assert!(is_alive(&pid));
    bench.assert_cleaned_up(&["cleanup"]).await;
    assert!(!is_alive(&pid));
}
