//! Keeps one recorded command: holds its deadline, both its pipes and its exit status.
//!
//! Where a child in the background still holds a pipe, this sleeps until that closes it, as nobody shall get SIGPIPE from here.

use crate::channel::{self, CHUNK};
use crate::end_draft::EndDraft;
use crate::ending_processes::CommandProcesses;
use crate::faults::plain;
use crate::kept_output::Output;
use crate::news::News;
use crate::record::{End, Notes, Record, STREAMS};
use crate::start_as::Starting;
use crate::threads;
use crate::wakeups::{Bell, Wakeups};
use labctl_agent::Exec;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a child in the background is listened to: in silence, and at all.
const SILENCE: Duration = Duration::from_millis(200);
const LISTENING: Duration = Duration::from_secs(2);

/// How long a start that was given up may take to come to an end.
const GIVING_UP: Duration = Duration::from_secs(2);

/// How often is looked whether the command has ended, where the kernel does not tell.
const LOOKING: Duration = Duration::from_millis(4);

/// Makes `record`, and keeps `exec` there until it has ended and nobody writes to its pipes any more; `bell` cancels it. Fails with the
/// reason where there is no record; whatever else goes wrong is on record.
pub(crate) fn keep(record: Record, exec: Exec, bell: Bell, tell: impl Fn(News)) -> Result<(), String> {
    let Some((notes, draft)) = claim(&record, exec.is_whole)? else {
        // Another keeper was first; whoever follows the record finds that one.
        tell(News::Complete);
        return Ok(());
    };
    tell(News::Kept);
    let keeping = Keeping {
        outputs: STREAMS.map(|name| Output::new(record.file(name), exec.cap)),
        record,
        notes,
        draft,
        wakeups: Wakeups::new(bell),
        tell,
        buffer: vec![0; CHUNK],
        deadline: Instant::now().checked_add(Duration::from_millis(exec.deadline_ms)),
        grace: Duration::from_millis(exec.grace_ms),
        is_concluded: false,
    };
    keeping.keep(exec);
    Ok(())
}

/// Makes `record`; `None` where another keeper was first. Fails with the reason.
fn claim(record: &Record, is_whole: bool) -> Result<Option<(Notes, EndDraft)>, String> {
    let trouble = |error: io::Error| format!("cannot write the record: {}", plain(&error));
    let directory = record
        .directory()
        .with_file_name(format!(".new.{}", crate::random::word()));
    DirBuilder::new().mode(0o700).create(&directory).map_err(trouble)?;
    let made = furnish(&record.in_the_making(&directory), is_whole);
    // Whoever renames first runs it. The other finds a directory that is not empty.
    let taken = made.is_ok() && fs::rename(&directory, record.directory()).is_ok();
    if !taken {
        let _ = fs::remove_dir_all(&directory);
    }
    match made {
        Ok(files) if taken => Ok(Some(files)),
        Ok(_) if record.exists() => Ok(None),
        Ok(_) => Err("cannot write the record".to_owned()),
        Err(error) => Err(trouble(error)),
    }
}

fn furnish(record: &Record, is_whole: bool) -> io::Result<(Notes, EndDraft)> {
    Ok((Notes::create(record, is_whole)?, EndDraft::create(&record.draft())?))
}

struct Keeping<T> {
    record: Record,
    notes: Notes,
    draft: EndDraft,
    wakeups: Wakeups,
    tell: T,
    outputs: [Output; 2],
    buffer: Vec<u8>,
    deadline: Option<Instant>,
    grace: Duration,
    is_concluded: bool,
}

impl<T: Fn(News)> Keeping<T> {
    /// Runs the command and writes down how it ended.
    fn keep(mut self, exec: Exec) {
        let exec = Arc::new(exec);
        let starting = Starting::begin(&exec, self.record.marker());
        let (kind, number, reason) = match &starting {
            Ok(starting) => self.run(starting, exec),
            Err(reason) => ("unstarted", 0, reason.clone()),
        };
        self.drain();
        let [stdout, stderr] = self.outputs.each_mut().map(Output::close);
        let end = End {
            kind: kind.to_owned(),
            number,
            sizes: [stdout.0, stderr.0],
            cut: [stdout.1, stderr.1],
            reason,
        };
        if self.record.conclude(&self.draft, &end).is_err() {
            self.record.abandon();
        }
        self.is_concluded = true;
        (self.tell)(News::Complete);
        // Nobody gets SIGPIPE from here: a child in the background is listened to until it has ended, or does not want to be any more.
        while self.outputs.iter().any(Output::is_held_open) {
            self.turn(None, None);
        }
        if let Ok(starting) = starting {
            starting.join();
        }
    }

