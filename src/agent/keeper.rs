//! Keeps the recorded commands of one connection, whatever becomes of that.
//!
//! One process does for all of them, with a thread for each: to start a program costs more than most commands do. It leads a session of its
//! own, takes orders as long as the connection lasts, and ends when its last command has ended.
//! TERM ends all commands but those that must be whole; USR1 ends those whose records are marked (see `record`).

use crate::channel::{self, CHUNK, lock};
use crate::faults::plain;
use crate::keeping;
use crate::news::{News, Order, Teller};
use crate::record::Record;
use crate::threads;
use crate::wakeups::Bell;
use labctl_agent::Frames;
use rustix::fs::{Mode, OFlags};
use rustix::process::{setsid, umask};
use signal_hook::consts::{SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Keeps the commands that standard input tells of, says on standard output what there is to say about them, and ends after the last.
///
/// # Errors
///
/// Where the process cannot even begin.
pub(crate) fn keep() -> io::Result<()> {
    let _ = setsid();
    // The commands have it, too; files of records are made with modes of their own.
    umask(Mode::from_raw_mode(0o022));
    // Otherwise the kernel calls it `exe`.
    let _ = rustix::thread::set_name(c"labctl-agent");
    let _ = std::env::set_current_dir("/");
    let mut signals = Signals::new([SIGTERM, SIGUSR1])?;
    let commands = Arc::new(Commands {
        teller: Teller::on_standard_output()?,
        running: Mutex::default(),
        ended: Condvar::new(),
    });
    let cancelling = Arc::clone(&commands);
    threads::start(move || {
        for signal in signals.forever() {
            cancelling.cancel(signal);
        }
    })?;
    // Later there may be no descriptor left.
    let nothing = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    take_orders(&commands);
    commands.teller.close();
    let left = leave_connection(&nothing);
    commands.await_all();
    left
}

/// Takes orders until no more come.
fn take_orders(commands: &Arc<Commands>) {
    let (mut frames, mut buffer) = (Frames::default(), vec![0; CHUNK]);
    loop {
        match frames.next::<Order>() {
            Ok(Some(order)) => commands.start(order),
            Ok(None) => match channel::read_some(rustix::stdio::stdin(), &mut buffer) {
                Ok(read) if read > 0 => frames.push(&buffer[..read]),
                _ => return,
            },
            Err(_) => return,
        }
    }
}

fn leave_connection(nothing: &OwnedFd) -> io::Result<()> {
    rustix::stdio::dup2_stdin(nothing)?;
    rustix::stdio::dup2_stdout(nothing)?;
    rustix::stdio::dup2_stderr(nothing)?;
    Ok(())
}

/// The commands that are kept.
#[derive(Debug)]
struct Commands {
    teller: Arc<Teller>,
    running: Mutex<HashMap<u32, Running>>,
    ended: Condvar,
}

#[derive(Debug)]
struct Running {
    record: Record,
    is_whole: bool,
    bell: Bell,
}

impl Commands {
    fn start(self: &Arc<Self>, order: Order) {
        let number = order.number;
        if let Err(reason) = self.try_start(order) {
            self.finish(number, Some(reason));
        }
    }

    fn try_start(self: &Arc<Self>, Order { number, exec }: Order) -> Result<(), String> {
        let record = Record::new(&exec.record.instance, &exec.record.exec).map_err(|fault| fault.message)?;
        let bell = Bell::new().map_err(|error| plain(&error))?;
        let running = Running {
            record: record.clone(),
            is_whole: exec.is_whole,
            bell: bell.clone(),
        };
        lock(&self.running).insert(number, running);
        let commands = Arc::clone(self);
        let started = threads::start(move || {
            let kept = keeping::keep(record, exec, bell, |news| commands.teller.tell(number, news));
            commands.finish(number, kept.err());
        });
        started.map(|_| ()).map_err(|error| plain(&error))
    }

    /// Forgets a command, and tells why it was `refused` where that is so.
    fn finish(&self, number: u32, refused: Option<String>) {
        if let Some(reason) = refused {
            self.teller.tell(number, News::Refused(reason));
        }
        lock(&self.running).remove(&number);
        self.ended.notify_all();
    }

    /// Ends what `signal` is to end.
    fn cancel(&self, signal: i32) {
        for command in lock(&self.running).values() {
            let is_meant = if signal == SIGUSR1 {
                command.record.is_cancelled()
            } else {
                !command.is_whole
            };
            if is_meant {
                command.bell.ring();
            }
        }
    }

    fn await_all(&self) {
        let running = lock(&self.running);
        let none = self.ended.wait_while(running, |running| !running.is_empty());
        drop(none.unwrap_or_else(PoisonError::into_inner));
    }
}
