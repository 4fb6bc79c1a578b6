//! Starts recorded commands, and follows them to their end.

use crate::channel::CHUNK;
use crate::faults::{Outcome, failed, failed_at};
use crate::keeper_link::KeeperLink;
use crate::mailbox::{Keeping, Mailbox};
use crate::record::{Record, STREAMS};
use crate::stopping::{self, AGAIN};
use crate::voice::Voice;
use labctl_agent::{Answer, Attach, Ending, Exec, Fault, FaultKind, PIECE, Stream, ToLabctl};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a command is looked at that was not started here.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const FIRST_LOOKS: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(30);

/// How often one is looked at whose keeper tells when there is something to see.
const RARELY: Duration = Duration::from_secs(1);

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

/// Starts `exec` by way of `keepers`, or takes it up where its record is known, and follows it.
pub(crate) fn run(exec: Exec, keepers: &KeeperLink, listener: Listener<'_>) -> Outcome {
    let attach = exec.record.clone();
    let record = Record::new(&attach.instance, &attach.exec)?;
    let is_new = !record.exists();
    if is_new {
        if listener.mailbox.is_cancelled() {
            return Ok(Answer::Ended {
                ending: Ending::Cancelled,
                stdout_cut: 0,
                stderr_cut: 0,
            });
        }
        make_place(&attach.instance)?;
        keepers.order(exec, listener.mailbox)?;
        await_record(&record, listener.mailbox)?;
    }
    Following::new(record, &attach, listener, is_new).follow()
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
    Following::new(record, attach, listener, false).follow()
}

/// Makes the directory for the records of `instance`.
fn make_place(instance: &str) -> Result<(), Fault> {
    if !Path::new(instance).is_dir() {
        return Err(failed(format!("no such instance on this node: {instance}")));
    }
    let records = format!("{instance}/exec");
    match DirBuilder::new().mode(0o700).create(&records) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed_at(&records, error)),
        _ => Ok(()),
    }
}

/// Waits until the keeper has made `record`.
fn await_record(record: &Record, mailbox: &Mailbox) -> Result<(), Fault> {
    loop {
        match mailbox.keeping() {
            Keeping::Refused(reason) => return Err(failed(reason)),
            Keeping::Over if !record.exists() => return Err(failed("the keeper of a command was killed")),
            Keeping::Kept | Keeping::Over => return Ok(()),
            // A keeper whose news found no room has told nothing.
            Keeping::Silent if !mailbox.pause(RARELY) && record.exists() => return Ok(()),
            Keeping::Silent => {}
        }
    }
}

struct Following<'a> {
    record: Record,
    listener: Listener<'a>,
    /// Whether its keeper tells of output: it was started here, and is not gone.
    is_told: bool,
    sent: [u64; 2],
    buffer: Vec<u8>,
}

impl<'a> Following<'a> {
    fn new(record: Record, attach: &Attach, listener: Listener<'a>, is_told: bool) -> Self {
        Self {
            record,
            listener,
            is_told,
            sent: [attach.stdout, attach.stderr],
            buffer: vec![0; PIECE.min(CHUNK)],
        }
    }

    fn follow(&mut self) -> Outcome {
        let started = Instant::now();
        let (mut pause, mut cancelled) = (FIRST_PAUSE, None::<Instant>);
        // A keeper that was started just now tells when there is something.
        let mut is_due = self.await_news().unwrap_or(true);
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
            if let Some(is_now_due) = self.await_news() {
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
    fn await_news(&mut self) -> Option<bool> {
        if !self.is_told {
            return None;
        }
        let mailbox = self.listener.mailbox;
        let is_over = || mailbox.keeping() == Keeping::Over;
        let has_news = is_over() || mailbox.pause(if mailbox.is_cancelled() { AGAIN } else { RARELY });
        self.is_told = !is_over();
        Some(!self.is_told || !has_news)
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
