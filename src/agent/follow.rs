//! Starts recorded commands, and follows them to their end.

use crate::cgroup;
use crate::channel::{self, CHUNK};
use crate::faults::{Outcome, failed, failed_at};
use crate::mailbox::Mailbox;
use crate::record::{Record, STREAMS};
use crate::stopping::{self, AGAIN};
use crate::voice::Voice;
use labctl_agent::{Answer, Attach, Ending, Exec, Fault, FaultKind, PIECE, Stream, ToLabctl, encode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a command is looked at that was not started here.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const FIRST_LOOKS: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(30);

/// How often one is looked at whose keeper tells when there is something to see.
const RARELY: Duration = Duration::from_secs(1);

/// How much a keeper may say about why it does not keep anything.
const COMPLAINT: usize = 4096;

/// Whom a followed command is told to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listener<'a> {
    /// The number of the request.
    pub(crate) id: u32,
    /// What labctl says of it.
    pub(crate) mailbox: &'a Arc<Mailbox>,
    /// Where its output goes.
    pub(crate) voice: &'a Voice,
}

/// Starts `exec`, or takes it up where its record is known, and follows it.
pub(crate) fn run(exec: &Exec, listener: Listener<'_>) -> Outcome {
    let record = Record::new(&exec.record.instance, &exec.record.exec)?;
    let mut news = None;
    if !record.exists() {
        // From here on it rings for whatever is told: it is asked for before anything is looked at.
        let bell = listener.mailbox.bell();
        bell.map_err(|error| failed_at("the keeper of a command", error))?;
        if listener.mailbox.is_cancelled() {
            return Ok(Answer::Ended {
                ending: Ending::Cancelled,
                stdout_cut: 0,
                stderr_cut: 0,
            });
        }
        news = Some(start_keeper(exec, listener.mailbox)?);
    }
    Following::new(record, &exec.record, listener, news).follow()
}

/// Follows the command that `attach` names.
pub(crate) fn attach(attach: &Attach, listener: Listener<'_>) -> Outcome {
    let record = Record::new(&attach.instance, &attach.exec)?;
    if !record.exists() {
        return Err(Fault {
            kind: FaultKind::NoRecord,
            message: format!("no such record: {}", record.marker()),
        });
    }
    Following::new(record, attach, listener, None).follow()
}

/// Starts the keeper of `exec`. Returns what becomes readable when there is output, and ends when the record is complete.
fn start_keeper(exec: &Exec, mailbox: &Mailbox) -> Result<OwnedFd, Fault> {
    let instance = &exec.record.instance;
    if !Path::new(instance).is_dir() {
        return Err(failed(format!("no such instance on this node: {instance}")));
    }
    let records = format!("{instance}/exec");
    match DirBuilder::new().mode(0o700).create(&records) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed_at(&records, error)),
        _ => {}
    }
    let order = encode(exec).map_err(|error| failed(error.to_string()))?;
    let (complaint, news) = hand_over(&order, mailbox).map_err(|error| failed_at("the keeper of a command", error))?;
    match complaint.trim() {
        "ok" => Ok(news),
        "" => Err(failed("the keeper of a command did not start")),
        reason => Err(failed(reason)),
    }
}

/// Starts a keeper and returns what it says of `order`, and where it says more. It is left to `mailbox`.
fn hand_over(order: &[u8], mailbox: &Mailbox) -> io::Result<(String, OwnedFd)> {
    cgroup::leave_session();
    let mut keeper = Command::new("/proc/self/exe")
        .arg0("labctl-agent")
        .arg("keep")
        .env_clear()
        // One heap for all its threads; each would have one of its own.
        .env("MALLOC_ARENA_MAX", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (stdin, stdout) = (keeper.stdin.take(), keeper.stdout.take());
    // It ends when its command has, and nobody writes to its pipes any more.
    mailbox.leave(keeper);
    let stdin = stdin.ok_or(io::ErrorKind::BrokenPipe)?;
    let stdout = stdout.ok_or(io::ErrorKind::BrokenPipe)?;
    // One that has ended says why, or nothing.
    let _ = channel::write_all(&stdin, order);
    drop(stdin);
    let (mut said, mut buffer) = (Vec::new(), [0; 512]);
    // More may follow at once.
    while !said.contains(&b'\n') && said.len() < COMPLAINT {
        match channel::read_some(&stdout, &mut buffer)? {
            0 => break,
            read => said.extend_from_slice(&buffer[..read]),
        }
    }
    let line = said.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok((String::from_utf8_lossy(line).into_owned(), stdout.into()))
}

struct Following<'a> {
    record: Record,
    listener: Listener<'a>,
    /// Where its keeper tells of output; `None` once it is gone, or was not started here.
    news: Option<OwnedFd>,
    sent: [u64; 2],
    buffer: Vec<u8>,
}

