//! What a keeper waits for: that it is to be cancelled, that its command ends, that there is output.

use crate::channel::read_some;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::SIGTERM;
use signal_hook::low_level::pipe;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

/// Waits for SIGTERM and for descriptors.
#[derive(Debug)]
pub(crate) struct Wakeups {
    cancelled: UnixStream,
    is_cancelled: bool,
}

impl Wakeups {
    /// Takes SIGTERM from now on.
    ///
    /// # Errors
    ///
    /// Where the process has no descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        let (cancelled, raised) = UnixStream::pair()?;
        pipe::register(SIGTERM, raised)?;
        Ok(Self {
            cancelled,
            is_cancelled: false,
        })
    }

    /// Says whether SIGTERM has come.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_cancelled
    }

    /// Waits until SIGTERM comes or there is something to read from one of `sources`, at most until `limit`; says of which there is.
    pub(crate) fn wait<const N: usize>(
        &mut self,
        sources: [Option<BorrowedFd<'_>>; N],
        limit: Option<Instant>,
    ) -> [bool; N] {
        let mut ready = [false; N];
        let left = limit.map(|limit| limit.saturating_duration_since(Instant::now()));
        // One that is too long for the kernel is as good as none.
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let cancelled = self.cancelled.as_fd();
        let mut polled = vec![PollFd::new(&cancelled, PollFlags::IN)];
        let open = sources.iter().flatten();
        polled.extend(open.map(|source| PollFd::new(source, PollFlags::IN)));
        if poll(&mut polled, left.as_ref()).is_err() {
            // Interrupted by the very signal that will be seen the next time.
            return ready;
        }
        let mut has_come = polled.iter().map(|polled| !polled.revents().is_empty());
        let is_cancelled = has_come.next().unwrap_or(false);
        for (ready, source) in ready.iter_mut().zip(&sources) {
            *ready = source.is_some() && has_come.next().unwrap_or(false);
        }
        if is_cancelled {
            // It is enough to know that there was something.
            let _ = read_some(&self.cancelled, &mut [0; 64]);
            self.is_cancelled = true;
        }
        ready
    }
}
