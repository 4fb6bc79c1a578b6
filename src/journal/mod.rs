//! What a run must never forget: the instance's directory, its lock, and the append-only journal in it.
//!
//! The journal is JSON Lines, one event a line, each line on disk before anything else learns of the event. Readers
//! exist for every version ever written; a newer one is refused by name. A torn last line, left by a crash in the middle
//! of a write, is dropped and cut off: what it would have told had not happened yet.

#[cfg(test)]
mod fuzz_tests;
mod instance;
mod lock;
mod output;
mod store;
mod writer;

pub use instance::{Instance, InstanceRecord, JOURNAL_VERSION, JournalError, REPORTS};
pub use lock::{InstanceLock, LockHolder};
pub use output::{OUTPUT_CAP, OutputFile, read_excerpt};
pub use store::Store;
pub use writer::{EventWriter, JournalWriter, MemoryJournal};