impl<'a> Following<'a> {
    fn new(record: Record, attach: &Attach, listener: Listener<'a>, news: Option<OwnedFd>) -> Self {
        Self {
            record,
            listener,
            news,
            sent: [attach.stdout, attach.stderr],
            buffer: vec![0; PIECE.min(CHUNK)],
        }
    }

    fn follow(&mut self) -> Outcome {
        let started = Instant::now();
        let (mut pause, mut cancelled) = (FIRST_PAUSE, None::<Instant>);
        // A keeper that was started just now tells when there is something.
        let mut is_due = self.await_news()?.unwrap_or(true);
        loop {
            let end = if is_due { self.record.end() } else { None };
            let sizes = end.as_ref().map_or_else(|| self.record.sizes(), |end| end.sizes);
            let has_sent_all = self.send(sizes)?;
            if let (Some(end), true) = (&end, has_sent_all) {
                return self.record.answer(end);
            }
            if end.is_none() && (is_due || self.listener.mailbox.is_cancelled()) {
                self.look_after(&mut cancelled)?;
            }
            // Without credit, a grant ends the pause.
            if let Some(is_now_due) = self.await_news()? {
                is_due = is_now_due;
                continue;
            }
            is_due = true;
            self.listener.mailbox.pause(pause);
            if started.elapsed() > FIRST_LOOKS {
                pause = (pause * 5 / 4).min(LONGEST_PAUSE);
            }
        }
    }

    /// Waits until there is output, or anything is told, or the record is complete; says whether to look for the end. `None` where no
    /// keeper tells.
    fn await_news(&mut self) -> Result<Option<bool>, Fault> {
        let Some(news) = &self.news else { return Ok(None) };
        let trouble = |error: io::Error| failed_at("the keeper of a command", error);
        let mailbox = self.listener.mailbox;
        let bell = mailbox.bell().map_err(trouble)?;
        let mut polled = [PollFd::new(&bell, PollFlags::IN), PollFd::new(news, PollFlags::IN)];
        let time = if mailbox.is_cancelled() { AGAIN } else { RARELY };
        let time = Timespec::try_from(time).map_err(|error| trouble(io::Error::other(error)))?;
        match poll(&mut polled, Some(&time)) {
            Ok(0) => return Ok(Some(true)),
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Some(false)),
            Err(error) => return Err(trouble(error.into())),
        }
        let [is_told, has_news] = polled.each_ref().map(|polled| !polled.revents().is_empty());
        if is_told {
            // What it says is looked at anyway.
            let _ = rustix::io::read(bell, &mut [0; 8]);
        }
        let is_over = has_news && channel::read_some(news, &mut [0; 512]).unwrap_or(0) == 0;
        if is_over {
            self.news = None;
        }
        Ok(Some(is_over))
    }

    /// Cancels the command where that is wanted, and concludes it where its keeper is gone.
    fn look_after(&self, cancelled: &mut Option<Instant>) -> Result<(), Fault> {
        if !self.record.is_kept() {
            if self.record.has_end() {
                return Ok(());
            }
            if !self.record.exists() {
                return Err(failed(format!("{} was removed", self.record.marker())));
            }
            return stopping::lose(&self.record);
        }
        if self.listener.mailbox.is_cancelled() && cancelled.is_none_or(|at| at.elapsed() >= AGAIN) {
            self.record.cancel();
            *cancelled = Some(Instant::now());
        }
        Ok(())
    }

    /// Sends what there is up to `sizes`, as far as there is credit; says whether that was all.
    fn send(&mut self, sizes: [u64; 2]) -> Result<bool, Fault> {
        let mut is_all = true;
        for (at, stream) in [Stream::Stdout, Stream::Stderr].into_iter().enumerate() {
            is_all &= self.send_stream(at, stream, sizes[at])?;
        }
        Ok(is_all)
    }

    fn send_stream(&mut self, at: usize, stream: Stream, size: u64) -> Result<bool, Fault> {
        if self.sent[at] >= size {
            return Ok(true);
        }
        let path = self.record.file(STREAMS[at]);
        // Output that held a secret may have been removed.
        let Ok(file) = File::open(&path) else {
            return Ok(true);
        };
        while self.sent[at] < size {
            let wanted = (size - self.sent[at]).min(self.buffer.len() as u64);
            let credit = self.listener.mailbox.take_credit(wanted);
            if credit == 0 {
                return Ok(false);
            }
            let room = usize::try_from(credit).unwrap_or(self.buffer.len());
            let read = file
                .read_at(&mut self.buffer[..room], self.sent[at])
                .map_err(|error| failed_at(&path.to_string_lossy(), error))?;
            self.listener.mailbox.return_credit(credit - read as u64);
            if read == 0 {
                return Ok(true);
            }
            self.listener.voice.say(&ToLabctl::Data {
                id: self.listener.id,
                stream,
                bytes: self.buffer[..read].to_vec(),
            });
            self.sent[at] += read as u64;
        }
        Ok(true)
    }
}
