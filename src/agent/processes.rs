//! What /proc tells of processes.

use labctl_agent::Process;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;

/// What the names of the Docker Engine's programs begin with, as far as the kernel keeps them.
const ENGINE: [&str; 4] = ["dockerd", "containerd", "docker-containe", "docker-proxy"];

/// What /proc/PID/stat tells of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessState {
    /// Whether it has ended, and nobody has taken note.
    pub(crate) has_ended: bool,
    /// Its parent.
    pub(crate) parent: i32,
    /// Its process group.
    pub(crate) group: i32,
    /// When it started, in ticks since the machine did.
    pub(crate) start: u64,
}

impl ProcessState {
    /// Returns what is known of process `pid`.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        // Far more than the line has: it is read at once.
        let mut line = [0; 1024];
        let file = File::open(format!("/proc/{pid}/stat")).ok()?;
        let read = (&file).read(&mut line).ok()?;
        Self::parse(&line[..read])
    }

    fn parse(line: &[u8]) -> Option<Self> {
        // The name, in parentheses, may hold anything.
        let name_end = line.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(line.get(name_end + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Self {
            has_ended: matches!(*fields.first()?, "Z" | "X" | "x"),
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
        })
    }
}

/// Returns the numbers of all processes.
pub(crate) fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Says whether the process group `leader` has anybody in it that has not ended.
pub(crate) fn group_lives(leader: i32) -> bool {
    all().any(|pid| ProcessState::of(pid).is_some_and(|state| state.group == leader && !state.has_ended))
}

/// What the processes of a recorded command have in their environment, with its mark behind it.
const MARK: &str = "LABCTL_EXEC=";

/// Returns the processes that carry `marker`.
pub(crate) fn with_mark(marker: &str) -> Vec<i32> {
    all()
        .filter(|pid| mark(*pid).is_some_and(|found| found == marker.as_bytes()))
        .collect()
}

/// Returns what stands behind `beginning` in the marks that begin like that, each once.
pub(crate) fn with_mark_below(beginning: &str) -> BTreeSet<String> {
    let rest = |pid| String::from_utf8(mark(pid)?.strip_prefix(beginning.as_bytes())?.to_vec()).ok();
    all().filter_map(rest).collect()
}

/// Returns the mark that process `pid` carries. One that has ended meanwhile, or that is somebody else's, carries none.
fn mark(pid: i32) -> Option<Vec<u8>> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut lines = environment.split(|byte| *byte == 0);
    lines
        .find_map(|line| line.strip_prefix(MARK.as_bytes()))
        .map(<[u8]>::to_vec)
}

/// Says whether process `pid` is a part of the Docker Engine. One that a command started may carry its mark.
pub(crate) fn is_engine(pid: i32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    ENGINE.iter().any(|program| name.starts_with(program))
}

/// Returns the processes of programs that are called `name`.
pub(crate) fn named(name: &str) -> Vec<Process> {
    // The kernel keeps as many bytes of a name.
    let name = &name.as_bytes()[..name.len().min(15)];
    let mut found: Vec<Process> = all()
        .filter(|pid| {
            let comm = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
            comm.strip_suffix(b"\n").unwrap_or(&comm) == name
        })
        .map(|pid| Process {
            pid: pid.unsigned_abs(),
            words: words(pid),
        })
        .collect();
    found.sort_by_key(|process| process.pid);
    found
}

fn words(pid: i32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = line.strip_suffix(b"\0").unwrap_or(&line);
    if line.is_empty() {
        return Vec::new();
    }
    line.split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// Returns when the machine started, in seconds since 1970.
pub(crate) fn boot_time() -> Option<i64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_blanks_does_not_shift_the_fields() {
        let line = b"7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 1234 20\n";
        let state = ProcessState::parse(line).unwrap();
        assert_eq!((state.parent, state.group, state.start), (1, 2, 1234));
        assert!(!state.has_ended);
    }

    #[test]
    fn garbage_is_no_process() {
        assert_eq!(ProcessState::parse(b""), None);
        assert_eq!(ProcessState::parse(b"7 (a)"), None);
        assert_eq!(ProcessState::parse(b"7 (a) S x y"), None);
    }
}
