//! `labctl service swarm`, `discovery` and `certificate` as processes: what their clients see on loopback ports.

mod client;
mod discovery;
mod discovery_bounds;
mod engine;
mod engine_api;
mod flags;
mod health;
mod manager;
mod replays;
mod usage;
mod very_many;

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns `labctl service` with `words`, and nothing of this machine's settings for it.
fn service(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_labctl"));
    command.arg("service").args(words).stdin(Stdio::null());
    for name in [
        "SWARM_DISCOVERY",
        "SWARM_DISCOVERY_URL",
        "SWARM_HOST",
        "SWARM_ADVERTISE",
        "DEBUG",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ] {
        command.env_remove(name);
    }
    command
}

/// A service that runs; it is killed with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Starts `command` and returns it with what stands between `before` and `after` in the first line of its log that has both.
    fn start(mut command: Command, (before, after): (&str, &str)) -> (Self, String) {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let outputs: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        for output in outputs {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    // Whoever has what it wants listens no more.
                    let _ = sender.send(line);
                }
            });
        }
        let running = Self(child);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let line = receiver
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                .unwrap();
            let found = line
                .split_once(before)
                .map(|(_, rest)| rest.split(after).next().unwrap_or_default().to_owned());
            if let Some(found) = found {
                return (running, found);
            }
        }
    }
}

/// Asks `question` until it answers.
fn wait_for<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
