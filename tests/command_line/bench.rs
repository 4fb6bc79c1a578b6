//! A place of one test's own to run the binary in: no state, no engine, no variable of the machine reaches it.

use regex::Regex;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Three nodes on closed ports of loopback: nothing answers there, and at once.
pub const CLOSED: &str = "\
[defaults]
user = \"ubuntu\"
port = 1

[[node]]
name = \"node-0\"
private_ip = \"127.0.0.1\"

[[node]]
name = \"node-1\"
private_ip = \"127.0.0.2\"

[[node]]
name = \"node-2\"
private_ip = \"127.0.0.3\"
";

/// A lab of one step on one node.
pub const SMALL_LAB: &str = "\
[lab]
format = 1
id = \"small\"
title = \"Small\"
nodes = [\"node-0\"]

[[task]]
id = \"task1\"
title = \"Task 1\"
on = \"node-0\"

[[task.step]]
id = \"greet\"
title = \"Greet\"
run = [\"echo\", \"hello\"]
undo = []
expect = [{ exit = 0 }]
";

pub struct Bench {
    directory: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl Bench {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for folder in ["home", "desk/inventories"] {
            fs::create_dir_all(directory.path().join(folder)).unwrap();
        }
        let bench = Self {
            directory,
            environment: Vec::new(),
        };
        bench.write("inventories/closed.toml", CLOSED);
        bench
    }

    /// Sets a variable of the environment for every run.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The state directory that the binary uses.
    pub fn state(&self) -> PathBuf {
        self.path("state/labctl")
    }

    /// Writes a file below the working directory.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path("desk").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes the inventory of closed ports with one text in it replaced.
    pub fn inventory(&self, name: &str, from: &str, to: &str) {
        assert!(CLOSED.contains(from), "the inventory has no {from:?}");
        self.write(name, &CLOSED.replacen(from, to, 1));
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.prepared(Command::new(env!("CARGO_BIN_EXE_labctl")), arguments)
    }

    /// As a user who may do nothing: `nobody` where the test runs as root, else whoever runs it.
    pub fn unprivileged(&self, arguments: &[&str]) -> Command {
        if !is_root() {
            return self.command(arguments);
        }
        // The build's own directory may be out of that user's reach.
        let binary = self.path("labctl");
        // By a program of its own: a copy made here would be open for writing in whatever another test starts meanwhile.
        let copied = Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_labctl"))
            .arg(&binary)
            .status()
            .unwrap();
        assert!(copied.success());
        for path in [self.directory.path(), &binary] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]);
        command.arg(binary);
        self.prepared(command, arguments)
    }

    fn prepared(&self, mut command: Command, arguments: &[&str]) -> Command {
        command
            .args(arguments)
            .current_dir(self.path("desk"))
            .stdin(Stdio::null())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.path("state"))
            // No test may reach the engine of this machine by mistake.
            .env("DOCKER_HOST", format!("unix://{}", self.path("no-engine").display()))
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the binary and returns its exit code and all that it says, in one text for a snapshot.
    pub fn says(&self, arguments: &[&str]) -> String {
        self.shown(&self.command(arguments).output().unwrap())
    }

    /// Returns an output as one text, without what changes from run to run.
    pub fn shown(&self, output: &Output) -> String {
        let mut text = format!("exit {}\n", code(output));
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            let said = String::from_utf8(bytes.clone()).unwrap();
            if !said.is_empty() {
                text.push_str(&format!("--- {name}\n{}\n", said.trim_end()));
            }
        }
        neutral(&text, self.directory.path())
    }
}

pub fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

/// Replaces paths, ids and times.
fn neutral(text: &str, directory: &Path) -> String {
    let mut text = text.replace(&directory.display().to_string(), "[DIR]");
    for (pattern, name) in [
        (r"\b\d{8}-\d{6}-[0-9a-f]{4}\b", "[RUN]"),
        (r"\b\d{4}-\d\d-\d\dT[0-9:.]+Z", "[TIME]"),
        (r"\b\d+ m \d+ s\b|\b\d+(\.\d+)? (ms|s)\b", "[TOOK]"),
        (r"process \d+", "process [PID]"),
        (r"\b(small|lab2)-[0-9a-f]{8}\b", "$1-[ID]"),
        // Room for a duration at the end of a line.
        (r" +\[TOOK\]\n", "  [TOOK]\n"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, name).into_owned();
    }
    text
}