    /// Waits until the command has started and ended; says how.
    fn run(&mut self, starting: &Starting, exec: Arc<Exec>) -> (&'static str, i32, String) {
        let started = loop {
            if let Some(started) = starting.take() {
                break started;
            }
            if let Some(kind) = self.why_to_end() {
                return self.break_start_off(starting, kind);
            }
            self.turn(Some(starting.ended()), self.deadline);
        };
        let mut child = match started {
            Ok(child) => child,
            Err(reason) => return ("unstarted", 0, reason),
        };
        if let Err(error) = self.attend(&mut child, exec) {
            let reason = format!("the node has no room to attend to it: {}", plain(&error));
            self.end(&mut child, "lost");
            return ("lost", 0, reason);
        }
        self.await_end(child)
    }

    /// Ends, as `kind`, a command that is still being started. Most starts are over in a moment: only one that hangs is not waited for.
    fn break_start_off(&mut self, starting: &Starting, kind: &'static str) -> (&'static str, i32, String) {
        let limit = Instant::now() + GIVING_UP;
        let started = loop {
            let started = starting.take();
            if started.is_some() || Instant::now() >= limit {
                break started;
            }
            self.turn(Some(starting.ended()), Some(limit));
        };
        match started.or_else(|| starting.give_up()) {
            Some(Ok(mut child)) => self.end(&mut child, kind),
            Some(Err(_)) | None => (kind, 0, String::new()),
        }
    }

    /// Notes `child`, takes its pipes, and gives it its input.
    fn attend(&mut self, child: &mut Child, exec: Arc<Exec>) -> io::Result<()> {
        self.notes.add_leader(Pid::from_child(child).as_raw_pid())?;
        let pipes = [
            child.stdout.take().map(OwnedFd::from),
            child.stderr.take().map(OwnedFd::from),
        ];
        for (pipe, output) in pipes.into_iter().zip(&mut self.outputs) {
            output.open(pipe.ok_or(io::ErrorKind::BrokenPipe)?);
        }
        if let Some(stdin) = child.stdin.take() {
            threads::start(move || {
                // One that has ended reads nothing.
                let _ = channel::write_all(&stdin, &exec.stdin.0);
            })?;
        }
        Ok(())
    }

    /// Says why the command is to end, where it is.
    fn why_to_end(&self) -> Option<&'static str> {
        if self.wakeups.is_cancelled() {
            return Some("cancelled");
        }
        let has_passed = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
        has_passed.then_some("timedout")
    }

    /// Waits until the command, whose leader is `child`, has ended; says how.
    fn await_end(&mut self, mut child: Child) -> (&'static str, i32, String) {
        // Becomes readable when it ends; kernels before 5.3 have no such thing.
        let ending = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).ok();
        loop {
            if let Ok(Some(status)) = child.try_wait() {
                return judge(status);
            }
            if let Some(kind) = self.why_to_end() {
                return self.end(&mut child, kind);
            }
            let looking = ending.is_none().then(|| Instant::now() + LOOKING);
            let limit = [self.deadline, looking].into_iter().flatten().min();
            self.turn(ending.as_ref().map(AsFd::as_fd), limit);
        }
    }

    /// Ends the command, whose leader is `child`, as `kind`.
    fn end(&mut self, child: &mut Child, kind: &'static str) -> (&'static str, i32, String) {
        let leader = Pid::from_child(child).as_raw_pid();
        let processes = CommandProcesses::new(Some(leader), self.record.marker());
        processes.end(self.grace, |time| self.read_for(time));
        // Whoever survived KILL hangs in the kernel; the record must not.
        let _ = child.try_wait();
        (kind, 0, String::new())
    }

    /// Waits until all output has arrived, but no longer than a child in the background holds it open in silence.
    fn drain(&mut self) {
        let started = Instant::now();
        let mut news = started;
        while self.outputs.iter().any(Output::is_held_open) && started.elapsed() < LISTENING && news.elapsed() < SILENCE
        {
            if self.turn(None, Some((news + SILENCE).min(started + LISTENING))) {
                news = Instant::now();
            }
        }
    }

    /// Reads output for `time`.
    fn read_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.turn(None, Some(until));
        }
    }

    /// Waits until there is output, `ending` has come, or the command is to be cancelled, at most until `limit`. Takes the output, and says
    /// whether there was any.
    fn turn(&mut self, ending: Option<BorrowedFd<'_>>, limit: Option<Instant>) -> bool {
        let [stdout, stderr] = self.outputs.each_ref().map(Output::source);
        let ready = self.wakeups.wait([stdout, stderr, ending], limit);
        let mut has_news = false;
        for (output, is_ready) in self.outputs.iter_mut().zip(ready) {
            has_news |= is_ready && output.read(&mut self.buffer);
        }
        if has_news && !self.is_concluded {
            (self.tell)(News::Output);
        }
        has_news
    }
}

fn judge(status: ExitStatus) -> (&'static str, i32, String) {
    match (status.code(), status.signal()) {
        (Some(code), _) => ("exited", code, String::new()),
        (None, signal) => ("signalled", signal.unwrap_or_default(), String::new()),
    }
}
