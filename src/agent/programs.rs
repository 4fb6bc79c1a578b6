//! Finds and starts a command's program, and says why it cannot be run in the words that labctl shows.

use rustix::fs::{Access, AtFlags, CWD, accessat};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where programs are where PATH is not set.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Says why the directory `path` cannot be entered, where that is so.
pub(crate) fn trouble_entering(path: &str) -> Option<String> {
    let allowed = Path::new(path).is_dir() && may(Path::new(path), Access::EXEC_OK);
    (!allowed).then(|| format!("cannot enter the directory {path}"))
}

/// Finds the program `word` as seen from `directory` with the given PATH. Fails with the reason.
fn find(word: &str, directory: &Path, path: Option<&str>) -> Result<PathBuf, String> {
    if word.contains('/') {
        let full = directory.join(word);
        return match full.metadata() {
            Err(_) => Err(format!("no such file: {word}")),
            Ok(metadata) if metadata.is_dir() => Err(format!("is a directory: {word}")),
            Ok(_) if !may(&full, Access::EXEC_OK) => Err(format!("not executable: {word}")),
            // Not the full path: a script sees how it was called.
            Ok(_) => Ok(PathBuf::from(word)),
        };
    }
    path.unwrap_or(DEFAULT_PATH)
        .split(':')
        .filter(|_| !word.is_empty())
        .map(|place| directory.join(place).join(word))
        .find(|full| full.is_file() && may(full, Access::EXEC_OK))
        .ok_or_else(|| format!("no such program: {word}"))
}

fn may(path: &Path, access: Access) -> bool {
    accessat(CWD, path, access, AtFlags::EACCESS).is_ok()
}

/// Starts `words`, the first of which names a program as seen from `directory` with the given PATH; `start` starts a command that is
/// prepared so far. Fails with the reason.
pub(crate) fn start(
    words: &[String],
    directory: &str,
    path: Option<&str>,
    mut start: impl FnMut(&mut Command) -> io::Result<Child>,
) -> Result<Child, String> {
    let Some((word, rest)) = words.split_first() else {
        return Err("no command".to_owned());
    };
    let program = find(word, Path::new(directory), path)?;
    let mut started = start(Command::new(&program).arg0(word).args(rest));
    if started.as_ref().is_err_and(is_for_the_shell) {
        started = start(Command::new("/bin/sh").arg(&program).args(rest));
    }
    started.map_err(|error| trouble_starting(word, &error))
}

/// Says whether `error` of starting a program means that it is neither a binary nor says which program reads it: POSIX wants the shell to.
fn is_for_the_shell(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error())
}

/// Says why the program `word`, which is there, did not start.
fn trouble_starting(word: &str, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        return format!("cannot start {word}: what it is to be read by is missing");
    }
    format!("cannot start {word}: {}", crate::faults::plain(error))
}

/// Returns what a command reads `input` from.
pub(crate) fn stdin_for(input: &[u8]) -> Stdio {
    if input.is_empty() {
        Stdio::null()
    } else {
        Stdio::piped()
    }
}
