//! All of a node that labctl could have changed, looked at without labctl.
//!
//! Before and after every test on every node, so it must be quick: one connection, a handful of processes on the node, and only those
//! files are hashed that were not hashed before as they are now. A file whose number, size and time of change are those of a known
//! hash is what it was: nobody can set that time. The known hashes are kept beside the playground's state.

use super::Node;
use super::node::OUR_PROCESSES;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek, Write};
use std::path::Path;

/// Prints it, one thing a line. Times of directories are left out: making and removing something in one changes them. What is behind a
/// tab is for the hashes alone. The engine's own words come last, as JSON. On a busy machine dockerd takes its containerd for dead, has
/// it write its stacks to /tmp and starts it again: that file is Docker's.
const LOOK: &str = r"
find /home /root /etc /var/lib/labctl /opt /usr/local -xdev \
    -type f -printf 'file %p %m %u:%g %s %T@\t%i %C@\n' -o -printf 'other %p %y %m %u:%g %l\n' 2>/dev/null
find /tmp /var/tmp /dev/shm -mindepth 1 ! -name 'containerd.*.stacks.log' -printf 'temporary %p %y %m %u:%g\n' 2>/dev/null
echo engine $(pidof dockerd)
grep -E '^[^ ]+ (/home|/var/lib/labctl)' /proc/mounts | sed 's/^/mounted /'
at=http://docker; curl -s --unix-socket /var/run/docker.sock \
    $at/containers/json?all=1 $at/images/json?all=1 $at/volumes $at/networks
true";

/// A node at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot(Vec<String>);

impl Snapshot {
    /// Looks at `node`.
    #[track_caller]
    pub fn of(node: &Node) -> Self {
        let look = format!("{{ {OUR_PROCESSES}; }} | sed 's/^/process /'\n{LOOK}");
        let seen = node.root(&look);
        let engine_begins = seen.find("\n[").map_or(seen.len(), |at| at + 1);
        let (text, engine) = seen.split_at(engine_begins);
        let mut files = BTreeMap::new();
        let mut lines = Vec::new();
        for line in text.lines() {
            let (line, stamp) = line.split_once('\t').unwrap_or((line, ""));
            if let Some(file) = line.strip_prefix("file ") {
                let path = file.rsplitn(5, ' ').last().unwrap();
                files.insert(path.to_owned(), format!("{file} {stamp}"));
            }
            lines.push(line.to_owned());
        }
        let engine_lines = engine_lines(engine);
        let runs = text
            .lines()
            .any(|line| line.starts_with("engine ") && line.len() > "engine ".len());
        assert!(
            !(runs && engine_lines.is_empty()),
            "the engine of {} runs and does not answer",
            node.name
        );
        lines.extend(engine_lines);
        lines.extend(hashes(node, files));
        lines.sort();
        Self(lines)
    }

    /// Fails unless this is the same as `before`, and tells what is not.
    #[track_caller]
    pub fn assert_same_as(&self, before: &Self, name: &str) {
        let only_in = |these: &Self, those: &Self, sign: &str| {
            let new = these.0.iter().filter(|line| those.0.binary_search(line).is_err());
            new.map(|line| format!("{sign} {line}")).collect::<Vec<_>>()
        };
        let differences = [only_in(before, self, "-"), only_in(self, before, "+")].concat();
        assert!(
            differences.is_empty(),
            "{name} is not as it was:\n{}",
            differences.join("\n")
        );
    }

    /// Returns this without what a restart of the engine changes.
    pub fn without_engine(&self) -> Self {
        let stays = |line: &&String| !line.starts_with("engine ");
        Self(self.0.iter().filter(stays).cloned().collect())
    }

    /// Returns this without what a lab that runs again writes anew: times and contents of files, and labctl's own notes.
    pub fn without_contents(&self) -> Self {
        let lines = self
            .0
            .iter()
            .filter(|line| !line.starts_with("hash ") && !line.contains(" /var/lib/labctl"));
        let lines = lines.map(|line| match line.strip_prefix("file ") {
            Some(file) => file.rsplitn(3, ' ').last().unwrap_or(file).to_owned(),
            None => line.clone(),
        });
        let mut lines: Vec<String> = lines.collect();
        lines.sort();
        Self(lines)
    }

    /// Returns this without what a restart of the node changes.
    pub fn without_start(&self) -> Self {
        let of_start = [
            "engine ",
            "file /etc/hostname ",
            "file /etc/hosts ",
            "file /etc/resolv.conf ",
        ];
        let stays = |line: &&String| !of_start.iter().any(|start| line.starts_with(start));
        Self(self.0.iter().filter(stays).cloned().collect())
    }
}

/// Returns what an engine has, from its answers: containers, images, volumes, networks. An engine that is down has nothing.
fn engine_lines(answers: &str) -> Vec<String> {
    let answers = serde_json::Deserializer::from_str(answers).into_iter::<Value>();
    let answers: Vec<Value> = answers.map(Result::unwrap).collect();
    let [containers, images, volumes, networks] = &answers[..] else {
        assert!(answers.is_empty(), "the engine answered in part: {answers:?}");
        return Vec::new();
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut lines = Vec::new();
    for container in list(containers) {
        let of = |key: &str| container[key].clone();
        lines.push(format!(
            "container {} {} {} {}",
            of("Id"),
            of("Image"),
            of("Names"),
            of("State")
        ));
    }
    for image in list(images) {
        let tags = list(&image["RepoTags"]);
        let tags = if tags.is_empty() { vec![Value::Null] } else { tags };
        lines.extend(tags.iter().map(|tag| format!("image {} {tag}", image["Id"])));
    }
    lines.extend(
        list(&volumes["Volumes"])
            .iter()
            .map(|volume| format!("volume {}", volume["Name"])),
    );
    lines.extend(
        list(networks)
            .iter()
            .map(|network| format!("network {}", network["Name"])),
    );
    lines
}

/// Returns a line with the hash of each of `files`, given with the stamps that they have now. Only what is not known is hashed.
#[track_caller]
fn hashes(node: &Node, files: BTreeMap<String, String>) -> Vec<String> {
    let cache = node.playground.join(format!("hashes-{}.json", node.name));
    let mut known: BTreeMap<String, String> = fs::read(&cache)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    known.retain(|stamp, _| files.values().any(|wanted| wanted == stamp));
    let unknown: Vec<_> = files.iter().filter(|(_, stamp)| !known.contains_key(*stamp)).collect();
    if !unknown.is_empty() {
        let mut paths = tempfile::tempfile().unwrap();
        for (path, _) in &unknown {
            write!(paths, "{path}\0").unwrap();
        }
        paths.rewind().unwrap();
        // What was removed since the look has no hash, and shows in the listing.
        let hashed = node.root_with("xargs -0 sha256sum 2>/dev/null; true", paths);
        let hashed: BTreeMap<&str, &str> = hashed
            .lines()
            .filter_map(|line| line.split_once("  ").map(|(hash, path)| (path, hash)))
            .collect();
        for (path, stamp) in unknown {
            if let Some(hash) = hashed.get(path.as_str()) {
                known.insert(stamp.clone(), (*hash).to_owned());
            }
        }
        write_whole(&cache, &serde_json::to_vec(&known).unwrap());
    }
    let line = |(path, stamp): (&String, &String)| known.get(stamp).map(|hash| format!("hash {path} {hash}"));
    files.iter().filter_map(line).collect()
}

/// Writes `bytes` to `path` so that nobody ever reads half of them.
fn write_whole(path: &Path, bytes: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(new, path).unwrap();
}
