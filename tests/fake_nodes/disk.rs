//! The files of a fake node: enough of a file system for the commands that labctl itself runs there.

use labctl::node::fake::FakeAnswer;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Directory,
    File { content: Vec<u8>, mode: u32 },
}

/// Everything on it, by absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    entries: BTreeMap<String, Entry>,
    /// The options that the node's engine was last started with.
    pub engine_options: Vec<String>,
}

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

pub fn sha256(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Disk {
    pub fn new() -> Self {
        let mut disk = Self {
            entries: BTreeMap::from([("/".to_owned(), Entry::Directory)]),
            engine_options: Vec::new(),
        };
        for path in ["/home/ubuntu", "/etc/default", "/etc/docker", "/opt", "/var/lib"] {
            disk.make_directory(path);
        }
        disk.write("/etc/default/docker", b"# DOCKER_OPTS\n", None);
        disk
    }

    pub fn make_directory(&mut self, path: &str) {
        if !self.entries.contains_key(path) {
            self.make_directory(parent(path));
            self.entries.insert(path.to_owned(), Entry::Directory);
        }
    }

    pub fn write(&mut self, path: &str, content: &[u8], mode: Option<u32>) {
        let kept = match self.entries.get(path) {
            Some(Entry::File { mode, .. }) => *mode,
            _ => 0o644,
        };
        let mode = mode.unwrap_or(kept);
        let content = content.to_vec();
        self.entries.insert(path.to_owned(), Entry::File { content, mode });
    }

    pub fn read(&self, path: &str) -> Option<String> {
        match self.entries.get(path)? {
            Entry::Directory => None,
            Entry::File { content, .. } => Some(String::from_utf8_lossy(content).into_owned()),
        }
    }

    pub fn has(&self, path: &str) -> bool {
        self.entries.contains_key(path)
    }

    pub fn remove(&mut self, path: &str) {
        let below = format!("{path}/");
        self.entries
            .retain(|entry, _| entry != path && !entry.starts_with(&below));
    }

    pub fn paths(&self) -> Vec<&str> {
        self.entries.keys().map(String::as_str).collect()
    }

    /// Does `text`, where it is one of the commands that labctl runs for its own sake.
    pub fn answer(&mut self, text: &str) -> Option<FakeAnswer> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let last = *words.last()?;
        let before_last = words.len().checked_sub(2).map(|at| words[at]);
        if text.contains("stat -c '%f %s %U %G'") {
            return Some(FakeAnswer::exited(0).stdout(self.look_at(last)));
        }
        if text.contains("say init ") {
            return Some(FakeAnswer::exited(0).stdout(self.facts()));
        }
        if text.contains("until docker -H") {
            if text.contains("DOCKER_OPTS=)/#") {
                let content = self.read("/etc/default/docker").unwrap_or_default();
                let commented = content.replace("\nDOCKER_OPTS=", "\n#DOCKER_OPTS=");
                self.write("/etc/default/docker", commented.as_bytes(), None);
            }
            self.engine_options = self.docker_opts().split_whitespace().map(str::to_owned).collect();
            return Some(FakeAnswer::exited(0));
        }
        if text.contains("while d=$(dirname") {
            return Some(FakeAnswer::exited(0).stdout(self.topmost_missing(last)));
        }
        if text.contains("while rmdir --") {
            self.remove_empty(before_last?, last);
            return Some(FakeAnswer::exited(0));
        }
        if text.contains("cp -p --") {
            return Some(self.copy(before_last?, last));
        }
        match words.as_slice() {
            ["cat", "--", path] => return Some(FakeAnswer::exited(0).stdout(self.read(path)?)),
            ["rm", "-rf" | "-f", ..] => self.remove(last),
            ["mkdir", "-p", "--", paths @ ..] => paths.iter().for_each(|path| self.make_directory(path)),
            ["git", "clone", "--", ..] => {
                self.make_directory(last);
                self.write(&format!("{last}/README.md"), b"cloned\n", None);
            }
            _ => return None,
        }
        Some(FakeAnswer::exited(0))
    }

    /// What the last line sets that sets the engine's options.
    fn docker_opts(&self) -> String {
        let content = self.read("/etc/default/docker").unwrap_or_default();
        let mut set = content.lines().filter_map(|line| line.strip_prefix("DOCKER_OPTS="));
        set.next_back().unwrap_or_default().trim_matches('"').to_owned()
    }

    /// What the script of the facts says of an engine that an init script starts.
    fn facts(&self) -> String {
        let mut lines = "init\tinit\ninit_script\tyes\ninit_script_reads_defaults\tyes\nrunning\tdockerd\n".to_owned();
        let content = self.read("/etc/default/docker").unwrap_or_default();
        for line in content.lines().filter(|line| line.starts_with("DOCKER_OPTS=")) {
            lines.push_str(&format!("docker_opts\t{line}\n"));
        }
        for word in &self.engine_options {
            lines.push_str(&format!("running\t{word}\n"));
        }
        lines
    }

    fn look_at(&self, path: &str) -> Vec<u8> {
        match self.entries.get(path) {
            None => b"absent\n".to_vec(),
            Some(Entry::Directory) => b"41ed 0 root root\n-\n".to_vec(),
            Some(Entry::File { content, mode }) => {
                let raw_mode = 0o100_000 | mode;
                let size = content.len();
                let mut answer = format!("{raw_mode:x} {size} root root\n{}\n", sha256(content)).into_bytes();
                answer.extend(content);
                answer
            }
        }
    }

    fn topmost_missing(&self, path: &str) -> String {
        if self.has(path) {
            return String::new();
        }
        let mut topmost = path;
        while !self.has(parent(topmost)) {
            topmost = parent(topmost);
        }
        topmost.to_owned()
    }

    fn remove_empty(&mut self, topmost: &str, deepest: &str) {
        let mut path = deepest;
        loop {
            let below = format!("{path}/");
            if self.entries.keys().any(|entry| entry.starts_with(&below)) {
                return;
            }
            self.remove(path);
            if path == topmost {
                return;
            }
            path = parent(path);
        }
    }

    fn copy(&mut self, from: &str, to: &str) -> FakeAnswer {
        let Some(Entry::File { content, mode }) = self.entries.get(from).cloned() else {
            return FakeAnswer::exited(1).stderr(format!("{from}: no such file\n"));
        };
        self.make_directory(parent(to));
        self.write(to, &content, Some(mode));
        FakeAnswer::exited(0)
    }
}
