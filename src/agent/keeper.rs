//! Keeps one recorded command: holds its deadline, both its pipes and its exit status, whatever becomes of the connection.
//!
//! The keeper leads a session of its own. Whom it starts is `lead`, which becomes the command.
//! It ends when the command has; where a child in the background still holds a pipe, it sleeps until that closes it, as nobody
//! shall get SIGPIPE from here.

use crate::channel::{self, CHUNK};
use crate::end_draft::EndDraft;
use crate::ending_processes::CommandProcesses;
use crate::faults::plain;
use crate::kept_output::Output;
use crate::lead::UNSTARTED;
use crate::record::{End, Notes, Record, STREAMS};
use crate::threads;
use crate::wakeups::Wakeups;
use labctl_agent::{Exec, Frames, encode};
use rustix::fs::{Mode, OFlags, fcntl_setfl};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{Pid, PidfdFlags, pidfd_open, setsid, umask};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a child in the background is listened to: in silence, and at all.
const SILENCE: Duration = Duration::from_millis(200);
const LISTENING: Duration = Duration::from_secs(2);

/// How often is looked whether the command has ended, where the kernel does not tell.
const LOOKING: Duration = Duration::from_millis(4);

/// How much a pipe takes at once.
const PIPE: usize = 60 << 10;

/// Reads an order from standard input, says `ok` or what is wrong on standard output, and keeps the command.
pub(crate) fn keep() -> io::Result<()> {
    let exec = read_order()?;
    let _ = setsid();
    umask(Mode::from_raw_mode(0o077));
    // Otherwise the kernel calls it `exe`.
    let _ = rustix::thread::set_name(c"labctl-agent");
    let _ = std::env::set_current_dir("/");
    let wakeups = Wakeups::new()?;
    let claimed = claim(&exec);
    let report = claimed.as_ref().map_or_else(String::clone, |_| "ok".to_owned());
    // Who started this may be gone already; the command runs all the same.
    let _ = channel::write_all(rustix::stdio::stdout(), format!("{report}\n").as_bytes());
    let news = News::on_standard_output()?;
    leave_connection()?;
    if let Ok(Some(claimed)) = claimed {
        Keeper::new(claimed, &exec, wakeups, news).keep(exec);
    }
    Ok(())
}

fn read_order() -> io::Result<Exec> {
    let (mut frames, mut buffer) = (Frames::default(), vec![0; CHUNK]);
    loop {
        match frames.next::<Exec>() {
            Ok(Some(exec)) => return Ok(exec),
            Ok(None) => {}
            Err(error) => return Err(io::Error::other(error)),
        }
        match channel::read_some(rustix::stdio::stdin(), &mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => frames.push(&buffer[..read]),
        }
    }
}

fn leave_connection() -> io::Result<()> {
    let nothing = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    rustix::stdio::dup2_stderr(&nothing)?;
    Ok(())
}

/// A record that this keeper has made.
struct Claimed {
    record: Record,
    notes: Notes,
    draft: EndDraft,
}

/// Makes the record of `exec`; `None` where another keeper was first. Fails with the reason.
fn claim(exec: &Exec) -> Result<Option<Claimed>, String> {
    let record = Record::new(&exec.record.instance, &exec.record.exec).map_err(|fault| fault.message)?;
    let trouble = |error: io::Error| format!("cannot write the record: {}", plain(&error));
    let directory = record
        .directory()
        .with_file_name(format!(".new.{}", crate::random::word()));
    fs::create_dir(&directory).map_err(trouble)?;
    let made = furnish(&record.in_the_making(&directory), exec.is_whole);
    // Whoever renames first runs it. The other finds a directory that is not empty.
    let taken = made.is_ok() && fs::rename(&directory, record.directory()).is_ok();
    if !taken {
        let _ = fs::remove_dir_all(&directory);
    }
    match made {
        Ok((notes, draft)) if taken => Ok(Some(Claimed { record, notes, draft })),
        Ok(_) if record.exists() => Ok(None),
        Ok(_) => Err("cannot write the record".to_owned()),
        Err(error) => Err(trouble(error)),
    }
}

fn furnish(record: &Record, is_whole: bool) -> io::Result<(Notes, EndDraft)> {
    Ok((Notes::create(record, is_whole)?, EndDraft::create(&record.draft())?))
}

/// Tells whoever started this keeper that there is output, and by closing it that the record is complete: nobody has to look again and
/// again.
struct News(Option<OwnedFd>);

impl News {
    /// Takes the pipe that standard output is.
    fn on_standard_output() -> io::Result<Self> {
        let pipe = fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
        fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
        Ok(Self(Some(pipe)))
    }

    fn tell(&mut self) {
        if let Some(pipe) = &self.0
            // One that is full has told already.
            && !matches!(rustix::io::write(pipe, b"."), Ok(_) | Err(Errno::AGAIN | Errno::INTR))
        {
            // Nobody listens any more.
            self.0 = None;
        }
    }
}

struct Keeper {
    record: Record,
    notes: Notes,
    draft: EndDraft,
    wakeups: Wakeups,
    news: News,
    outputs: [Output; 2],
    buffer: Vec<u8>,
    deadline: Option<Instant>,
    grace: Duration,
}

