//! The record of one recorded command: the directory INSTANCE/exec/ID.
//!
//! | file | content |
//! |---|---|
//! | `stdout`, `stderr` | the output, each cut at a cap; made when there is some |
//! | `keeper` | `PID START PARENT` of the keeper and the word `many`, as it keeps other commands, too; as a second line, `PID START PARENT` of the command's leader, once there is one |
//! | `end` | `KIND NUMBER STDOUT_SIZE STDERR_SIZE STDOUT_CUT STDERR_CUT`; below, why it did not start or is lost |
//! | `end.new` | is there before (see `end_draft`) |
//!
//! With `end` the record is complete. Where the command must not be left half done, the first line of `keeper` has the word `whole`, too.
//! Who cancels the command takes the right to write from `keeper`, which works on a full disk as well, and sends USR1 to the keeper.
//!
//! Making and removing files is most of what a short command costs, so there are no others. Older records have a keeper of their own, which
//! takes TERM for cancelling; some have the leader's note in a file `leader`, the reason in `reason`, an empty file `whole`, and `why`, which
//! nobody needs: `end` says it, too. Those of the shell supervisor also have `watch` (who takes TERM), `stdout.cut` and `stderr.cut`. Running
//! commands of all of them are followed and ended.

use crate::end_draft::EndDraft;
use crate::ending_processes::CommandProcesses;
use crate::faults::{Outcome, failed};
use crate::processes::{self, ProcessState};
use labctl_agent::{Answer, Ending};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How much is read of a file that tells something: the first line, and of a reason what is told.
const TOLD: usize = 129 + 4096;

/// Between TERM and KILL, where the keeper is gone.
pub(crate) const LOST_GRACE: Duration = Duration::from_secs(2);

/// How long a process may take between its start and carrying its mark, and how often is looked.
const STARTING: Duration = Duration::from_millis(100);
const LOOKING: Duration = Duration::from_millis(5);

const LOST: &str = "its supervisor on the node is gone: the node was restarted, or somebody killed it";

/// One record.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    directory: PathBuf,
    /// What LABCTL_EXEC is in the environment of its processes.
    marker: String,
}

/// How a recorded command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// In a word.
    pub(crate) kind: String,
    /// The status or signal.
    pub(crate) number: i32,
    /// The sizes of its output streams.
    pub(crate) sizes: [u64; 2],
    /// How many bytes of them were cut off.
    pub(crate) cut: [u64; 2],
    /// Why it did not start, or was lost.
    pub(crate) reason: String,
}

/// What is noted where half of what a command does is worse than all of it.
const WHOLE: &str = "whole";

/// What is noted of a keeper that keeps other commands, too.
const MANY: &str = "many";

/// The permission bits of a file `keeper`, and those where the command is cancelled.
const WANTED: u32 = 0o600;
const UNWANTED: u32 = 0o400;

/// The names of the output streams.
pub(crate) const STREAMS: [&str; 2] = ["stdout", "stderr"];

