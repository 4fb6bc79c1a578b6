//! What waits for a command waits for: that it is to be cancelled, that it ends, that there is output.

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

/// Wakes who waits for a command that is to be cancelled.
#[derive(Debug, Clone)]
pub(crate) struct Bell(Arc<OwnedFd>);

impl Bell {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// Where the process has no descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        let made = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(made)))
    }

    /// Returns what becomes readable when it rings.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Rings it, for good.
    pub(crate) fn ring(&self) {
        // A counter that is full has rung already.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }
}

/// Waits for a bell and for descriptors.
#[derive(Debug)]
pub(crate) struct Wakeups {
    bell: Bell,
    is_cancelled: bool,
}

impl Wakeups {
    /// Waits for `bell` from now on.
    pub(crate) fn new(bell: Bell) -> Self {
        Self {
            bell,
            is_cancelled: false,
        }
    }

    /// Says whether the bell has rung.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_cancelled
    }

    /// Waits until the bell rings or there is something to read from one of `sources`, at most until `limit`; says of which there is.
    pub(crate) fn wait<const N: usize>(
        &mut self,
        sources: [Option<BorrowedFd<'_>>; N],
        limit: Option<Instant>,
    ) -> [bool; N] {
        let mut ready = [false; N];
        let left = limit.map(|limit| limit.saturating_duration_since(Instant::now()));
        // One that is too long for the kernel is as good as none.
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let bell = self.bell.0.as_fd();
        let mut polled = vec![PollFd::new(&bell, PollFlags::IN)];
        let open = sources.iter().flatten();
        polled.extend(open.map(|source| PollFd::new(source, PollFlags::IN)));
        match poll(&mut polled, left.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return ready,
            // The machine has no memory left; nobody is helped by asking again at once.
            Err(_) => std::thread::yield_now(),
        }
        let mut has_come = polled.iter().map(|polled| !polled.revents().is_empty());
        let is_cancelled = has_come.next().unwrap_or(false);
        for (ready, source) in ready.iter_mut().zip(&sources) {
            *ready = source.is_some() && has_come.next().unwrap_or(false);
        }
        if is_cancelled {
            let _ = rustix::io::read(&*self.bell.0, &mut [0; 8]);
            self.is_cancelled = true;
        }
        ready
    }
}
