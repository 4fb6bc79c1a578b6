//! An instance's directory, and commands that are recorded there.

use crate::harness::{shell, until};
use labctl_agent::{Attach, Exec, Hidden};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// An instance's directory for recorded commands.
pub struct Instance {
    pub place: TempDir,
    pub path: String,
}

impl Instance {
    /// Makes one.
    pub fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("instance").display().to_string();
        fs::create_dir(&path).unwrap();
        Self { place, path }
    }

    /// Makes a recorded command.
    pub fn exec(&self, name: &str, text: &str) -> Exec {
        Exec {
            record: self.attach(name),
            words: shell(text),
            directory: "/".to_owned(),
            environment: vec![("PATH".to_owned(), Hidden::from("/usr/bin:/bin"))],
            stdin: Hidden::default(),
            user: "root".to_owned(),
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            deadline_ms: 10_000,
            grace_ms: 300,
            cap: 1 << 20,
            is_whole: false,
        }
    }

    /// Names a record, none of whose output is known.
    pub fn attach(&self, name: &str) -> Attach {
        Attach {
            instance: self.path.clone(),
            exec: name.to_owned(),
            stdout: 0,
            stderr: 0,
        }
    }

    /// Returns the path of file `file` of record `name`.
    pub fn file(&self, name: &str, file: &str) -> PathBuf {
        Path::new(&self.path).join("exec").join(name).join(file)
    }

    /// Waits until file `file` of record `name` is there with something in it.
    pub fn await_file(&self, name: &str, file: &str) -> String {
        let path = self.file(name, file);
        let mut text = String::new();
        until(&format!("{} has content", path.display()), || {
            text = fs::read_to_string(&path).unwrap_or_default();
            !text.is_empty()
        });
        text
    }

    /// Waits until line `at` of the file `keeper` of record `name` is there: the keeper's note, or the leader's.
    pub fn await_note(&self, name: &str, at: usize) -> String {
        let path = self.file(name, "keeper");
        let mut note = None;
        until(&format!("{} has line {at}", path.display()), || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let line = text.split_inclusive('\n').nth(at);
            note = line.and_then(|line| line.strip_suffix('\n')).map(str::to_owned);
            note.is_some()
        });
        note.unwrap()
    }

    /// Returns the names of the files of record `name`, sorted.
    pub fn files(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.file(name, "")).unwrap().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Returns how many processes belong to the instance's commands, keepers not counted.
    pub fn processes(&self) -> usize {
        let mark = format!("LABCTL_EXEC={}/", self.path);
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let environments = entries.filter_map(|entry| fs::read(entry.path().join("environ")).ok());
        environments
            .filter(|text| {
                text.split(|byte| *byte == 0)
                    .any(|line| line.starts_with(mark.as_bytes()))
            })
            .count()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        for _ in 0..2 {
            let mark = format!("LABCTL_EXEC={}/", self.path);
            for entry in fs::read_dir("/proc").unwrap().flatten() {
                let text = fs::read(entry.path().join("environ")).unwrap_or_default();
                if text
                    .split(|byte| *byte == 0)
                    .any(|line| line.starts_with(mark.as_bytes()))
                {
                    let pid = entry.file_name().to_string_lossy().into_owned();
                    let _ = Command::new("kill").args(["-s", "KILL", &pid]).status();
                }
            }
        }
    }
}
