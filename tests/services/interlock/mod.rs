//! `labctl service interlock` as a process, with a real HAProxy on loopback ports.

mod backend;
mod manager;
mod reloads;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use manager::Manager;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Finds HAProxy, which Debian has where only root's PATH leads. Where there is none that is said, past what the harness of tests holds
/// back, and CI, which leaves nothing out, fails.
fn haproxy() -> Option<&'static str> {
    let runs = |program: &&str| {
        let shown = Command::new(program).arg("-v").output();
        shown.is_ok_and(|output| output.status.success())
    };
    let found = ["haproxy", "/usr/sbin/haproxy"].into_iter().find(runs);
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none_or(|value| value != "true"),
            "CI leaves nothing out: install haproxy"
        );
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        let said = format!("SKIPPED: {name} needs HAProxy; apt-get install haproxy\n");
        std::io::stderr().write_all(said.as_bytes()).unwrap();
    }
    found
}

/// An Interlock that runs, with what it has said.
struct Interlock {
    child: Child,
    port: u16,
    said: Arc<Mutex<String>>,
    directory: tempfile::TempDir,
}

impl Interlock {
    /// Starts one that follows `manager`.
    fn start(manager: &Manager, program: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let url = format!("tcp://{}", manager.address);
        let mut child = Command::new(env!("CARGO_BIN_EXE_labctl"))
            .args([
                "service",
                "interlock",
                "--swarm-url",
                &url,
                "--debug",
                "--plugin",
                "haproxy",
                "start",
            ])
            .env("HAPROXY_PROGRAM", program)
            .env("HAPROXY_PORT", port.to_string())
            // As in a container, it writes where it was started.
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::<Mutex<String>>::default();
        let outputs: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        for output in outputs {
            let said = said.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    *said.lock().unwrap() += &format!("{line}\n");
                }
            });
        }
        let started = Self {
            child,
            port,
            said,
            directory,
        };
        started.until("it serves", || get(started.port, "/haproxy?monitor", "x").is_some());
        started
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    fn reloads(&self) -> usize {
        self.said().matches("proxy reloaded and ready").count()
    }

    fn config(&self) -> String {
        fs_err::read_to_string(self.directory.path().join("proxy.conf")).unwrap()
    }

    /// The names of all servers that are configured.
    fn servers(&self) -> BTreeSet<String> {
        let config = self.config();
        let servers = config.lines().filter_map(|line| line.trim().strip_prefix("server "));
        servers
            .filter_map(|server| Some(server.split_once(' ')?.0.to_owned()))
            .collect()
    }

    /// Waits until `holds`, and shows what was said where it never does.
    fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < deadline, "waited in vain: {what}\n{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The process ids of HAProxy's master and workers, by the configuration that they were started with.
    fn haproxies(&self) -> Vec<u32> {
        let config = self.directory.path().join("proxy.conf").display().to_string();
        let processes = fs_err::read_dir("/proc").unwrap().flatten();
        processes
            .filter_map(|process| {
                let line = fs_err::read_to_string(process.path().join("cmdline")).ok()?;
                let is_it = line.contains("haproxy") && line.contains(&config);
                process.file_name().to_str()?.parse().ok().filter(|_| is_it)
            })
            .collect()
    }

    /// Tells it to stop, and returns whether it ended well.
    fn stop(&mut self) -> bool {
        signal(self.child.id(), "TERM");
        self.child.wait().unwrap().success()
    }
}

impl Drop for Interlock {
    fn drop(&mut self) {
        signal(self.child.id(), "TERM");
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        // It may have ended by itself.
        let _ = self.child.kill();
    }
}

fn signal(pid: u32, name: &str) {
    // It may have ended already.
    let _ = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Asks for `path` of `host` on a connection of its own; `None` where no whole answer comes.
fn get(port: u16, path: &str, host: &str) -> Option<(u16, String)> {
    request(
        port,
        &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
    )
}

fn request(port: u16, text: &str) -> Option<(u16, String)> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(15))).ok()?;
    stream.write_all(text.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
