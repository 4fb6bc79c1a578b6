//! What labctl says about a request after it was made, for the thread that serves it.

use crate::channel::lock;
use crate::news::News;
use labctl_agent::WINDOW;
use rustix::event::{EventfdFlags, eventfd};
use rustix::net::{Shutdown, shutdown};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// What one request was told since.
#[derive(Debug)]
pub(crate) struct Mailbox {
    told: Mutex<Told>,
    changed: Condvar,
    bell: OnceLock<OwnedFd>,
    socket: Mutex<Option<OwnedFd>>,
}

#[derive(Debug)]
struct Told {
    is_cancelled: bool,
    credit: u64,
    data: VecDeque<Vec<u8>>,
    has_ended: bool,
    is_woken: bool,
    keeping: Keeping,
}

/// How far the keeper of a command is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// It has said nothing.
    Silent,
    /// The command has a record.
    Kept,
    /// The record is complete, or the keeper gone: nothing more is said.
    Over,
    /// The command has no record, and why.
    Refused(String),
}

impl Mailbox {
    /// Makes an empty one.
    pub(crate) fn new() -> Self {
        Self {
            told: Mutex::new(Told {
                is_cancelled: false,
                credit: u64::from(WINDOW),
                data: VecDeque::new(),
                has_ended: false,
                is_woken: false,
                keeping: Keeping::Silent,
            }),
            changed: Condvar::new(),
            bell: OnceLock::new(),
            socket: Mutex::new(None),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Told)) {
        let mut told = lock(&self.told);
        change(&mut told);
        told.is_woken = true;
        drop(told);
        self.changed.notify_all();
        if let Some(bell) = self.bell.get() {
            // A counter that is full has rung already.
            let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
        }
    }

    /// Says that the answer is no longer wanted.
    pub(crate) fn cancel(&self) {
        self.change(|told| told.is_cancelled = true);
        self.shut();
    }

    /// Shuts `socket` when the answer is no longer wanted.
    pub(crate) fn shut_on_cancel(&self, socket: OwnedFd) {
        *lock(&self.socket) = Some(socket);
        if self.is_cancelled() {
            self.shut();
        }
    }

    fn shut(&self) {
        if let Some(socket) = &*lock(&self.socket) {
            // One that is closed already needs none.
            let _ = shutdown(socket, Shutdown::Both);
        }
    }

    /// Says that `bytes` more may be sent.
    pub(crate) fn grant(&self, bytes: u32) {
        self.change(|told| told.credit = told.credit.saturating_add(u64::from(bytes)));
    }

    /// Brings the next bytes for a place that was dialled.
    pub(crate) fn push(&self, bytes: Vec<u8>) {
        self.change(|told| told.data.push_back(bytes));
    }

    /// Brings what the keeper of a command says.
    pub(crate) fn bring(&self, news: News) {
        self.change(|told| match news {
            News::Kept | News::Output => told.keeping = Keeping::Kept,
            News::Complete => told.keeping = Keeping::Over,
            News::Refused(reason) => told.keeping = Keeping::Refused(reason),
        });
    }

    /// Says how far the keeper of a command is by what it says.
    pub(crate) fn keeping(&self) -> Keeping {
        lock(&self.told).keeping.clone()
    }

    /// Says that no more bytes come.
    pub(crate) fn end(&self) {
        self.change(|told| told.has_ended = true);
    }

    /// Says whether the answer is no longer wanted.
    pub(crate) fn is_cancelled(&self) -> bool {
        lock(&self.told).is_cancelled
    }

    /// Returns what becomes readable when anything is told from now on.
    ///
    /// # Errors
    ///
    /// Where the process has no descriptor left.
    pub(crate) fn bell(&self) -> io::Result<BorrowedFd<'_>> {
        if self.bell.get().is_none() {
            let made = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            // The request's own thread alone comes here.
            let _ = self.bell.set(made);
        }
        let bell = self.bell.get().ok_or(io::ErrorKind::Other)?;
        Ok(bell.as_fd())
    }

    /// Takes leave to send at most `wanted` bytes; none where there is no credit.
    pub(crate) fn take_credit(&self, wanted: u64) -> u64 {
        let mut told = lock(&self.told);
        let taken = told.credit.min(wanted);
        told.credit -= taken;
        taken
    }

    /// Gives credit back that was not used.
    pub(crate) fn return_credit(&self, bytes: u64) {
        lock(&self.told).credit += bytes;
    }

    /// Waits until there is some credit; `false` where the answer is no longer wanted.
    pub(crate) fn await_credit(&self) -> bool {
        let told = self.wait_while(|told| !told.is_cancelled && told.credit == 0);
        !told.is_cancelled
    }

    /// Waits for the next bytes; `None` where no more come, or the answer is no longer wanted.
    pub(crate) fn next_data(&self) -> Option<Vec<u8>> {
        let mut told = self.wait_while(|told| !told.is_cancelled && !told.has_ended && told.data.is_empty());
        if told.is_cancelled {
            return None;
        }
        told.data.pop_front()
    }

    /// Waits for `time`, or until anything is told; says whether anything was. What was told since the last pause is not slept over.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let told = lock(&self.told);
        let waited = self.changed.wait_timeout_while(told, time, |told| !told.is_woken);
        let (mut told, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut told.is_woken)
    }

    fn wait_while(&self, condition: impl FnMut(&mut Told) -> bool) -> MutexGuard<'_, Told> {
        let told = lock(&self.told);
        self.changed
            .wait_while(told, condition)
            .unwrap_or_else(PoisonError::into_inner)
    }
}
