//! The keys of a playground: one to log in with, one for each node's sshd. Made once, for this playground only.

use super::PlaygroundError;
use fs_err as fs;
use sha2::{Digest, Sha256};
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use tokio::process::Command;

const HOST_KEYS: &str = "host_keys";

/// The key files of a playground, in its state directory.
pub(super) struct Keys {
    directory: PathBuf,
}

impl Keys {
    pub(super) fn new(state_dir: &Path) -> Self {
        Self {
            directory: state_dir.to_owned(),
        }
    }

    pub(super) fn identity_file(&self) -> PathBuf {
        self.directory.join("identity")
    }

    pub(super) fn known_hosts(&self) -> PathBuf {
        self.directory.join("known_hosts")
    }

    pub(super) fn host_key_file(&self, node: &str) -> PathBuf {
        self.directory.join(HOST_KEYS).join(node)
    }

    /// Makes the keys that are missing; returns whether there were any.
    pub(super) async fn ensure(&self, nodes: &[&str]) -> Result<bool, PlaygroundError> {
        let directory = self.directory.join(HOST_KEYS);
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory);
        made.map_err(PlaygroundError::state(&directory))?;
        let mut any = ensure_key(&self.identity_file(), "labctl playground").await?;
        for node in nodes {
            any |= ensure_key(&self.host_key_file(node), node).await?;
        }
        Ok(any)
    }

    /// Writes known_hosts anew, so that it never holds more than this playground's nodes.
    pub(super) fn write_known_hosts(&self, nodes: &[(&str, Ipv4Addr)]) -> Result<(), PlaygroundError> {
        let mut text = String::new();
        for (node, address) in nodes {
            text.push_str(&known_hosts_line(*address, &read(&public(&self.host_key_file(node)))?));
        }
        let path = self.known_hosts();
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
            std::io::Write::write_all(&mut file, text.as_bytes())?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(PlaygroundError::state(&path))
    }

    /// Returns a mark of the keys that `node` must have; a node with another one was made for keys that are gone.
    pub(super) fn mark(&self, node: &str) -> Result<String, PlaygroundError> {
        let mut hash = Sha256::new();
        hash.update(read(&public(&self.identity_file()))?);
        hash.update(read(&public(&self.host_key_file(node)))?);
        Ok(hash
            .finalize()
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }

    /// Removes the keys, and the state directory where nothing else is in it; returns whether there was anything.
    pub(super) fn remove(&self) -> Result<bool, PlaygroundError> {
        let had_keys = self.identity_file().exists();
        let attempt = || -> std::io::Result<()> {
            for file in [self.identity_file(), public(&self.identity_file()), self.known_hosts()] {
                unless_missing(fs::remove_file(file))?;
            }
            unless_missing(fs::remove_dir_all(self.directory.join(HOST_KEYS)))?;
            unless_missing(fs::remove_file(self.directory.join(super::lock::FILE)))?;
            match fs::remove_dir(&self.directory) {
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
                result => unless_missing(result),
            }
        };
        attempt().map_err(PlaygroundError::state(&self.directory))?;
        Ok(had_keys)
    }
}

/// Returns the line of known_hosts for the sshd at `address` whose public key file says `public_key`.
fn known_hosts_line(address: Ipv4Addr, public_key: &str) -> String {
    let key: Vec<&str> = public_key.split_whitespace().take(2).collect();
    format!("{address} {}\n", key.join(" "))
}

fn unless_missing(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

pub(super) fn public(private: &Path) -> PathBuf {
    private.with_extension("pub")
}

pub(super) fn read(path: &Path) -> Result<String, PlaygroundError> {
    fs::read_to_string(path).map_err(PlaygroundError::state(path))
}

async fn ensure_key(path: &Path, comment: &str) -> Result<bool, PlaygroundError> {
    if path.exists() && public(path).exists() {
        return Ok(false);
    }
    // Half a pair is no pair, and ssh-keygen asks before it overwrites.
    for half in [path.to_owned(), public(path)] {
        unless_missing(fs::remove_file(&half)).map_err(PlaygroundError::state(&half))?;
    }
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
        .arg(path);
    let failed = |reason: String| PlaygroundError::KeyGeneration { reason };
    let output = command.output().await.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_known_hosts_line_leaves_the_comment_out() {
        let line = known_hosts_line(Ipv4Addr::new(10, 77, 0, 10), "ssh-ed25519 AAAAC3Nz node-0 with words\n");
        assert_eq!(line, "10.77.0.10 ssh-ed25519 AAAAC3Nz\n");
    }

    #[tokio::test]
    async fn keys_are_made_once_kept_private_and_removed_whole() {
        let directory = tempfile::tempdir().unwrap();
        let state_dir = directory.path().join("playground");
        let keys = Keys::new(&state_dir);
        assert!(keys.ensure(&["node-0", "node-1"]).await.unwrap());
        assert!(!keys.ensure(&["node-0", "node-1"]).await.unwrap());
        for file in [keys.identity_file(), keys.host_key_file("node-0")] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_ne!(keys.mark("node-0").unwrap(), keys.mark("node-1").unwrap());
        keys.write_known_hosts(&[("node-0", Ipv4Addr::new(10, 77, 0, 10))])
            .unwrap();
        assert!(keys.remove().unwrap());
        assert!(!keys.remove().unwrap());
        assert!(!state_dir.exists());
    }

    #[tokio::test]
    async fn a_file_of_somebody_else_in_the_state_directory_survives() {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys::new(directory.path());
        keys.ensure(&["node-0"]).await.unwrap();
        fs::write(directory.path().join("notes"), "mine").unwrap();
        keys.remove().unwrap();
        assert!(directory.path().join("notes").exists());
    }
}
