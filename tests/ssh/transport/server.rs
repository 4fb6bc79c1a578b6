//! An sshd of one test's own.

use labctl::domain::{HostKeyPolicy, InstanceId, Login, Node, NodeName};
use labctl::node::{
    Command, ControlDirectory, ExecId, ExecRequest, Look, NodeError, OutputSink, SshNode, SshOptions, Stream, Transport,
};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

pub struct Server {
    pub directory: tempfile::TempDir,
    pub port: u16,
    pub control: ControlDirectory,
    /// Shell commands that give it mounts of its own.
    mounts: String,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        for pid in self.session_processes() {
            signal(pid, "KILL");
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts an sshd whose configuration has `more` in it.
    pub fn start_with(more: &str) -> Self {
        Self::start_among(tempfile::tempdir().unwrap(), more, "")
    }

    /// Starts one that keeps its files in `directory`, and has what the shell commands `mounts` mount.
    pub fn start_among(directory: tempfile::TempDir, more: &str, mounts: &str) -> Self {
        let path = directory.path();
        for name in ["host", "user", "stranger"] {
            make_key(&path.join(name));
        }
        fs::copy(path.join("user.pub"), path.join("authorized")).unwrap();
        // Wants this directory of its own, even when it runs for one test.
        let _ = fs::create_dir_all("/run/sshd");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let place = path.display();
        let text = format!(
            "{more}\nListenAddress 127.0.0.1:{port}\nHostKey {place}/host\nAuthorizedKeysFile {place}/authorized\n\
             PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n\
             KexAlgorithms curve25519-sha256\n"
        );
        fs::write(path.join("sshd_config"), text).unwrap();
        let child = spawn(path, mounts);
        let server = Self {
            control: ControlDirectory::create().unwrap(),
            directory,
            port,
            mounts: mounts.to_owned(),
            child,
        };
        server.wait_until_up();
        server
    }

    fn wait_until_up(&self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "sshd does not come up: {log}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops it, with all its sessions.
    pub fn stop(&mut self) {
        let sessions = self.session_processes();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        for pid in sessions {
            signal(pid, "KILL");
        }
    }

    pub fn start_again(&mut self) {
        self.child = spawn(self.directory.path(), &self.mounts);
        self.wait_until_up();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn node(&self) -> Node {
        Node {
            name: NodeName::new("node-0").unwrap(),
            private_ip: "127.0.0.1".into(),
            address: "127.0.0.1".into(),
            public_address: None,
            groups: Vec::new(),
            vars: std::collections::BTreeMap::new(),
            login: Login {
                user: Some(user()),
                port: Some(self.port),
                identity_file: Some(self.path("user")),
                host_key: HostKeyPolicy::AcceptNew,
                known_hosts: Some(self.path("known hosts")),
                connect_timeout: Duration::from_secs(5),
                ..Login::default()
            },
        }
    }

    pub fn options(&self) -> SshOptions {
        let mut options = SshOptions::new(self.control.path());
        options.node_directory = self.path("labctl").display().to_string();
        options.patience = Duration::from_secs(4);
        options
    }

    pub async fn try_connect(&self, node: &Node) -> Result<SshNode, NodeError> {
        SshNode::connect(node, &self.options()).await
    }

    pub async fn connect(&self) -> SshNode {
        self.try_connect(&self.node()).await.unwrap()
    }

    /// Connects and opens an instance.
    pub async fn open(&self) -> SshNode {
        let node = self.connect().await;
        node.open_instance(&instance()).await.unwrap();
        node
    }

    /// Returns how many connections are open.
    pub fn masters(&self) -> usize {
        let files = std::fs::read_dir(self.control.path()).unwrap().flatten();
        let sockets = files.filter(|file| std::os::unix::fs::FileTypeExt::is_socket(&file.file_type().unwrap()));
        sockets.count()
    }

    /// Returns the processes of sshd that serve a connection.
    pub fn session_processes(&self) -> Vec<u32> {
        let children = descendants(self.child.id());
        // The command of a session is no sshd; it must live on.
        children
            .into_iter()
            .filter(|pid| name(*pid).starts_with("sshd"))
            .collect()
    }
}

fn spawn(directory: &Path, mounts: &str) -> Child {
    const SSHD: &str = "/usr/sbin/sshd";
    let mut command = if mounts.is_empty() {
        std::process::Command::new(SSHD)
    } else {
        let mut command = std::process::Command::new("unshare");
        let script = format!("{mounts} && exec {SSHD} \"$@\"");
        command.args(["-m", "sh", "-c", &script, "sh"]);
        command
    };
    command
        .arg("-D")
        .arg("-f")
        .arg(directory.join("sshd_config"))
        .arg("-E")
        .arg(directory.join("log"))
        .stdin(Stdio::null())
        .spawn()
        .expect("sshd: install openssh-server")
}

/// Says whether a test may have mounts of its own here.
pub fn can_mount() -> bool {
    let status = std::process::Command::new("unshare").args(["-m", "true"]).status();
    status.is_ok_and(|status| status.success())
}

pub fn make_key(path: &Path) {
    let _ = fs::remove_file(path);
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
}

pub fn instance() -> InstanceId {
    InstanceId::new("test").unwrap()
}

fn user() -> String {
    let output = std::process::Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()
}

/// Returns the processes below `ancestor`.
pub fn descendants(ancestor: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect();
    let mut found = vec![ancestor];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found.remove(0);
    found
}

pub fn signal(pid: u32, name: &str) {
    let _ = std::process::Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

pub fn is_alive(pid: &str) -> bool {
    // Without a number, that would be the file /proc/stat.
    !pid.trim().is_empty()
        && fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn look(text: &str) -> Look {
    Look {
        command: Command::Shell(text.into()),
        as_root: false,
        deadline: Duration::from_secs(10),
        keep: 1 << 20,
    }
}

pub fn exec(id: &str, text: &str) -> ExecRequest {
    ExecRequest {
        id: ExecId(id.into()),
        command: Command::Shell(text.into()),
        directory: None,
        environment: Vec::new(),
        stdin: None,
        as_root: false,
        deadline: Duration::from_secs(30),
        is_whole: false,
    }
}

/// Keeps the output, up to a few megabytes, and counts all of it.
#[derive(Default)]
pub struct Kept {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub count: u64,
    pub cut: u64,
}

impl OutputSink for Kept {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) {
        self.count += bytes.len() as u64;
        let kept = if stream == Stream::Stdout {
            &mut self.stdout
        } else {
            &mut self.stderr
        };
        if kept.len() < 4 << 20 {
            kept.extend_from_slice(bytes);
        }
    }

    fn cut(&mut self, _: Stream, bytes: u64) {
        self.cut += bytes;
    }
}
