//! All of a node that labctl could have changed, looked at without labctl.

use super::Node;
use super::node::OUR_PROCESSES;

/// Prints it, one thing a line. Times of directories are left out: making and removing something in one changes them.
const LOOK: &str = r"
docker ps -a --no-trunc --format 'container {{.ID}} {{.Image}} {{.Names}} {{.State}}' | sort
docker images -a --no-trunc --format 'image {{.ID}} {{.Repository}}:{{.Tag}}' | sort
docker volume ls --format 'volume {{.Name}}' | sort
docker network ls --format 'network {{.Name}}' | sort
find /home /root /etc /var/lib/labctl /opt /usr/local -xdev -type f -printf 'file %p %m %u:%g %s %T@\n' 2>/dev/null | sort
find /home /root /etc /var/lib/labctl /opt /usr/local -xdev ! -type f -printf 'other %p %y %m %u:%g %l\n' 2>/dev/null | sort
find /tmp /var/tmp /dev/shm -mindepth 1 -printf 'temporary %p %y %m %u:%g\n' 2>/dev/null | sort
find /home /root /etc/docker /etc/default /etc/apt -xdev -type f -exec sha256sum {} + 2>/dev/null | sort
echo engine $(pidof dockerd)
mount | grep -E ' on (/home|/var/lib/labctl)' | sort
";

/// A node at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(Vec<String>);

impl Snapshot {
    /// Looks at `node`.
    #[track_caller]
    pub fn of(node: &Node) -> Self {
        let look = format!("{{ {OUR_PROCESSES}; }} | sed 's/^/process /'\n{LOOK}\ntrue");
        Self(node.root(&look).lines().map(str::to_owned).collect())
    }

    /// Fails unless this is the same as `before`, and tells what is not.
    #[track_caller]
    pub fn assert_same_as(&self, before: &Self, name: &str) {
        let missing = before
            .0
            .iter()
            .filter(|line| !self.0.contains(line))
            .map(|line| format!("- {line}"));
        let new = self
            .0
            .iter()
            .filter(|line| !before.0.contains(line))
            .map(|line| format!("+ {line}"));
        let differences: Vec<String> = missing.chain(new).collect();
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
        let is_hash = |line: &str| line.split(' ').next().is_some_and(|word| word.len() == 64);
        let lines = self
            .0
            .iter()
            .filter(|line| !is_hash(line) && !line.contains(" /var/lib/labctl"));
        let lines = lines.map(|line| match line.strip_prefix("file ") {
            Some(file) => file.rsplitn(3, ' ').last().unwrap_or(file).to_owned(),
            None => line.clone(),
        });
        Self(lines.collect())
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
