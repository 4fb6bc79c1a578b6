//! Decides how files and directories become as they were, and has the agent do it.

use super::baseline::look_at_file;
use crate::domain::{FileBefore, Undo, may_be_removed};
use crate::node::{Removal, Transport};
use tokio_util::sync::CancellationToken;

/// What is to be done about a file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileWork {
    /// Nothing: it is as it was.
    Nothing,
    /// What stands at this path goes.
    Remove(String, Removal),
    /// The copy `backup` goes back to `path`.
    PutBack { backup: String, path: String },
    /// It must be left alone, and why.
    Refuse(String),
}

/// Does `work`, as root, unless `stop` comes first. Tells why it was not done.
pub(super) async fn do_file_work(
    transport: &dyn Transport,
    work: FileWork,
    stop: &CancellationToken,
) -> Result<(), String> {
    let doing = async {
        match work {
            FileWork::Nothing => Ok(()),
            FileWork::Remove(path, what) => {
                let removed = transport.remove(true, &path, what).await;
                removed.map_err(|error| error.to_string())
            }
            FileWork::PutBack { backup, path } => {
                let copied = transport.copy_file(&backup, &path).await;
                copied.map_err(|error| error.to_string())
            }
            FileWork::Refuse(reason) => Err(reason),
        }
    };
    let stopped = || Err("it was interrupted".to_owned());
    stop.run_until_cancelled(doing).await.unwrap_or_else(stopped)
}

/// Decides how the file at `path` gets back to `before`. `ours` are the hashes of all that this instance wrote there; an
/// empty list means that a command wrote it, so that its content proves nothing.
pub(super) async fn file_work(
    transport: &dyn Transport,
    instance_directory: &str,
    path: &str,
    before: &FileBefore,
    ours: &[String],
) -> Result<FileWork, String> {
    let now = look_at_file(transport, path).await.map_err(|error| error.to_string())?;
    let changed_since = |sha256: Option<&String>| {
        let known = sha256.is_some_and(|sha256| ours.contains(sha256));
        !known && !ours.is_empty()
    };
    let refusal = || FileWork::Refuse(format!("{path} was changed after labctl wrote it; it is left as it is"));
    Ok(match (before, &now) {
        (FileBefore::Absent, None) => FileWork::Nothing,
        (FileBefore::Absent, Some(seen)) if changed_since(seen.sha256.as_ref()) => refusal(),
        (FileBefore::Absent, Some(_)) => FileWork::Remove(path.to_owned(), Removal::File),
        (
            FileBefore::Kept {
                sha256,
                mode,
                owner,
                group,
                ..
            },
            Some(seen),
        ) if seen.sha256.as_ref() == Some(sha256)
            && seen.mode == *mode
            && seen.owner == *owner
            && seen.group == *group =>
        {
            FileWork::Nothing
        }
        (FileBefore::Kept { sha256, .. }, Some(seen))
            if seen.sha256.as_ref() != Some(sha256) && changed_since(seen.sha256.as_ref()) =>
        {
            refusal()
        }
        (FileBefore::Kept { backup, .. }, _) => FileWork::PutBack {
            backup: format!("{instance_directory}/{backup}"),
            path: path.to_owned(),
        },
    })
}

/// Returns the hashes of all that `made` says was written to `path`; empty where a command wrote there.
pub(super) fn written_hashes(made: &[Undo], path: &str) -> Vec<String> {
    let mut hashes = Vec::new();
    for undo in made {
        if let Undo::RestoreFile {
            path: written,
            after_sha256,
            ..
        } = undo
            && written == path
        {
            match after_sha256 {
                Some(sha256) => hashes.push(sha256.clone()),
                None => return Vec::new(),
            }
        }
    }
    hashes
}

/// Decides how parents that a step had to make go away.
pub(super) fn parents_work(topmost: &str, deepest: &str) -> FileWork {
    if may_be_removed(topmost) && may_be_removed(deepest) && deepest.starts_with(topmost) {
        FileWork::Remove(deepest.to_owned(), Removal::EmptyUpTo(topmost.to_owned()))
    } else {
        FileWork::Refuse(format!("{topmost} is no path that labctl would have made"))
    }
}

/// Decides how a directory that a step made goes away.
pub(super) fn directory_work(path: &str) -> FileWork {
    if may_be_removed(path) {
        FileWork::Remove(path.to_owned(), Removal::Tree)
    } else {
        FileWork::Refuse(format!("{path} is no path that labctl would have made"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_that_no_step_makes_are_never_removed() {
        for path in ["/", "/home", "", "home/x", "/home/../etc", "/home/x/", "/./x", "//x"] {
            assert!(
                matches!(directory_work(path), FileWork::Refuse(_)),
                "{path} would be removed"
            );
        }
        assert!(matches!(
            directory_work("/home/ubuntu/dockchat"),
            FileWork::Remove(_, Removal::Tree)
        ));
    }
}
