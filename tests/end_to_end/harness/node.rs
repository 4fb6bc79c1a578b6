//! A node, seen with plain ssh and nothing of labctl's.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// A node of the playground.
#[derive(Debug, Clone)]
pub struct Node {
    pub name: String,
    pub address: String,
    pub user: String,
    pub port: u64,
    pub identity: PathBuf,
    pub known_hosts: PathBuf,
    /// The state directory of its playground.
    pub playground: PathBuf,
    control: PathBuf,
}

impl Node {
    /// Reads an entry of `labctl playground status --json` of the playground whose state directory is `playground`. Connections to the
    /// node are kept in `directory`.
    pub fn from_status(entry: &Value, playground: &Path, directory: &Path) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let login = &entry["login"];
        Self {
            name: text(&entry["name"]),
            playground: playground.to_owned(),
            control: directory.join(text(&entry["name"])),
            address: text(&entry["address"]),
            user: text(&login["user"]),
            port: login["port"].as_u64().unwrap(),
            identity: text(&login["identity_file"]).into(),
            known_hosts: text(&login["known_hosts"]).into(),
        }
    }

    fn ssh(&self) -> Command {
        let mut command = Command::new("timeout");
        command.args([
            "60",
            "ssh",
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentitiesOnly=yes",
        ]);
        command.args(["-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR"]);
        command.arg("-i").arg(&self.identity);
        command
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", self.known_hosts.display()));
        // A handshake takes longer than most of what is asked.
        command.args(["-o", "ControlMaster=auto", "-o", "ControlPersist=20"]);
        command.arg("-o").arg(format!("ControlPath={}", self.control.display()));
        command.args(["-p", &self.port.to_string(), &format!("{}@{}", self.user, self.address)]);
        command.stdin(Stdio::null());
        command
    }

    fn try_root(&self, script: &str) -> Output {
        let script = format!("sudo -n sh -c {}", quoted(script));
        self.ssh().arg(script).output().unwrap()
    }

    /// Runs `script` as root and returns what it printed.
    #[track_caller]
    pub fn root(&self, script: &str) -> String {
        let output = self.try_root(script);
        assert!(
            output.status.success(),
            "{}: {script}: {}\n{}{}",
            self.name,
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Runs `script` as root, which reads `input`, and returns what it printed.
    #[track_caller]
    pub fn root_with(&self, script: &str, input: impl Into<Stdio>) -> String {
        let script = format!("sudo -n sh -c {}", quoted(script));
        let output = self.ssh().arg(script).stdin(input).output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", self.name);
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Runs `script` as root, which reads an archive of the lab's DockChat, and returns what it printed.
    #[track_caller]
    pub fn root_with_dockchat(&self, script: &str) -> String {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/labs/lab2/dockchat");
        let mut packed = Command::new("tar")
            .args(["-C", source, "-c", "."])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let printed = self.root_with(script, packed.stdout.take().unwrap());
        assert!(packed.wait().unwrap().success());
        printed
    }

    /// Gives `other` the image `name` of this node.
    #[track_caller]
    pub fn hand_on(&self, name: &str, other: &Self) {
        let mut saved = self.watch(&format!("docker save {name}"));
        other.root_with("docker load -q >/dev/null", saved.stdout.take().unwrap());
        assert!(saved.wait().unwrap().success());
    }

    /// Says whether `script` returns 0 for root.
    pub fn holds(&self, script: &str) -> bool {
        self.try_root(script).status.success()
    }

    /// Starts `script` as root in the background of the test; its output is the child's.
    pub fn watch(&self, script: &str) -> Child {
        let script = format!("sudo -n sh -c {}", quoted(script));
        self.ssh().arg(script).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Ends the connection that is kept, before it is cut in a way that it would not notice.
    pub fn hang_up(&self) {
        let _ = self.ssh().args(["-O", "exit"]).output();
    }

    /// Returns the id of the container that the node is.
    pub fn container(&self) -> String {
        let listed = docker(&["ps", "-aq", "--no-trunc", "--filter", "label=labctl.playground"]);
        let found = listed.lines().find(|id| {
            let form = "{{range .NetworkSettings.Networks}}{{.IPAMConfig.IPv4Address}}{{end}}";
            // Nodes of another test's playground may go meanwhile.
            let inspected = docker_output(&["inspect", "--format", form, id]);
            String::from_utf8_lossy(&inspected.stdout).trim() == self.address
        });
        found
            .unwrap_or_else(|| panic!("no container is {}", self.name))
            .to_owned()
    }

    /// Runs `script` in the node without any ssh, which a test may have cut.
    pub fn behind_ssh(&self, script: &str) -> String {
        docker(&["exec", &self.container(), "sh", "-c", script])
    }

    /// Lets packets in again that a test kept out.
    pub fn open_again(&self) {
        let _ = docker_output(&[
            "exec",
            &self.container(),
            "iptables",
            "-D",
            "INPUT",
            "-p",
            "tcp",
            "--dport",
            "22",
            "-j",
            "DROP",
        ]);
    }

    /// Pulls the plug.
    pub fn stop(&self) {
        self.hang_up();
        docker(&["stop", "-t", "15", &self.container()]);
    }

    /// Starts the node and its engine, and waits until sshd and the engine answer.
    pub fn start(&self) {
        const ENGINE: &str = "docker version >/dev/null 2>&1";
        if self.holds(ENGINE) {
            return;
        }
        docker(&["start", &self.container()]);
        let patience = Duration::from_secs(90);
        super::wait_for(&format!("{} comes up", self.name), patience, || {
            self.holds("true").then_some(())
        });
        // A test may have stopped the engine, or keep it from starting.
        self.root(&format!(
            "if ! {ENGINE}; then if [ -d /run/systemd/system ]; then systemctl unmask -q --runtime docker.service; \
             systemctl reset-failed docker.service docker.socket; systemctl start docker.socket docker.service; \
             else service docker start; fi; fi >/dev/null 2>&1; true"
        ));
        super::wait_for(&format!("the engine of {} answers", self.name), patience, || {
            self.holds(ENGINE).then_some(())
        });
    }

    /// Returns the processes that carry labctl's mark, or run from its directory, as `pid: command` lines.
    pub fn our_processes(&self) -> String {
        self.root(OUR_PROCESSES)
    }

    /// Waits until no process of labctl's is left.
    #[track_caller]
    pub fn wait_until_ours_are_gone(&self, patience: Duration) {
        super::wait_for(&format!("no process of ours on {}", self.name), patience, || {
            self.our_processes().is_empty().then_some(())
        });
    }
}

/// Lists processes by their environment or command. The script's own words must not match.
pub const OUR_PROCESSES: &str = "for p in $({ grep -lza '^LABCTL_EXEC=' /proc/[0-9]*/environ; \
    grep -lza '/var/lib/[l]abctl/' /proc/[0-9]*/cmdline; } 2>/dev/null | cut -d/ -f3 | sort -u); do \
    if [ -d /proc/$p ]; then echo \"$p: $(tr '\\0' ' ' 2>/dev/null </proc/$p/cmdline)\"; fi; done; true";

/// Runs the docker client of this machine, whose containers the nodes are.
#[track_caller]
fn docker(words: &[&str]) -> String {
    let output = Command::new("timeout")
        .args(["90", "docker"])
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "docker {}: {}",
        words.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn docker_output(words: &[&str]) -> Output {
    Command::new("timeout")
        .args(["90", "docker"])
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
