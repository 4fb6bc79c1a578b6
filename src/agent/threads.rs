//! Threads with small stacks.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Enough for a request, and for a message of any size: what is large is on the heap.
const STACK: usize = 256 << 10;

/// Starts a thread that does `work`.
///
/// # Errors
///
/// Where the machine has none left.
pub(crate) fn start<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    Builder::new().stack_size(STACK).spawn(work)
}
