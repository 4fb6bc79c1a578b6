//! Runs a command that leaves no record, and gathers its output.

use crate::channel::{self, CHUNK};
use crate::faults::{Outcome, failed, failed_at};
use crate::groups::Groups;
use crate::mailbox::Mailbox;
use crate::programs;
use labctl_agent::{Answer, Ending, Fault, Hello, Ran, Run};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Between TERM and KILL, where the deadline has passed.
const GRACE: Duration = Duration::from_secs(2);

/// How long who was killed may take to be gone.
const GONE: Duration = Duration::from_millis(150);

/// How long a child in the background is listened to: in silence, and at all.
const SILENCE: Duration = Duration::from_millis(100);
const LISTENING: Duration = Duration::from_secs(2);

/// How often is looked whether the command has ended, where the kernel does not tell.
const LOOKING: Duration = Duration::from_millis(4);

/// The longest wait at once.
const LONGEST: Duration = Duration::from_secs(3600);

/// Variables by which bash takes itself for the login shell of a session and reads files such as ~/.bashrc, which may print anything.
const SHELL_NOISE: [&str; 6] = [
    "SSH_CLIENT",
    "SSH2_CLIENT",
    "SSH_CONNECTION",
    "SSH_ORIGINAL_COMMAND",
    "SSH_TTY",
    "BASH_ENV",
];

/// Runs `order` for the session that `hello` tells of.
pub(crate) fn run(order: Run, mailbox: &Mailbox, groups: &Groups, hello: &Hello) -> Outcome {
    let child = match start(&order, groups, hello)? {
        Ok(child) => child,
        Err(reason) => {
            return Ok(Answer::Ran(Ran {
                ending: Ending::CouldNotStart(reason),
                stdout: Vec::new(),
                stderr: Vec::new(),
                dropped: 0,
            }));
        }
    };
    let pid = Pid::from_child(&child);
    let running = Running::new(child, order, groups);
    let ran = running.and_then(|running| running.attend(mailbox));
    if ran.is_err() {
        let _ = kill_process_group(pid, Signal::KILL);
        groups.forget(pid);
    }
    ran.map(Answer::Ran)
        .map_err(|error| failed_at("running a command", error))
}

/// Starts the command of `order`; says why it cannot be started where that is so.
fn start(order: &Run, groups: &Groups, hello: &Hello) -> Result<Result<Child, String>, Fault> {
    if order.words.is_empty() {
        return Err(failed("no command"));
    }
    let directory = order.directory.as_deref().unwrap_or(&hello.home);
    if let Some(trouble) = programs::trouble_entering(directory) {
        return Ok(Err(trouble));
    }
    let path = order.environment.iter().rev().find(|(name, _)| name == "PATH");
    let path = path.map_or(hello.path.as_str(), |(_, path)| path);
    Ok(programs::start(&order.words, directory, Some(path), |command| {
        let variables = order.environment.iter();
        for name in SHELL_NOISE {
            command.env_remove(name);
        }
        command
            .current_dir(directory)
            .envs(variables.map(|(name, value)| (name, value)))
            .stdin(programs::stdin_for(&order.stdin.0))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        groups.start(command)
    }))
}

struct Running<'a> {
    child: Child,
    group: Pid,
    groups: &'a Groups,
    /// Becomes readable when the command ends; kernels before 5.3 have no such thing.
    ending: Option<OwnedFd>,
    stdin: Option<OwnedFd>,
    input: Vec<u8>,
    written: usize,
    outputs: [Gathered; 2],
    deadline: Option<Instant>,
}

/// What a descriptor that is waited for stands for.
#[derive(Clone, Copy)]
enum Source {
    Mailbox,
    Ending,
    Input,
    Output(usize),
}

impl<'a> Running<'a> {
    fn new(mut child: Child, order: Run, groups: &'a Groups) -> io::Result<Self> {
        let group = Pid::from_child(&child);
        let outputs = [
            Gathered::new(child.stdout.take().map(OwnedFd::from), order.keep),
            Gathered::new(child.stderr.take().map(OwnedFd::from), order.keep),
        ];
        let stdin = child.stdin.take().map(OwnedFd::from);
        if let Some(stdin) = &stdin {
            fcntl_setfl(stdin, OFlags::NONBLOCK)?;
        }
        Ok(Self {
            ending: pidfd_open(group, PidfdFlags::empty()).ok(),
            child,
            group,
            groups,
            stdin,
            input: order.stdin.0,
            written: 0,
            outputs,
            deadline: Instant::now().checked_add(Duration::from_millis(order.deadline_ms)),
        })
    }