impl Keeper {
    fn new(claimed: Claimed, exec: &Exec, wakeups: Wakeups, news: News) -> Self {
        let Claimed { record, notes, draft } = claimed;
        Self {
            outputs: STREAMS.map(|name| Output::new(record.file(name), exec.cap)),
            record,
            notes,
            draft,
            wakeups,
            news,
            buffer: vec![0; CHUNK],
            deadline: Instant::now().checked_add(Duration::from_millis(exec.deadline_ms)),
            grace: Duration::from_millis(exec.grace_ms),
        }
    }

    /// Runs the command and writes down how it ended.
    fn keep(mut self, exec: Exec) {
        let (kind, number, reason) = match self.start(exec) {
            Ok(child) => self.await_end(child),
            Err(error) => ("unstarted", 0, format!("the node cannot start it: {}", plain(&error))),
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
        // Where even that does not work, whoever follows finds that the keeper is gone.
        let _ = self.record.conclude(&self.draft, &end);
        self.news = News(None);
        // Nobody gets SIGPIPE from here: a child in the background is listened to until it has ended, or does not want to be any more.
        while self.is_listening() {
            self.turn(None, None);
        }
    }

    /// Starts the command's leader.
    fn start(&mut self, mut exec: Exec) -> io::Result<Child> {
        let stdin = std::mem::take(&mut exec.stdin.0);
        let mut order = encode(&exec).map_err(io::Error::other)?;
        order.extend(stdin);
        let mut child = Command::new("/proc/self/exe")
            .arg0("labctl-agent")
            .arg("lead")
            .env_clear()
            .env("LABCTL_EXEC", self.record.marker())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Err(error) = self.attend(&mut child, order) {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
        Ok(child)
    }

    /// Notes `child`, takes its pipes, and tells it what it is to become.
    fn attend(&mut self, child: &mut Child, order: Vec<u8>) -> io::Result<()> {
        // Before the order: no command runs whose leader is not noted.
        self.notes.add_leader(Pid::from_child(child).as_raw_pid())?;
        let pipes = [
            child.stdout.take().map(OwnedFd::from),
            child.stderr.take().map(OwnedFd::from),
        ];
        for (pipe, output) in pipes.into_iter().zip(&mut self.outputs) {
            output.open(pipe.ok_or(io::ErrorKind::BrokenPipe)?);
        }
        let input = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        if order.len() <= PIPE {
            // One that has ended reads nothing.
            let _ = channel::write_all(&input, &order);
        } else {
            threads::start(move || {
                let _ = channel::write_all(&input, &order);
            })?;
        }
        Ok(())
    }

    /// Waits until the command, whose leader is `child`, has ended; says how, and why it did not start.
    fn await_end(&mut self, mut child: Child) -> (&'static str, i32, String) {
        // Becomes readable when it ends; kernels before 5.3 have no such thing.
        let ending = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).ok();
        let kind = loop {
            if let Ok(Some(status)) = child.try_wait() {
                return self.judge(status);
            }
            if self.wakeups.is_cancelled() {
                break "cancelled";
            }
            if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                break "timedout";
            }
            let looking = ending.is_none().then(|| Instant::now() + LOOKING);
            self.turn(ending.as_ref(), [self.deadline, looking].into_iter().flatten().min());
        };
        let leader = Pid::from_child(&child).as_raw_pid();
        let processes = CommandProcesses::new(Some(leader), self.record.marker());
        processes.end(self.grace, |time| self.read_for(time));
        // Whoever survived KILL hangs in the kernel; the record must not.
        let _ = child.try_wait();
        (kind, 0, String::new())
    }

    fn judge(&self, status: ExitStatus) -> (&'static str, i32, String) {
        let word = self.draft.leader_word();
        // A leader that did not become the command ends with a status of its own.
        let is_ready = word.is_ready
            || (word.trouble.is_empty() && status.code().is_some_and(|code| code != i32::from(UNSTARTED)));
        match (is_ready, status.code(), status.signal()) {
            (true, Some(code), _) => ("exited", code, String::new()),
            (true, None, Some(signal)) => ("signalled", signal, String::new()),
            _ => ("unstarted", 0, word.trouble),
        }
    }

    /// Waits until all output has arrived, but no longer than a child in the background holds it open in silence.
    fn drain(&mut self) {
        let started = Instant::now();
        let mut news = started;
        while self.is_listening() && started.elapsed() < LISTENING && news.elapsed() < SILENCE {
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
    fn turn(&mut self, ending: Option<&OwnedFd>, limit: Option<Instant>) -> bool {
        let [stdout, stderr] = self.outputs.each_ref().map(Output::source);
        let ready = self.wakeups.wait([stdout, stderr, ending.map(AsFd::as_fd)], limit);
        let mut has_news = false;
        for (output, is_ready) in self.outputs.iter_mut().zip(ready) {
            has_news |= is_ready && output.read(&mut self.buffer);
        }
        if has_news {
            self.news.tell();
        }
        has_news
    }

    fn is_listening(&self) -> bool {
        self.outputs.iter().any(Output::is_held_open)
    }
}
