//! What all connections of a run share.

use super::gate::Gate;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The longest path a unix socket may have, less what ssh adds to it while it makes one and what we add to tell sockets
/// apart.
const LONGEST: usize = 104 - 17 - 8;

/// What the names of the directories start with; the owner's pid follows.
const PREFIX: &str = "labctl-";

/// What all connections of a run share.
#[derive(Debug, Clone)]
pub struct SshOptions {
    /// Where the sockets of this run live: a directory of its own, open to nobody else, with a short path. See
    /// [`ControlDirectory`].
    pub control_directory: PathBuf,
    /// The directory on the nodes that holds one directory per instance.
    pub node_directory: String,
    /// How long a lost connection is tried again where no exec's deadline allows for more.
    pub patience: Duration,
    /// The environment variables that ssh does not get: secrets are in them, and its connections may outlive labctl.
    pub withheld_variables: Vec<String>,
    /// Who is told what takes long.
    pub notices: ConnectNotices,
    /// Bounds what is under way at once.
    pub gate: Gate,
}

/// Is told, in a sentence each, why connecting to a node takes long.
#[derive(Debug, Clone, Default)]
pub struct ConnectNotices(Option<UnboundedSender<String>>);

impl ConnectNotices {
    /// Returns notices that come out at the returned end.
    pub fn channel() -> (Self, UnboundedReceiver<String>) {
        let (sender, receiver) = unbounded_channel();
        (Self(Some(sender)), receiver)
    }

    pub(super) fn tell(&self, sentence: String) {
        if let Some(sender) = &self.0 {
            // Nobody may listen any more.
            let _ = sender.send(sentence);
        }
    }
}

impl SshOptions {
    /// Returns the usual options with sockets in `control_directory`.
    pub fn new(control_directory: impl Into<PathBuf>) -> Self {
        Self {
            control_directory: control_directory.into(),
            node_directory: "/var/lib/labctl".to_owned(),
            patience: Duration::from_secs(20),
            withheld_variables: Vec::new(),
            notices: ConnectNotices::default(),
            gate: Gate::default(),
        }
    }
}

/// A directory for the sockets of one run; removed when dropped.
#[derive(Debug)]
pub struct ControlDirectory(tempfile::TempDir);

impl ControlDirectory {
    /// Makes a directory that only this user may enter, under `XDG_RUNTIME_DIR` or `/tmp`.
    pub fn create() -> io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let candidates = runtime.into_iter().chain([PathBuf::from("/tmp")]);
        let mut last = io::Error::other("no place for sockets");
        let prefix = format!("{PREFIX}{}-", std::process::id());
        for parent in candidates {
            remove_abandoned(&parent);
            // Said outright: the crate's own default is whatever the umask leaves.
            let private = Permissions::from_mode(0o700);
            let made = tempfile::Builder::new()
                .prefix(&prefix)
                .permissions(private)
                .tempdir_in(&parent);
            match made {
                Ok(directory) if is_short(directory.path()) => return Ok(Self(directory)),
                Ok(directory) => last = io::Error::other(format!("{} is too long", directory.path().display())),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Removes the directories below `parent` whose labctl was killed before it could do so. Their connections end by
/// themselves once they are idle.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        let Some(Ok(pid)) = owner.map(|(pid, _)| pid.parse::<u32>()) else {
            continue;
        };
        let ours = entry
            .metadata()
            .is_ok_and(|seen| seen.is_dir() && seen.uid() == rustix::process::geteuid().as_raw());
        if ours && !Path::new("/proc").join(pid.to_string()).exists() {
            // Somebody else may be doing the same.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Says whether sockets fit into `directory`.
pub(super) fn is_short(directory: &Path) -> bool {
    directory.as_os_str().len() <= LONGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_directory_is_private_and_goes_away() {
        let directory = ControlDirectory::create().unwrap();
        let path = directory.path().to_owned();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        drop(directory);
        assert!(!path.exists());
    }

    #[test]
    fn only_directories_of_the_dead_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let living = format!("labctl-{}-x", std::process::id());
        let names = ["labctl-4194999-x", &living, "labctl-notes-x", "labctl-4194999", "other"];
        for name in names {
            std::fs::create_dir(parent.path().join(name)).unwrap();
        }
        remove_abandoned(parent.path());
        let left = names.map(|name| parent.path().join(name).exists());
        assert_eq!(left, [false, true, true, true, true]);
    }
}
