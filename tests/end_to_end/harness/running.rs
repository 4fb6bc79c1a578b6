//! A labctl that runs.

use super::Ended;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// An event as `--json` prints it.
#[derive(Debug, Clone)]
pub struct Event(pub Value);

impl Event {
    #[track_caller]
    pub fn parse(line: &str) -> Self {
        Self(serde_json::from_str(line).unwrap_or_else(|error| panic!("no event ({error}): {line}")))
    }

    /// Says whether it is of `kind`.
    pub fn is_kind(&self, kind: &str) -> bool {
        self.0["event"] == kind
    }

    /// Says whether it is of `kind` and about the step `step` on any node.
    pub fn is(&self, kind: &str, step: &str) -> bool {
        self.is_kind(kind) && self.0["step"]["step"] == step
    }
}

/// A labctl that runs; killed where the test forgets it.
pub struct Running {
    asked: String,
    child: Child,
    lines: Receiver<Vec<u8>>,
    stdout: Vec<u8>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    limit: Instant,
    peak_memory: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says whether a line of `--json` tells how a step failed.
fn tells_failure(line: &str) -> bool {
    let event: Value = serde_json::from_str(line).unwrap_or_default();
    event["event"] == "step_finished"
        && !["passed", "already_held", "skipped", "superseded"]
            .contains(&event["outcome"]["outcome"].as_str().unwrap_or(""))
}

impl Running {
    #[track_caller]
    pub fn spawn(mut command: Command, patience: Duration) -> Self {
        let asked = command
            .get_args()
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = Vec::new();
            while stdout.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                if sender.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            text
        });
        Self {
            asked,
            child,
            lines,
            stdout: Vec::new(),
            stderr: Some(stderr),
            limit: Instant::now() + patience,
            peak_memory: 0,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the event `kind` of step `step`.
    #[track_caller]
    pub fn wait_for_step(&mut self, kind: &str, step: &str) -> Event {
        self.wait_for_event(&format!("{kind} of {step}"), |event| event.is(kind, step))
    }

    /// Waits for an event that `wanted` accepts.
    #[track_caller]
    pub fn wait_for_event(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            let left = self.limit.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(Duration::from_secs(300))) {
                Ok(line) => {
                    self.stdout.extend_from_slice(&line);
                    let event = Event::parse(&String::from_utf8_lossy(&line));
                    if wanted(&event) {
                        return event;
                    }
                }
                Err(error) => self.give_up(&format!("{error} while waiting for {what}")),
            }
        }
    }

    #[track_caller]
    fn give_up(&mut self, why: &str) -> ! {
        let _ = self.child.kill();
        let stderr = self
            .stderr
            .take()
            .map(|reader| reader.join().unwrap())
            .unwrap_or_default();
        let shown = String::from_utf8_lossy(&self.stdout);
        // What failed first stands far above, before all the steps that were skipped for it.
        let failed: Vec<&str> = shown.lines().filter(|line| tells_failure(line)).collect();
        let last: Vec<&str> = shown.lines().rev().take(12).collect();
        let stderr = String::from_utf8_lossy(&stderr);
        panic!(
            "labctl {}: {why}\n--- what failed\n{}\n--- last lines, newest first\n{}\n--- stderr\n{stderr}",
            self.asked,
            failed.join("\n"),
            last.join("\n")
        );
    }

    /// Sends `signal`, such as `INT`, to labctl alone.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args(["-s", signal, &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(sent.success(), "labctl was gone before it got {signal}");
    }

    /// Sends `signal` to labctl, where it has not ended by itself.
    pub fn try_signal(&mut self, signal: &str) {
        if self.child.try_wait().unwrap().is_none() {
            self.signal(signal);
        }
    }

    /// Kills labctl as nothing can be caught.
    pub fn kill_now(&mut self) {
        let _ = self.child.kill();
    }

    /// Kills labctl as nothing can be caught, and waits until it is gone.
    pub fn kill(mut self) -> Ended {
        let _ = self.child.kill();
        self.wait()
    }

    /// Waits for its end; fails the test where that takes too long.
    #[track_caller]
    pub fn wait(mut self) -> Ended {
        let status = loop {
            self.note_memory();
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > self.limit {
                self.give_up("it does not end");
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        // A process that inherited the stream and lives on must not hold up the test.
        loop {
            match self.lines.recv_timeout(Duration::from_secs(5)) {
                Ok(line) => self.stdout.extend_from_slice(&line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => self.give_up("somebody keeps its standard output open"),
            }
        }
        Ended {
            asked: self.asked.clone(),
            code: status.code(),
            stdout: std::mem::take(&mut self.stdout),
            stderr: self
                .stderr
                .take()
                .map(|reader| reader.join().unwrap())
                .unwrap_or_default(),
            peak_memory: self.peak_memory,
        }
    }

    fn note_memory(&mut self) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|text| text.trim().strip_suffix("kB")?.trim().parse().ok());
        self.peak_memory = self.peak_memory.max(peak.unwrap_or(0));
    }
}