impl Record {
    /// Returns the record `name` in `instance`, whether it is there or not.
    ///
    /// # Errors
    ///
    /// Where no record can have such a name.
    pub(crate) fn new(instance: &str, name: &str) -> Result<Self, labctl_agent::Fault> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
            return Err(failed(format!("{name:?} cannot be the name of a record")));
        }
        let marker = format!("{instance}/exec/{name}");
        Ok(Self {
            directory: PathBuf::from(&marker),
            marker,
        })
    }

    /// Returns the record that is still in `directory`, and has not been given its place.
    pub(crate) fn in_the_making(&self, directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            marker: self.marker.clone(),
        }
    }

    /// Returns its directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns what LABCTL_EXEC is in the environment of its processes.
    pub(crate) fn marker(&self) -> &str {
        &self.marker
    }

    /// Returns the path of its file `name`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Says whether it is there.
    pub(crate) fn exists(&self) -> bool {
        self.directory.is_dir()
    }

    /// Says whether its file `name` is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.file(name).exists()
    }

    /// Returns the path of what becomes its end.
    pub(crate) fn draft(&self) -> PathBuf {
        self.file("end.new")
    }

    /// Returns what file `name` tells; `None` where it is not there.
    fn text(&self, name: &str) -> Option<String> {
        let mut bytes = vec![0; TOLD];
        let mut file = File::open(self.file(name)).ok()?;
        let mut length = 0;
        loop {
            match file.read(&mut bytes[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
    }

    /// Returns the first line of file `name`; `None` where there is none.
    fn first_line(&self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        let line = text.lines().next()?.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// Returns line `at` of file `name`, which may be written to at this moment: one that is not whole is not there yet.
    fn note(&self, name: &str, at: usize) -> Option<String> {
        let text = self.text(name)?;
        let line = text.split_inclusive('\n').nth(at)?.strip_suffix('\n')?.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// Returns the process that file `name` notes first, where it still is that process.
    fn alive(&self, name: &str) -> Option<Pid> {
        let (pid, start) = noted(&self.note(name, 0)?)?;
        let state = ProcessState::of(pid)?;
        (!state.has_ended && state.start == start).then(|| Pid::from_raw(pid))?
    }

    /// Says whether its keeper lives.
    pub(crate) fn is_kept(&self) -> bool {
        self.alive("keeper").is_some()
    }

    /// Tells who keeps it to end the command as cancelled.
    pub(crate) fn cancel(&self) {
        let (taker, signal) = if self.is_noted(MANY) {
            // Where that does not work, the record is gone.
            let _ = fs::set_permissions(self.file("keeper"), Permissions::from_mode(UNWANTED));
            ("keeper", Signal::USR1)
        } else if self.is_of_shell_supervisor() {
            ("watch", Signal::TERM)
        } else {
            ("keeper", Signal::TERM)
        };
        if let Some(pid) = self.alive(taker) {
            // Who has ended meanwhile needs no signal.
            let _ = kill_process(pid, signal);
        }
    }

    /// Says whether its command is to end as cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        let found = self.file("keeper").metadata();
        found.is_ok_and(|found| found.mode() & 0o777 == UNWANTED)
    }

    fn is_of_shell_supervisor(&self) -> bool {
        ["watch", "spec", "stdout.cut", "stdout.cut.new"]
            .iter()
            .any(|name| self.has(name))
    }

    /// Says whether half of what it does is worse than all of it.
    pub(crate) fn is_whole(&self) -> bool {
        let name = self.directory.file_name().unwrap_or_default().to_string_lossy();
        // Older labctls had a file for it, and names before that.
        self.is_noted(WHOLE) || self.has(WHOLE) || name.ends_with("-restart") || name.ends_with("-restart-back")
    }

    /// Says whether its keeper has noted `word` about itself or the command.
    fn is_noted(&self, word: &str) -> bool {
        let note = self.note("keeper", 0);
        note.is_some_and(|line| line.split(' ').skip(3).any(|noted| noted == word))
    }

    /// Says that nobody keeps it: how it ended cannot be written down.
    pub(crate) fn abandon(&self) {
        // Where even that does not work, nobody can write anything there.
        let _ = fs::remove_file(self.file("keeper"));
    }

    /// Returns how it ended; `None` where it runs.
    pub(crate) fn end(&self) -> Option<End> {
        let text = self.text("end")?;
        let (line, below) = text.split_once('\n').unwrap_or((&text, ""));
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse().ok()).unwrap_or(0);
        Some(End {
            kind: (*fields.first()?).to_owned(),
            number: fields.get(1).and_then(|field| field.parse().ok()).unwrap_or(0),
            sizes: [number(2), number(3)],
            cut: [number(4), number(5)],
            reason: below.trim().to_owned(),
        })
    }

    /// Says whether it has ended, and how is written down.
    pub(crate) fn has_end(&self) -> bool {
        self.has("end")
    }

    /// Returns the sizes of its output files.
    pub(crate) fn sizes(&self) -> [u64; 2] {
        STREAMS.map(|name| self.file(name).metadata().map_or(0, |metadata| metadata.len()))
    }

    /// Writes down how it ended, into `draft`.
    ///
    /// # Errors
    ///
    /// Where that does not work.
    pub(crate) fn conclude(&self, draft: &EndDraft, end: &End) -> io::Result<()> {
        let ([stdout, stderr], [stdout_cut, stderr_cut]) = (end.sizes, end.cut);
        let line = format!(
            "{} {} {stdout} {stderr} {stdout_cut} {stderr_cut}",
            end.kind, end.number
        );
        draft.finish(&line, &end.reason)?;
        fs::rename(self.draft(), self.file("end"))
    }

    /// Ends what its keeper, which is gone, has left behind, and writes down that it is lost.
    ///
    /// # Errors
    ///
    /// Where that does not work.
    pub(crate) fn lose(&self) -> io::Result<()> {
        if let Some(watch) = self.alive("watch") {
            let _ = kill_process(watch, Signal::HUP);
        }
        let leader = self.leader();
        if leader.is_none() {
            // Its keeper may have been killed in the middle of a start.
            self.await_mark();
        }
        CommandProcesses::new(leader, &self.marker).end(LOST_GRACE, sleep);
        for secret in ["spec", "stdin"] {
            // Only the shell supervisor made them.
            let _ = fs::remove_file(self.file(secret));
        }
        let cut = |name: &str| self.first_line(name).and_then(|line| line.parse().ok()).unwrap_or(0);
        let end = End {
            kind: "lost".to_owned(),
            number: 0,
            sizes: self.sizes(),
            cut: [cut("stdout.cut"), cut("stderr.cut")],
            reason: LOST.to_owned(),
        };
        self.conclude(&EndDraft::take_over(&self.draft())?, &end)
    }

    /// Waits a moment for a process that carries the mark.
    fn await_mark(&self) {
        let started = Instant::now();
        while processes::with_mark(&self.marker).is_empty() && started.elapsed() < STARTING {
            sleep(LOOKING);
        }
    }

    /// Returns the command's process group, where that number still means the same.
    fn leader(&self) -> Option<i32> {
        let own_file = self.note("leader", 0).map(|line| ("leader", line));
        let (name, line) = own_file.or_else(|| Some(("keeper", self.note("keeper", 1)?)))?;
        let (pid, start) = noted(&line)?;
        let noted_at = self.file(name).metadata().ok()?.mtime();
        let is_of_this_boot = processes::boot_time().is_none_or(|booted| noted_at >= booted);
        // While a group has members, no other process is given its number.
        let is_the_same = ProcessState::of(pid).is_none_or(|state| state.start == start);
        (is_of_this_boot && is_the_same).then_some(pid)
    }

    /// Returns what is said of how it ended.
    pub(crate) fn answer(&self, end: &End) -> Outcome {
        let ending = match end.kind.as_str() {
            "exited" => Ending::Exited(end.number),
            "signalled" => Ending::Signalled(end.number),
            "timedout" => Ending::TimedOut,
            "cancelled" => Ending::Cancelled,
            "unstarted" => Ending::CouldNotStart(self.reason(end)),
            "lost" => Ending::Lost(self.reason(end)),
            other => return Err(failed(format!("{}: an ending of kind {other:?}", self.marker))),
        };
        let [stdout_cut, stderr_cut] = end.cut;
        Ok(Answer::Ended {
            ending,
            stdout_cut,
            stderr_cut,
        })
    }

    fn reason(&self, end: &End) -> String {
        if !end.reason.is_empty() {
            return end.reason.clone();
        }
        let older = self.text("reason").unwrap_or_default();
        let older = older.trim();
        // That the command did start is no reason for anything.
        if older == "ready" {
            String::new()
        } else {
            older.to_owned()
        }
    }
}

/// The file `keeper` of a record, open for the note that comes later.
#[derive(Debug)]
pub(crate) struct Notes {
    file: File,
}

impl Notes {
    /// Makes the file for `record`, and notes this very process in it.
    ///
    /// # Errors
    ///
    /// Where that does not work.
    pub(crate) fn create(record: &Record, is_whole: bool) -> io::Result<Self> {
        let note = note_of(rustix::process::getpid().as_raw_pid())?;
        let whole = if is_whole { format!(" {WHOLE}") } else { String::new() };
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(WANTED)
            .open(record.file("keeper"))?;
        file.write_all(format!("{note}{whole} {MANY}\n").as_bytes())?;
        Ok(Self { file })
    }

    /// Notes `pid` as the command's leader. Its line follows where room was taken for the first, so a full disk does not matter.
    ///
    /// # Errors
    ///
    /// Where that does not work.
    pub(crate) fn add_leader(&mut self, pid: i32) -> io::Result<()> {
        // In one write: others read the file meanwhile.
        self.file.write_all(format!("{}\n", note_of(pid)?).as_bytes())
    }
}

fn note_of(pid: i32) -> io::Result<String> {
    let state = ProcessState::of(pid).ok_or_else(|| io::Error::other("/proc is not mounted"))?;
    Ok(format!("{pid} {} {}", state.start, state.parent))
}

/// Returns the process and its start that `line` notes.
fn noted(line: &str) -> Option<(i32, u64)> {
    let mut fields = line.split(' ');
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