    /// Attends to the command until it has ended.
    fn attend(mut self, mailbox: &Mailbox) -> io::Result<Ran> {
        let bell = mailbox.bell()?;
        let (mut ending, mut kill_at, mut give_up_at) = (None, None, None);
        let status = loop {
            let now = Instant::now();
            let has_come = |time: Option<Instant>| time.is_some_and(|time| time <= now);
            if mailbox.is_cancelled() && ending != Some(Ending::Cancelled) {
                self.signal(Signal::KILL);
                (ending, kill_at, give_up_at) = (Some(Ending::Cancelled), None, Some(now + GONE));
            } else if has_come(self.deadline) && ending.is_none() {
                self.signal(Signal::TERM);
                (ending, kill_at) = (Some(Ending::TimedOut), Some(now + GRACE));
            } else if has_come(kill_at) {
                self.signal(Signal::KILL);
                (kill_at, give_up_at) = (None, Some(now + GONE));
            } else if has_come(give_up_at) {
                break None;
            }
            let deadline = if ending.is_none() { self.deadline } else { None };
            let next = [deadline, kill_at, give_up_at].into_iter().flatten().min();
            let mut wait = next.map_or(LONGEST, |next| next.saturating_duration_since(now));
            if self.ending.is_none() {
                wait = wait.min(LOOKING);
            }
            self.turn(bell, wait)?;
            if let Some(status) = self.ended()? {
                break Some(status);
            }
        };
        if ending == Some(Ending::TimedOut) {
            // Whoever ignored TERM, although the leader did not.
            self.signal(Signal::KILL);
        }
        self.groups.forget(self.group);
        if ending != Some(Ending::Cancelled) {
            self.drain(mailbox, bell)?;
        }
        let ending = ending.unwrap_or_else(|| status.map_or(Ending::TimedOut, self::ending));
        let [stdout, stderr] = self.outputs;
        Ok(Ran {
            ending,
            dropped: stdout.dropped + stderr.dropped,
            stdout: stdout.kept,
            stderr: stderr.kept,
        })
    }

    fn signal(&self, signal: Signal) {
        // A group without members needs no signal.
        let _ = kill_process_group(self.group, signal);
    }

    /// Returns the status where the command has ended. Its number is its own until then.
    fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if waitid(WaitId::Pid(self.group), options)?.is_none() {
            return Ok(None);
        }
        self.groups.forget(self.group);
        self.child.wait().map(Some)
    }

    /// Waits until all output has arrived, but no longer than a child in the background holds it open in silence.
    fn drain(&mut self, mailbox: &Mailbox, bell: BorrowedFd<'_>) -> io::Result<()> {
        (self.stdin, self.ending) = (None, None);
        let limit = Instant::now() + LISTENING;
        let mut silent_at = Instant::now() + SILENCE;
        while self.outputs.iter().any(|output| output.pipe.is_some()) && !mailbox.is_cancelled() {
            let now = Instant::now();
            let until = silent_at.min(limit);
            if now >= until {
                break;
            }
            if self.turn(bell, until - now)? {
                silent_at = Instant::now() + SILENCE;
            }
        }
        Ok(())
    }

    /// Waits at most for `time`, and does what can be done; says whether there was output.
    fn turn(&mut self, bell: BorrowedFd<'_>, time: Duration) -> io::Result<bool> {
        let mut has_news = false;
        for source in self.ready(bell, time)? {
            match source {
                Source::Mailbox => {
                    // What it says is looked at anyway.
                    let _ = rustix::io::read(bell, &mut [0; 8]);
                }
                Source::Ending => {}
                Source::Input => self.feed(),
                Source::Output(at) => has_news |= self.outputs[at].read(),
            }
        }
        Ok(has_news)
    }

    fn ready(&self, bell: BorrowedFd<'_>, time: Duration) -> io::Result<Vec<Source>> {
        let mut sources = vec![(Source::Mailbox, bell, PollFlags::IN)];
        let ending = self
            .ending
            .iter()
            .map(|ending| (Source::Ending, ending.as_fd(), PollFlags::IN));
        let input = self
            .stdin
            .iter()
            .map(|stdin| (Source::Input, stdin.as_fd(), PollFlags::OUT));
        sources.extend(ending.chain(input));
        for (at, output) in self.outputs.iter().enumerate() {
            sources.extend(
                output
                    .pipe
                    .iter()
                    .map(|pipe| (Source::Output(at), pipe.as_fd(), PollFlags::IN)),
            );
        }
        let mut polled: Vec<PollFd<'_>> = sources
            .iter()
            .map(|(_, what, flags)| PollFd::new(what, *flags))
            .collect();
        let time = Timespec::try_from(time).map_err(io::Error::other)?;
        match poll(&mut polled, Some(&time)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        let ready = polled.iter().map(|polled| !polled.revents().is_empty());
        Ok(sources
            .iter()
            .zip(ready)
            .filter_map(|((source, ..), ready)| ready.then_some(*source))
            .collect())
    }

    fn feed(&mut self) {
        let Some(stdin) = &self.stdin else { return };
        match rustix::io::write(stdin, &self.input[self.written..]) {
            Ok(written) => self.written += written,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            // It reads no more.
            Err(_) => self.written = self.input.len(),
        }
        if self.written == self.input.len() {
            (self.stdin, self.input, self.written) = (None, Vec::new(), 0);
        }
    }
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, signal) => Ending::Signalled(signal.unwrap_or_default()),
    }
}

/// One output stream: its beginning, and how much more there was.
struct Gathered {
    pipe: Option<OwnedFd>,
    kept: Vec<u8>,
    keep: u64,
    dropped: u64,
}

impl Gathered {
    fn new(pipe: Option<OwnedFd>, keep: u64) -> Self {
        Self {
            pipe,
            kept: Vec::new(),
            keep,
            dropped: 0,
        }
    }

    /// Reads what there is; says whether there was anything.
    fn read(&mut self) -> bool {
        let mut buffer = vec![0; CHUNK];
        let read = self
            .pipe
            .as_ref()
            .map_or(0, |pipe| channel::read_some(pipe, &mut buffer).unwrap_or(0));
        if read == 0 {
            self.pipe = None;
        }
        let room = usize::try_from(self.keep.saturating_sub(self.kept.len() as u64)).unwrap_or(usize::MAX);
        let kept = read.min(room);
        self.kept.extend_from_slice(&buffer[..kept]);
        self.dropped += (read - kept) as u64;
        read > 0
    }
}
