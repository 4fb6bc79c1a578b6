//! The hosts file of the machine that labctl runs on: a line of ours is added, and taken out again.
//!
//! The file is replaced in one go, with its mode and owner; where that cannot be, as where it is mounted into a container, it is written in
//! place. What others write meanwhile is looked at again and kept.

use crate::domain::{HostLine, HostsFault, shell_quoted};
use fs_err as fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// How often a file is looked at again that somebody else writes to at the same time.
const ATTEMPTS: usize = 5;

/// Adds `line` to its file.
pub(super) fn add(line: &HostLine) -> Result<(), HostsFault> {
    let address_and_name = line.text.split(" #").next().unwrap_or_default();
    let hint = format!(
        "`echo '{address_and_name}' | sudo tee -a {}` adds it by hand",
        shell_quoted(&line.file)
    );
    edit(line, &hint, |content| Ok(line.added_to(content)))
}

/// Takes `line` out of its file.
pub fn take_out(line: &HostLine) -> Result<(), HostsFault> {
    edit(line, &line.removal(), |content| line.taken_out_of(content))
}

fn edit(
    line: &HostLine,
    hint: &str,
    change: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, HostsFault>,
) -> Result<(), HostsFault> {
    let could_not = |error: io::Error| HostsFault::CouldNot {
        reason: format!("{} could not be changed: {error}", line.file),
        hint: hint.to_owned(),
    };
    // What a link leads to is replaced, not the link.
    let path = match fs::canonicalize(&line.file) {
        // A file that is gone has no line of ours.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Path::new(&line.file).to_owned(),
        found => found.map_err(could_not)?,
    };
    for _ in 0..ATTEMPTS {
        let content = read(&path).map_err(could_not)?;
        let Some(changed) = change(&content)? else {
            return Ok(());
        };
        if replace(&path, &content, &changed).map_err(could_not)? {
            return Ok(());
        }
    }
    Err(could_not(io::Error::other("somebody else writes to it all the time")))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

/// Writes `changed` where `content` is; returns false where that is no longer there.
fn replace(path: &Path, content: &[u8], changed: &[u8]) -> io::Result<bool> {
    match beside(path, changed) {
        Ok(written) => {
            if read(path)? != content {
                return Ok(false);
            }
            match written.persist(path) {
                Ok(_) => Ok(true),
                // It is a mount of its own.
                Err(_) => in_place(path, content, changed),
            }
        }
        // The directory is not ours to write to; the file may be.
        Err(_) => in_place(path, content, changed),
    }
}

/// Writes a file beside `path`, with its mode and owner.
fn beside(path: &Path, changed: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::Builder::new()
        .prefix(".labctl-hosts-")
        .tempfile_in(directory)?;
    file.write_all(changed)?;
    let mode = match fs::metadata(path) {
        Ok(before) => {
            std::os::unix::fs::fchown(file.as_file(), Some(before.uid()), Some(before.gid()))?;
            before.mode() & 0o7777
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0o644,
        Err(error) => return Err(error),
    };
    file.as_file().set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn in_place(path: &Path, content: &[u8], changed: &[u8]) -> io::Result<bool> {
    let mut file = fs::OpenOptions::new().read(true).write(true).open(path)?;
    let mut now = Vec::new();
    file.read_to_end(&mut now)?;
    if now != content {
        return Ok(false);
    }
    io::Seek::rewind(&mut file)?;
    file.write_all(changed)?;
    file.set_len(changed.len() as u64)?;
    file.sync_all()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::InstanceId;

    fn line(path: &Path) -> HostLine {
        let instance = InstanceId::new("lab2-1a2b3c4d").unwrap();
        HostLine::new(&path.display().to_string(), "10.0.0.12", "dockchat.com", &instance)
    }

    #[test]
    fn a_line_comes_and_goes_and_the_file_keeps_its_mode_and_its_links() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("real"), directory.path().join("hosts"));
        fs::write(&file, "127.0.0.1 localhost").unwrap();
        fs::set_permissions(&file, std::fs::Permissions::from_mode(0o604)).unwrap();
        fs_err::os::unix::fs::symlink(&file, &link).unwrap();
        let line = line(&link);
        add(&line).unwrap();
        let with = "127.0.0.1 localhost\n10.0.0.12 dockchat.com # labctl lab2-1a2b3c4d";
        assert_eq!(fs::read_to_string(&file).unwrap(), with);
        add(&line).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), with, "once is enough");
        take_out(&line).unwrap();
        take_out(&line).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "127.0.0.1 localhost");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o604);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            2,
            "nothing is left beside it"
        );
    }

    #[test]
    fn a_file_that_is_not_as_it_was_read_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hosts");
        fs::write(&file, "now\n").unwrap();
        assert!(!replace(&file, b"before\n", b"ours\n").unwrap());
        assert!(!in_place(&file, b"before\n", b"ours\n").unwrap());
        assert_eq!(fs::read_to_string(&file).unwrap(), "now\n");
        assert!(in_place(&file, b"now\n", b"x\n").unwrap());
        assert_eq!(fs::read_to_string(&file).unwrap(), "x\n");
    }

    #[test]
    fn what_cannot_be_written_is_told_with_the_command_for_somebody_who_may() {
        let directory = tempfile::tempdir().unwrap();
        let line = line(&directory.path().join("missing/hosts"));
        assert_eq!(take_out(&line), Ok(()), "there is nothing to take out");
        let Err(HostsFault::CouldNot { hint, .. }) = add(&line) else {
            panic!("it was written");
        };
        assert!(hint.contains("echo '10.0.0.12 dockchat.com' | sudo tee -a "), "{hint}");
    }
}
