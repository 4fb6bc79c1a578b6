//! The files of a fake node: enough of a file system for what labctl itself asks and runs there.

use labctl::node::fake::FakeAnswer;
use labctl::node::{Content, LookAt, Process, Removal, Request, Seen, SeenKind};
use labctl_agent::Answer;
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

/// Returns the first `limit` bytes of `content`.
fn beginning(content: &[u8], limit: u64) -> Vec<u8> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    content[..content.len().min(limit)].to_vec()
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
        // An init script starts the engine.
        disk.write("/proc/1/comm", b"init\n", None);
        disk.write(
            "/etc/init.d/docker",
            b"[ -f /etc/default/docker ] && . /etc/default/docker\n",
            Some(0o755),
        );
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

    /// Answers `request`, where it is about files or processes; `None` leaves it to the node.
    pub fn serve(&mut self, request: &Request) -> Option<Answer> {
        match request {
            Request::Look(look) => Some(Answer::Seen(self.look_at(look))),
            Request::Read { path, limit } => Some(Answer::Content(self.content(path, *limit))),
            Request::Remove(remove) => {
                match &remove.what {
                    Removal::EmptyUpTo(topmost) => self.remove_empty(topmost, &remove.path),
                    Removal::File | Removal::Tree => self.remove(&remove.path),
                }
                Some(Answer::Done)
            }
            Request::MakeDirectories { path } => {
                self.make_directory(path);
                Some(Answer::Done)
            }
            Request::CopyFile { from, to } => {
                self.copy(from, to);
                Some(Answer::Done)
            }
            Request::Processes { name } if name == "dockerd" => Some(Answer::Processes(vec![self.engine_process()])),
            _ => None,
        }
    }

    /// Does `text`, where it is one of the commands that labctl runs for its own sake.
    pub fn answer(&mut self, text: &str) -> Option<FakeAnswer> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let last = *words.last()?;
        if text.contains("until docker -H") {
            if text.contains("DOCKER_OPTS=)/#") {
                let content = self.read("/etc/default/docker").unwrap_or_default();
                let commented = content.replace("\nDOCKER_OPTS=", "\n#DOCKER_OPTS=");
                self.write("/etc/default/docker", commented.as_bytes(), None);
            }
            self.engine_options = self.docker_opts().split_whitespace().map(str::to_owned).collect();
            return Some(FakeAnswer::exited(0));
        }
        match words.as_slice() {
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

    /// The running engine.
    fn engine_process(&self) -> Process {
        let words = std::iter::once("dockerd".to_owned()).chain(self.engine_options.iter().cloned());
        Process {
            pid: 1000,
            words: words.collect(),
        }
    }

    fn look_at(&self, look: &LookAt) -> Option<Seen> {
        let entry = self.entries.get(&look.path)?;
        let directory = Seen {
            kind: SeenKind::Directory,
            size: 0,
            mode: 0o755,
            modified_ns: 0,
            owner: "root".to_owned(),
            group: "root".to_owned(),
            may_read: true,
            may_write: true,
            sha256: None,
            content: Vec::new(),
            names: Vec::new(),
            target: None,
        };
        Some(match entry {
            Entry::Directory => Seen {
                names: if look.names { self.names(&look.path) } else { Vec::new() },
                ..directory
            },
            Entry::File { content, mode } => Seen {
                kind: SeenKind::File,
                size: content.len() as u64,
                mode: *mode,
                sha256: look.hash.then(|| sha256(content)),
                content: beginning(content, look.content),
                ..directory
            },
        })
    }

    /// The names in the directory at `path`.
    fn names(&self, path: &str) -> Vec<Vec<u8>> {
        let inside = self
            .entries
            .keys()
            .filter(|entry| *entry != "/" && parent(entry) == path);
        let names = inside.filter_map(|entry| entry.rsplit_once('/'));
        names.map(|(_, name)| name.as_bytes().to_vec()).collect()
    }

    fn content(&self, path: &str, limit: u64) -> Option<Content> {
        match self.entries.get(path)? {
            Entry::Directory => panic!("{path} is a directory, and an agent reads files only"),
            Entry::File { content, .. } => {
                let bytes = beginning(content, limit);
                let is_cut = bytes.len() < content.len();
                Some(Content { bytes, is_cut })
            }
        }
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

    fn copy(&mut self, from: &str, to: &str) {
        let Some(Entry::File { content, mode }) = self.entries.get(from).cloned() else {
            panic!("{from} is copied, and is not there");
        };
        assert!(self.has(parent(to)), "{to} is written, and its directory is not there");
        self.write(to, &content, Some(mode));
    }
}
